//! What was measured.

use super::options::{Fabric, Io, Options, TcpSettings};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Percentiles of a latency, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

impl Percentiles {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50_ns: at(0.5), p99_ns: at(0.99), p999_ns: at(0.999), max_ns: histogram.max() }
    }
}

/// A measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The fabric: latencies of different ones are not comparable.
    pub fabric: &'static str,
    /// On TCP, the system calls that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io: Option<Io>,
    /// On TCP, `tls` or `plaintext`. The floor is plaintext always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<&'static str>,
    /// On RDMA, the devices that the replicas use in turn. Those called `rxe` are emulated: good for ratios, not for latencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Members of the cluster, a process each.
    pub replicas: usize,
    /// Bytes of a command.
    pub payload: usize,
    /// Commands of a record.
    pub batch: usize,
    /// Records behind one check.
    pub outstanding: usize,
    /// Whether threads were pinned.
    pub affinity: bool,
    /// Cores that this process may use.
    pub cores: usize,
    /// Latency from before the proposal to after its application at the leader; of a whole group if `batch` or
    /// `outstanding` is above one.
    #[serde(flatten)]
    pub commit: Percentiles,
    /// Groups measured.
    pub samples: u64,
    /// Commands committed and applied at the leader a second: the median over the blocks.
    pub ops_per_s: f64,
    /// Median of the bare stores and compare-and-exchanges that a commit, or a group, needs.
    pub floor_p50_ns: u64,
    /// The floor's other percentiles.
    pub floor: Percentiles,
    /// `p50_ns / floor_p50_ns`.
    pub ratio_to_floor: f64,
    /// What the machine itself does to a thread that only reads the clock for as long as a median commit takes: by how much
    /// it overshoots.
    pub hiccup: Percentiles,
}

impl Report {
    /// Histograms of commits, bare rounds and hiccups; commands a second of each block.
    pub(super) fn new(options: &Options, cores: usize, histograms: [&Histogram<u64>; 3], mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        let (fabric, io, security) = match options.fabric {
            Fabric::Shm => ("shm", None, None),
            Fabric::Tcp(TcpSettings { io, plaintext }) => {
                ("tcp", Some(io), Some(if plaintext { "plaintext" } else { "tls" }))
            }
            Fabric::Rdma => ("rdma", None, None),
        };
        let samples = histograms[0].len();
        let [commit, floor, hiccup] = histograms.map(Percentiles::of);
        Self {
            fabric,
            io,
            security,
            devices: None,
            replicas: options.replicas,
            payload: options.payload,
            batch: options.batch,
            outstanding: options.outstanding,
            affinity: options.affinity,
            cores,
            commit,
            samples,
            ops_per_s: rates.get(rates.len() / 2).copied().unwrap_or_default(),
            floor_p50_ns: floor.p50_ns,
            floor,
            ratio_to_floor: commit.p50_ns as f64 / floor.p50_ns.max(1) as f64,
            hiccup,
        }
    }
}
