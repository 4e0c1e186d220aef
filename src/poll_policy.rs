//! What an engine thread does when there is nothing to do.

use paxon_fastpath::Timing;
use std::time::Duration;

/// Turns without work before a yielding or parking thread lets go of its core.
const TURNS_BEFORE_YIELD: u32 = 64;
/// Turns without work, spent yielding, before a parking thread parks: long enough for a leader to flush its commit index.
const TURNS_BEFORE_PARK: u32 = 1024;

/// Pauses of a follower between two empty polls, some 40 ns each on current x86-64. Every poll takes the cache line of the
/// next record away from the leader that is about to write it: without the rest a commit takes a third longer, and a
/// follower that sees a record 0.2 microseconds later delays nobody.
const PAUSES_PER_POLL: u32 = 8;

/// Lets the leader write: what a follower does between two polls that found nothing.
#[inline]
pub(crate) fn rest_between_polls() {
    for _ in 0..PAUSES_PER_POLL {
        std::hint::spin_loop();
    }
}

/// What an engine thread does when there is nothing to do: it trades latency against the use of its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollPolicy {
    /// Never lets go of its core. The fastest, for a thread with a core of its own.
    Spin,
    /// Offers its core to others when idle. For machines with about as many cores as threads.
    Yield,
    /// Sleeps when idle, at most this long (50 to 500 microseconds are sensible); a local proposal wakes it. For machines
    /// with fewer cores than threads.
    Park(Duration),
}

impl Default for PollPolicy {
    /// Parks for up to 100 microseconds: the one that works on every machine.
    fn default() -> Self {
        Self::Park(Duration::from_micros(100))
    }
}

/// What to do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    None,
    Yield,
    Park(Duration),
}

impl PollPolicy {
    /// The times that suit the policy.
    pub const fn timing(self) -> Timing {
        match self {
            Self::Spin => Timing::spinning(),
            Self::Yield | Self::Park(_) => Timing::sharing(),
        }
    }

    /// What to do after `idle` turns in a row without work.
    pub(crate) const fn pause(self, idle: u32) -> Pause {
        match self {
            Self::Park(longest) if idle >= TURNS_BEFORE_PARK => Pause::Park(longest),
            Self::Yield | Self::Park(_) if idle >= TURNS_BEFORE_YIELD => Pause::Yield,
            _ => Pause::None,
        }
    }

    /// How many times a waiting client looks before it parks. On shared cores its spinning would only delay the engine.
    pub(crate) const fn client_spins(self) -> u32 {
        match self {
            Self::Spin => 10_000,
            Self::Yield => 100,
            Self::Park(_) => 0,
        }
    }

    /// When a client that met a full queue should come again: about as long as the engine may take to come around.
    pub(crate) const fn retry_after(self) -> Duration {
        match self {
            Self::Spin => Duration::from_micros(5),
            Self::Yield => Duration::from_micros(50),
            Self::Park(longest) => longest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parking_policy_parks_and_only_after_a_while() {
        let longest = Duration::from_micros(70);
        assert_eq!(PollPolicy::Spin.pause(u32::MAX), Pause::None);
        assert_eq!(PollPolicy::Yield.pause(0), Pause::None);
        assert_eq!(PollPolicy::Yield.pause(u32::MAX), Pause::Yield);
        assert_eq!(PollPolicy::Park(longest).pause(TURNS_BEFORE_YIELD), Pause::Yield);
        assert_eq!(PollPolicy::Park(longest).pause(TURNS_BEFORE_PARK), Pause::Park(longest));
    }
}
