//! The peer: OmniPaxos 0.2 in one thread, its messages handed over in memory, no network and no serialisation.
//!
//! Three nodes over the crate's own in-memory storage, commands inline in the entry. Everything that would slow the peer
//! down without being part of replication is left out: no ticks and no timers while the clock runs, no reading of the log,
//! trimmed logs that stay in the cache, and a decision that is noticed with the first follower's vote, before the second
//! follower has even been handed the command. So the figures flatter the peer; they are its lower bound of latency.
//!
//! * **Latency** runs from before `append` at the leader to the moment its decided index covers the command; [`run_until`]
//!   also measures up to the point where all three nodes have decided it, which is what a loop of whole rounds would see.
//! * **Rate** counts the rest as well: the second follower, the decide messages, and the trim after each window.
//! * **Growth** does not distort: logs are trimmed every [`WINDOW_COMMANDS`] commands, and a trimmed `Vec` keeps its capacity.
//! * **Checked**: after each window, outside the timed stretches, every command is read back from the decided log of all
//!   three nodes and compared with what was proposed. A run that loses or changes a command panics.

mod cluster;

pub use cluster::{Cluster, Command};

use crate::{Report, Stopwatch};
use thiserror::Error;

/// Commands between two checks and trims; three logs of 64-byte commands then take 192 KiB.
pub const WINDOW_COMMANDS: u64 = 1024;
/// Commands before the first one that counts: they grow the logs and warm the caches.
const WARM_UP_COMMANDS: u64 = 16 * WINDOW_COMMANDS;
/// Batch sizes that [`best_batched`] tries.
pub const BATCHES: [u64; 6] = [8, 32, 64, 128, 256, 512];
/// Payload sizes in bytes for which the loop is compiled; a command carries its payload inline.
pub const PAYLOADS: [usize; 4] = [16, 64, 256, 1024];

/// The loop has no entry type for this payload.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no OmniPaxos loop for a payload of {payload} bytes, only for {PAYLOADS:?}")]
#[non_exhaustive]
pub struct UnsupportedPayload {
    /// The payload asked for, in bytes.
    pub payload: usize,
}

/// Where the latency of a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The leader has decided it: with the first follower's vote.
    LeaderDecided,
    /// All three nodes have decided it and no message is left.
    AllDecided,
}

/// What a batched run reached.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct BatchReport {
    /// Commands appended before the messages were handed over.
    pub batch: u64,
    /// Commands decided by all three nodes.
    pub commands: u64,
    /// Commands per second.
    pub ops_per_s: f64,
}

/// Calls `$function` compiled for a payload of `$payload` bytes.
macro_rules! for_payload {
    ($payload:expr, $function:ident($($argument:expr),*)) => {
        match $payload {
            16 => Ok($function::<16>($($argument),*)),
            64 => Ok($function::<64>($($argument),*)),
            256 => Ok($function::<256>($($argument),*)),
            1024 => Ok($function::<1024>($($argument),*)),
            payload => Err(UnsupportedPayload { payload }),
        }
    };
}

/// Closed loop: proposes one command of `payload` bytes after the other, `samples` times.
///
/// # Errors
/// [`UnsupportedPayload`] unless `payload` is one of [`PAYLOADS`].
///
/// # Examples
/// ```
/// let report = paxon_bench::omnipaxos_loop::run(2_000, 64)?;
/// assert_eq!(report.samples, 2_000);
/// # Ok::<(), paxon_bench::omnipaxos_loop::UnsupportedPayload>(())
/// ```
pub fn run(samples: u64, payload: usize) -> Result<Report, UnsupportedPayload> {
    run_until(samples, payload, Until::LeaderDecided)
}

/// [`run`] with a choice of where the latency ends.
///
/// # Errors
/// [`UnsupportedPayload`] unless `payload` is one of [`PAYLOADS`].
pub fn run_until(samples: u64, payload: usize, until: Until) -> Result<Report, UnsupportedPayload> {
    for_payload!(payload, run_sized(samples, until))
}

/// Appends `batch` commands, hands over the messages until all nodes decided them, and so on up to `commands`.
///
/// # Errors
/// [`UnsupportedPayload`] unless `payload` is one of [`PAYLOADS`].
pub fn run_batched(commands: u64, payload: usize, batch: u64) -> Result<BatchReport, UnsupportedPayload> {
    for_payload!(payload, run_batched_sized(commands, batch))
}

