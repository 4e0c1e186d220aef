//! `paxon init`: a cluster file to start from, and the keys that go with it.

use crate::cli::cluster_file::{client_key_file, make_record_secret, record_secret_file, replica_key_file};
use crate::cli::error::CliError;
use crate::cli::keys;
use crate::cli::output::Output;
use paxon::ReplicaId;
use std::fmt::Write;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The commented cluster file.
pub const SAMPLE: &str = include_str!("sample.toml");
/// What of it a cluster with a network has otherwise.
const REPLICAS: &str = "replicas = 3\n";
const FABRIC: &str = "fabric = \"shm\"\n";
const AUTO: &str = "fabric = \"auto\"\n";
const KEYS: &str = "# keys = \"keys\" ";
const TABLE: &str = "# [tcp]\n";
const PLAINTEXT: &str = "# plaintext = false ";
/// Name of the one client that a new cluster knows.
const CLIENT: &str = "main";

/// Print a commented cluster file
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Print a commented cluster file. With --members, one for replicas that reach each other over TCP, after \
        making the private keys of all of them and of one client: give each host the file and its own key.",
    after_help = "Examples:\n  paxon init > cluster.toml\n  \
        paxon init --members 10.0.0.1:7400,10.0.0.2:7400,10.0.0.3:7400 --keys keys > cluster.toml\n  \
        paxon init --members 10.0.0.1:7400,10.0.0.2:7400,10.0.0.3:7400 --rdma > cluster.toml   # and a secret for records"
)]
pub struct Args {
    /// Where each replica listens, host:port
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    members: Vec<String>,
    /// Folder for the private keys, made if need be
    #[arg(long, value_name = "DIR", default_value = "keys")]
    keys: PathBuf,
    /// Neither authentication nor encryption, for closed networks: whoever reaches a port can break the cluster
    #[arg(long, requires = "members")]
    plaintext: bool,
    /// Also make the secret by which records are authenticated, which RDMA needs on networks that others can send to
    #[arg(long, requires = "members")]
    rdma: bool,
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let text = if args.members.is_empty() { SAMPLE.to_owned() } else { networked(args)? };
    output.object(&serde_json::json!({ "cluster_toml": text }))?;
    if output.is_json() { Ok(()) } else { output.bytes(text.as_bytes()) }
}

/// The file of a cluster with a network; makes its keys.
fn networked(args: &Args) -> Result<String, CliError> {
    let (members, folder) = (&args.members, &args.keys);
    DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(|error| {
        CliError::Configuration(format!("cannot make the folder of keys {}: {error}", folder.display()))
    })?;
    let mut text = SAMPLE
        .replacen(REPLICAS, &format!("replicas = {}\n", members.len()), 1)
        .replacen(FABRIC, AUTO, 1)
        .replacen(TABLE, "[tcp]\n", 1)
        .replacen(KEYS, &format!("keys = {:?} ", folder.display().to_string()), 1);
    if args.plaintext {
        text = text.replacen(PLAINTEXT, "plaintext = true ", 1);
    }
    if args.rdma {
        let file = record_secret_file(folder);
        let made = make_record_secret(&file).map_err(|error| {
            CliError::Configuration(format!("cannot make the record secret {}: {error}", file.display()))
        })?;
        text = text.replacen(AUTO, &format!("{AUTO}record_fingerprint = \"{made}\"\n"), 1);
    }
    // The examples of members and clients are the last thing in the sample.
    text.truncate(text.find("# [[member]]").unwrap_or(text.len()));
    for (id, address) in (0..).map(ReplicaId).zip(members) {
        let key = keys::make(&replica_key_file(folder, id))?.public();
        // Writing to a string does not fail.
        let _ = write!(text, "[[member]]\naddress = {address:?}\nkey = \"{key}\"\n\n");
    }
    let key = keys::make(&client_key_file(folder, CLIENT))?.public();
    let _ = write!(text, "[[client]]\nname = \"{CLIENT}\"\nkey = \"{key}\"\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_every_line_that_a_network_changes() {
        for line in [REPLICAS, FABRIC, KEYS, TABLE, PLAINTEXT, "# [[member]]", "# [[client]]"] {
            assert_eq!(SAMPLE.matches(line).count(), 1, "{line}");
        }
    }
}
