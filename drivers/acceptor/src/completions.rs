//! Chains that were executed and not yet reported.

use paxon_fastpath::{Completion, ReplicaId, Token};

/// Chains that may be outstanding to one acceptor of a fabric that does not execute them at once: more than keep any link
/// busy, since a chain carries up to 256 records.
pub const CHAINS_MAX: usize = 64;
/// Chains that may await their report: [`CHAINS_MAX`] for each of up to eight acceptors. A power of two.
const CAPACITY: usize = 8 * CHAINS_MAX;

/// A ring of completions.
#[derive(Debug)]
pub struct Completions {
    ring: Box<[Completion; CAPACITY]>,
    /// Completions ever taken out. Invariant: `taken <= put <= taken + CAPACITY`.
    taken: usize,
    /// Completions ever put in.
    put: usize,
}

impl Completions {
    /// An empty ring.
    pub fn new() -> Self {
        let blank = Completion { peer: ReplicaId(0), token: Token(0), found: 0 };
        Self { ring: Box::new([blank; CAPACITY]), taken: 0, put: 0 }
    }

    /// Whether there is no room for another.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.put - self.taken == CAPACITY
    }

    /// Whether none waits for its report.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.put == self.taken
    }

    /// Adds a completion; the caller has checked that there is room.
    #[inline]
    pub fn push(&mut self, completion: Completion) {
        debug_assert!(!self.is_full(), "room was to be checked before the chain was executed");
        self.ring[self.put % CAPACITY] = completion;
        self.put += 1;
    }

    /// Takes the oldest.
    #[inline]
    pub fn pop(&mut self) -> Option<Completion> {
        if self.taken == self.put {
            return None;
        }
        // Field by field: moved as a whole it is copied in overlapping pieces, which stall on the stores just made (17 ns).
        let Completion { peer, token, found } = self.ring[self.taken % CAPACITY];
        self.taken += 1;
        if self.taken == self.put {
            // Starts over, so that a replica that polls after each post stays within one cache line of the ring.
            (self.taken, self.put) = (0, 0);
        }
        Some(Completion { peer, token, found })
    }
}

impl Default for Completions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(token: usize) -> Completion {
        Completion { peer: ReplicaId(0), token: Token(token as u64), found: 0 }
    }

    #[test]
    fn completions_come_out_in_the_order_they_went_in_across_the_end_of_the_ring() {
        let mut ring = Completions::new();
        let (mut next_in, mut next_out) = (0, 0);
        for _ in 0..5 {
            while !ring.is_full() {
                ring.push(completion(next_in));
                next_in += 1;
            }
            for _ in 0..CAPACITY / 2 + 1 {
                assert_eq!(ring.pop(), Some(completion(next_out)));
                next_out += 1;
            }
        }
        assert_eq!(next_in - next_out, CAPACITY / 2 - 1);
    }

    #[test]
    fn an_empty_ring_takes_a_full_load_again() {
        let mut ring = Completions::new();
        for round in 0..3 {
            (0..CAPACITY).for_each(|token| ring.push(completion(token)));
            assert!(ring.is_full(), "round {round}");
            assert_eq!((0..CAPACITY).filter_map(|_| ring.pop()).count(), CAPACITY);
            assert_eq!(ring.pop(), None);
        }
    }
}
