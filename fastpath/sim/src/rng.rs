//! The only source of randomness: SplitMix64, pinned here so that a seed means the same run for ever.

use std::cell::Cell;

/// A SplitMix64 generator (Steele, Lea, Flood 2014) that is shared by reference: one seed, one stream, one order.
#[derive(Debug)]
pub struct Rng(Cell<u64>);

impl Rng {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        mix(self.0.get())
    }

    /// A number in `0..n`.
    pub fn below(&self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn within(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `per_10k` of ten thousand cases.
    pub fn chance(&self, per_10k: u64) -> bool {
        per_10k > 0 && self.below(10_000) < per_10k
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A span of time whose mean is about `mean`: mostly near, at times eight times as long.
    pub fn around(&self, mean: u64) -> u64 {
        let long = if self.chance(200) { 8 } else { 1 };
        long * self.within(mean / 4, mean + mean / 2)
    }

    /// Shuffles `items` (Fisher and Yates).
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// The output function of SplitMix64: a bijection in which every input bit reaches every output bit.
pub const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let rng = Rng::new(0);
        assert_eq!([rng.next(), rng.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let rng = Rng::new(7);
        assert!((0..10_000).all(|_| (3..=5).contains(&rng.within(3, 5))));
        assert!((0..10_000).all(|_| !rng.chance(0)));
    }
}
