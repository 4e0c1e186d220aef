//! Chains that wait for their replies.

use crate::frame::reply_bytes;
use paxon_acceptor::CHAINS_MAX;
use paxon_fastpath::{CHAIN_OPS_MAX, Op, Token};

/// Where a read lands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Landing {
    pub(super) into: usize,
    pub(super) words: usize,
}

/// A chain that was posted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) token: Token,
    pub(super) has_exchange: bool,
    landings: [Landing; CHAIN_OPS_MAX],
    reads: usize,
    /// Words that the reply brings.
    read_words: usize,
    /// Bytes that it counts for while it is outstanding: its own and those of its reply.
    cost: usize,
}

impl Pending {
    const NONE: Self = Self {
        token: Token(0),
        has_exchange: false,
        landings: [Landing { into: 0, words: 0 }; CHAIN_OPS_MAX],
        reads: 0,
        read_words: 0,
        cost: 0,
    };

    /// Where its reads land, in their order.
    pub(super) fn landings(&self) -> &[Landing] {
        &self.landings[..self.reads]
    }

    /// The length of its reply.
    pub(super) const fn reply_bytes(&self) -> usize {
        reply_bytes(self.read_words)
    }
}

/// Chains in the order of posting; their numbers are consecutive.
#[derive(Debug)]
pub(super) struct PendingRing {
    /// Chain n lies at n modulo the length.
    ring: Box<[Pending; CHAINS_MAX]>,
    /// The number of the last chain posted.
    posted: u64,
    /// The number of the last chain answered. Invariant: `answered <= posted <= answered + CHAINS_MAX`.
    answered: u64,
    /// What the outstanding chains cost.
    bytes: usize,
}

impl PendingRing {
    pub(super) fn new() -> Self {
        Self { ring: Box::new([Pending::NONE; CHAINS_MAX]), posted: 0, answered: 0, bytes: 0 }
    }

    #[inline]
    pub(super) const fn outstanding(&self) -> usize {
        (self.posted - self.answered) as usize
    }

    /// What the outstanding chains cost in bytes.
    #[inline]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the chain that is posted next.
    #[inline]
    pub(super) const fn next(&self) -> u64 {
        self.posted + 1
    }

    /// Notes a chain as the next one, without counting it as posted; there is room. `read_words` is what it reads.
    ///
    /// # Panics
    /// If a read leaves the scratch.
    #[inline]
    pub(super) fn prepare(&mut self, token: Token, chain: &[Op], read_words: usize, scratch_words: usize) {
        let pending = &mut self.ring[self.next() as usize % CHAINS_MAX];
        (pending.token, pending.read_words) = (token, read_words);
        (pending.has_exchange, pending.reads) = (false, 0);
        for op in chain {
            match *op {
                Op::Read { span, into } => {
                    let fits = into.checked_add(span.words).is_some_and(|end| end <= scratch_words);
                    assert!(fits, "{span:?} to word {into} leaves the scratch of {scratch_words} words");
                    pending.landings[pending.reads] = Landing { into, words: span.words };
                    pending.reads += 1;
                }
                Op::Cas { .. } => pending.has_exchange = true,
                Op::Write(_) => {}
            }
        }
    }

    /// The chain that was prepared is on its way.
    #[inline]
    pub(super) fn commit(&mut self, cost: usize) {
        self.posted += 1;
        self.ring[self.posted as usize % CHAINS_MAX].cost = cost;
        self.bytes += cost;
    }

    /// The chain whose reply comes next, with its number.
    #[inline]
    pub(super) fn front(&self) -> Option<(u64, &Pending)> {
        let number = self.answered + 1;
        (number <= self.posted).then(|| (number, &self.ring[number as usize % CHAINS_MAX]))
    }

    /// The chain at the front was answered.
    #[inline]
    pub(super) fn pop(&mut self) {
        self.answered += 1;
        self.bytes -= self.ring[self.answered as usize % CHAINS_MAX].cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_fastpath::{Area, Span};

    #[test]
    fn chains_come_back_in_their_order_with_their_reads_and_their_bytes() {
        let mut ring = PendingRing::new();
        assert!(ring.front().is_none());
        for round in 0..3 {
            for at in 0..CHAINS_MAX {
                let read = Op::Read { span: Span { area: Area::Promise, start: 0, words: 2 }, into: at };
                ring.prepare(Token(at as u64), &[read, Op::Cas { expected: 0, new: 0 }][..1 + at % 2], 2, 100);
                ring.commit(10);
            }
            assert_eq!((ring.outstanding(), ring.bytes()), (CHAINS_MAX, 10 * CHAINS_MAX), "round {round}");
            for at in 0..CHAINS_MAX {
                let (number, pending) = ring.front().expect("outstanding");
                assert_eq!((number, pending.token), ((round * CHAINS_MAX + at + 1) as u64, Token(at as u64)));
                assert_eq!((pending.has_exchange, pending.reply_bytes()), (at % 2 == 1, reply_bytes(2)));
                assert_eq!(pending.landings().iter().map(|landing| landing.into).collect::<Vec<_>>(), [at]);
                ring.pop();
            }
            assert_eq!((ring.outstanding(), ring.bytes()), (0, 0));
        }
    }

    #[test]
    fn a_chain_that_is_only_prepared_is_not_outstanding() {
        let mut ring = PendingRing::new();
        ring.prepare(Token(1), &[], 0, 0);
        assert!(ring.front().is_none());
        ring.prepare(Token(2), &[], 0, 0);
        ring.commit(1);
        assert_eq!(ring.front().map(|(number, pending)| (number, pending.token)), Some((1, Token(2))));
    }
}
