//! Sizes and choices of a ring.

use std::time::Duration;

use crate::OpenError;

/// Most streams of one ring: each may have four operations under way, and a submission queue has at most 32768 entries.
pub const STREAMS_MAX: usize = 4096;
/// Most bytes that may wait to be sent on one stream; a send of more would not fit the kernel's signed 32 bits.
pub const UNSENT_BYTES_MAX: usize = 1 << 30;
/// Range of the size of a receive buffer.
pub const RECEIVE_BYTES: std::ops::RangeInclusive<usize> = 1024..=1 << 20;

/// What a ring is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Most streams at a time, 1 to [`STREAMS_MAX`].
    pub streams_max: usize,
    /// Most bytes of one stream that were taken and that the kernel does not have yet, 1 to [`UNSENT_BYTES_MAX`].
    pub unsent_bytes_max: usize,
    /// Bytes of one receive buffer, within [`RECEIVE_BYTES`].
    pub receive_bytes: usize,
    /// Whether to use multishot receives where the kernel has them; else each receive is armed anew.
    pub multishot: bool,
    /// How the kernel finishes operations.
    pub completion: Completion,
}

/// How the kernel finishes an operation once its socket is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// When the thread enters the kernel to look for completions, told so by a flag in memory. The ring is tied to the
    /// thread that uses it first. Linux 6.1; older kernels get [`Completion::Cooperative`].
    Deferred,
    /// When the thread enters the kernel for whatever reason, told so by a flag in memory. Linux 5.19; older kernels
    /// interrupt the thread instead.
    Cooperative,
    /// By a thread of the kernel that polls the submission queue and sleeps after being idle for this long.
    KernelThread(Duration),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams_max: 64,
            unsent_bytes_max: 4 << 20,
            receive_bytes: 16 << 10,
            multishot: true,
            completion: Completion::Deferred,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        within("streams_max", self.streams_max, 1..=STREAMS_MAX)?;
        within("unsent_bytes_max", self.unsent_bytes_max, 1..=UNSENT_BYTES_MAX)?;
        within("receive_bytes", self.receive_bytes, RECEIVE_BYTES)
    }
}

fn within(name: &'static str, value: usize, range: std::ops::RangeInclusive<usize>) -> Result<(), OpenError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(OpenError::Size { name, value, least: *range.start(), most: *range.end() })
}
