//! Two signatures of the driver's own, whose verdicts are known: a device verifies them before it gets requests.

use crate::slot::Slot;
use ed25519_dalek::{Signer, SigningKey};
use paxon_fastpath::verify::Verdict;

/// Signatures of a probe.
pub(super) const COUNT: usize = 2;

/// What is signed. Longer than one block of SHA-512 with R and the key in front.
const MESSAGE: &[u8; 96] =
    b"a signature of the driver's own, which the device has to verify before it is given any other one";

pub(super) struct Probe {
    key: [u8; 32],
    signature: [u8; 64],
    /// Cookies that are not answered.
    pending: [Option<u64>; COUNT],
}

impl Probe {
    pub(super) fn new() -> Self {
        let key = SigningKey::from_bytes(&[0x5a; 32]);
        let signature = key.sign(MESSAGE).to_bytes();
        Self { key: key.verifying_key().to_bytes(), signature, pending: [None; COUNT] }
    }

    /// The verdict of signature `which`.
    const fn expected(which: usize) -> Verdict {
        if which == 0 { Verdict::Valid } else { Verdict::Invalid }
    }

    /// The slot of signature `which`: the first is valid, the second has a bit of the message flipped.
    pub(super) fn slot(&mut self, which: usize, cookie: u64) -> Slot {
        let mut message = *MESSAGE;
        message[95] ^= which as u8;
        self.pending[which] = Some(cookie);
        Slot::verify(cookie, &self.key, &self.signature, &message).expect("key, signature and message have the lengths")
    }

    /// What the device has to say of the signature with this cookie. `None`: not a cookie of the probe.
    pub(super) fn answered(&mut self, cookie: u64) -> Option<Verdict> {
        let which = self.pending.iter().position(|pending| *pending == Some(cookie))?;
        self.pending[which] = None;
        Some(Self::expected(which))
    }

    /// Whether a cookie is one of the probe's; it is forgotten.
    pub(super) fn forget(&mut self, cookie: u64) -> bool {
        let found = self.pending.iter_mut().find(|pending| **pending == Some(cookie));
        found.is_some_and(|pending| pending.take().is_some())
    }

    /// Signatures that the device has not answered.
    pub(super) fn pending(&self) -> usize {
        self.pending.iter().flatten().count()
    }

    pub(super) fn is_over(&self) -> bool {
        self.pending() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion::DeviceVerdict;
    use crate::model::Outcome;

    #[test]
    fn one_signature_of_a_probe_is_valid_and_one_is_not() {
        let mut probe = Probe::new();
        for which in 0..COUNT {
            let found = Outcome::of(&probe.slot(which, which as u64)).verdict;
            let expected = probe.answered(which as u64).expect("its cookie is the probe's");
            assert_eq!(found == DeviceVerdict::Valid, expected == Verdict::Valid);
        }
        assert!(probe.is_over());
    }
}
