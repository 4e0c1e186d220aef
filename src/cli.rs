//! The command line: one subcommand a file.

mod bench;
mod client;
mod cluster_file;
mod demo;
mod doctor;
mod error;
mod expectation;
mod failover;
mod get;
mod hdr;
mod init;
mod interrupt;
mod keys;
mod loopback;
mod machine;
mod output;
mod progress;
mod propose;
mod put;
mod remote;
mod replica;
mod replicas;
mod session;
mod setting;
mod softroce;
mod status;
mod table;
mod tether;
mod ways;

use clap::{Parser, Subcommand};
use error::CliError;
use output::Output;
use std::process::ExitCode;

/// What `paxon --help` says below the list of commands.
const GUIDE: &str = "\
First steps:
  paxon demo                              three processes, a killed leader, a table of latencies
  paxon init > cluster.toml               a commented description of a cluster of your own
  paxon replica --config cluster.toml --id 0      (and 1, and 2, each in a terminal of its own)
  paxon put colour blue                   a command that is applied exactly once
  paxon get colour                        a linearizable read
  paxon status                            who leads, and how far everybody is
  paxon bench latency                     what a commit costs on this machine
  paxon doctor rdma                       whether this machine can run a replica over RDMA
  paxon demo --fabric rdma --softroce     the demo over emulated RDMA devices, in a virtual machine

Exit status:
  0    it worked
  1    it failed, and the message says why; `doctor`: this machine cannot
  2    the command line or the cluster file is wrong
  3    no replica answered or none leads; trying again later makes sense
  4    `demo`, `bench`: replicas disagree, or a command was lost, doubled or out of order
  5    `get`: there is no such key
  130  interrupted";

/// Multi-Paxos at the speed of memory: replicas write each other's memory, and no follower's processor takes part in a commit.
#[derive(Debug, Parser)]
#[command(name = "paxon", version, after_help = GUIDE, max_term_width = 110)]
struct Cli {
    /// Print one JSON object (of a replica: one per event) instead of text; errors too
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Keys(keys::Args),
    Replica(replica::Args),
    Propose(propose::Args),
    Put(put::Args),
    Get(get::Args),
    Status(status::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
}

/// Runs the command that the arguments of the process ask for.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Warnings unless RUST_LOG says otherwise; to standard error, so that what is asked for stays alone on standard output.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let mut output = Output::new(cli.json);
    let done = match &cli.command {
        Command::Demo(args) => demo::run(args, &mut output),
        Command::Init(args) => init::run(args, &mut output),
        Command::Keys(args) => keys::run(args, &mut output),
        Command::Replica(args) => replica::run(args, &mut output),
        Command::Propose(args) => propose::run(args, &mut output),
        Command::Put(args) => put::run(args, &mut output),
        Command::Get(args) => get::run(args, &mut output),
        Command::Status(args) => status::run(args, &mut output),
        Command::Bench(args) => bench::run(args, &mut output),
        Command::Doctor(args) => doctor::run(args, &mut output),
    };
    match done {
        Ok(()) | Err(CliError::ReaderGone) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("paxon "), "{} has no example in its help", command.get_name());
        }
    }
}
