//! What happens to the frames from one port to another.

use std::time::Duration;

/// Frames held back this long are overtaken by whatever follows within it.
const HELD_BACK: Duration = Duration::from_millis(5);
/// What a small router would buffer.
const QUEUE_BYTES: usize = 256 << 10;

/// What happens to the frames of one direction between two ports; [`Impairment::NONE`] is a perfect wire, and the place to
/// start from: `Impairment { loss: 0.01, ..Impairment::NONE }`.
///
/// Every frame is treated on its own, in this order: cut, lost, queued for the rate, delayed, held back, duplicated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Nothing passes. What was under way is lost too.
    pub cut: bool,
    /// Share of the frames that are lost, 0 to 1.
    pub loss: f64,
    /// Every frame takes this long.
    pub delay: Duration,
    /// Up to this much longer, evenly spread. Jitter alone never changes the order of the frames (`netem`'s does).
    pub jitter: Duration,
    /// Share of the frames that are held back, so that later ones overtake them, 0 to 1.
    pub reorder: f64,
    /// How much later than its turn a frame arrives that is held back.
    pub held_back: Duration,
    /// Share of the frames that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Bytes that pass in a second; `None`: as many as come.
    pub bytes_per_second: Option<u64>,
    /// Most bytes that wait for the rate; a frame beyond is dropped.
    pub queue_bytes: usize,
}

impl Impairment {
    /// A perfect wire.
    pub const NONE: Self = Self {
        cut: false,
        loss: 0.0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        reorder: 0.0,
        held_back: HELD_BACK,
        duplicate: 0.0,
        bytes_per_second: None,
        queue_bytes: QUEUE_BYTES,
    };

    /// A cut wire.
    pub const CUT: Self = Self { cut: true, ..Self::NONE };

    /// Stops a test that asks for what cannot be.
    ///
    /// # Panics
    /// If a share is not within 0 to 1, or the rate is zero.
    #[track_caller]
    pub(crate) fn check(&self) {
        for (name, share) in [("loss", self.loss), ("reorder", self.reorder), ("duplicate", self.duplicate)] {
            assert!((0.0..=1.0).contains(&share), "{name} is {share}, and a share lies within 0 to 1");
        }
        assert_ne!(self.bytes_per_second, Some(0), "nothing passes at 0 bytes a second: use `cut`");
    }
}

impl Default for Impairment {
    /// [`Self::NONE`].
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_beyond_one_and_a_rate_of_zero_are_refused() {
        let wrong = [
            Impairment { loss: 1.01, ..Impairment::NONE },
            Impairment { reorder: -0.1, ..Impairment::NONE },
            Impairment { duplicate: f64::NAN, ..Impairment::NONE },
            Impairment { bytes_per_second: Some(0), ..Impairment::NONE },
        ];
        for impairment in wrong {
            assert!(std::panic::catch_unwind(|| impairment.check()).is_err(), "{impairment:?}");
        }
        Impairment { loss: 1.0, ..Impairment::CUT }.check();
    }
}
