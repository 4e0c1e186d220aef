//! `paxon bench`: what this machine can do.

mod failover;
mod follow;
mod latency;
mod load;
mod trial;

use crate::cli::error::CliError;
use crate::cli::output::Output;
use clap::Subcommand;

/// Measure this machine: commits beside their floor, the loss of leaders, the load of clients
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Measure this machine. Everything is started for the measurement and gone after it.",
    after_help = "Examples:\n  paxon bench latency --affinity\n  paxon bench failover --trials 20\n  paxon bench load --fabric tcp"
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
    #[command(hide = true)]
    Follow(follow::Args),
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    match &args.what {
        What::Latency(args) => latency::run(args, output),
        What::Failover(args) => failover::run(args, output),
        What::Load(args) => load::run(args, output),
        What::Follow(args) => follow::run(args),
    }
}
