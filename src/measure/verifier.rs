//! The verifiers that can be measured, and what a device among them has counted while somebody else owns it.

use super::MeasureError;
use paxon_fastpath::verify::{Request, Ruleset, Scheme, Verified, Verifier};
use paxon_fpga::{Bus, Condition, Counters, Defect, Driver, Model, Settings, Shape, Verilated};
use paxon_verify::{InlineVerifier, Limits, PoolOptions, SoftwareVerifier};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The configuration of the device, as model and as RTL.
const CONFIGURATION: &str = "zynq7020";
/// Nanoseconds of a cycle: both devices have a clock of 100 MHz.
const CYCLE_NS: u128 = 10;
/// Polls in which a new device has to verify the driver's own signatures. It takes some hundreds.
const SETTLING_POLLS: u32 = 1_000_000;

/// What verifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifierKind {
    /// Threads of this process.
    #[default]
    Software,
    /// The driver over the device in plain Rust.
    Model,
    /// The driver over the RTL, simulated; only in builds with the feature `verilator`.
    Verilator,
}

/// What a device has done since its driver was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// What it calls itself.
    pub place: String,
    /// `serving`, or why it does not: `resetting`, `probing`, `retired`.
    pub condition: String,
    /// Cycles of its clock since it served its first request.
    pub cycles: u64,
    /// Requests that it was given.
    pub to_device: u64,
    /// Requests that went to software at once.
    pub to_software: u64,
    /// Its verdicts that were handed out without comparison.
    pub by_device: u64,
    /// Its verdicts that software agreed to.
    pub sampled: u64,
    /// Its verdicts that software did not agree to.
    pub mismatches: u64,
    /// Requests that it had and software verified, because of a fault.
    pub reverified: u64,
    /// Doorbells.
    pub doorbells: u64,
    /// Faults.
    pub faults: u64,
    /// Those of them that were time-outs.
    pub timeouts: u64,
}

/// A share in what a device reports; nothing in software.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Option<Arc<Mutex<DeviceReport>>>);

impl Gauge {
    pub(super) fn read(&self) -> Option<DeviceReport> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A verifier and its gauge.
pub(super) type Gauged = (Box<dyn Verifier + Send>, Gauge);

impl VerifierKind {
    /// Starts one: in software with so many threads, 0 for the caller's own. A model stops for good after `broken_after`
    /// completions.
    ///
    /// # Errors
    /// [`MeasureError::Other`] if threads do not start, or this build has no RTL.
    pub(super) fn start(
        self,
        workers: usize,
        capacity: usize,
        broken_after: Option<u64>,
    ) -> Result<Gauged, MeasureError> {
        let limits = Limits { capacity, ..Limits::default() };
        match self {
            Self::Software if workers == 0 => Ok((Box::new(InlineVerifier::new(limits)), Gauge::default())),
            Self::Software => {
                let options = PoolOptions { workers, limits, ..PoolOptions::default() };
                Ok((Box::new(SoftwareVerifier::start(options).map_err(MeasureError::other)?), Gauge::default()))
            }
            Self::Model => {
                let mut model = Model::new(Shape::zynq7020());
                if let Some(completions) = broken_after {
                    model.break_after(completions, Defect::Stuck);
                }
                let clocks = (model.clock(), model.clock());
                device(model, clocks, limits)
            }
            Self::Verilator => {
                let device_of_rtl = Verilated::new(CONFIGURATION).map_err(MeasureError::other)?;
                let clocks = (device_of_rtl.clock(), device_of_rtl.clock());
                device(device_of_rtl, clocks, limits)
            }
        }
    }
}

/// A driver that serves, by the device's own time: how fast this machine simulates is not the device's fault.
fn device<B: Bus + Send + 'static, C: FnMut() -> Duration + Send + 'static>(
    bus: B,
    (clock, mut shown_clock): (C, C),
    limits: Limits,
) -> Result<Gauged, MeasureError> {
    let software = Box::new(InlineVerifier::new(limits));
    let mut driver = Driver::open_with_clock(bus, software, Settings::default(), clock).map_err(MeasureError::other)?;
    let mut none = Vec::new();
    for _ in 0..SETTLING_POLLS {
        if !matches!(driver.condition(), Condition::Resetting | Condition::Probing) {
            break;
        }
        driver.poll(&mut none);
    }
    let begun = shown_clock();
    let shown = Arc::new(Mutex::new(report(&mut driver, Duration::ZERO)));
    let gauge = Gauge(Some(shown.clone()));
    let since = move || shown_clock().saturating_sub(begun);
    Ok((Box::new(Watched { driver, since: Box::new(since), shown }), gauge))
}

fn report<B: Bus>(driver: &mut Driver<B>, since: Duration) -> DeviceReport {
    let Counters {
        to_device,
        to_software,
        by_device,
        sampled,
        mismatches,
        reverified,
        doorbells,
        faults,
        timeouts,
        ..
    } = driver.counters();
    DeviceReport {
        place: driver.bus_mut().place(),
        condition: format!("{:?}", driver.condition()).to_lowercase(),
        cycles: u64::try_from(since.as_nanos() / CYCLE_NS).unwrap_or(u64::MAX),
        to_device,
        to_software,
        by_device,
        sampled,
        mismatches,
        reverified,
        doorbells,
        faults,
        timeouts,
    }
}

/// A driver whose counters others can read.
struct Watched<B: Bus> {
    driver: Driver<B>,
    /// The device's time since it serves.
    since: Box<dyn FnMut() -> Duration + Send>,
    shown: Arc<Mutex<DeviceReport>>,
}

impl<B: Bus> Verifier for Watched<B> {
    fn ruleset(&self) -> Ruleset {
        self.driver.ruleset()
    }

    fn supports(&self, scheme: Scheme) -> bool {
        self.driver.supports(scheme)
    }

    fn capacity(&self) -> usize {
        self.driver.capacity()
    }

    fn message_bytes_max(&self) -> usize {
        self.driver.message_bytes_max()
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        self.driver.submit(requests)
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        let (faults, condition) = (self.driver.counters().faults, self.driver.condition());
        let polled = self.driver.poll(verdicts);
        if polled > 0 || self.driver.counters().faults != faults || self.driver.condition() != condition {
            let report = report(&mut self.driver, (self.since)());
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = report;
        }
        polled
    }

    fn prepare(&mut self, scheme: Scheme, key: &[u8]) {
        self.driver.prepare(scheme, key);
    }

    fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        self.driver.forget(scheme, key);
    }
}
