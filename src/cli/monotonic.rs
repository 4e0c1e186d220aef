//! The clock that all processes of a host share.

use rustix::time::{ClockId, clock_gettime};
use std::time::Instant;

/// Nanoseconds of `CLOCK_MONOTONIC`: comparable between processes of one host, unlike the engine's own clock.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither part is ever negative on this clock.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The same for an instant of this process that has passed.
pub fn ns_of(instant: Instant) -> u64 {
    now_ns().saturating_sub(u64::try_from(instant.elapsed().as_nanos()).unwrap_or(u64::MAX))
}
