//! Requests with known verdicts.

use paxon_fastpath::verify::{Request, Scheme, Verdict};
use paxon_signed::MESSAGE_BYTES;
use paxon_verify::SigningKey;

/// Seed of the forger's key.
const FORGER_SEED: [u8; 32] = [0x44; 32];

/// A request and its verdict.
pub(super) struct Case {
    key: Vec<u8>,
    scheme: Scheme,
    signature: Vec<u8>,
    message: [u8; MESSAGE_BYTES],
    pub(super) verdict: Verdict,
}

impl Case {
    /// So many, forged ones evenly among them.
    pub(super) fn all(key: &SigningKey, count: usize, forged_per_mille: u16) -> Vec<Self> {
        let forger = SigningKey::from_seed(key.scheme(), &FORGER_SEED);
        let share = usize::from(forged_per_mille.min(1_000));
        let forged_before = |at: usize| at * share / 1_000;
        let case = |at| {
            let honest = Self::honest(key, at);
            let nth = forged_before(at);
            if forged_before(at + 1) > nth { honest.forged(&forger, nth) } else { honest }
        };
        (0..count).map(case).collect()
    }

    fn honest(key: &SigningKey, at: usize) -> Self {
        let mut message = [0x5a; MESSAGE_BYTES];
        message[..8].copy_from_slice(&(at as u64).to_le_bytes());
        let (scheme, signature) = (key.scheme(), key.sign(&message));
        Self { key: key.public_key().to_vec(), scheme, signature, message, verdict: Verdict::Valid }
    }

    /// The same request as a forger would make it, in one of four ways.
    fn forged(mut self, forger: &SigningKey, nth: usize) -> Self {
        self.verdict = Verdict::Invalid;
        let bit = nth.wrapping_mul(7_919);
        match nth % 4 {
            0 => flip(&mut self.signature, bit),
            1 => flip(&mut self.message, bit),
            2 => self.signature = forger.sign(&self.message),
            _ => {
                self.signature.pop();
                self.verdict = Verdict::Malformed;
            }
        }
        self
    }

    pub(super) fn request(&self, ticket: u64) -> Request<'_> {
        let Self { key, scheme, signature, message, .. } = self;
        Request { ticket, scheme: *scheme, key, signature, message }
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    let bit = bit % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::auth::software;

    #[test]
    fn cases_have_the_verdicts_of_the_library_and_the_share_of_forged_ones() {
        for scheme in Scheme::ALL {
            let key = SigningKey::from_seed(scheme, &[1; 32]);
            let cases = Case::all(&key, 200, 300);
            for case in &cases {
                assert_eq!(software(&case.request(0)), case.verdict, "{scheme}");
            }
            assert_eq!(cases.iter().filter(|case| case.verdict != Verdict::Valid).count(), 60);
        }
    }
}
