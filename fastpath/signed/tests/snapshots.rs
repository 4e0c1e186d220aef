//! The registry travels in snapshots, and a damaged one is refused with a reason.

mod support;

use paxon_fastpath::{Slot, StateMachine};
use paxon_signed::{
    Fault, Genesis, Handshake, KeyEntry, KeyId, Refusal, RegistryCommand, RegistryError, Roles, check_snapshot,
};
use support::*;

fn with_history() -> (Replica, paxon_signed::MacSigner) {
    let mut replica = Replica::honest();
    let entry = KeyEntry::new(public(20), Roles::CLIENT, Slot(900));
    assert!(is_applied(&replica.administer(1, &RegistryCommand::Add { id: KeyId(20), entry })));
    assert!(is_applied(&replica.administer(2, &RegistryCommand::Revoke { id: KeyId(20) })));
    let (handshake, bytes) = Handshake::begin(&genesis(), &client(), at(3), [3; 32]).expect("offered");
    let Told::Applied(reply) = replica.decide_one(at(3), &bytes) else { panic!("refused") };
    assert!(is_applied(&replica.decide_one(at(4), &client().command(at(4), b"before"))));
    (replica, handshake.finish(&reply).expect("a reply to a handshake"))
}

#[test]
fn a_restored_replica_judges_and_digests_like_the_one_that_it_came_from() {
    let (mut original, mac) = with_history();
    let mut restored = Replica::new(&genesis(), Diligence::Slow);
    restored.restore_from(&mut original);
    assert_eq!(restored.service.digest(), original.service.digest());
    let revoked = signer_in(CLUSTER, KeyId(20), 20).command(at(5), b"x");
    for (position, bytes, applied) in [
        (at(5), revoked, false),
        (at(5), mac.command(5, b"by mac"), true),
        (at(6), client().command(at(6), b"signed"), true),
        (at(4), client().command(at(4), b"before"), true),
    ] {
        let told = [original.decide_one(position, &bytes), restored.decide_one(position, &bytes)];
        assert_eq!(told[0], told[1]);
        assert_eq!(is_applied(&told[0]), applied, "{told:?}");
    }
    assert_eq!(restored.service.digest(), original.service.digest());
    assert_eq!(restored.log(), [&b"before"[..], b"by mac", b"signed"]);
}

#[test]
fn a_damaged_or_foreign_registry_is_refused_and_the_state_stays() {
    let (original, _) = with_history();
    let mut bytes = Vec::new();
    original.service.machine().snapshot(&mut bytes);
    assert_eq!(check_snapshot(&genesis(), &bytes), Ok(()));
    let registry_bytes = 8 + u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
    let mut target = machine(&genesis(), Diligence::Prompt);
    let before = target.digest();
    for at in 0..registry_bytes {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(target.restore(&damaged).is_err(), "byte {at}");
        assert!(check_snapshot(&genesis(), &damaged).is_err(), "byte {at}");
    }
    for length in 0..registry_bytes {
        assert!(target.restore(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(target.digest(), before);
    let mut foreign = machine(&Genesis { cluster: 9, ..genesis() }, Diligence::Prompt);
    assert!(foreign.restore(&bytes).is_err());
    let fault = foreign.keyring().fault().expect("it says why");
    assert_eq!(fault, Fault::Snapshot(RegistryError::OtherGenesis));
    assert!(fault.to_string().contains("same genesis file"), "{fault}");
}

#[test]
fn the_registry_can_be_asked_for() {
    let (replica, _) = with_history();
    let mut answer = Vec::new();
    replica.service.machine().query(paxon_signed::REGISTRY_QUERY, &mut answer);
    let registry = paxon_signed::decode_registry(&genesis(), &answer).expect("a registry");
    let revoked: Vec<_> = registry.entries().filter(|(_, entry)| entry.revoked).map(|(id, _)| id).collect();
    assert_eq!((registry.entries().len(), revoked), (3, vec![KeyId(20)]));
    assert_eq!(Refusal::RevokedKey.name(), "revoked_key");
}
