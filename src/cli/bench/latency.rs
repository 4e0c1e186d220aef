//! `paxon bench latency`: how long a commit takes, beside its floor and what the machine does by itself.

use crate::cli::bench::follow;
use crate::cli::cluster_file::{FabricKind, Io};
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Colour, Output};
use crate::cli::progress::Progress;
use crate::cli::softroce::{Machine, SoftroceArgs};
use crate::cli::table::{Table, amount, count, nanos};
use paxon::measure::{
    Auth, AuthReport, Fabric, MeasureError, Options, Percentiles, Report, TcpSettings, authentic_while, commits_while,
};
use std::path::PathBuf;

/// Latencies that are measured unless told otherwise: seconds, whether the devices are emulated or not.
const SAMPLES: u64 = 1_000_000;
const EMULATED_SAMPLES: u64 = 20_000;
/// The SoftRoCE machine is ended after so long.
const MACHINE_SECONDS: u64 = 900;

/// How commands are authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum AuthKind {
    /// Not at all
    #[default]
    None,
    /// By the MAC of a session that a signature has begun
    Mac,
    /// By an Ed25519 signature each
    Ed25519,
    /// By an ML-DSA-44 signature each
    Mldsa,
    /// By both signatures each
    Hybrid,
}

impl AuthKind {
    const fn measured(self) -> Option<Auth> {
        match self {
            Self::None => None,
            Self::Mac => Some(Auth::Mac),
            Self::Ed25519 => Some(Auth::Ed25519),
            Self::Mldsa => Some(Auth::Mldsa),
            Self::Hybrid => Some(Auth::Hybrid),
        }
    }
}

/// Measure how long a commit takes at the leader, beside its floor
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure how long a commit takes at the leader, beside its floor.\n\n\
        A thread of this process leads; every follower is a process of its own. One record after the other is proposed, \
        committed and applied. The floor is what no engine can do without: the bare stores and compare-and-exchanges of \
        such a commit, by the same thread, into the same memory, with the same followers polling. The hiccup row is a \
        thread that only reads the clock for as long as a commit takes, and by how much it overshoots: the tail that the \
        machine adds to everything. Over TCP (loopback) the floor is a bare ping-pong of the same bytes between the same \
        processes, in plaintext, with the same polling. Over RDMA \
        it is the bare WRITE and compare-and-exchange to all followers, on the queue pairs of the leader. In the end all replicas must hold the same state.",
    after_help = "Examples:\n  paxon bench latency --affinity\n  paxon bench latency --payload 1024 --samples 100000 --json\n  \
        paxon bench latency --batch 64 --outstanding 4      # throughput: latencies are those of 256 commands\n  \
        paxon bench latency --auth ed25519 -n 20000         # signed commands, beside unsigned ones\n  \
        paxon bench latency --fabric rdma --softroce -n 20000 --json   # emulated: for the ratio to the floor"
)]
pub struct Args {
    /// How the replicas reach each other
    #[arg(long, value_enum, default_value_t)]
    fabric: FabricKind,
    /// Over TCP: which system calls move the bytes
    #[arg(long, value_enum, default_value_t)]
    io: Io,
    /// Over TCP: neither authentication nor encryption
    #[arg(long)]
    plaintext: bool,
    /// How commands are authenticated; beside the same commands without
    #[arg(long, value_enum, default_value_t)]
    auth: AuthKind,
    /// Bytes of each command
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    payload: usize,
    /// How many latencies to measure [default: 1000000, with --softroce 20000]
    #[arg(short = 'n', long, value_name = "N")]
    samples: Option<u64>,
    /// 1, 3, 5 or 7 replicas
    #[arg(short, long, value_name = "N", default_value_t = 3)]
    replicas: usize,
    /// Commands of each record
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Records that are sent at once, behind one check
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    outstanding: usize,
    /// Pin the leader to the first core and the followers to the others in turn
    #[arg(long)]
    affinity: bool,
    /// Cells of each journal, a power of two
    #[arg(long, value_name = "N", default_value_t = 4096)]
    cells: usize,
    /// Where to make the private directory, on tmpfs
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    dir: PathBuf,
    #[command(flatten)]
    machine: SoftroceArgs,
}

