//! `paxon bench defend`: a replica of `paxon bench adversary`, which starts it.

use crate::cli::error::CliError;
use crate::cli::tether;
use paxon::measure::{DefenderOptions, defend};
use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio, exit};

/// Exit status of a replica whose attacking process has died. Nobody is left to read it.
const ORPHANED: i32 = 1;

/// A replica of `paxon bench adversary`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the attacking process says about the cluster
    options: String,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let options: DefenderOptions = serde_json::from_str(&args.options)
        .map_err(|error| CliError::Configuration(format!("these are not the options of a replica: {error}")))?;
    tether::watch(|| exit(ORPHANED));
    defend(&options).map_err(|error| CliError::failed(format!("replica {}", options.replica), &error))
}

/// Starts a process that runs the above. Its standard input is the tether: it ends with this process, whatever happens to that.
pub fn spawn(options: &DefenderOptions) -> io::Result<Child> {
    let options = serde_json::to_string(options)?;
    Command::new(env::current_exe()?)
        .args(["bench", "defend", &options])
        // Ctrl-C is for the attacking process alone: it ends the replicas.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
}
