//! Bounds and times of a server.

use paxon_fastpath::SessionLimits;
use std::time::Duration;

/// Bounds and times of a server. Nothing that clients do costs more memory than these say: about
/// `connections_max` x (128 KiB + [`ServeOptions::send_bytes_max`]) + [`ServeOptions::buffered_bytes_max`] in the worst case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Connections served at once. One more is told so and closed.
    pub connections_max: usize,
    /// Requests of one connection that are worked at. While there are as many it is not read: back-pressure. When half of
    /// [`ServeOptions::in_flight_max`] is taken, an eighth of this.
    pub in_flight_per_connection: usize,
    /// Requests of all connections that are worked at. One more is refused with the time to try again: load is shed. Less
    /// than [`crate::ReplicaBuilder::requests`] leaves room for the process's own requests.
    pub in_flight_max: usize,
    /// Longest command in bytes, as clients are told. The replica enforces its own limit.
    pub command_bytes_max: usize,
    /// Longest query in bytes.
    pub query_bytes_max: usize,
    /// Longest reply in bytes, to whatever was asked.
    pub reply_bytes_max: usize,
    /// Bytes of long requests (over 64 KiB) that may be half-received or worked at, of all connections together.
    pub buffered_bytes_max: usize,
    /// Bytes of replies that may wait for a client to read them, and one reply. While there are as many, its connection is
    /// not read and its answers stay where they are.
    pub send_bytes_max: usize,
    /// How long a client may take for the hello, and for one request, from the first byte to the last.
    pub request_within: Duration,
    /// How long a client may take none of the replies that wait for it.
    pub read_within: Duration,
    /// A connection on which nothing was asked for so long is closed.
    pub idle_max: Duration,
    /// How long the server looks again and again before it sleeps, when requests are under way. Saves the time that waking
    /// takes at the price of a core.
    pub busy_poll: Duration,
    /// The limits that the replica was built with, as clients are told.
    pub sessions: SessionLimits,
}

impl Default for ServeOptions {
    /// 1024 connections, 64 requests of each and 768 in all, 1 MiB of command, query and waiting replies, replies of 16 MiB,
    /// 64 MiB of half-received requests; 10 s for a request, 10 s without reading, 10 minutes without asking; no busy poll.
    fn default() -> Self {
        Self {
            connections_max: 1024,
            in_flight_per_connection: 64,
            in_flight_max: 768,
            command_bytes_max: 1 << 20,
            query_bytes_max: 1 << 20,
            reply_bytes_max: 16 << 20,
            buffered_bytes_max: 64 << 20,
            send_bytes_max: 1 << 20,
            request_within: Duration::from_secs(10),
            read_within: Duration::from_secs(10),
            idle_max: Duration::from_secs(600),
            busy_poll: Duration::ZERO,
            sessions: SessionLimits::default(),
        }
    }
}
