//! How long a queue pair asks a silent peer before it gives up.

use std::time::Duration;

/// The unit of the interface: 4.096 µs times a power of two.
const UNIT_NANOS: u64 = 4096;
/// 0.26 ms: below it, SoftRoCE and congested switches give up on peers that are well.
const EXPONENT_MIN: u8 = 6;
/// The interface has five bits.
const EXPONENT_MAX: u8 = 31;
/// Seven means "for ever" on SoftRoCE: a post to a dead peer would never complete.
const RETRIES_MAX: u8 = 6;

/// Time-out and number of retries of a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Invariant: `EXPONENT_MIN..=EXPONENT_MAX`.
    exponent: u8,
    /// Invariant: `1..=RETRIES_MAX`.
    retries: u8,
}

impl Timing {
    /// The timing with which a queue pair gives up on a silent peer within about `detection`, after as many retries as that
    /// has room for: lost packets must not look like a dead peer.
    ///
    /// The interface lets a device wait up to four times as long, and some have a floor of their own (hundreds of
    /// milliseconds), so nothing may depend on it but how soon a dead link is noticed.
    pub fn for_detection(detection: Duration) -> Self {
        let attempts = u64::from(RETRIES_MAX) + 1;
        let units = detection.as_nanos() / u128::from(attempts * UNIT_NANOS);
        let exponent = units.checked_ilog2().unwrap_or(0).min(u32::from(EXPONENT_MAX)) as u8;
        Self { exponent: exponent.max(EXPONENT_MIN), retries: RETRIES_MAX }
    }

    /// A timing by its numbers: a wait of 4.096 µs times two to the power of `exponent`, and how often to ask again.
    /// `None` if the exponent is not in `6..=31` or the retries are not in `1..=6`.
    pub const fn new(exponent: u8, retries: u8) -> Option<Self> {
        let is_good = exponent >= EXPONENT_MIN && exponent <= EXPONENT_MAX && retries >= 1 && retries <= RETRIES_MAX;
        if is_good { Some(Self { exponent, retries }) } else { None }
    }

    /// Exponent of the time-out.
    pub const fn exponent(self) -> u8 {
        self.exponent
    }

    /// Retries after the first attempt.
    pub const fn retries(self) -> u8 {
        self.retries
    }

    /// How long a device that keeps to the time-out asks.
    pub const fn gives_up_after(self) -> Duration {
        Duration::from_nanos((UNIT_NANOS << self.exponent) * (self.retries as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giving_up_takes_at_most_the_detection_time_and_more_than_half_of_it() {
        for millis in [2, 10, 100, 1_000, 60_000] {
            let detection = Duration::from_millis(millis);
            let gives_up = Timing::for_detection(detection).gives_up_after();
            assert!(gives_up <= detection && gives_up * 2 > detection, "{detection:?}: {gives_up:?}");
        }
    }

    #[test]
    fn no_detection_time_leads_out_of_the_range_of_the_interface() {
        for detection in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let timing = Timing::for_detection(detection);
            assert_eq!(Timing::new(timing.exponent(), timing.retries()), Some(timing));
        }
    }

    #[test]
    fn seven_retries_are_refused() {
        assert_eq!(Timing::new(14, 7), None);
        assert_eq!(Timing::new(14, 0), None);
        assert_eq!(Timing::new(5, 3), None);
        assert_eq!(Timing::new(32, 3), None);
        assert!(Timing::new(12, 3).is_some());
    }
}
