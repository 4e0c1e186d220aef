//! `paxon get`: a linearizable read.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::machine::get_query;
use crate::cli::output::Output;
use crate::cli::propose::ClusterArgs;
use crate::cli::remote::Remote;
use paxon::machines::KvReply;
use paxon::serve::Bytes;

/// Print a value as it is after every command that was answered before (linearizable)
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Print a value as it is after every command that was answered before (linearizable).\n\n\
        The value is printed as it is, followed by a newline. Ends with status 5 if there is no such key.",
    after_help = "Example:\n  paxon get colour"
)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The key
    key: String,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let cluster = ClusterFile::read(&args.cluster.config)?;
    let remote = Remote::new(&cluster, args.cluster.patience(), &Interrupt::listen()?)?;
    let answer = remote.wait(remote.client().read(&get_query(args.key.as_bytes())))?;
    let value = match KvReply::decode(&answer) {
        Some(KvReply::Value(value)) => value,
        Some(KvReply::Missing) => return Err(CliError::NoSuchKey(args.key.clone())),
        other => return Err(CliError::Failed(format!("the store gave a strange reply: {other:?}"))),
    };
    if output.is_json() {
        let text = String::from_utf8_lossy(value);
        return output.object(&serde_json::json!({
            "key": args.key, "value": text, "value_base64": Bytes(value.to_vec()), "slot": answer.slot.0,
        }));
    }
    output.bytes(&[value, b"\n"].concat())
}
