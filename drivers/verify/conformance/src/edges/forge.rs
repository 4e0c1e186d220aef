//! Signatures whose maker chose the points: what a signer who follows the standard never makes.

use crate::Case;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use paxon_fastpath::verify::Scheme;
use rand::RngCore;
use rand::rngs::SmallRng;
use sha2::{Digest, Sha512};

/// One of the two points of a signature, key or R, with the scalar that its maker knows.
#[derive(Clone, Copy)]
pub(super) struct Part {
    encoding: [u8; 32],
    scalar: Scalar,
}

impl Part {
    /// A random multiple of the base point, and a point of small order on top.
    pub(super) fn multiple(rng: &mut SmallRng, torsion: usize) -> Self {
        let scalar = random_scalar(rng);
        Self { encoding: encode(ED25519_BASEPOINT_POINT * scalar + EIGHT_TORSION[torsion]), scalar }
    }

    /// Any string: its maker pretends to know that the scalar is 0.
    pub(super) const fn string(encoding: [u8; 32]) -> Self {
        Self { encoding, scalar: Scalar::ZERO }
    }

    /// The point's negative, whose scalar its maker gets wrong.
    pub(super) fn negated(&self) -> Self {
        let mut encoding = self.encoding;
        encoding[31] ^= 0x80;
        Self { encoding, ..*self }
    }

    pub(super) const fn encoding(&self) -> [u8; 32] {
        self.encoding
    }
}

/// Signs a message as the equation s = r + h a demands of what is known.
pub(super) fn sign(about: String, key: &Part, r: &Part, message: Vec<u8>) -> Case {
    let s = r.scalar + challenge(&r.encoding, &key.encoding, &message) * key.scalar;
    case(about, key.encoding, r.encoding, s.to_bytes(), message)
}

/// h of a signature.
pub(super) fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

pub(super) fn case(about: String, key: [u8; 32], r: [u8; 32], s: [u8; 32], message: Vec<u8>) -> Case {
    Case { about, scheme: Scheme::Ed25519, key: key.to_vec(), signature: [r, s].concat(), message }
}

pub(super) fn random_scalar(rng: &mut SmallRng) -> Scalar {
    let mut wide = [0; 64];
    rng.fill_bytes(&mut wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

pub(super) fn random_bytes(rng: &mut SmallRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

pub(super) fn encode(point: EdwardsPoint) -> [u8; 32] {
    point.compress().to_bytes()
}
