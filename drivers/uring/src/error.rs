//! What can go wrong, as the caller sees it.

use std::io;

use thiserror::Error;

/// Why a ring could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A size is out of its range.
    #[error("{name} is {value}, but has to be between {least} and {most}")]
    Size {
        /// The field of [`Config`](crate::Config).
        name: &'static str,
        /// What it was.
        value: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// The kernel refused a call.
    #[error("{call} was refused: {source} ({hint})")]
    Refused {
        /// The call.
        call: &'static str,
        /// What may be the reason.
        hint: &'static str,
        /// The errno.
        #[source]
        source: io::Error,
    },
    /// The kernel has io_uring without what streams need.
    #[error("io_uring of this kernel lacks {0}")]
    Lacking(&'static str),
    /// Bytes sent through a ring between two sockets of this process did not arrive.
    #[error("io_uring of this kernel does not move bytes between two local sockets: {0}")]
    SelfTest(String),
}

/// Why a stream was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddError {
    /// All places are taken, those of streams still being closed included.
    #[error("{limit} streams are open or being closed, which is the limit: remove one first")]
    Full {
        /// The limit, `streams_max`.
        limit: usize,
    },
    /// The kernel refused it.
    #[error("io_uring did not take the socket: {0}")]
    Kernel(#[from] io::Error),
}

/// Why nothing of a message was taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer does not take what was sent before.
    #[error("{unsent} of at most {limit} bytes wait to be sent and {refused} more do not fit: turn, then send again")]
    Full {
        /// Bytes that wait for the kernel to take them.
        unsent: usize,
        /// The bound, `unsent_bytes_max`.
        limit: usize,
        /// The bytes that were refused.
        refused: usize,
    },
    /// The key names no open stream, or the stream has failed and its end is about to be reported.
    #[error("the stream is closed")]
    Closed,
}
