//! Choices of a replica, and the bounds that follow from the layout of the memory.

use crate::OpenError;
use crate::backend::{self, IoKind};
use crate::frame::{ServerLimits, frame_bytes_max, read_words_max, reply_bytes};
use paxon_acceptor::CHAINS_MAX;
use paxon_fastpath::{Layout, ReplicaId};
use std::time::Duration;

/// Who executes what peers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Serve {
    /// The thread that polls the fabric, between two polls: the fastest, if that thread polls without pause.
    #[default]
    Inline,
    /// A thread of its own that sleeps until something arrives: for replicas whose engine sleeps.
    Thread,
}

/// Choices of a replica; the defaults suit a replica whose thread polls without pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// How sockets are driven.
    pub io: IoKind,
    /// Who serves the peers.
    pub serve: Serve,
    /// Chains that may be outstanding to one peer, 1 to 64. Their bytes are bounded as well, by the largest chain and the
    /// largest reply together.
    pub chains_max: usize,
    /// A link with chains outstanding is taken down when nothing was heard for this long, or for four round trips if those
    /// take longer, and a microsecond more for each byte that is on its way (a path slower than 1 MB/s needs a larger one).
    pub silence_min: Duration,
    /// However long round trips take, a link is not silent for longer than this.
    pub silence_max: Duration,
    /// `SO_BUSY_POLL` of each socket, where the system allows it.
    pub busy_poll: Option<Duration>,
    /// Have the kernel poll the submission queue of io_uring with a thread that sleeps after this much idleness.
    pub kernel_thread: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            io: IoKind::Auto,
            serve: Serve::Inline,
            chains_max: CHAINS_MAX,
            silence_min: Duration::from_secs(1),
            silence_max: Duration::from_secs(30),
            busy_poll: None,
            kernel_thread: None,
        }
    }
}

impl TcpOptions {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        within("chains_max", self.chains_max, 1, CHAINS_MAX)?;
        let millis = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        within("silence_min in ms", millis(self.silence_min), 1, millis(self.silence_max))
    }

    /// What the back end has to hold.
    pub(crate) fn backend(&self, bounds: &Bounds) -> backend::Options {
        backend::Options {
            unsent_bytes_max: bounds.unsent_bytes_max,
            busy_poll: self.busy_poll,
            kernel_thread: self.kernel_thread,
            ..backend::Options::default()
        }
    }
}

/// Sizes of everything that a peer can make this process hold, the same at all members because the layout is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) layout: Layout,
    /// Bytes of the largest chain.
    pub(crate) frame_bytes_max: usize,
    /// Words that one chain may read.
    pub(crate) read_words_max: usize,
    /// Bytes of chains outstanding on a link and of the replies that they will get: any chain fits while nothing else is
    /// outstanding.
    pub(crate) outstanding_bytes_max: usize,
    /// Bytes for one connection that the kernel has not taken yet. Twice what may be outstanding, because a server learns
    /// only between turns what of the earlier replies was taken, and room for the headers of TLS records.
    pub(crate) unsent_bytes_max: usize,
}

impl Bounds {
    /// Most bytes that a back end keeps for a connection.
    const UNSENT_LIMIT: usize = 1 << 30;

    pub(crate) fn of(layout: &Layout) -> Result<Self, OpenError> {
        let (frame_bytes_max, read_words_max) = (frame_bytes_max(layout), read_words_max(layout));
        let outstanding_bytes_max = frame_bytes_max + reply_bytes(read_words_max);
        let unsent_bytes_max = 2 * outstanding_bytes_max + outstanding_bytes_max / 64 + (64 << 10);
        within("the layout's bytes of outstanding operations", unsent_bytes_max, 1, Self::UNSENT_LIMIT)?;
        Ok(Self { layout: *layout, frame_bytes_max, read_words_max, outstanding_bytes_max, unsent_bytes_max })
    }

    pub(crate) const fn server_limits(&self, proposer: ReplicaId) -> ServerLimits {
        ServerLimits {
            layout: self.layout,
            proposer,
            frame_bytes_max: self.frame_bytes_max,
            read_words_max: self.read_words_max,
        }
    }
}

fn within(name: &'static str, value: usize, least: usize, most: usize) -> Result<(), OpenError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(OpenError::Size { name, value, least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        let refusal = |options: TcpOptions| options.check().expect_err("out of range").to_string();
        let many = TcpOptions { chains_max: 65, ..TcpOptions::default() };
        assert_eq!(refusal(many), "chains_max is 65, but has to be between 1 and 64");
        let silent = TcpOptions { silence_min: Duration::from_secs(60), ..TcpOptions::default() };
        assert_eq!(refusal(silent), "silence_min in ms is 60000, but has to be between 1 and 30000");
        assert!(TcpOptions::default().check().is_ok());
    }

    #[test]
    fn memory_that_is_too_large_for_a_connection_is_refused() {
        let layout = Layout { replicas: 3, cells: 64, arena_words: 1 << 26, snapshot_words: 512 };
        assert!(Bounds::of(&layout).is_err());
        let bounds = Bounds::of(&Layout { arena_words: 1 << 20, snapshot_words: 1 << 21, ..layout }).expect("8 MiB");
        assert!(bounds.unsent_bytes_max > bounds.frame_bytes_max + reply_bytes(bounds.read_words_max));
    }
}
