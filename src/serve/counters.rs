//! What a server has seen, for `status` and for tests.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Running counts, written by the server's thread and read by anybody.
        #[derive(Debug, Default)]
        pub(super) struct Counting {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counting {
            pub(super) fn read(&self) -> ServeCounters {
                ServeCounters { $($name: self.$name.load(Relaxed),)* }
            }
        }

        /// What a server has seen since it started. The numbers are read one by one.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct ServeCounters {
            $($(#[$doc])* pub $name: u64,)*
        }
    };
}

counters! {
    /// Connections that are open now.
    connections,
    /// Connections that were taken on.
    accepted,
    /// Connections that were refused because as many were open as are served.
    refused,
    /// Connections that had not said hello when others needed their place.
    evicted,
    /// Times that the system had no descriptor for a connection. Each is followed by a pause.
    accept_errors,
    /// Requests that were read.
    requests,
    /// Requests that were refused because the replica had as many as it takes: load that was shed.
    shed,
    /// Requests or frames that could not be read, or that had no business there.
    malformed,
    /// Requests that were over the limit.
    too_large,
    /// Requests that had no outcome in their time.
    late,
    /// Connections that were closed because a request or the hello did not come to its end in time.
    half_sent,
    /// Connections that were closed because the client did not take its replies.
    unread,
    /// Connections that were closed because nothing was asked for long.
    idle,
}

/// Counts one more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
