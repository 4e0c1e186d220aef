//! A signature to verify, and what software says of it.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha512};

/// What a verifier is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub key: [u8; 32],
    pub r: [u8; 32],
    pub s: [u8; 32],
    pub message: Vec<u8>,
}

/// The bits of `reason_t`.
pub const EQUAL: u64 = 1;
pub const KEY_UNDECODABLE: u64 = 2;
pub const S_OUT_OF_RANGE: u64 = 4;
pub const KEY_SMALL: u64 = 8;
pub const R_SMALL: u64 = 16;

impl Signed {
    /// SHA-512 of R, key and message.
    pub fn digest(&self) -> [u8; 64] {
        Sha512::new().chain_update(self.r).chain_update(self.key).chain_update(&self.message).finalize().into()
    }

    fn signature(&self) -> Signature {
        Signature::from_components(self.r, self.s)
    }

    /// Whether `verify_strict` accepts.
    pub fn strict(&self) -> bool {
        VerifyingKey::from_bytes(&self.key).is_ok_and(|key| key.verify_strict(&self.message, &self.signature()).is_ok())
    }

    /// Whether `verify` accepts.
    pub fn plain(&self) -> bool {
        use ed25519_dalek::Verifier;
        VerifyingKey::from_bytes(&self.key).is_ok_and(|key| key.verify(&self.message, &self.signature()).is_ok())
    }

    /// Whether R is the encoding of a point of small order.
    fn r_small(&self) -> bool {
        let point = curve25519_dalek::edwards::CompressedEdwardsY(self.r).decompress();
        point.is_some_and(|point| point.is_small_order())
    }

    /// The reason that the hardware has to give, from software alone.
    pub fn reason(&self) -> u64 {
        let key = VerifyingKey::from_bytes(&self.key);
        let in_range = bool::from(curve25519_dalek::Scalar::from_canonical_bytes(self.s).is_some());
        let bit = |is: bool, bit: u64| if is { bit } else { 0 };
        bit(self.plain(), EQUAL)
            | bit(in_range && key.is_err(), KEY_UNDECODABLE)
            | bit(!in_range, S_OUT_OF_RANGE)
            | bit(key.is_ok_and(|key| key.is_weak()), KEY_SMALL)
            | bit(self.r_small(), R_SMALL)
    }
}
