//! Points of small order, and points with a component of small order.

use super::encodings::wrapped;
use super::forge::{Part, challenge, encode, random_bytes, sign};
use crate::Case;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::Identity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use rand::rngs::SmallRng;

/// Messages that are tried until h makes components of small order cancel, or not. h modulo 8 decides: one in eight does.
const TRIES: usize = 200;

/// All strings that decode to points of small order, most of them not as the standard wants: 14.
pub(super) fn strings() -> Vec<[u8; 32]> {
    let mut all = Vec::new();
    for encoding in EIGHT_TORSION.map(encode) {
        let low = without_sign(encoding);
        for y in [Some(low), wrapped(low)].into_iter().flatten() {
            for sign in [0, 0x80] {
                let mut string = y;
                string[31] |= sign;
                if !all.contains(&string) {
                    all.push(string);
                }
            }
        }
    }
    all
}

fn without_sign(mut encoding: [u8; 32]) -> [u8; 32] {
    encoding[31] &= 0x7f;
    encoding
}

/// Every string of small order as key and as R, in all combinations, with messages under which the points cancel and under
/// which they do not; and each beside an honest point.
pub(super) fn small(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let strings = strings();
    for (i, &key) in strings.iter().enumerate() {
        for (j, &r) in strings.iter().enumerate() {
            both(rng, &format!("small order: key {i}, R {j}"), &Part::string(key), &Part::string(r), all);
        }
        for torsion in 0..8 {
            let r = Part::multiple(rng, torsion);
            both(rng, &format!("small order: key {i}, R + torsion {torsion}"), &Part::string(key), &r, all);
            let honest = Part::multiple(rng, torsion);
            both(rng, &format!("small order: R {i}, key + torsion {torsion}"), &honest, &Part::string(key), all);
        }
    }
}

/// Key and R with every component of small order, in all combinations, with messages that make them cancel and others.
pub(super) fn mixed(rng: &mut SmallRng, all: &mut Vec<Case>) {
    for i in 0..8 {
        for j in 0..8 {
            let (key, r) = (Part::multiple(rng, i), Part::multiple(rng, j));
            both(rng, &format!("mixed order: key + torsion {i}, R + torsion {j}"), &key, &r, all);
        }
    }
}

/// Signatures that are right but for a sign: of the key, of R, of both.
pub(super) fn negated(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let (key, r) = (Part::multiple(rng, 0), Part::multiple(rng, 0));
    for (about, key, r) in [
        ("sign: as it should be", key, r),
        ("sign: the key is the negative of the signer's", key.negated(), r),
        ("sign: R is the negative of the signer's", key, r.negated()),
        ("sign: key and R are the negatives of the signer's", key.negated(), r.negated()),
    ] {
        all.push(sign(about.to_owned(), &key, &r, random_bytes(rng, 12)));
    }
}

/// A message for which sB - hA is R, if one is found, and one for which it is not.
fn both(rng: &mut SmallRng, about: &str, key: &Part, r: &Part, all: &mut Vec<Case>) {
    let cancels = cancels(small_part(key), small_part(r));
    let (mut yes, mut no) = (None, None);
    for _ in 0..TRIES {
        let message = random_bytes(rng, 8);
        // Eight times each of the eight points is nothing: of h, only its last three bits matter to them.
        let h = challenge(&r.encoding(), &key.encoding(), &message).to_bytes()[0] & 7;
        let found = if cancels[usize::from(h)] { &mut yes } else { &mut no };
        found.get_or_insert(message);
        if yes.is_some() && no.is_some() {
            break;
        }
    }
    all.extend([yes, no].into_iter().flatten().map(|message| sign(about.to_owned(), key, r, message)));
}

/// For each h modulo 8, whether what is of small order in R and h times the key adds up to nothing.
fn cancels(key: EdwardsPoint, r: EdwardsPoint) -> [bool; 8] {
    let mut sum = r;
    std::array::from_fn(|_| {
        let nothing = sum == EdwardsPoint::identity();
        sum += key;
        nothing
    })
}

/// A point's component of small order: the point, less its component of prime order.
fn small_part(part: &Part) -> EdwardsPoint {
    let point = CompressedEdwardsY(part.encoding()).decompress().expect("parts are points");
    point - point.mul_by_cofactor() * Scalar::from(8_u8).invert()
}
