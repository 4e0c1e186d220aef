//! What strangers may cost, and how patient a dialler is.

use std::time::Duration;

/// Shortest time that a limit may be.
const TIME_MIN: Duration = Duration::from_millis(10);
/// Longest time that a limit may be.
const TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Bounds of a [`crate::Porter`]. Times count from 10 ms to a day, whatever is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Accepted connections whose other end is not known yet. When one more comes, the oldest of the source (IPv4 address
    /// or IPv6 /64) that holds most of them is dropped: half-open connections cannot lock a peer out, and a flood from one
    /// place evicts itself. At least 1.
    pub strangers_max: usize,
    /// How long an accepted connection may take to show who it is.
    ///
    /// The default is 20 s. On a path of 2 s each way the hello comes 4 s after the connection, and a lost segment is sent
    /// again 8 to 12 s later: TCP waits for two to three of the 4 s round trips that it has measured. A stranger that uses
    /// all of it holds one of `strangers_max` places, which the next newcomer takes if there is no other.
    pub accept_deadline: Duration,
    /// Bytes that an accepted connection may send until the hello is complete.
    ///
    /// The default is 16 KiB; an honest dialler sends 700 bytes. They are buffered at most twice, here and in rustls: 128
    /// strangers with a TLS session and 14 KB of a record each took 3 MB of memory together.
    pub accept_bytes_max: usize,
    /// How long a refused connection stays open for the refusal to be read. It counts as a stranger meanwhile.
    pub farewell: Duration,
    /// How long the patient attempt of a dial lives. Connecting, TLS and greeting are three round trips: 12 s at 2 s each
    /// way, and time for a lost segment.
    pub patient: Duration,
    /// How long an eager attempt lives. It exists to notice a healed path between the retransmissions of the patient one.
    pub eager: Duration,
    /// How often an eager attempt is begun.
    pub eager_every: Duration,
}

impl Limits {
    /// The same within what can work: no time of zero, which would make the porter spin, and none that never ends.
    pub(super) fn bounded(self) -> Self {
        let bounded = |span: Duration| span.clamp(TIME_MIN, TIME_MAX);
        Self {
            strangers_max: self.strangers_max.max(1),
            accept_deadline: bounded(self.accept_deadline),
            accept_bytes_max: self.accept_bytes_max,
            farewell: bounded(self.farewell),
            patient: bounded(self.patient),
            eager: bounded(self.eager),
            eager_every: bounded(self.eager_every),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strangers_max: 128,
            accept_deadline: Duration::from_secs(20),
            accept_bytes_max: 16 << 10,
            farewell: Duration::from_secs(5),
            patient: Duration::from_secs(30),
            eager: Duration::from_secs(1),
            eager_every: Duration::from_millis(500),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_work_are_not_used() {
        let (zero, ever) = (Duration::ZERO, Duration::MAX);
        let limits = Limits { strangers_max: 0, eager_every: zero, patient: ever, ..Limits::default() }.bounded();
        assert_eq!((limits.strangers_max, limits.eager_every, limits.patient), (1, TIME_MIN, TIME_MAX));
        assert_eq!(Limits::default().bounded(), Limits::default());
    }
}
