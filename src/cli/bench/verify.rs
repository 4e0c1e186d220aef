//! `paxon bench verify`: what a verifier of signatures does, and whether every verdict is right.

use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Colour, Output};
use crate::cli::progress::Progress;
use crate::cli::table::{Table, amount, count, nanos};
use paxon::fastpath::verify::Scheme;
use paxon::measure::{
    DeviceReport, MeasureError, OUTSTANDING_MAX, Percentiles, VerifierKind, VerifyOptions, VerifyReport,
    verifications_while,
};
use std::thread;

/// Verdicts that are waited for unless told otherwise: seconds.
const SAMPLES: u64 = 100_000;
const MODEL_SAMPLES: u64 = 20_000;
const RTL_SAMPLES: u64 = 200;

/// What verifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Threads of the processor
    #[default]
    Software,
    /// The driver over the device in plain Rust
    Model,
    /// The driver over the RTL, simulated by Verilator
    Verilator,
}

impl From<Kind> for VerifierKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Software => Self::Software,
            Kind::Model => Self::Model,
            Kind::Verilator => Self::Verilator,
        }
    }
}

/// How the requests are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum SchemeKind {
    #[default]
    Ed25519,
    Mldsa,
    Hybrid,
}

/// Measure a verifier of signatures, and whether every verdict is right
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure a verifier of signatures: verifications a second, how long each takes from submission to verdict, and \
        whether every verdict is right.\n\nWhat one core verifies one by one with the library is measured before and after. A \
        device is the plain-Rust model or the RTL, behind the driver that drives a card: cycles are the device's, seconds are \
        the simulation's. A device verifies Ed25519; its driver gives the rest to software. Exit status 1 if a verdict was wrong.",
    after_help = "Examples:\n  paxon bench verify\n  paxon bench verify --scheme mldsa --workers 1 --outstanding 1\n  \
        paxon bench verify --verifier model --forged 500 --json\n  \
        cargo run --release --features verilator -- bench verify --verifier verilator"
)]
pub struct Args {
    /// What verifies
    #[arg(long, value_enum, default_value_t)]
    verifier: Kind,
    /// How the requests are signed
    #[arg(long, value_enum, default_value_t)]
    scheme: SchemeKind,
    /// Threads of the software verifier [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    workers: Option<u64>,
    /// How many verdicts to wait for [default: 100000; of a model 20000, of the RTL 200]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    samples: Option<u64>,
    /// Requests kept under way
    #[arg(short, long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=OUTSTANDING_MAX as u64))]
    outstanding: u64,
    /// Of 1000 requests so many are forged
    #[arg(long, value_name = "PER_MILLE", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=1000))]
    forged: u16,
}

impl Args {
    fn options(&self) -> VerifyOptions {
        let usual = match self.verifier {
            Kind::Software => SAMPLES,
            Kind::Model => MODEL_SAMPLES,
            Kind::Verilator => RTL_SAMPLES,
        };
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        VerifyOptions {
            verifier: self.verifier.into(),
            scheme: match self.scheme {
                SchemeKind::Ed25519 => Scheme::Ed25519,
                SchemeKind::Mldsa => Scheme::MlDsa44,
                SchemeKind::Hybrid => Scheme::Hybrid,
            },
            workers: self.workers.map_or_else(cores, |workers| workers as usize),
            samples: self.samples.unwrap_or(usual),
            outstanding: self.outstanding as usize,
            forged_per_mille: self.forged,
        }
    }
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let options = args.options();
    let interrupt = Interrupt::listen()?;
    let mut progress = Progress::new(options.samples, output);
    let report = verifications_while(&options, |done| {
        progress.show(done);
        !interrupt.is_set()
    });
    drop(progress);
    let report = report.map_err(|error| match error {
        MeasureError::Interrupted => CliError::Interrupted,
        error => CliError::failed("cannot measure", &error),
    })?;
    output.object(&report)?;
    print(&report, output)?;
    if report.wrong > 0 {
        // The object says so as well.
        return Err(if output.is_json() { CliError::Reported(1) } else { wrong(&report) });
    }
    Ok(())
}

fn wrong(report: &VerifyReport) -> CliError {
    CliError::Failed(format!("{} of {} verdicts were wrong", count(report.wrong), count(report.samples)))
}

fn print(report: &VerifyReport, output: &mut Output) -> Result<(), CliError> {
    let VerifyReport { verifier, scheme, cores, workers, outstanding, samples, forged, .. } = report;
    let threads = amount(*workers as u64, "thread");
    output.line(&format!(
        "{verifier:?}, {scheme}, {threads} on {cores} cores; {} verdicts, {} of them on forged requests, {outstanding} under way\n",
        count(*samples),
        count(*forged)
    ))?;
    let mut table = Table::new(&["latency", "p50", "p99", "p99.9", "max"]);
    let Percentiles { p50_ns, p99_ns, p999_ns, max_ns, .. } = report.latency;
    table.row([vec!["verdict".to_owned()], [p50_ns, p99_ns, p999_ns, max_ns].map(nanos).to_vec()].concat());
    for (at, line) in table.lines().iter().enumerate() {
        output.line(&if at == 0 { output.paint(Colour::Heading, line) } else { line.clone() })?;
    }
    output.line(&format!(
        "\n{} verifications a second: {:.2} of what the library verifies one by one on as many cores ({:.2} with prepared keys)",
        count(report.ops_per_s as u64),
        report.ratio_to_library,
        report.ratio_to_prepared
    ))?;
    report.device.iter().try_for_each(|device| print_device(device, report.cycles_per_verification, output))
}

fn print_device(device: &DeviceReport, cycles: Option<f64>, output: &mut Output) -> Result<(), CliError> {
    let DeviceReport { place, condition, by_device, sampled, to_software, faults, .. } = device;
    let cycles = cycles.map_or_else(String::new, |cycles| format!(", {cycles:.0} cycles a verdict"));
    output.line(&format!(
        "{place} is {condition}{cycles}; {} by the device, {} more compared with software, {} by software alone, {}",
        count(*by_device),
        count(*sampled),
        count(*to_software),
        amount(*faults, "fault")
    ))
}
