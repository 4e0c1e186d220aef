//! What each operation does.

use crate::{Group, Linked, Setup};
use paxon_fastpath::{Area, Ballot, Epoch, Op, Promise, ReplicaId, Span};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);
const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;

/// `n` words that are all different and not zero.
fn pattern(n: usize) -> Vec<u64> {
    (1..=n as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect()
}

/// A write copies the span to the same place of the peer's lane; the words around it, the other lanes and the other
/// acceptors stay as they were. Spans of one word, of a cell, across a page and at the end of the lane.
pub fn a_write_mirrors_its_span_and_nothing_else<G: Group>() {
    let mut group = Linked::<G>::start();
    let lane = Area::Lane(A);
    let end = group.setup().layout.words(lane);
    for (start, words) in [(0, 1), (8, 16), (500, 40), (end - 3, 3), (0, end)] {
        let mut expected = group.memory(B, lane);
        group.store(A, lane, 0, &pattern(end).iter().map(|word| word ^ start as u64).collect::<Vec<_>>());
        let own = group.memory(A, lane);
        group.run(A, B, &[Op::Write(Span { area: lane, start, words })]);
        expected[start..start + words].copy_from_slice(&own[start..start + words]);
        assert_eq!(group.memory(B, lane), expected, "{words} words from {start}");
    }
    for untouched in [Area::Lane(B), Area::Lane(C), Area::Snapshot] {
        assert!(group.memory(B, untouched).iter().all(|&word| word == 0), "{untouched:?} was written");
    }
    assert!(group.memory(C, lane).iter().all(|&word| word == 0), "another acceptor was written");
    assert_eq!(group.promise(B), Promise(FRESH));
}

/// The engine has stored to its own lane already when it posts to itself.
pub fn a_write_to_oneself_changes_nothing<G: Group>() {
    let mut group = Linked::<G>::start();
    group.store(A, Area::Lane(A), 24, &pattern(16));
    let before = group.memory(A, Area::Lane(A));
    let ballot = Ballot::new(Epoch::FIRST, 1, A).0;
    let write = Op::Write(Span { area: Area::Lane(A), start: 24, words: 16 });
    assert_eq!(group.run(A, A, &[write, Op::Cas { expected: FRESH, new: ballot }]), FRESH);
    assert_eq!(group.memory(A, Area::Lane(A)), before);
    assert_eq!(group.promise(A), Promise(ballot));
}

/// The completion of an exchange that took place carries the expected word; the owner and a third member see the new one.
pub fn a_matching_exchange_leaves_the_new_word<G: Group>() {
    let mut group = Linked::<G>::start();
    let ballot = Ballot::new(Epoch::FIRST, 1, A).0;
    assert_eq!(group.run(A, B, &[Op::Cas { expected: FRESH, new: ballot }]), FRESH);
    assert_eq!(group.promise(B), Promise(ballot));
    assert_eq!(group.run(C, B, &[Op::Cas { expected: ballot, new: ballot }]), ballot);
    assert_eq!(group.run(B, B, &[Op::Cas { expected: ballot, new: ballot }]), ballot);
}

/// An exchange that does not match leaves the word and reports it: all 64 bits count.
pub fn a_mismatch_changes_nothing_and_tells_what_it_found<G: Group>() {
    let mut group = Linked::<G>::start();
    let ballot = Ballot::new(Epoch(0xABC), 0x12_3456_789A, C).0;
    assert_eq!(group.run(C, B, &[Op::Cas { expected: FRESH, new: ballot }]), FRESH);
    for bit in [0, 7, 8, 31, 32, 47, 63] {
        assert_eq!(group.run(A, B, &[Op::Cas { expected: ballot ^ 1 << bit, new: FRESH }]), ballot, "bit {bit}");
        assert_eq!(group.promise(B), Promise(ballot), "bit {bit}");
    }
}

/// A read of any area brings its words to the place in the scratch, and to no other place and no other peer's scratch.
pub fn reads_land_where_they_were_asked_to<G: Group>() {
    let mut group = Linked::<G>::start();
    group.store(B, Area::Lane(B), 512, &pattern(40));
    group.store(B, Area::Snapshot, 100, &pattern(40));
    group.store(A, Area::Lane(A), 7, &pattern(40));
    group.run(A, B, &[Op::Write(Span { area: Area::Lane(A), start: 7, words: 40 })]);
    let other = group.scratch(A, C);
    let areas = [Area::Promise, Area::Status, Area::Lane(A), Area::Lane(B), Area::Lane(C), Area::Snapshot];
    for (area, into) in areas.into_iter().zip([0, 1, 300, 301, 511, 900]) {
        for (start, words) in [(0, 64), (7, 1), (100, 40), (505, 7)] {
            let mut expected = group.scratch(A, B);
            let source = group.memory(B, area);
            group.run(A, B, &[Op::Read { span: Span { area, start, words }, into }]);
            expected[into..into + words].copy_from_slice(&source[start..start + words]);
            assert_eq!(group.scratch(A, B), expected, "{words} words of {area:?} from {start} to {into}");
        }
    }
    assert_eq!(group.scratch(A, C), other);
    group.run(A, A, &[Op::Read { span: Span { area: Area::Lane(A), start: 7, words: 40 }, into: 3 }]);
    assert_eq!(&group.scratch(A, A)[3..43], &pattern(40), "a read of the own memory");
}

/// A chain of nothing is a chain: it completes, with nothing found.
pub fn an_empty_chain_completes<G: Group>() {
    let mut group = Linked::<G>::start();
    for peer in [A, B, C] {
        assert_eq!(group.run(A, peer, &[]), 0);
    }
}

/// An acceptor whose memory was lost answers every check with its recovering word, so nobody counts it.
pub fn recovering_memory_fails_every_check<G: Group>() {
    let mut group = Linked::<G>::start_as(&Setup { recovering: Some(B), ..Setup::SMALL });
    let recovering = Promise::recovering().0;
    for epoch in [1, 2, 4095] {
        for (round, proposer) in [(0, A), (1, A), (77, C)] {
            let ballot = Ballot::new(Epoch(epoch), round, proposer).0;
            assert_eq!(group.run(A, B, &[Op::Cas { expected: ballot, new: ballot }]), recovering);
            assert_eq!(group.run(C, B, &[Op::Cas { expected: FRESH, new: ballot }]), recovering);
        }
    }
    assert_eq!(group.promise(B), Promise::recovering());
    assert_eq!(group.promise(C), Promise(FRESH), "only one member lost its memory");
}
