//! What is said about links.

use crate::{Group, Linked};
use paxon_fastpath::{Area, FabricEvent, Identity, Op, PostError, ReplicaId, SealMark, Span};

/// Everyone hears of everyone's memory, its own included, under the incarnation that its identity states.
pub fn every_link_is_announced_with_the_life_of_the_memory<G: Group>() {
    let mut group = Linked::<G>::start();
    let setup = *group.setup();
    for peer in ReplicaId::all(setup.layout.replicas) {
        let line = group.memory(peer, Area::Status)[..8].try_into().expect("a line is eight words");
        let identity = Identity::decode(&line).expect("the status page starts with an identity");
        let (cluster, owner, layout, seal) = (setup.cluster, peer.0, setup.layout, SealMark::CHECKSUM);
        let expected = Identity { cluster, owner, layout, seal, ..identity };
        identity.expect(&expected).expect("it is the memory that was asked for");
        for member in ReplicaId::all(setup.layout.replicas) {
            assert_eq!(group.life(member, peer), Some(identity.incarnation), "{member} about {peer}");
        }
    }
}

/// When the memory of a peer is replaced, the link goes down, nothing is posted while it is, and it comes up under another
/// incarnation; from then on operations reach the new memory.
pub fn replaced_memory_takes_the_link_down_and_up<G: Group>() {
    let (a, b) = (ReplicaId(0), ReplicaId(1));
    let mut group = Linked::<G>::start();
    let old = group.life(a, b).expect("linked");
    if !group.group().replace_memory(b) {
        return;
    }
    let down = group.event(a);
    // A fabric that only notices the end of a connection cannot tell why.
    assert!(matches!(down, FabricEvent::LinkDown { peer, .. } if peer == b), "{down:?}");
    assert_eq!(group.try_post(a, b, &[]), Err(PostError::Down));
    let FabricEvent::LinkUp { peer, incarnation: new } = group.event(a) else { panic!("the link did not come up") };
    assert_eq!(peer, b);
    assert_ne!(new, old);
    let cell = Span { area: Area::Lane(a), start: 512, words: 16 };
    group.store(a, cell.area, cell.start, &[42; 16]);
    group.run(a, b, &[Op::Write(cell)]);
    assert_eq!(group.memory(b, cell.area)[cell.start..][..cell.words], [42; 16]);
}
