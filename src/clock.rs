//! The monotonic clock that the engine and its clients share.

use paxon_fastpath::Nanos;

/// A cheap monotonic clock. All clones have the same zero.
///
/// `quanta` reads the processor's time-stamp counter where that is invariant: about 10 ns and no kernel entry, against
/// 20-50 ns of `Instant::now`. The engine reads the clock once per turn, so it is a part of every latency. On machines
/// without such a counter it falls back to the system's clock by itself.
#[derive(Clone, Debug)]
pub struct Clock {
    counter: quanta::Clock,
    /// The reading that counts as zero.
    origin: u64,
}

impl Clock {
    /// A clock that starts at zero now. The first one of a process measures the counter's frequency, which takes some milliseconds.
    pub fn start() -> Self {
        let counter = quanta::Clock::new();
        let origin = counter.raw();
        Self { counter, origin }
    }

    /// Nanoseconds since the start.
    #[inline]
    pub fn now(&self) -> Nanos {
        Nanos(self.counter.delta_as_nanos(self.origin, self.counter.raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_their_zero_and_time_does_not_go_back() {
        let clock = Clock::start();
        let other = clock.clone();
        let mut last = Nanos(0);
        for _ in 0..1000 {
            for clock in [&clock, &other] {
                let now = clock.now();
                assert!(now >= last, "{now:?} after {last:?}");
                last = now;
            }
        }
    }
}
