//! What was measured.

use super::Auth;
use crate::measure::report::{Percentiles, Report};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Largest latency that the histograms tell from larger ones.
pub(in crate::measure) const LATENCY_MAX_NS: u64 = 10_000_000_000;

/// Histograms of the stages of a command, in nanoseconds.
pub(super) struct Stages {
    pub(super) whole: Histogram<u64>,
    pub(super) verified: Histogram<u64>,
    pub(super) quorum: Histogram<u64>,
    pub(super) applied: Histogram<u64>,
}

impl Stages {
    pub(super) fn new() -> Self {
        let empty = || Histogram::new_with_max(LATENCY_MAX_NS, 3).expect("three digits up to ten seconds");
        Self { whole: empty(), verified: empty(), quorum: empty(), applied: empty() }
    }
}

/// Latencies of the stages of a command: each begins where the one before it ends.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AuthStages {
    /// From the envelope to the verdict.
    pub verified: Percentiles,
    /// From the verdict to the votes of a quorum: the commit.
    pub quorum: Percentiles,
    /// From the quorum to the application, whose machine looks at the envelope again.
    pub applied: Percentiles,
}

/// What a stream of signed commands reached, many under way.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// Threads that verify.
    pub workers: usize,
    /// Commands verified, committed and applied at the leader a second.
    pub ops_per_s: f64,
    /// Single verifications a second of one core by the library's own function, measured before and after.
    pub library_per_s: f64,
    /// The same with a key that was prepared, as the keys of a registry are.
    pub prepared_per_s: f64,
    /// `ops_per_s` by `workers` times `library_per_s`.
    pub ratio_to_library: f64,
    /// `ops_per_s` by `workers` times `prepared_per_s`.
    pub ratio_to_prepared: f64,
}

/// A measurement of authentic commands. The floor, the machine and the unsigned commands are those of the same run.
#[derive(Clone, Debug, Serialize)]
pub struct AuthReport {
    /// How commands were authenticated.
    pub auth: Auth,
    /// The fabric.
    pub fabric: &'static str,
    /// Members of the cluster.
    pub replicas: usize,
    /// Bytes of a command inside its envelope.
    pub payload: usize,
    /// Cores that this process may use.
    pub cores: usize,
    /// Whether threads were pinned.
    pub affinity: bool,
    /// Commands measured one at a time.
    pub samples: u64,
    /// Latency from the envelope at the leader to its application there.
    #[serde(flatten)]
    pub whole: Percentiles,
    /// Its stages.
    pub stages: AuthStages,
    /// Unsigned commands of the same payload, with their floor.
    pub unsigned: Report,
    /// Unsigned commands as long as the envelopes.
    pub unsigned_same_size: Percentiles,
    /// `p50_ns` less that of unsigned commands of the same payload.
    pub added_p50_ns: i64,
    /// The commit after verification by that of unsigned commands as long as the envelopes, medians.
    pub commit_ratio: f64,
    /// What a stream of commands reached; absent for MACs, which need no verifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Throughput>,
}

impl AuthReport {
    pub(super) fn new(
        auth: Auth,
        unsigned: Report,
        unsigned_same_size: Percentiles,
        stages: &Stages,
        throughput: Option<Throughput>,
    ) -> Self {
        let [whole, verified, quorum, applied] =
            [&stages.whole, &stages.verified, &stages.quorum, &stages.applied].map(Percentiles::of);
        Self {
            auth,
            fabric: unsigned.fabric,
            replicas: unsigned.replicas,
            payload: unsigned.payload,
            cores: unsigned.cores,
            affinity: unsigned.affinity,
            samples: stages.whole.len(),
            whole,
            stages: AuthStages { verified, quorum, applied },
            added_p50_ns: whole.p50_ns as i64 - unsigned.commit.p50_ns as i64,
            commit_ratio: quorum.p50_ns as f64 / unsigned_same_size.p50_ns.max(1) as f64,
            unsigned,
            unsigned_same_size,
            throughput,
        }
    }
}
