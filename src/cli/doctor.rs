//! `paxon doctor`: whether this machine can do what a cluster is to do on it.

mod rdma;

use crate::cli::error::CliError;
use crate::cli::output::Output;
use clap::Subcommand;

/// Say what this machine can do, and what to change where it cannot
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Say what this machine can do, and what to change where it cannot.",
    after_help = "Examples:\n  paxon doctor rdma\n  paxon doctor rdma --config cluster.toml --json"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Rdma(rdma::Args),
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    match &args.what {
        What::Rdma(args) => rdma::run(args, output),
    }
}
