//! What a fabric refuses: too much at a time, and bugs of its caller.

use crate::{Group, Linked};
use paxon_fastpath::{Area, CHAIN_OPS_MAX, Epoch, Op, PostError, Promise, ReplicaId, Span};
use std::panic::{AssertUnwindSafe, catch_unwind};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
/// No fabric queues more chains than this.
const QUEUE_MAX: u64 = 1 << 16;

/// A fabric whose completions nobody takes says that it is full in the end; the chains it took are executed once each, the
/// one that it refused is not, and after the completions are taken it is as good as new.
pub fn a_full_queue_is_reported_and_recovers<G: Group>() {
    let mut group = Linked::<G>::start();
    let mut counted = 0;
    for round in 0..3 {
        let before = counted;
        let refused = loop {
            match group.try_post(A, B, &[Op::Cas { expected: FRESH + counted, new: FRESH + counted + 1 }]) {
                Ok(_) => counted += 1,
                Err(error) => break error,
            }
            assert!(counted - before <= QUEUE_MAX, "nothing bounds the queue");
        };
        assert_eq!(refused, PostError::Full, "round {round}");
        assert!(counted - before >= 16, "a queue of {} chains is too short to keep a link busy", counted - before);
        for i in before..counted {
            assert_eq!(group.completion(A).found, FRESH + i, "round {round}");
        }
        assert_eq!(group.promise(B), Promise(FRESH + counted), "round {round}");
    }
}

/// A span that leaves its area, at either end of the number range and in every operation that has one, stops the caller.
pub fn spans_outside_their_area_are_refused<G: Group>() {
    let mut group = Linked::<G>::start();
    let (layout, scratch) = (group.setup().layout, group.setup().scratch_words);
    for peer in [A, B] {
        for area in [Area::Promise, Area::Status, Area::Lane(A), Area::Snapshot] {
            let end = layout.words(area);
            for (start, words) in [(end, 1), (end - 3, 4), (usize::MAX, 2), (1, usize::MAX), (end + 1, 0)] {
                let span = Span { area, start, words };
                refuses(&mut group, peer, &[Op::Read { span, into: 0 }]);
                if area == Area::Lane(A) {
                    refuses(&mut group, peer, &[Op::Write(span)]);
                }
            }
        }
        let span = Span { area: Area::Promise, start: 0, words: 2 };
        for into in [scratch - 1, scratch, usize::MAX] {
            refuses(&mut group, peer, &[Op::Read { span, into }]);
        }
    }
}

/// Only the caller's own lane has a copy at the peers: a write of anything else stops the caller.
pub fn writes_outside_the_own_lane_are_refused<G: Group>() {
    let mut group = Linked::<G>::start();
    for area in [Area::Promise, Area::Status, Area::Snapshot, Area::Lane(B), Area::Lane(ReplicaId(2))] {
        refuses(&mut group, B, &[Op::Write(Span { area, start: 0, words: 1 })]);
    }
    assert_eq!(group.promise(B), Promise(FRESH));
}

/// A chain has at most [`CHAIN_OPS_MAX`] operations and one exchange; the longest chain that is allowed works.
pub fn overlong_chains_are_refused<G: Group>() {
    let mut group = Linked::<G>::start();
    let read = Op::Read { span: Span { area: Area::Promise, start: 0, words: 1 }, into: 0 };
    let check = Op::Cas { expected: FRESH, new: FRESH };
    group.run(A, B, &[read; CHAIN_OPS_MAX]);
    refuses(&mut group, B, &[read; CHAIN_OPS_MAX + 1]);
    refuses(&mut group, B, &[check, check]);
}

/// Posting `chain` must panic. What it left behind must not keep the group from working.
fn refuses<G: Group>(group: &mut Linked<G>, peer: ReplicaId, chain: &[Op]) {
    let posted = catch_unwind(AssertUnwindSafe(|| group.try_post(A, peer, chain)));
    assert!(posted.is_err(), "{chain:?} to {peer} was taken: {posted:?}");
}
