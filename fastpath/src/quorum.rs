//! How many acceptors a phase needs.

use crate::bug::{Bug, planted};
use crate::layout::REPLICAS_MAX;

/// Sizes of the accept and the prepare quorums (Flexible Paxos: only an accept and a prepare quorum must intersect).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumSizes {
    replicas: usize,
    accept: usize,
    /// Invariant: `accept + prepare > replicas`, so that a new leader's reads meet every committed record.
    prepare: usize,
}

/// Why quorum sizes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuorumError {
    /// The cluster has no such size.
    #[error("a cluster has 1, 3, 5 or 7 replicas, not {0}: an even number tolerates no more failures than one less")]
    Replicas(usize),
    /// A quorum is empty or larger than the cluster.
    #[error("{phase} quorum of {size} is outside 1..={replicas}")]
    Size {
        /// `accept` or `prepare`.
        phase: &'static str,
        /// The size asked for.
        size: usize,
        /// The size of the cluster.
        replicas: usize,
    },
    /// Two quorums could miss each other.
    #[error(
        "accept quorum {accept} and prepare quorum {prepare} of {replicas} replicas need not intersect: their sum must exceed {replicas}"
    )]
    Disjoint {
        /// Accept quorum asked for.
        accept: usize,
        /// Prepare quorum asked for.
        prepare: usize,
        /// The size of the cluster.
        replicas: usize,
    },
}

impl QuorumSizes {
    /// Majorities for both phases.
    ///
    /// # Errors
    /// [`QuorumError::Replicas`] unless `replicas` is 1, 3, 5 or 7.
    pub fn majority(replicas: usize) -> Result<Self, QuorumError> {
        Self::flexible(replicas, replicas / 2 + 1, replicas / 2 + 1)
    }

    /// Quorums of chosen sizes.
    ///
    /// # Errors
    /// If the cluster size is not supported, a size is out of range, or the two need not intersect.
    pub fn flexible(replicas: usize, accept: usize, prepare: usize) -> Result<Self, QuorumError> {
        if replicas > REPLICAS_MAX || replicas.is_multiple_of(2) {
            return Err(QuorumError::Replicas(replicas));
        }
        for (phase, size) in [("accept", accept), ("prepare", prepare)] {
            if size == 0 || size > replicas {
                return Err(QuorumError::Size { phase, size, replicas });
            }
        }
        if accept + prepare <= replicas {
            return Err(QuorumError::Disjoint { accept, prepare, replicas });
        }
        Ok(Self { replicas, accept, prepare })
    }

    /// Members of the cluster.
    pub const fn replicas(self) -> usize {
        self.replicas
    }

    /// Votes that commit a slot.
    pub const fn accept(self) -> usize {
        self.accept
    }

    /// Promises that make a leader.
    pub const fn prepare(self) -> usize {
        self.prepare
    }

    /// The `accept`-th largest of `acked`, one value per replica: the highest value that an accept quorum has reached.
    pub fn reached_by_accept_quorum<T: Copy + Ord>(self, acked: &[T]) -> T {
        nth_largest(acked, if planted(Bug::SmallAcceptQuorum) { (self.accept - 1).max(1) } else { self.accept })
    }

    /// The highest slot that enough replicas applied for every prepare quorum to hold one of them (TRIM).
    pub fn trim<T: Copy + Ord>(self, applied: &[T]) -> T {
        nth_largest(applied, self.replicas - self.prepare + 1)
    }
}

/// The `n`-th largest value (from 1). Insertion sort: at most seven values, no allocation.
fn nth_largest<T: Copy + Ord>(values: &[T], n: usize) -> T {
    if let ([a, b, c], 2) = (values, n) {
        // The usual cluster, once a commit.
        return (*a).min(*b).max((*a).max(*b).min(*c));
    }
    let mut sorted = [values[0]; REPLICAS_MAX];
    for (end, &value) in values.iter().enumerate() {
        let mut at = end;
        while at > 0 && sorted[at - 1] < value {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = value;
    }
    sorted[n - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_that_can_miss_each_other_are_refused() {
        assert_eq!(QuorumSizes::flexible(5, 2, 3), Err(QuorumError::Disjoint { accept: 2, prepare: 3, replicas: 5 }));
        assert!(QuorumSizes::flexible(5, 2, 4).is_ok());
    }

    #[test]
    fn even_and_oversized_clusters_are_refused() {
        for replicas in [0, 2, 4, 6, 8, 9] {
            assert_eq!(QuorumSizes::majority(replicas), Err(QuorumError::Replicas(replicas)));
        }
    }

    #[test]
    fn an_accept_quorum_reaches_its_smallest_member() {
        let five = QuorumSizes::majority(5).expect("five is a size");
        assert_eq!(five.reached_by_accept_quorum(&[9, 3, 7, 1, 5]), 5);
        let flexible = QuorumSizes::flexible(5, 2, 4).expect("2 + 4 > 5");
        assert_eq!(flexible.reached_by_accept_quorum(&[9, 3, 7, 1, 5]), 7);
        assert_eq!(flexible.trim(&[9, 3, 7, 1, 5]), 7);
    }
}
