//! `paxon bench`: what this machine can do.

mod adversary;
mod defend;
mod failover;
mod follow;
mod latency;
mod load;
mod trial;
mod verify;

use crate::cli::error::CliError;
use crate::cli::output::Output;
use clap::Subcommand;

/// Measure this machine: commits beside their floor, the loss of leaders, the load of clients, signatures
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure this machine. Everything is started for the measurement and gone after it.",
    after_help = "Examples:\n  paxon bench latency --affinity\n  paxon bench failover --trials 20\n  paxon bench load --fabric tcp\n  \
        paxon bench verify"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Latency(latency::Args),
    Failover(failover::Args),
    Load(load::Args),
    Verify(verify::Args),
    Adversary(adversary::Args),
    #[command(hide = true)]
    Follow(follow::Args),
    #[command(hide = true)]
    Defend(defend::Args),
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    match &args.what {
        What::Latency(args) => latency::run(args, output),
        What::Failover(args) => failover::run(args, output),
        What::Load(args) => load::run(args, output),
        What::Verify(args) => verify::run(args, output),
        What::Adversary(args) => adversary::run(args, output),
        What::Follow(args) => follow::run(args),
        What::Defend(args) => defend::run(args),
    }
}
