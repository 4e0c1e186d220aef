//! etcd as a contender, with the client that is the fastest for it here.
//!
//! The client is connected to the leader, so that nothing is forwarded. Which number of threads and connections serves etcd
//! best depends on the machine, so each candidate is tried twice before the first block, for latency and for throughput, and
//! etcd is measured with the best of each; the trials are part of the report. On two cores they differ less than two trials of
//! the same client do.

mod driver;
mod setting;

use crate::cluster::EtcdCluster;
use crate::contender::{BlockError, Contender, Latencies, OUTSTANDING};
use driver::Driver;
use serde::Serialize;
use std::time::Duration;

use setting::ROUNDS;
pub use setting::{CANDIDATES, ClientSetting, Effort};

/// What a client achieved in the better of its two trials.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// The client.
    #[serde(flatten)]
    pub setting: ClientSetting,
    /// Lower median of its puts one at a time.
    pub p50_ns: u64,
    /// Higher number of puts a second with [`OUTSTANDING`] on their way.
    pub ops_per_s: f64,
}

/// A cluster of etcd and the clients that measure it.
#[derive(Debug)]
pub struct Etcd {
    /// As many as `trials` and [`CANDIDATES`], in the same order.
    drivers: Vec<Driver>,
    trials: Vec<Trial>,
    /// Number of the next put: no two values are the same.
    next: u64,
    cluster: EtcdCluster,
}

impl Etcd {
    /// Connects every one of [`CANDIDATES`] to the leader and tries it.
    ///
    /// # Errors
    /// [`BlockError`] if a put of a trial fails.
    pub fn tried(cluster: EtcdCluster, effort: Effort) -> Result<Self, BlockError> {
        let port = cluster.leader_port();
        let drivers: Result<Vec<_>, _> = CANDIDATES.iter().map(|setting| Driver::connect(*setting, port)).collect();
        let trials = CANDIDATES.map(|setting| Trial { setting, p50_ns: u64::MAX, ops_per_s: 0.0 }).to_vec();
        let mut etcd = Self { drivers: drivers?, trials, next: 0, cluster };
        etcd.latencies(0, effort.one_at_a_time)?;
        for index in (0..ROUNDS).flat_map(|_| 0..CANDIDATES.len()) {
            etcd.try_once(index, effort)?;
        }
        Ok(etcd)
    }

    fn try_once(&mut self, index: usize, effort: Effort) -> Result<(), BlockError> {
        let p50_ns = self.latencies(index, effort.one_at_a_time)?.p50_ns;
        let ops_per_s = rate(effort.outstanding, self.rush(index, OUTSTANDING, effort.outstanding)?);
        let trial = &mut self.trials[index];
        trial.p50_ns = trial.p50_ns.min(p50_ns);
        trial.ops_per_s = trial.ops_per_s.max(ops_per_s);
        Ok(())
    }

    /// Every client that was tried.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The trial of the client that one-at-a-time blocks use.
    pub fn for_latency(&self) -> &Trial {
        &self.trials[self.quickest()]
    }

    /// The trial of the client that blocks with many outstanding use.
    pub fn for_throughput(&self) -> &Trial {
        &self.trials[self.busiest()]
    }

    /// The cluster that is measured.
    pub const fn cluster(&self) -> &EtcdCluster {
        &self.cluster
    }

    fn quickest(&self) -> usize {
        best(self.trials.iter().map(|trial| -(trial.p50_ns as f64)))
    }

    fn busiest(&self) -> usize {
        best(self.trials.iter().map(|trial| trial.ops_per_s))
    }

    fn latencies(&mut self, driver: usize, puts: u64) -> Result<Latencies, BlockError> {
        self.counted(puts, |etcd, first| Ok(Latencies::from(&etcd.drivers[driver].one_at_a_time(first, puts)?)))
    }

    fn rush(&mut self, driver: usize, width: usize, puts: u64) -> Result<Duration, BlockError> {
        self.counted(puts, |etcd, first| Ok(etcd.drivers[driver].outstanding(first, puts, width)?))
    }

    /// Runs a block of `puts` and checks that the store counted exactly so many, under one leader.
    fn counted<T>(
        &mut self,
        puts: u64,
        block: impl FnOnce(&Self, u64) -> Result<T, BlockError>,
    ) -> Result<T, BlockError> {
        let before = self.drivers[0].header()?;
        let outcome = block(self, self.next)?;
        let after = self.drivers[0].header()?;
        self.next += puts;
        if before.raft_term != after.raft_term {
            return Err(BlockError::LeaderChanged { before: before.raft_term, after: after.raft_term });
        }
        let counted = after.revision.saturating_sub(before.revision);
        if u64::try_from(counted) != Ok(puts) {
            return Err(BlockError::Miscounted { asked: puts, counted });
        }
        Ok(outcome)
    }
}

impl Contender for Etcd {
    fn name(&self) -> String {
        "etcd, client over gRPC".to_owned()
    }

    fn one_at_a_time(&mut self, operations: u64) -> Result<Latencies, BlockError> {
        self.latencies(self.quickest(), operations)
    }

    fn outstanding(&mut self, width: usize, operations: u64) -> Result<f64, BlockError> {
        let took = self.rush(self.busiest(), width, operations)?;
        Ok(rate(operations, took))
    }
}

fn rate(operations: u64, took: Duration) -> f64 {
    operations as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Index of the largest figure of merit; 0 if there is none.
fn best(merits: impl Iterator<Item = f64>) -> usize {
    merits.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_largest() {
        assert_eq!(best([1.0, 3.0, 2.0].into_iter()), 1);
        assert_eq!(best([-5.0, -1.0, -2.0].into_iter()), 1);
        assert_eq!(best(std::iter::empty()), 0);
    }

    #[test]
    fn a_rate_is_operations_over_time() {
        assert_eq!(rate(500, Duration::from_millis(250)), 2000.0);
        assert!(rate(1, Duration::ZERO).is_finite() || rate(1, Duration::ZERO) > 0.0);
    }
}
