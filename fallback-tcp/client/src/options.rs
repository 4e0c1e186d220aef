//! What a client may be told.

use std::time::Duration;

/// Bounds and times of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How long a request is tried before it ends in [`crate::ClientError::TimedOut`], unless it is told otherwise.
    pub patience: Duration,
    /// How long a replica that owes an answer may say nothing before another is asked. Doubles with every replica that was left
    /// in vain, up to 32 times this, so that paths and commits that are slower than it work too.
    pub silence: Duration,
    /// How long whoever waits looks again and again before it sleeps. Saves the time that waking takes (5 to 50
    /// microseconds) at the price of a core.
    pub busy_poll: Duration,
    /// Requests sent to one replica and not answered.
    pub in_flight_max: usize,
    /// Requests that may be without an answer in all.
    pub requests_max: usize,
    /// Bytes of their payloads in all.
    pub bytes_max: usize,
    /// Longest reply that a replica may send.
    pub reply_bytes_max: usize,
}

impl Default for ClientOptions {
    /// 10 s of patience, 2 s of silence, no busy poll, 256 requests in flight, 65,536 in all with 64 MiB, replies of 16 MiB.
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            silence: Duration::from_secs(2),
            busy_poll: Duration::ZERO,
            in_flight_max: 256,
            requests_max: 65_536,
            bytes_max: 64 << 20,
            reply_bytes_max: 16 << 20,
        }
    }
}
