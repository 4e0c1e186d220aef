//! What ends a command early, and the exit status that says so.

use std::error::Error;
use std::io;
use std::process::ExitCode;

/// Exit status of an operation that no replica answered; see the help of `paxon`.
pub const UNAVAILABLE: u8 = 3;
/// Exit status of a demo whose replicas hold something else than they should.
pub const MISMATCH: u8 = 4;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line or the cluster file is wrong.
    #[error("{0}")]
    Configuration(String),
    /// No replica answered, or none leads.
    #[error("{0}")]
    Unavailable(String),
    /// It was refused or could not be done.
    #[error("{0}")]
    Failed(String),
    /// The replicas hold something else than they should.
    #[error("{0}")]
    Mismatch(String),
    /// The key does not exist.
    #[error("there is no key {0:?}")]
    NoSuchKey(String),
    /// The user or the system wants the command to end.
    #[error("interrupted")]
    Interrupted,
    /// The output says already what is wrong; this is the exit status.
    #[error("the output says what is wrong")]
    Reported(u8),
    /// Whoever read the output has gone; nothing is left to say.
    #[error("nobody reads the output")]
    ReaderGone,
}

impl CliError {
    /// The number and the word for it; the help of `paxon` explains the numbers.
    pub const fn status(&self) -> (u8, &'static str) {
        match self {
            Self::Failed(_) => (1, "failed"),
            Self::Configuration(_) => (2, "configuration"),
            Self::Unavailable(_) => (UNAVAILABLE, "unavailable"),
            Self::Mismatch(_) => (MISMATCH, "mismatch"),
            Self::NoSuchKey(_) => (5, "no_such_key"),
            Self::Interrupted => (130, "interrupted"),
            Self::Reported(status) => (*status, "reported"),
            Self::ReaderGone => (0, "reader_gone"),
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status().0)
    }

    /// A failure with what caused it.
    pub fn failed(what: impl AsRef<str>, cause: &dyn Error) -> Self {
        Self::Failed(format!("{}: {}", what.as_ref(), chain(cause)))
    }
}

/// An error and everything that led to it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some messages quote their source already.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// An error of writing to the standard output.
pub fn output_error(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::ReaderGone,
        _ => CliError::failed("cannot write to the standard output", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open x")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("no such device"));
        assert_eq!(chain(&error), "cannot open x: no such device");
    }
}
