//! The comparison as a command.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints what it measured")]

use clap::Parser;
use paxon_bench_etcd::cluster::{EtcdCluster, StartError, is_tmpfs};
use paxon_bench_etcd::comparison::{CompareError, Plan, alternate};
use paxon_bench_etcd::etcd::{Effort, Etcd};
use paxon_bench_etcd::paxon_clients::PaxonClients;
use paxon_bench_etcd::paxon_command::PaxonCommand;
use paxon_bench_etcd::report::{Circumstances, EtcdClientChoice, Report, Setup, Versions};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status when there is no etcd: what test runners take for "skipped".
const SKIPPED: u8 = 77;
/// Exit status after an interrupt, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;
/// So many puts fit into memory three times over.
const OPERATIONS_MAX: u64 = 1_000_000;

/// Measure Paxon beside a three-member etcd, in turns, in one run
#[derive(Debug, Parser)]
#[command(
    version,
    long_about = "Measure Paxon beside a three-member etcd, in turns, in one run.\n\n\
        Three members of etcd are started on loopback with their data on a tmpfs; for each block of Paxon \
        `paxon bench latency` (the commit at the leader, embedded) or `paxon bench load` (a remote client, as etcd's is) is run. Everything is gone afterwards. The client of etcd is the fastest of several that are tried first.",
    after_help = "Build both first:\n  cargo build --release --bin paxon && cargo build --release -p paxon-bench-etcd\n\
        Examples:\n  cargo run --release -p paxon-bench-etcd -- --samples 20000 --json\n  \
        cargo run --release -p paxon-bench-etcd -- --fabric shm    # only to try the frame: not comparable\n\
        Exit status: 0 measured, 1 failed, 2 wrong usage, 77 etcd is not installed (Debian: apt-get install etcd-server), \
        130 interrupted."
)]
struct Args {
    /// Operations one at a time, of each contender
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20_000,
        value_parser = clap::value_parser!(u64).range(1..=OPERATIONS_MAX))]
    samples: u64,
    /// Operations with 64 outstanding, of each contender
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..=OPERATIONS_MAX))]
    operations: u64,
    /// Turns of each contender
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    blocks: u64,
    /// Fabric of Paxon, as `paxon bench latency` takes it
    #[arg(long, default_value = "tcp")]
    fabric: String,
    /// Passed on to `paxon bench latency`; can be repeated
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    paxon_option: Vec<OsString>,
    /// The command `paxon` [default: beside this program]
    #[arg(long, value_name = "PATH")]
    paxon: Option<PathBuf>,
    /// The program `etcd`
    #[arg(long, value_name = "PATH", default_value = "etcd")]
    etcd: PathBuf,
    /// Where to make the private directories, on tmpfs
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    dir: PathBuf,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
}

impl Args {
    fn plan(&self) -> Plan {
        Plan { samples: self.samples, operations: self.operations, blocks: self.blocks.min(self.samples) }
    }

    fn circumstances(&self, tmpfs: bool) -> Circumstances {
        let paxon_options = self.paxon_option.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Circumstances { fabric: self.fabric.clone(), paxon_options, tmpfs }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) => print(&args, &report),
        Err(error) => complain(error.as_ref()),
    }
}

fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupt))?;
    }
    let etcd_version = EtcdCluster::version(&args.etcd)?;
    let folder = tempfile::Builder::new().prefix("paxon-bench-etcd-").tempdir_in(&args.dir)?;
    let program = args.paxon.clone().map_or_else(PaxonCommand::beside_this, Ok)?;
    let mut clients = PaxonClients::new(PaxonCommand::new(program.clone(), &args.fabric, &[], folder.path())?);
    let mut paxon = PaxonCommand::new(program, &args.fabric, &args.paxon_option, folder.path())?;
    let versions = Versions { etcd: etcd_version, paxon: paxon.version()? };

    eprintln!("starting three members of etcd, trying its clients");
    let (plan, tmpfs) = (args.plan(), is_tmpfs(&args.dir)?);
    let effort = Effort::of(plan);
    // A block rounds up, so there may be one more put in each.
    let puts = effort.puts() + plan.samples + plan.operations + 2 * plan.blocks;
    let mut etcd = Etcd::tried(EtcdCluster::start(&args.etcd, &args.dir, puts)?, effort)?;
    let (latency, throughput) = (etcd.for_latency().setting, etcd.for_throughput().setting);
    let etcd_client = EtcdClientChoice { latency, throughput, trials: etcd.trials().to_vec() };
    let rows = alternate(&mut [&mut etcd, &mut paxon, &mut clients], plan, |what| {
        eprintln!("{what}");
        // A flag alone: no memory is passed with it.
        !interrupt.load(Ordering::Relaxed)
    });
    let rows =
        rows.map_err(|error| if interrupt.load(Ordering::Relaxed) { CompareError::Interrupted } else { error })?;
    Ok(Report::new(Setup { plan, versions, etcd_client, circumstances: args.circumstances(tmpfs) }, rows))
}

fn print(args: &Args, report: &Report) -> ExitCode {
    let text = if args.json { serde_json::to_string(report) } else { Ok(report.to_string()) };
    match text {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => complain(&error),
    }
}

/// Says what went wrong, with its causes.
fn complain(error: &(dyn Error + 'static)) -> ExitCode {
    if let Some(StartError::NotInstalled { .. }) = error.downcast_ref() {
        eprintln!("SKIPPED: {error}");
        return ExitCode::from(SKIPPED);
    }
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    eprintln!("error: {}", causes.join(": "));
    match error.downcast_ref() {
        Some(CompareError::Interrupted) => ExitCode::from(INTERRUPTED),
        _ => ExitCode::FAILURE,
    }
}
