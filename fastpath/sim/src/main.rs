//! `paxon-sim`: runs seeds of the simulator, and replays one.

use clap::{Parser, Subcommand};
use paxon_sim::run::{Outcome, catch_assertions, run_seed, run_seeds};
use paxon_sim::stopwatch::Stopwatch;
use paxon_sim::summary::Summary;
use std::io::{self, Write};
use std::process::ExitCode;

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 1_000;

/// Seeded, deterministic simulator of the production core of Paxon.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs many seeds and sums up which faults were injected and what was found.
    Run {
        /// How many.
        #[arg(long, default_value_t = 20_000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Failing seeds after which the run ends.
        #[arg(long, default_value_t = 1)]
        failures: usize,
        /// Prints the summary as JSON and no progress.
        #[arg(long)]
        json: bool,
    },
    /// Plants each known bug in turn and runs seeds until it is caught.
    #[cfg(feature = "bug-zoo")]
    Zoo {
        /// Seeds after which a bug counts as missed.
        #[arg(long, default_value_t = 20_000)]
        seeds: u64,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Hunts only the bugs whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Prints the table as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs one seed and prints what happened, one line an event.
    Replay {
        /// The seed.
        seed: u64,
        /// Prints only the last lines.
        #[arg(long)]
        last: Option<usize>,
    },
}

fn main() -> io::Result<ExitCode> {
    catch_assertions();
    match Arguments::parse().command {
        Command::Run { seeds, start, jobs, failures, json } => {
            let summary = run(start, seeds, jobs, |failed| failed < failures, !json)?;
            let mut out = io::stdout().lock();
            if json {
                writeln!(out, "{:#}", summary.to_json())?
            } else {
                write!(out, "{summary}")?
            }
            Ok(if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        #[cfg(feature = "bug-zoo")]
        Command::Zoo { seeds, jobs, only, json } => zoo(seeds, jobs, &only, json),
        Command::Replay { seed, last } => replay(&run_seed(seed, true), last),
    }
}

fn run(start: u64, seeds: u64, jobs: usize, go_on: impl Fn(usize) -> bool, progress: bool) -> io::Result<Summary> {
    let (began, mut summary) = (Stopwatch::start(), Summary::default());
    let mut out = io::stderr().lock();
    let mut written = Ok(());
    run_seeds(start, seeds, jobs, |outcome| {
        summary.add(&outcome);
        if progress && summary.seeds.is_multiple_of(PROGRESS_SEEDS) {
            written = writeln!(out, "{} seeds, {:.0} s", summary.seeds, began.elapsed().as_secs_f64());
        }
        written.is_ok() && go_on(summary.failures.len())
    });
    summary.elapsed = began.elapsed();
    written.map(|()| summary)
}

/// The control without a bug runs last, as it takes all its seeds.
#[cfg(feature = "bug-zoo")]
fn zoo(seeds: u64, jobs: usize, only: &str, json: bool) -> io::Result<ExitCode> {
    let bugs = paxon_fastpath::Bug::COMMON.into_iter().filter(|bug| format!("{bug:?}").contains(only)).map(Some);
    let mut hunts = Vec::new();
    for bug in bugs.chain([None]) {
        let hunt = paxon_sim::zoo::find(bug, seeds, jobs);
        if !json {
            writeln!(io::stdout(), "{hunt}")?;
        }
        hunts.push(hunt);
    }
    if json {
        let rows: Vec<_> = hunts.iter().map(paxon_sim::zoo::Hunt::to_json).collect();
        writeln!(io::stdout(), "{:#}", serde_json::Value::from(rows))?;
    }
    let good = hunts.iter().all(paxon_sim::zoo::Hunt::is_as_it_should_be);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replay(outcome: &Outcome, last: Option<usize>) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let skipped = last.map_or(0, |last| outcome.trace.len().saturating_sub(last));
    for line in &outcome.trace[skipped..] {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "seed {}: trace hash {:016x}, {} ns", outcome.seed, outcome.trace_hash, outcome.virtual_ns)?;
    match &outcome.violation {
        Some(violation) => writeln!(out, "VIOLATION of {violation}").map(|()| ExitCode::FAILURE),
        None => writeln!(out, "no violation").map(|()| ExitCode::SUCCESS),
    }
}