impl Args {
    fn options(&self) -> Options {
        let Self { replicas, payload, batch, outstanding, affinity, cells, .. } = *self;
        let samples = self.samples.unwrap_or(if self.machine.emulated { EMULATED_SAMPLES } else { SAMPLES });
        let fabric = match self.fabric {
            FabricKind::Shm | FabricKind::Auto => Fabric::Shm,
            FabricKind::Tcp => Fabric::Tcp(TcpSettings { io: self.io.into(), plaintext: self.plaintext }),
            FabricKind::Rdma => Fabric::Rdma,
        };
        let directory = self.dir.join(format!("paxon-bench-{}", std::process::id()));
        Options { fabric, replicas, payload, samples, batch, outstanding, affinity, cells, directory }
    }
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let options = args.options();
    options.validate().map_err(|error| CliError::Configuration(error.to_string()))?;
    if args.machine.softroce {
        return Machine { devices: args.replicas, seconds: MACHINE_SECONDS }.run_this_command();
    }
    let interrupt = Interrupt::listen()?;
    if let Some(auth) = args.auth.measured() {
        return authentic(&options, auth, &interrupt, output);
    }
    let mut progress = Progress::new(options.samples, output);
    let report = commits_while(&options, follow::spawn, |done| {
        progress.show(done);
        !interrupt.is_set()
    });
    drop(progress);
    let report = report.map_err(failure)?;
    output.object(&report)?;
    print(&report, output)
}

fn failure(error: MeasureError) -> CliError {
    match error {
        MeasureError::Interrupted => CliError::Interrupted,
        MeasureError::Diverged { .. } => CliError::Mismatch(error.to_string()),
        error => CliError::failed("cannot measure", &error),
    }
}

fn authentic(options: &Options, auth: Auth, interrupt: &Interrupt, output: &mut Output) -> Result<(), CliError> {
    let report = authentic_while(options, auth, follow::spawn, |_| !interrupt.is_set()).map_err(failure)?;
    output.object(&report)?;
    print_authentic(&report, output)
}

fn print_authentic(report: &AuthReport, output: &mut Output) -> Result<(), CliError> {
    let AuthReport { auth, replicas, fabric, cores, payload, samples, stages, .. } = report;
    let samples = count(*samples);
    output.line(&format!(
        "{replicas} replicas over {fabric} on {cores} cores; {samples} commands of {payload} bytes, {auth:?}, one at a time\n"
    ))?;
    let mut table = Table::new(&["latency", "p50", "p99", "p99.9", "max"]);
    let rows = [
        ("command", report.whole),
        ("  verified", stages.verified),
        ("  quorum", stages.quorum),
        ("  applied", stages.applied),
        ("unsigned", report.unsigned.commit),
        ("unsigned, as long", report.unsigned_same_size),
        ("floor", report.unsigned.floor),
    ];
    for (name, Percentiles { p50_ns, p99_ns, p999_ns, max_ns, .. }) in rows {
        table.row([vec![name.to_owned()], [p50_ns, p99_ns, p999_ns, max_ns].map(nanos).to_vec()].concat());
    }
    for (at, line) in table.lines().iter().enumerate() {
        output.line(&if at == 0 { output.paint(Colour::Heading, line) } else { line.clone() })?;
    }
    output.line(&format!(
        "\nauthentication adds {} ns at the median; the commit after it takes {:.2} times that of an unsigned command as long",
        report.added_p50_ns, report.commit_ratio
    ))?;
    let Some(stream) = report.throughput else { return Ok(()) };
    output.line(&format!(
        "a stream of them: {} commands a second with {} verifying threads, {:.2} of what the library verifies one by one on as many \
         cores ({:.2} with prepared keys)",
        count(stream.ops_per_s as u64),
        stream.workers,
        stream.ratio_to_library,
        stream.ratio_to_prepared
    ))
}

fn print(report: &Report, output: &mut Output) -> Result<(), CliError> {
    output.line(&describe(report))?;
    let mut table = Table::new(&["latency", "p50", "p99", "p99.9", "max"]);
    let rows = [("commit", report.commit), ("floor", report.floor), ("hiccup", report.hiccup)];
    for (name, Percentiles { p50_ns, p99_ns, p999_ns, max_ns, .. }) in rows {
        table.row([vec![name.to_owned()], [p50_ns, p99_ns, p999_ns, max_ns].map(nanos).to_vec()].concat());
    }
    for (at, line) in table.lines().iter().enumerate() {
        output.line(&if at == 0 { output.paint(Colour::Heading, line) } else { line.clone() })?;
    }
    output.line(&format!(
        "\na commit takes {:.2} times its floor at the median; {} commands a second; all replicas hold the same state",
        report.ratio_to_floor,
        count(report.ops_per_s as u64)
    ))
}

fn describe(report: &Report) -> String {
    let Report { replicas, fabric, cores, affinity, payload, batch, outstanding, samples, .. } = report;
    let pinned = if *affinity { ", pinned" } else { "" };
    let commit = match (batch * outstanding) as u64 {
        1 => "commits".to_owned(),
        commands => format!("groups of {}", amount(commands, "command")),
    };
    let samples = count(*samples);
    format!("{replicas} replicas over {fabric} on {cores} cores{pinned}; {samples} {commit}, {payload} bytes each\n")
}
