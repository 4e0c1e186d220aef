//! `paxon demo`: three processes, a killed leader, and where the time went.

mod act;
mod logs;
mod report;
mod spans;
mod workload;

use crate::cli::cluster_file::{FabricKind, Poll};
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::replicas::Replicas;
use crate::cli::setting::{Setting, Wishes};
use crate::cli::softroce::{Machine, SoftroceArgs};
use act::Act;
use std::env;
use std::path::PathBuf;
use workload::Workload;

/// In the SoftRoCE machine everything takes seconds that takes milliseconds elsewhere.
const MACHINE_SECONDS: u64 = 600;

/// Watch three replicas replicate, lose their leader and agree
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Watch three replicas replicate, lose their leader and agree.\n\n\
        Starts the replicas as processes of their own, has every line of FILE (or a built-in workload of puts) applied \
        through a client session, kills the leader with SIGKILL half way, goes on with the next leader, and checks that \
        all survivors hold the same state and that every line was applied exactly once and in order. Then it shows where \
        the time went. Everything lies in a private directory that is removed at the end.",
    after_help = "Examples:\n  paxon demo\n  paxon demo --input /etc/services --replicas 5\n  paxon demo --poll spin --affinity --json\n  \
        paxon demo --fabric rdma --softroce      # over emulated RDMA devices, in a virtual machine"
)]
pub struct Args {
    /// Replicate the lines of this file: any bytes, any length up to the limit, read into memory first
    #[arg(short, long, value_name = "FILE", conflicts_with = "softroce")]
    input: Option<PathBuf>,
    /// How many puts the built-in workload has
    #[arg(
        short = 'n',
        long,
        visible_alias = "lines",
        value_name = "N",
        default_value_t = 20_000,
        conflicts_with = "input"
    )]
    commands: u64,
    /// 3, 5 or 7 replicas
    #[arg(short, long, value_name = "N", default_value_t = 3)]
    replicas: usize,
    /// How the replicas reach each other
    #[arg(long, value_enum, default_value_t)]
    fabric: FabricKind,
    /// What a replica does when idle [default: spin with a core for each replica and one to spare, otherwise yield]
    #[arg(long, value_enum)]
    poll: Option<Poll>,
    /// Pin each replica to a core of its own
    #[arg(long)]
    affinity: bool,
    /// Commands that the client has under way at once, 1 to 16
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=16))]
    outstanding: u64,
    /// Where to make the private directory, on tmpfs [default: /dev/shm]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where to write the HdrHistogram logs [default: paxon-demo-logs in the directory for temporary files]
    #[arg(long, value_name = "DIR", conflicts_with = "softroce")]
    log_dir: Option<PathBuf>,
    #[command(flatten)]
    machine: SoftroceArgs,
}

impl Args {
    fn wishes(&self) -> Wishes<'_> {
        let Self { replicas, fabric, poll, affinity, machine, .. } = *self;
        let (emulated, dir) = (machine.emulated, self.dir.as_deref());
        Wishes { purpose: "demo", replicas, fabric, poll, affinity, emulated, dir }
    }
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    if args.machine.softroce {
        return Machine { devices: args.replicas, seconds: MACHINE_SECONDS }.run_this_command();
    }
    let interrupt = Interrupt::listen()?;
    let setting = Setting::choose(&args.wishes())?;
    let cluster = &setting.cluster;
    let workload = Workload::load(args.input.as_deref(), args.commands, cluster.command_bytes_max())?;
    output.line(&format!("{}; {}", setting.describe(), workload.describe()))?;
    let mut replicas = Replicas::start(&setting, &interrupt)?;
    let act = Act { cluster, workload: &workload, interrupt: &interrupt, outstanding: args.outstanding };
    // A replica that died on its own explains a failure better than the client that missed it.
    let played = act.play(&mut replicas, output).map_err(|error| replicas.explain(error));
    drop(replicas);
    let report = played?;
    let log_dir = args.log_dir.clone().unwrap_or_else(|| env::temp_dir().join("paxon-demo-logs"));
    logs::write(&log_dir, &report.intervals)?;
    report.print(&setting, &workload, &log_dir, output)
}
