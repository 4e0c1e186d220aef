//! The steps by which one state follows another.

use crate::journal::Ballot;
use crate::operation::Operation;

/// One atomic step of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The next operation of a proposer executes at an acceptor, and the proposer handles its completion.
    Execute {
        /// The proposer that posted it.
        proposer: usize,
        /// The acceptor whose memory it works on.
        acceptor: usize,
    },
    /// An operation left behind by an earlier phase or attempt lands.
    Land {
        /// The proposer that posted it.
        proposer: usize,
        /// The attempt that posted it.
        attempt: usize,
        /// The acceptor whose memory it works on.
        acceptor: usize,
        /// What lands.
        operation: Operation,
    },
    /// A proposer gives up its attempt and prepares again with its next ballot.
    Retry {
        /// The proposer.
        proposer: usize,
        /// What it takes PROMISE to be, at every acceptor.
        predicted: Ballot,
    },
    /// A proposer stops for good.
    Crash {
        /// The proposer.
        proposer: usize,
    },
}

impl Step {
    /// The same step at the acceptor that `rename` gives for its own.
    pub fn renamed(mut self, rename: impl Fn(usize) -> usize) -> Self {
        if let Self::Execute { acceptor, .. } | Self::Land { acceptor, .. } = &mut self {
            *acceptor = rename(*acceptor);
        }
        self
    }
}
