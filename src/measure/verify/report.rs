//! What was measured of a verifier.

use super::VerifyOptions;
use super::run::Run;
use crate::measure::report::Percentiles;
use crate::measure::verifier::{DeviceReport, VerifierKind};
use serde::Serialize;
use std::thread;

/// A measurement of a verifier.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// What verified.
    pub verifier: VerifierKind,
    /// The scheme of the signatures.
    pub scheme: &'static str,
    /// Cores that this process may use.
    pub cores: usize,
    /// Threads that verified; 1 for a device, which this thread drives.
    pub workers: usize,
    /// Requests kept under way.
    pub outstanding: usize,
    /// Verdicts.
    pub samples: u64,
    /// Verdicts on forged requests.
    pub forged: u64,
    /// Verdicts other than the known ones: must be 0.
    pub wrong: u64,
    /// Verdicts a second. Of a simulated device this is the speed of the simulation.
    pub ops_per_s: f64,
    /// From the submission of a request to its verdict.
    #[serde(flatten)]
    pub latency: Percentiles,
    /// Single verifications a second of one core by the library's own function, measured before and after.
    pub library_per_s: f64,
    /// The same with a prepared key.
    pub prepared_per_s: f64,
    /// `ops_per_s` by `workers` times `library_per_s`.
    pub ratio_to_library: f64,
    /// `ops_per_s` by `workers` times `prepared_per_s`.
    pub ratio_to_prepared: f64,
    /// Cycles of the device for each of its verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles_per_verification: Option<f64>,
    /// What the device has done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceReport>,
}

impl VerifyReport {
    pub(super) fn new(
        options: &VerifyOptions,
        run: Run<'_>,
        [before, after]: [(f64, f64); 2],
        device: Option<DeviceReport>,
    ) -> Self {
        let workers = if options.verifier == VerifierKind::Software { options.workers.max(1) } else { 1 };
        let ops_per_s = run.latencies.len() as f64 / run.elapsed.as_secs_f64().max(f64::EPSILON);
        let [library_per_s, prepared_per_s] = [(before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0];
        let of_all = |rate: f64| ops_per_s / (rate * workers as f64);
        let by_device = |device: &DeviceReport| device.by_device + device.sampled + device.mismatches;
        let cycles = device.as_ref().filter(|device| by_device(device) > 0);
        Self {
            verifier: options.verifier,
            scheme: options.scheme.name(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            workers,
            outstanding: options.outstanding,
            samples: run.latencies.len(),
            forged: run.forged,
            wrong: run.wrong,
            ops_per_s,
            latency: Percentiles::of(&run.latencies),
            library_per_s,
            prepared_per_s,
            ratio_to_library: of_all(library_per_s),
            ratio_to_prepared: of_all(prepared_per_s),
            cycles_per_verification: cycles.map(|device| device.cycles as f64 / by_device(device) as f64),
            device,
        }
    }
}
