//! In which order things happen.

use crate::{Group, Linked};
use paxon_fastpath::{Area, Epoch, Op, Promise, ReplicaId, Span};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);
const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const PROMISE: Span = Span { area: Area::Promise, start: 0, words: 1 };

/// Reads before a write or an exchange see the old word, reads after it the new one.
pub fn operations_of_a_chain_execute_in_order<G: Group>() {
    let mut group = Linked::<G>::start();
    let cell = Span { area: Area::Lane(A), start: 512, words: 16 };
    for round in 1..50 {
        group.store(A, cell.area, cell.start, &[round; 16]);
        let old = FRESH + round - 1;
        let chain = [
            Op::Read { span: cell, into: 0 },
            Op::Read { span: PROMISE, into: 16 },
            Op::Write(cell),
            Op::Cas { expected: old, new: old + 1 },
            Op::Read { span: PROMISE, into: 17 },
            Op::Read { span: cell, into: 18 },
        ];
        assert_eq!(group.run(A, B, &chain), old);
        let scratch = group.scratch(A, B);
        assert_eq!(scratch[..16], [round - 1; 16], "the read before the write");
        assert_eq!(scratch[16..18], [old, old + 1], "PROMISE before and after the exchange");
        assert_eq!(scratch[18..34], [round; 16], "the read after the write");
    }
}

/// Each chain finds the word that the chain before it left, although none waits for the one before.
pub fn chains_to_one_acceptor_execute_in_order<G: Group>() {
    const CHAINS: u64 = 32;
    let mut group = Linked::<G>::start();
    let cell = Span { area: Area::Lane(A), start: 512, words: 16 };
    let chain = |i| [Op::Write(cell), Op::Cas { expected: FRESH + i, new: FRESH + i + 1 }];
    for i in 0..CHAINS {
        group.post(A, B, &chain(i));
    }
    for i in 0..CHAINS {
        assert_eq!(group.completion(A).found, FRESH + i);
    }
    assert_eq!(group.promise(B), Promise(FRESH + CHAINS));
}

/// Each chain completes once, under its own token and peer, in the order of posting to that peer; without an exchange it
/// reports that it found nothing.
pub fn completions_carry_the_tokens_of_their_chains<G: Group>() {
    const CHAINS: usize = 8;
    let mut group = Linked::<G>::start();
    let mut outstanding = vec![Vec::new(); 3];
    for i in 0..CHAINS {
        for peer in [C, A, B] {
            let check: &[Op] = if i % 2 == 0 { &[Op::Cas { expected: FRESH, new: FRESH }] } else { &[] };
            let token = group.post(A, peer, check);
            outstanding[peer.index()].push((token, if check.is_empty() { 0 } else { FRESH }));
        }
    }
    let mut completed = vec![Vec::new(); 3];
    for _ in 0..3 * CHAINS {
        let done = group.completion(A);
        completed[done.peer.index()].push((done.token, done.found));
    }
    assert_eq!(completed, outstanding);
}
