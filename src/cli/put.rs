//! `paxon put`: sets a value.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::machine::{put_command, store_reply};
use crate::cli::output::Output;
use crate::cli::propose::ClusterArgs;
use crate::cli::remote::Remote;
use crate::cli::session::RemoteSession;
use paxon::machines::KvReply;

/// Set a value, exactly once
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  paxon put colour blue")]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The key, up to 65,535 bytes
    key: String,
    /// Its value from now on
    value: String,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let cluster = ClusterFile::read(&args.cluster.config)?;
    let command = put_command(args.key.as_bytes(), args.value.as_bytes())
        .map_err(|error| CliError::Configuration(error.to_string()))?;
    let remote = Remote::new(&cluster, args.cluster.patience(), &Interrupt::listen()?)?;
    let mut session = RemoteSession::open(remote)?;
    let applied = session.propose(&command)?;
    match store_reply(&applied.reply) {
        Some(KvReply::Done) => {}
        Some(KvReply::Full) => {
            let most = cluster.kv_limits().bytes_max;
            return Err(CliError::Failed(format!("the store is full: state_bytes_max is {most}; nothing was changed")));
        }
        other => return Err(CliError::Failed(format!("the store gave a strange reply: {other:?}"))),
    }
    output.object(&serde_json::json!({ "key": args.key, "slot": applied.slot.0, "replica": applied.replica.0 }))?;
    output.line(&format!("done, in slot {}", applied.slot.0))
}
