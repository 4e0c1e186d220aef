//! ML-DSA-44 and hybrid keys.

use super::forge::random_bytes;
use super::plain::{LENGTHS, flip, signed};
use crate::Case;
use paxon_fastpath::verify::Scheme;
use rand::Rng;
use rand::rngs::SmallRng;

/// The parts of a signature of ML-DSA-44 (FIPS 204, algorithm 26): challenge, z with 18 bits a coefficient, hints.
const CHALLENGE_BYTES: usize = 32;
/// Bytes of z: 4 polynomials of 256 coefficients.
const Z_BYTES: usize = 4 * 256 * 18 / 8;
/// Hints at most, before the 4 bytes that count them.
const HINTS: usize = 80;
/// Random flips in each part of a signature.
const FLIPS: usize = 12;

/// Honest ones of many lengths, flips in every part, z at its bound, hints out of order, too many, or followed by rubbish.
pub(super) fn lattice(rng: &mut SmallRng, all: &mut Vec<Case>) {
    for length in LENGTHS {
        let message = random_bytes(rng, length);
        all.push(signed(rng, Scheme::MlDsa44, format!("lattice: {length} bytes"), message));
    }
    let message = random_bytes(rng, 96);
    let one = signed(rng, Scheme::MlDsa44, "lattice: to be altered".to_owned(), message);
    flips(rng, &one, all);
    let at = |about: &str, place: usize, bytes: &[u8]| {
        let mut case = Case { about: format!("lattice: {about}"), ..one.clone() };
        case.signature[place..place + bytes.len()].copy_from_slice(bytes);
        case
    };
    all.push(at("no challenge", 0, &[0; CHALLENGE_BYTES]));
    // A coefficient is 2^17 less the 18 bits: all zeros and all ones are beyond the bound on both sides.
    all.push(at("z beyond its bound", CHALLENGE_BYTES, &[0; 9]));
    all.push(at("z beyond its bound on the other side", CHALLENGE_BYTES, &[0xff; 9]));
    let hints = CHALLENGE_BYTES + Z_BYTES;
    let (first, second) = (one.signature[hints], one.signature[hints + 1]);
    all.push(at("hints out of order", hints, &[second, first]));
    all.push(at("a hint twice", hints, &[first, first]));
    all.push(at("more hints than fit", hints + HINTS, &[81, 81, 81, 81]));
    all.push(at("counts of hints that fall", hints + HINTS, &[40, 20, 60, 80]));
    all.push(at("no hints", hints, &[0; HINTS + 4]));
    // Hints that are not counted are zero in the one encoding that is allowed.
    all.push(at("rubbish after the last hint", hints + HINTS - 1, &[1]));
    let mut zero = Case { about: "lattice: a key of zeros".to_owned(), ..one.clone() };
    zero.key.fill(0);
    all.push(zero);
}

fn flips(rng: &mut SmallRng, one: &Case, all: &mut Vec<Case>) {
    let ends = [0, CHALLENGE_BYTES, CHALLENGE_BYTES + Z_BYTES, CHALLENGE_BYTES + Z_BYTES + HINTS, one.signature.len()];
    for part in ends.windows(2) {
        for _ in 0..FLIPS {
            let bit = rng.random_range(8 * part[0]..8 * part[1]);
            let mut case = Case { about: format!("flip: bit {bit} of the signature"), ..one.clone() };
            flip(&mut case.signature, bit);
            all.push(case);
        }
    }
    for _ in 0..FLIPS {
        let (mut key, mut message) = (one.clone(), one.clone());
        flip(&mut key.key, rng.random_range(0..8 * one.key.len()));
        flip(&mut message.message, rng.random_range(0..8 * one.message.len()));
        all.extend([key, message]);
    }
}

/// Each half alone wrong, both wrong, halves of two signatures, halves of two keys.
pub(super) fn hybrid(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let first_half = Scheme::Ed25519.signature_bytes();
    let message = random_bytes(rng, 96);
    let one = signed(rng, Scheme::Hybrid, "hybrid: one".to_owned(), message.clone());
    let two = signed(rng, Scheme::Hybrid, "hybrid: two".to_owned(), message);
    for bits in [vec![3], vec![8 * first_half + 3], vec![3, 8 * first_half + 3]] {
        let mut case = Case { about: format!("hybrid: bits {bits:?} flipped"), ..one.clone() };
        bits.iter().for_each(|&bit| flip(&mut case.signature, bit));
        all.push(case);
    }
    let halves = |a: &Case, b: &Case| [&a.signature[..first_half], &b.signature[first_half..]].concat();
    let keys = |a: &Case, b: &Case| [&a.key[..32], &b.key[32..]].concat();
    let crossed = Case { about: "hybrid: halves of two keys".to_owned(), signature: halves(&one, &two), ..one.clone() };
    // Right, though nobody made it: the halves are independent, and both keys signed this message.
    let joined = Case { about: "hybrid: a key of two halves".to_owned(), key: keys(&one, &two), ..crossed.clone() };
    // A key of small order in front of an honest half.
    let mut small = Case { about: "hybrid: a first half of small order".to_owned(), ..one.clone() };
    small.key[..32].fill(0);
    small.signature[..first_half].fill(0);
    all.extend([crossed, joined, small, one, two]);
}
