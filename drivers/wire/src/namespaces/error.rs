//! What can go wrong with namespaces.

use crate::StartError;
use std::io;

/// Why namespaces cannot be made, entered or impaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// This machine or this user cannot have network namespaces; tests that need them are to be skipped.
    #[error("network namespaces are not available: {0}")]
    Unavailable(String),
    /// The links cannot be impaired like this here.
    #[error("veth links cannot have {what} here ({reason}): use links by wire")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A command failed.
    #[error("`{command}` failed: {problem}")]
    Command {
        /// The command line.
        command: String,
        /// What it said.
        problem: String,
    },
    /// A namespace is there and cannot be entered.
    #[error("cannot enter the network namespace {name}: {source}")]
    Enter {
        /// Its name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A TAP device cannot be made.
    #[error("cannot make a TAP device in {name}: {source}")]
    Tap {
        /// The namespace.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The wire does not start.
    #[error("the wire does not start: {0}")]
    Wire(#[from] StartError),
    /// Links were set up and carry nothing.
    #[error("no packet passes from namespace {from} to {to}, although their link was set up")]
    Dead {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
}