/// The fastest of [`BATCHES`], each measured over `commands` commands.
///
/// # Errors
/// [`UnsupportedPayload`] unless `payload` is one of [`PAYLOADS`].
pub fn best_batched(commands: u64, payload: usize) -> Result<BatchReport, UnsupportedPayload> {
    let mut best = run_batched(commands, payload, BATCHES[0])?;
    for batch in &BATCHES[1..] {
        let report = run_batched(commands, payload, *batch)?;
        if report.ops_per_s > best.ops_per_s {
            best = report;
        }
    }
    Ok(best)
}

fn run_sized<const PAYLOAD: usize>(samples: u64, until: Until) -> Report {
    let mut cluster = Cluster::<PAYLOAD>::elect(1);
    closed_loop(&mut cluster, WARM_UP_COMMANDS, until);
    closed_loop(&mut cluster, samples, until).report()
}

fn run_batched_sized<const PAYLOAD: usize>(commands: u64, batch: u64) -> BatchReport {
    let mut cluster = Cluster::<PAYLOAD>::elect(batch);
    batched_loop(&mut cluster, WARM_UP_COMMANDS, batch);
    let stopwatch = batched_loop(&mut cluster, commands, batch);
    BatchReport { batch, commands, ops_per_s: stopwatch.ops_per_s() }
}

/// Proposes and decides `samples` commands one at a time; returns their latencies and the rate.
pub fn closed_loop<const PAYLOAD: usize>(cluster: &mut Cluster<PAYLOAD>, samples: u64, until: Until) -> Stopwatch {
    let mut stopwatch = Stopwatch::new(WINDOW_COMMANDS as usize);
    let mut left = samples;
    while left > 0 {
        let window = left.min(WINDOW_COMMANDS);
        let start = stopwatch.now();
        for _ in 0..window {
            let proposed = stopwatch.now();
            cluster.append_next();
            let decided = cluster.hand_over(|| stopwatch.now());
            stopwatch.record(proposed, if until == Until::LeaderDecided { decided } else { stopwatch.now() });
        }
        stopwatch.add_busy(start, stopwatch.now(), window);
        end_window(cluster, &mut stopwatch);
        left -= window;
    }
    stopwatch
}

/// Proposes and decides `commands` commands, `batch` at a time (the last batch may be smaller); returns the rate only.
///
/// # Panics
/// If `batch` is 0 or over [`WINDOW_COMMANDS`].
pub fn batched_loop<const PAYLOAD: usize>(cluster: &mut Cluster<PAYLOAD>, commands: u64, batch: u64) -> Stopwatch {
    assert!((1..=WINDOW_COMMANDS).contains(&batch), "batch of {batch} commands");
    let mut stopwatch = Stopwatch::new(0);
    let mut left = commands;
    while left > 0 {
        let window = left.min(WINDOW_COMMANDS);
        let start = stopwatch.now();
        let mut appended = 0;
        while appended < window {
            let now = batch.min(window - appended);
            (0..now).for_each(|_| cluster.append_next());
            cluster.flush();
            cluster.hand_over(|| ());
            appended += now;
        }
        stopwatch.add_busy(start, stopwatch.now(), window);
        end_window(cluster, &mut stopwatch);
        left -= window;
    }
    stopwatch
}

/// Checks and trims the logs; the check is not part of the rate, the trim is.
fn end_window<const PAYLOAD: usize>(cluster: &mut Cluster<PAYLOAD>, stopwatch: &mut Stopwatch) {
    stopwatch.settle();
    cluster.check_logs();
    let start = stopwatch.now();
    cluster.trim();
    stopwatch.add_busy(start, stopwatch.now(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reports_every_sample() {
        let report = run(3_000, 64).expect("64 bytes are supported");
        assert_eq!(report.samples, 3_000);
        assert!(report.p50_ns > 0 && report.p50_ns <= report.p99_ns && report.p999_ns <= report.max_ns, "{report:?}");
        assert!(report.ops_per_s > 0.0);
    }

    #[test]
    fn a_batched_run_decides_every_command_also_of_a_partial_batch() {
        let report = run_batched(2_500, 64, 100).expect("64 bytes are supported");
        assert_eq!((report.commands, report.batch), (2_500, 100));
        assert!(report.ops_per_s > 0.0);
    }

    #[test]
    fn every_listed_payload_runs_and_another_is_refused() {
        for payload in PAYLOADS {
            assert_eq!(run(10, payload).map(|report| report.samples), Ok(10));
        }
        assert_eq!(run(10, 65).map(|report| report.samples), Err(UnsupportedPayload { payload: 65 }));
    }
}
