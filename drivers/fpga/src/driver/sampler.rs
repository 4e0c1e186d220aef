//! Which verdicts are compared with software.

/// Chooses a share of the verdicts, without a pattern that a fault could fall in with.
pub(super) struct Sampler {
    per_mille: u16,
    /// Never 0.
    state: u64,
}

impl Sampler {
    pub(super) fn new(per_mille: u16, seed: u64) -> Self {
        Self { per_mille, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// Whether this verdict is one of them.
    pub(super) fn chooses(&mut self) -> bool {
        match self.per_mille {
            0 => false,
            1_000.. => true,
            share => self.next() % 1_000 < u64::from(share),
        }
    }

    /// Xorshift with a multiplication (Marsaglia 2003, Vigna 2016); its high bits.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(per_mille: u16, of: usize) -> usize {
        let mut sampler = Sampler::new(per_mille, 3);
        (0..of).filter(|_| sampler.chooses()).count()
    }

    #[test]
    fn the_share_is_the_one_that_was_asked_for() {
        assert_eq!((chosen(0, 1_000), chosen(1_000, 1_000), chosen(u16::MAX, 10)), (0, 1_000, 10));
        assert!((900..1_100).contains(&chosen(10, 100_000)), "{}", chosen(10, 100_000));
    }
}
