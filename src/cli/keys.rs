//! `paxon keys`: key pairs of replicas and clients.

use crate::cli::error::{CliError, chain};
use crate::cli::output::Output;
use clap::Subcommand;
use paxon::channel::{KeyError, PrivateKey};
use std::path::{Path, PathBuf};

/// Make and show the keys by which replicas and clients know each other
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Make and show the keys by which replicas and clients know each other over TCP.\n\n\
        A private key is an Ed25519 key in a PKCS#8 PEM file that only its owner may read; it never leaves its host. Its \
        public half is one line of the cluster file, the same at every host. `paxon init --members` makes all keys of a new \
        cluster at once.",
    after_help = "Examples:\n  paxon keys new keys/client-alice.key      # prints the line for [[client]]\n  \
        paxon keys show keys/replica-0.key"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a private key in a new file and print its public half
    New {
        /// Where to write it; the file must not exist
        file: PathBuf,
    },
    /// Print the public half of a private key
    Show {
        /// The file of the private key
        file: PathBuf,
    },
}

pub fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    let (file, key) = match &args.what {
        What::New { file } => (file, make(file)?),
        What::Show { file } => (file, PrivateKey::read(file).map_err(|error| wrong(&error))?),
    };
    let public = key.public().to_string();
    output.object(&serde_json::json!({ "file": file, "key": public }))?;
    output.line(&format!("key = {public:?}"))
}

/// Makes a private key in a new file.
pub fn make(file: &Path) -> Result<PrivateKey, CliError> {
    let key = PrivateKey::generate().map_err(|error| wrong(&error))?;
    key.write_new(file).map_err(|error| wrong(&error))?;
    Ok(key)
}

fn wrong(error: &KeyError) -> CliError {
    CliError::Configuration(chain(error))
}
