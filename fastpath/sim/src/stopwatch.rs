//! The only real clock of this crate: it measures how fast the simulator is. No run ever sees it.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "reports say how long they took")]

use std::time::{Duration, Instant};

/// Measures real time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
