//! Ed25519 under the rule of `verify_strict`, from the group operations of curve25519-dalek.
//!
//! `verify_strict` of ed25519-dalek accepts when s is below the group order, key and R decode, neither has small order, and
//! the encoding of sB - hA equals the bytes of R. Two steps of it are left out here, and neither can change a verdict:
//!
//! * R is not decoded. The last step compares it with an encoding that a point has, so an R that passes does decode.
//! * R is not multiplied to learn whether its order is small. An R that passes is canonical, and the canonical encodings of
//!   small order are eight strings.
//!
//! sB - hA comes from one double multiplication, or from tables if the key was prepared. All ways multiply the same integers
//! with the same points, so they meet in the same point whatever torsion the key has.

mod comb;

use comb::Comb;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::Identity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest, Sha512};
use std::sync::LazyLock;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Multiples of the base point for one addition per byte of a scalar: 640 KiB, once a process.
static BASE: LazyLock<Comb> = LazyLock::new(|| Comb::new(&ED25519_BASEPOINT_POINT, comb::Shape::SHARED));

/// The encodings that the points of small order have. Other strings decode to them too, but no computed point has those.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// A key whose multiples are tabled: 33 KiB.
pub(crate) struct Table {
    encoding: [u8; KEY_BYTES],
    /// Of the key's negation.
    comb: Comb,
}

impl Table {
    /// Nothing for a key under which no signature is valid.
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Option<Self> {
        // Not at the first verification, which would wait for it.
        LazyLock::force(&BASE);
        let comb = Comb::new(&negated(key)?, comb::Shape::KEY);
        Some(Self { encoding: *key, comb })
    }
}

/// Half of a verification: the point whose encoding R has to be.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    computed: EdwardsPoint,
    r: [u8; 32],
}

impl Claim {
    /// Nothing if the signature is invalid whatever the point.
    pub(crate) fn new(key: &[u8; KEY_BYTES], signature: &[u8; SIGNATURE_BYTES], message: &[u8]) -> Option<Self> {
        let (r, s) = parts(signature)?;
        let negated = negated(key)?;
        let h = challenge(&r, key, message);
        Some(Self { computed: EdwardsPoint::vartime_double_scalar_mul_basepoint(&h, &negated, &s), r })
    }

    /// The same for a prepared key.
    pub(crate) fn prepared(key: &Table, signature: &[u8; SIGNATURE_BYTES], message: &[u8]) -> Option<Self> {
        let (r, s) = parts(signature)?;
        let h = challenge(&r, &key.encoding, message);
        Some(Self { computed: BASE.add_multiple(key.comb.multiple(&h), &s), r })
    }

    /// Whether the signature is valid.
    pub(crate) fn holds(&self) -> bool {
        self.matches(self.computed.compress())
    }

    /// Whether each of up to `N` signatures is valid, for the price of one inversion. Each answer is what [`Self::holds`]
    /// says: the encodings are computed together, they are not mixed.
    pub(crate) fn all_hold<const N: usize>(claims: &[Self]) -> [bool; N] {
        assert!(claims.len() <= N, "{} claims do not fit a batch of {N}", claims.len());
        let mut points = [EdwardsPoint::identity(); N];
        for (point, claim) in points.iter_mut().zip(claims) {
            *point = claim.computed;
        }
        let encodings = EdwardsPoint::compress_batch(&points);
        let mut all = [false; N];
        for ((holds, claim), encoding) in all.iter_mut().zip(claims).zip(encodings) {
            *holds = claim.matches(encoding);
        }
        all
    }

    fn matches(&self, encoding: CompressedEdwardsY) -> bool {
        encoding.to_bytes() == self.r && !SMALL_ORDER.contains(&self.r)
    }
}

/// The key's point, negated, unless it is none or of small order.
fn negated(key: &[u8; KEY_BYTES]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(*key).decompress()?;
    (!point.is_small_order()).then(|| -point)
}

/// R, and s if it is below the group order.
fn parts(signature: &[u8; SIGNATURE_BYTES]) -> Option<([u8; 32], Scalar)> {
    let (r, s) = (first_32(&signature[..32]), first_32(&signature[32..]));
    Option::from(Scalar::from_canonical_bytes(s)).map(|s| (r, s))
}

fn first_32(bytes: &[u8]) -> [u8; 32] {
    *bytes.first_chunk().expect("a signature has 64 bytes, halved")
}

/// h: the hash of R, the key as given and the message, modulo the group order.
fn challenge(r: &[u8; 32], key: &[u8; KEY_BYTES], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}
