//! `paxon bench follow`: a follower of `paxon bench latency`, which starts it.

use crate::cli::error::CliError;
use crate::cli::tether;
use paxon::measure::{FollowerOptions, follow};
use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio, exit};

/// Exit status of a follower whose measuring process has died. Nobody is left to read it.
const ORPHANED: i32 = 1;

/// A follower of `paxon bench latency`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the measuring process says about the cluster
    options: String,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let options: FollowerOptions = serde_json::from_str(&args.options)
        .map_err(|error| CliError::Configuration(format!("these are not the options of a follower: {error}")))?;
    tether::watch(|| exit(ORPHANED));
    follow(&options).map_err(|error| CliError::failed(format!("follower {}", options.replica), &error))
}

/// Starts a process that runs the above. Its standard input is the tether: it ends with this process, whatever happens to that.
pub fn spawn(options: &FollowerOptions) -> io::Result<Child> {
    let options = serde_json::to_string(options)?;
    Command::new(env::current_exe()?)
        .args(["bench", "follow", &options])
        // Ctrl-C is for the measuring process alone: it ends the followers.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
}
