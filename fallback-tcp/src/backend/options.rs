//! Sizes and choices of a back end.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::OpenError;

/// Which back end to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoKind {
    /// io_uring where the kernel lets us and has what we need, else epoll.
    #[default]
    Auto,
    /// io_uring, or an error.
    IoUring,
    /// epoll.
    Epoll,
}

impl fmt::Display for IoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IoKind::Auto => "auto",
            IoKind::IoUring => "io_uring",
            IoKind::Epoll => "epoll",
        })
    }
}

impl FromStr for IoKind {
    type Err = String;

    fn from_str(word: &str) -> Result<IoKind, String> {
        match word {
            "auto" => Ok(IoKind::Auto),
            "io_uring" => Ok(IoKind::IoUring),
            "epoll" => Ok(IoKind::Epoll),
            _ => Err(format!("unknown I/O back end {word:?}: it is auto, io_uring or epoll")),
        }
    }
}

/// Sizes of a back end; the defaults suit a replica with a handful of peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Most connections at a time, 1 to 4096.
    pub connections_max: usize,
    /// Most bytes of one connection that were taken by `send` and not yet by the kernel, 1 byte to 1 GiB. Memory for them
    /// grows as they do, to at most four times as much, and is kept until the connection ends.
    pub unsent_bytes_max: usize,
    /// Bytes of one receive buffer, 1 KiB to 1 MiB: the most that arrives as one piece.
    pub receive_bytes: usize,
    /// One thread uses the back end from its first use on, so that the kernel may tie the ring to it, which saves about
    /// 5 % of a round trip (io_uring only). Another thread's calls fail then. Without it any thread may take over.
    pub single_thread: bool,
    /// Have the kernel poll the submission queue with a thread of its own, which sleeps after this much idleness
    /// (io_uring only; needs a core to spare).
    pub kernel_thread: Option<Duration>,
    /// Use multishot receives where the kernel has them (io_uring only; a test turns them off).
    pub multishot: bool,
    /// `SO_BUSY_POLL` of each socket: an empty receive looks into the queue of the NIC for this long. Of use to epoll with
    /// one or two connections; the receives of io_uring are armed and never empty. Best effort: values above the system's
    /// `net.core.busy_read` need `CAP_NET_ADMIN`.
    pub busy_poll: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connections_max: 64,
            unsent_bytes_max: 4 << 20,
            receive_bytes: 16 << 10,
            single_thread: false,
            kernel_thread: None,
            multishot: true,
            busy_poll: None,
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<(), OpenError> {
        within("connections_max", self.connections_max, 1..=paxon_uring::STREAMS_MAX)?;
        within("unsent_bytes_max", self.unsent_bytes_max, 1..=paxon_uring::UNSENT_BYTES_MAX)?;
        within("receive_bytes", self.receive_bytes, paxon_uring::RECEIVE_BYTES)
    }
}

fn within(name: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<(), OpenError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(OpenError::Size { name, value, least: *range.start(), most: *range.end() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in [IoKind::Auto, IoKind::IoUring, IoKind::Epoll] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("uring".parse::<IoKind>().is_err());
    }

    #[test]
    fn sizes_out_of_range_are_named() {
        let options = Options { connections_max: 5000, ..Options::default() };
        let error = options.check().expect_err("more than the most");
        assert_eq!(error.to_string(), "connections_max is 5000, but has to be between 1 and 4096");
        assert!(Options::default().check().is_ok());
    }
}
