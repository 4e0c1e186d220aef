//! `paxon bench failover`: how long a cluster is without a leader.

use crate::cli::bench::trial::{Blow, Trials};
use crate::cli::cluster_file::{FabricKind, Poll};
use crate::cli::error::CliError;
use crate::cli::hdr;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Colour, Output};
use crate::cli::progress::Progress;
use crate::cli::replicas::Replicas;
use crate::cli::setting::{Setting, Wishes};
use crate::cli::softroce::{Machine, SoftroceArgs};
use crate::cli::table::{amount, nanos};
use serde_json::json;
use std::path::PathBuf;

/// The SoftRoCE machine is ended after so long.
const MACHINE_SECONDS: u64 = 900;

/// Measure how long a cluster is without a leader when its leader dies
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure how long a cluster is without a leader when its leader dies.\n\n\
        Starts the replicas as processes of their own and, in every trial, kills the leader with SIGKILL (or stops it with \
        SIGSTOP) while a client has commands under way. The time counts until the next leader has applied and answered a \
        command, and is split: detection until that replica stands for election, takeover until it leads, first commit \
        until it answers. Then the old leader is started again, or resumed: one that was stopped must say that it no longer \
        leads and commit nothing. In the end all replicas must hold every command exactly once and in order.",
    after_help = "Examples:\n  paxon bench failover\n  paxon bench failover --trials 20 --stop\n  \
        paxon bench failover --poll spin --affinity --json      # with a core for each replica"
)]
pub struct Args {
    /// How many leaders to bring down
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    trials: u64,
    /// Stop the leader with SIGSTOP and resume it later, instead of killing it
    #[arg(long)]
    stop: bool,
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
    /// Where to make the private directory, on tmpfs [default: /dev/shm]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    machine: SoftroceArgs,
}

impl Args {
    fn wishes(&self) -> Wishes<'_> {
        let Self { replicas, fabric, poll, affinity, machine, .. } = *self;
        let (emulated, dir) = (machine.emulated, self.dir.as_deref());
        Wishes { purpose: "failover", replicas, fabric, poll, affinity, emulated, dir }
    }
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    if args.machine.softroce {
        return Machine { devices: args.replicas, seconds: MACHINE_SECONDS }.run_this_command();
    }
    let interrupt = Interrupt::listen()?;
    let setting = Setting::choose(&args.wishes())?;
    let blow = if args.stop { Blow::Stop } else { Blow::Kill };
    output.line(&format!("{}; {} with {}", setting.describe(), amount(args.trials, "trial"), blow.signal()))?;
    let mut replicas = Replicas::start(&setting, &interrupt)?;
    let mut progress = Progress::new(args.trials, output);
    let measured = measure(args.trials, blow, &setting, &mut replicas, &interrupt, &mut progress);
    drop(progress);
    // A replica that died on its own explains a failure better than the client that missed it.
    let trials = measured.map_err(|error| replicas.explain(error))?;
    drop(replicas);
    print(&trials, args, blow, &setting, output)
}

fn measure<'a>(
    trials: u64,
    blow: Blow,
    setting: &'a Setting,
    replicas: &mut Replicas,
    interrupt: &'a Interrupt,
    progress: &mut Progress,
) -> Result<Trials<'a>, CliError> {
    let mut run = Trials::new(&setting.cluster, interrupt)?;
    for trial in 0..trials {
        progress.show(trial);
        run.play(blow, replicas)?;
    }
    run.check()?;
    Ok(run)
}

fn print(trials: &Trials<'_>, args: &Args, blow: Blow, setting: &Setting, output: &mut Output) -> Result<(), CliError> {
    let [detection, takeover, first_commit, total] = trials.summaries();
    let ms = |ns: u64| ns as f64 / 1e6;
    output.object(&json!({
        "trials": args.trials,
        "signal": blow.signal(),
        "replicas": setting.cluster.replicas,
        "fabric": setting.cluster.fabric,
        "poll": setting.cluster.poll,
        "pinned": setting.cluster.cores,
        "cores": setting.cores,
        "p50_ms": ms(total.p50_ns),
        "p99_ms": ms(total.p99_ns),
        "max_ms": ms(total.max_ns),
        "detection": detection,
        "takeover": takeover,
        "first_commit": first_commit,
        "elected_again": trials.elected_again(),
        "commands": trials.commands(),
    }))?;
    let median = nanos(total.p50_ns);
    let lines = hdr::table("failover", &[detection, takeover, first_commit, total]);
    for (at, line) in lines.iter().enumerate() {
        output.line(&if at == 0 { output.paint(Colour::Heading, line) } else { line.clone() })?;
    }
    let commands = amount(trials.commands(), "command");
    output.line(&format!(
        "\nhalf of the next commits came within {median} of {}; {commands}, each applied exactly once and in order",
        blow.signal()
    ))
}
