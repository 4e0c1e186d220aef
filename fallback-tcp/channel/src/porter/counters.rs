//! What the porter has seen, for `status` and for tests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an accepted connection came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It sent what is neither TLS nor a hello, or broke the rules of TLS.
    Garbage,
    /// It sent more than a hello takes.
    TooMuch,
    /// Its deadline passed.
    TimedOut,
    /// A newer connection took its place.
    Evicted,
    /// It ended before it had said hello.
    Left,
    /// It did not accept this side: another key than it expects, or an expired one.
    RefusedUs,
    /// One side speaks TLS and the other does not.
    Security,
    /// Its key is not in the roster.
    UnknownKey,
    /// Its key has expired.
    ExpiredKey,
    /// It speaks another version of the protocol.
    Version,
    /// It belongs to another cluster.
    Cluster,
    /// It looks for another replica.
    Recipient,
    /// It says to be somebody else than its key says.
    Impostor,
    /// A client that asks for what is for replicas.
    Purpose,
    /// Its memory has other sizes.
    Layout,
    /// Its hello was damaged.
    Damaged,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 16] = [
        Self::Garbage,
        Self::TooMuch,
        Self::TimedOut,
        Self::Evicted,
        Self::Left,
        Self::RefusedUs,
        Self::Security,
        Self::UnknownKey,
        Self::ExpiredKey,
        Self::Version,
        Self::Cluster,
        Self::Recipient,
        Self::Impostor,
        Self::Purpose,
        Self::Layout,
        Self::Damaged,
    ];

    /// One word for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::TooMuch => "too_much",
            Self::TimedOut => "timed_out",
            Self::Evicted => "evicted",
            Self::Left => "left",
            Self::RefusedUs => "refused_us",
            Self::Security => "security",
            Self::UnknownKey => "unknown_key",
            Self::ExpiredKey => "expired_key",
            Self::Version => "version",
            Self::Cluster => "cluster",
            Self::Recipient => "recipient",
            Self::Impostor => "impostor",
            Self::Purpose => "purpose",
            Self::Layout => "layout",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a porter has counted since it started. Reading it disturbs nobody; numbers read one after the other may be of
/// different moments.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) admitted: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    pub(super) strangers: AtomicU64,
    pub(super) attempts: AtomicU64,
    pub(super) connected: AtomicU64,
    pub(super) failed: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

impl Counters {
    /// Connections accepted.
    pub fn accepted(&self) -> u64 {
        read(&self.accepted)
    }

    /// Accepted connections that were handed over as [`crate::Arrival::Inbound`].
    pub fn admitted(&self) -> u64 {
        read(&self.admitted)
    }

    /// Accepted connections that came to nothing for `reason`.
    pub fn refused(&self, reason: Reason) -> u64 {
        read(&self.refused[reason as usize])
    }

    /// Accepted connections that came to nothing, whatever the reason.
    pub fn refused_in_all(&self) -> u64 {
        self.refused.iter().map(read).sum()
    }

    /// Times that accepting failed, for want of file descriptors for example. Each is followed by a pause of 0.1 s.
    pub fn accept_errors(&self) -> u64 {
        read(&self.accept_errors)
    }

    /// Accepted connections whose other end is not known now.
    pub fn strangers(&self) -> u64 {
        read(&self.strangers)
    }

    /// Attempts to connect begun by dials.
    pub fn attempts(&self) -> u64 {
        read(&self.attempts)
    }

    /// Dials that ended in an [`crate::Arrival::Outbound`].
    pub fn connected(&self) -> u64 {
        read(&self.connected)
    }

    /// Attempts to connect that failed.
    pub fn failed(&self) -> u64 {
        read(&self.failed)
    }

    pub(super) fn refuse(&self, reason: Reason) {
        add(&self.refused[reason as usize]);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Counts one more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let counters = Counters::default();
        let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            counters.refuse(reason);
        }
        assert!(Reason::ALL.into_iter().all(|reason| counters.refused(reason) == 1));
        assert_eq!(counters.refused_in_all(), 16);
    }
}
