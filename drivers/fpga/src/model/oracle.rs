//! The device's verdict and reason on a slot, from software.

use crate::completion::DeviceVerdict;
use crate::registers as map;
use crate::slot::Slot;
use curve25519_dalek::Scalar;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};

/// Verdict and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What comes of the request.
    pub verdict: DeviceVerdict,
    /// The bits `REASON_*`.
    pub reason: u8,
}

impl Outcome {
    /// A slot that is no request.
    pub const MALFORMED: Self = Self { verdict: DeviceVerdict::Malformed, reason: 0 };

    /// Nothing is known.
    pub const ABORTED: Self = Self { verdict: DeviceVerdict::Aborted, reason: 0 };

    /// What the RTL finds in a slot: `verify_strict` or `verify` of ed25519-dalek decides.
    pub fn of(slot: &Slot) -> Self {
        let (opcode, ruleset, flags) = slot.header();
        let known_rule = [map::RULESET_STRICT, map::RULESET_PLAIN].contains(&ruleset.into());
        let fits = slot.message_bytes() <= map::SLOT_INLINE_BYTES;
        if u32::from(opcode) != map::OPCODE_VERIFY || flags != 0 || !known_rule || !fits {
            return Self::MALFORMED;
        }
        let reason = reason(slot);
        let against =
            if u32::from(ruleset) == map::RULESET_PLAIN { 0 } else { map::REASON_KEY_SMALL | map::REASON_R_SMALL };
        let valid = reason & map::REASON_EQUAL != 0 && reason & against == 0;
        let verdict = if valid { DeviceVerdict::Valid } else { DeviceVerdict::Invalid };
        Self { verdict, reason: reason as u8 }
    }
}

fn reason(slot: &Slot) -> u32 {
    let bytes = slot.signature();
    let (r, s) = bytes.split_at(32);
    let half = |half: &[u8]| <[u8; 32]>::try_from(half).expect("half of 64 bytes");
    let (r, s) = (half(r), half(s));
    let key = VerifyingKey::from_bytes(&slot.key());
    let in_range = bool::from(Scalar::from_canonical_bytes(s).is_some());
    let equal = key.as_ref().is_ok_and(|key| key.verify(slot.message(), &Signature::from_bytes(&bytes)).is_ok());
    let small = CompressedEdwardsY(r).decompress().is_some_and(|point| point.is_small_order());
    let bit = |is: bool, bit: u32| if is { bit } else { 0 };
    bit(equal, map::REASON_EQUAL)
        | bit(in_range && key.is_err(), map::REASON_KEY_UNDECODABLE)
        | bit(!in_range, map::REASON_S_OUT_OF_RANGE)
        | bit(key.is_ok_and(|key| key.is_weak()), map::REASON_KEY_SMALL)
        | bit(small, map::REASON_R_SMALL)
}
