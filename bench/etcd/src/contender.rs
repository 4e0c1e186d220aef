//! What takes part in a comparison: the same work, asked for in the same way.

use crate::client::CallError;
use crate::paxon_command::CommandError;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Bytes of each value or command.
pub const PAYLOAD_BYTES: usize = 64;
/// How many operations are on their way at a time when throughput is measured.
pub const OUTSTANDING: usize = 64;
/// Highest latency that is recorded as itself; a longer one counts as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Three significant digits: a percentile is within 0.1 % of the measured one.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Percentiles of the latencies of one block, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies {
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Longest.
    pub max_ns: u64,
    /// How many were measured.
    pub samples: u64,
}

impl Latencies {
    /// An empty histogram of nanoseconds with the range and the precision of this comparison.
    pub fn histogram() -> Histogram<u64> {
        Histogram::new_with_max(LATENCY_NS_MAX, SIGNIFICANT_DIGITS).expect("the bounds are constants that it allows")
    }
}

impl From<&Histogram<u64>> for Latencies {
    fn from(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: histogram.max(),
            samples: histogram.len(),
        }
    }
}

/// Why a block cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A request failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The `paxon` command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Not every operation took effect exactly once.
    #[error("{asked} puts raised the revision of the store by {counted}")]
    Miscounted {
        /// How many were asked for.
        asked: u64,
        /// How many the store counted.
        counted: i64,
    },
    /// Requests went to a follower for a part of the block, which must then forward them.
    #[error("the leader changed during a block (term {before}, then {after}); run again on a quieter machine")]
    LeaderChanged {
        /// Term at the begin of the block.
        before: u64,
        /// Term at its end.
        after: u64,
    },
}

/// A system that commits commands of [`PAYLOAD_BYTES`] bytes with three replicas, each a process.
///
/// Contenders take turns on one machine. Between its blocks a contender must leave the machine alone: no more than
/// heartbeats, so what polls has to be started for the block and stopped after it.
pub trait Contender {
    /// Its row in the table.
    fn name(&self) -> String;

    /// Commits `operations` commands, the next after the answer to the last, and tells how long each took.
    ///
    /// # Errors
    /// [`BlockError`] if one of them failed: nothing is left out of the distribution.
    fn one_at_a_time(&mut self, operations: u64) -> Result<Latencies, BlockError>;

    /// Commits at least `operations` commands, `width` of them on their way at a time, and tells how many a second.
    ///
    /// # Errors
    /// [`BlockError`] if one of them failed.
    fn outstanding(&mut self, width: usize, operations: u64) -> Result<f64, BlockError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_histogram_and_too_long_ones_are_kept_at_the_end() {
        let mut histogram = Latencies::histogram();
        (1..=999).for_each(|value| histogram.saturating_record(value * 1000));
        histogram.saturating_record(u64::MAX);
        let latencies = Latencies::from(&histogram);
        assert_eq!(latencies.samples, 1000);
        assert!((499_000..=501_000).contains(&latencies.p50_ns), "{latencies:?}");
        assert!((989_000..=991_000).contains(&latencies.p99_ns), "{latencies:?}");
        assert!((LATENCY_NS_MAX..LATENCY_NS_MAX / 100 * 101).contains(&latencies.max_ns), "{latencies:?}");
    }
}
