//! `paxon init`: a cluster file to start from.

use crate::cli::error::CliError;
use crate::cli::output::Output;

/// The commented cluster file.
pub const SAMPLE: &str = include_str!("sample.toml");

/// Print a commented cluster file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  paxon init > cluster.toml")]
pub struct Args {}

pub fn run(_: &Args, output: &mut Output) -> Result<(), CliError> {
    output.object(&serde_json::json!({ "cluster_toml": SAMPLE }))?;
    if output.is_json() { Ok(()) } else { output.bytes(SAMPLE.as_bytes()) }
}
