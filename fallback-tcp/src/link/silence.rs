//! How long a link may be silent.

use std::time::{Duration, Instant};

/// A round trip may take this many times what it usually takes before the link is given up.
const ROUND_TRIPS: u32 = 4;
/// What a byte on its way may take: 1 MB/s.
const BYTE_TIME_NANOS: u64 = 1_000;
/// A new round trip counts for an eighth of the smoothed one (as in RFC 6298).
const SMOOTHING: u32 = 8;

/// Bounds of the silence that is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Silence {
    /// How long nothing may be heard while `bytes` are on their way or asked for.
    pub(crate) fn limit(&self, round_trip: Duration, bytes: usize) -> Duration {
        let transfer = Duration::from_nanos((bytes as u64).saturating_mul(BYTE_TIME_NANOS));
        let path = round_trip.saturating_mul(ROUND_TRIPS).max(self.min);
        path.saturating_add(transfer).min(self.max)
    }
}

/// The round trip of a path, measured by one chain at a time.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    smoothed: Duration,
    /// The chain that measures, and when it was posted.
    probe: Option<(u64, Instant)>,
}

impl RoundTrip {
    pub(crate) const fn new(first: Duration) -> Self {
        Self { smoothed: first, probe: None }
    }

    pub(crate) const fn smoothed(&self) -> Duration {
        self.smoothed
    }

    #[inline]
    pub(crate) fn posted(&mut self, number: u64) {
        if self.probe.is_none() {
            self.probe = Some((number, Instant::now()));
        }
    }

    #[inline]
    pub(crate) fn answered(&mut self, number: u64) {
        if let Some((probe, posted)) = self.probe
            && probe == number
        {
            self.probe = None;
            self.smoothed = (self.smoothed * (SMOOTHING - 1) + posted.elapsed()) / SMOOTHING;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Silence = Silence { min: Duration::from_secs(1), max: Duration::from_secs(30) };

    #[test]
    fn patience_grows_with_the_path_and_with_what_is_on_it_up_to_a_bound() {
        let limit = |millis, bytes| SILENCE.limit(Duration::from_millis(millis), bytes);
        assert_eq!(limit(1, 0), Duration::from_secs(1));
        assert_eq!(limit(4000, 0), Duration::from_secs(16), "a path of 2 s each way");
        assert_eq!(limit(1, 8_000_000), Duration::from_secs(9));
        assert_eq!(limit(10_000, 0), Duration::from_secs(30));
        assert_eq!(SILENCE.limit(Duration::MAX, usize::MAX), Duration::from_secs(30));
    }

    #[test]
    fn one_chain_at_a_time_measures() {
        let mut trip = RoundTrip::new(Duration::from_secs(8));
        trip.posted(1);
        trip.posted(2);
        trip.answered(2);
        assert_eq!(trip.smoothed(), Duration::from_secs(8), "chain 1 measures");
        trip.answered(1);
        assert!(trip.smoothed() < Duration::from_secs(8) && trip.smoothed() >= Duration::from_secs(7));
    }
}
