//! `paxon bench adversary`: forged commands among honest ones, and what became of each.

use crate::cli::bench::defend;
use crate::cli::bench::verify::Kind;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Colour, Output};
use crate::cli::table::{Table, amount, count, nanos};
use paxon::measure::{AdversaryOptions, AdversaryReport, LoadReport, MeasureError, Trust, VerifierKind, attack_while};
use std::path::PathBuf;

/// Commands of the attack unless told otherwise: minutes; with a model, with the RTL, and of a smoke test: seconds.
const COMMANDS: u64 = 1_000_000;
const MODEL_COMMANDS: u64 = 50_000;
const RTL_COMMANDS: u64 = 2_000;
const SMOKE_COMMANDS: u64 = 4_000;
const RTL_SMOKE_COMMANDS: u64 = 40;

/// Which replicas verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Policy {
    /// Every replica, before it applies
    #[default]
    All,
    /// The leader, before it proposes
    Leader,
}

/// Attack a cluster with forged commands and look what was applied
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Attack a cluster with forged commands and look what was applied.\n\n\
        Starts three replicas as processes of their own. Four clients send signed commands; in the session of each somebody \
        else sends forged ones: of wrong, unknown, revoked and expired keys, for other clusters, sessions and numbers, \
        altered by a bit, cut off, replayed. What was applied is found in the state of every replica. Throughput and latency \
        are measured without the attack, under it, and without it again. Exit status 1 if a forged command was applied, an \
        honest one was refused or lost, or replicas hold different states.",
    after_help = "Examples:\n  paxon bench adversary --smoke\n  paxon bench adversary --share 800 --json\n  \
        paxon bench adversary --verifier model --kill-device     # the devices stop in the middle of the attack\n  \
        paxon bench adversary --smoke --careless                 # leaders do not look: every replica has to refuse"
)]
pub struct Args {
    /// A short attack
    #[arg(long)]
    smoke: bool,
    /// Commands of the attack, honest and forged [default: 1000000; with --verifier model 50000, verilator 2000]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    commands: Option<u64>,
    /// Of 1000 commands so many are forged
    #[arg(long, value_name = "PER_MILLE", default_value_t = 500, value_parser = clap::value_parser!(u16).range(0..=999))]
    share: u16,
    /// What verifies; verilator at one replica
    #[arg(long, value_enum, default_value_t)]
    verifier: Kind,
    /// Which replicas verify
    #[arg(long, value_enum, default_value_t)]
    policy: Policy,
    /// Leaders propose whatever they are given
    #[arg(long)]
    careless: bool,
    /// The model of each replica stops for good in the middle of the attack
    #[arg(long)]
    kill_device: bool,
    /// Where to make the private directory, on tmpfs
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    dir: PathBuf,
}

impl Args {
    fn options(&self) -> Result<AdversaryOptions, CliError> {
        if self.kill_device && self.verifier != Kind::Model {
            return Err(CliError::Configuration(
                "--kill-device: only a model can be broken; add --verifier model".into(),
            ));
        }
        let usual = match (self.verifier, self.smoke) {
            (Kind::Verilator, true) => RTL_SMOKE_COMMANDS,
            (_, true) => SMOKE_COMMANDS,
            (Kind::Software, false) => COMMANDS,
            (Kind::Model, false) => MODEL_COMMANDS,
            (Kind::Verilator, false) => RTL_COMMANDS,
        };
        Ok(AdversaryOptions {
            commands: self.commands.unwrap_or(usual),
            share_per_mille: self.share,
            verifier: VerifierKind::from(self.verifier),
            policy: match self.policy {
                Policy::All => Trust::All,
                Policy::Leader => Trust::Leader,
            },
            careless: self.careless,
            kill_device: self.kill_device,
            directory: self.dir.join(format!("paxon-adversary-{}", std::process::id())),
        })
    }
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let options = args.options()?;
    let interrupt = Interrupt::listen()?;
    let report = attack_while(&options, defend::spawn, || !interrupt.is_set()).map_err(|error| match error {
        MeasureError::Interrupted => CliError::Interrupted,
        error => CliError::failed("cannot measure", &error),
    })?;
    output.object(&report)?;
    print(&report, output)?;
    match (report.holds(), output.is_json()) {
        (true, _) => Ok(()),
        // The object says so as well.
        (false, true) => Err(CliError::Reported(1)),
        (false, false) => Err(CliError::Failed("the cluster did not hold; the lines above say where".into())),
    }
}

fn print(report: &AdversaryReport, output: &mut Output) -> Result<(), CliError> {
    let AdversaryReport { verifier, policy, cores, honest_sent, forged_sent, .. } = report;
    output.line(&format!(
        "three processes on {cores} cores, {verifier:?}, policy {policy:?}; {} honest commands, {} forged ones among them\n",
        count(*honest_sent),
        count(*forged_sent)
    ))?;
    let mut table = Table::new(&["honest commands", "a second", "p50", "p99", "p99.9", "max", "longest gap"]);
    for (name, load) in [("without attack", &report.calm), ("under attack", &report.attack)] {
        let LoadReport { honest_per_s, latency, longest_gap_ns, .. } = load;
        let times = [latency.p50_ns, latency.p99_ns, latency.p999_ns, latency.max_ns, *longest_gap_ns].map(nanos);
        table.row([vec![name.to_owned(), count(*honest_per_s as u64)], times.to_vec()].concat());
    }
    for (at, line) in table.lines().iter().enumerate() {
        output.line(&if at == 0 { output.paint(Colour::Heading, line) } else { line.clone() })?;
    }
    for (name, refused) in &report.refusals {
        output.line(&format!("  {} refused: {name}", count(*refused)))?;
    }
    for device in report.defences.iter().filter_map(|defence| defence.device.as_ref()) {
        output.line(&format!("{} is {}: {}", device.place, device.condition, amount(device.faults, "fault")))?;
    }
    print_verdict(report, output)
}

fn print_verdict(report: &AdversaryReport, output: &mut Output) -> Result<(), CliError> {
    let AdversaryReport { forged_applied, honest_applied, honest_refused, states_equal, .. } = report;
    let states = if *states_equal { "all replicas hold the same state" } else { "REPLICAS HOLD OTHER STATES" };
    let colour = if report.holds() { Colour::Good } else { Colour::Bad };
    output.line(&output.paint(
        colour,
        &format!(
            "\n{} forged applied, {} honest applied, {} honest refused; {states}",
            count(*forged_applied),
            count(*honest_applied),
            count(*honest_refused)
        ),
    ))
}
