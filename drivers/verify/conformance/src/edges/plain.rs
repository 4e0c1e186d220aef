//! Honest signatures, and what becomes of them under way.

use super::forge::random_bytes;
use crate::Case;
use paxon_fastpath::verify::Scheme;
use paxon_verify::SigningKey;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};

/// Lengths around the blocks of SHA-512 with R and key in front (64 bytes), around the FPGA's slot, and long ones.
pub(super) const LENGTHS: [usize; 19] =
    [0, 1, 31, 47, 48, 63, 64, 65, 96, 111, 112, 127, 128, 129, 175, 176, 1_023, 1_024, 4_096];

/// A signature that verifies, over a random message of a length.
pub(super) fn honest(rng: &mut SmallRng, about: String, length: usize) -> Case {
    let message = random_bytes(rng, length);
    signed(rng, Scheme::Ed25519, about, message)
}

/// A signature that verifies, by a new key.
pub(super) fn signed(rng: &mut SmallRng, scheme: Scheme, about: String, message: Vec<u8>) -> Case {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let key = SigningKey::from_seed(scheme, &seed);
    Case { about, scheme, key: key.public_key().to_vec(), signature: key.sign(&message), message }
}

/// Flips one bit.
pub(super) fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// Every single bit of key, signature and message.
pub(super) fn flips(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let signed = honest(rng, "flip: none".to_owned(), 9);
    all.push(signed.clone());
    for bit in 0..8 * signed.key.len() {
        let mut case = Case { about: format!("flip: bit {bit} of the key"), ..signed.clone() };
        flip(&mut case.key, bit);
        all.push(case);
    }
    for bit in 0..8 * signed.signature.len() {
        let mut case = Case { about: format!("flip: bit {bit} of the signature"), ..signed.clone() };
        flip(&mut case.signature, bit);
        all.push(case);
    }
    for bit in 0..8 * signed.message.len() {
        let mut case = Case { about: format!("flip: bit {bit} of the message"), ..signed.clone() };
        flip(&mut case.message, bit);
        all.push(case);
    }
}

/// Messages of many lengths: as they were signed, cut, extended, and with another last byte.
pub(super) fn lengths(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let random = rng.random_range(0..300);
    for length in LENGTHS.into_iter().chain([random]) {
        let signed = honest(rng, format!("length: {length}"), length);
        all.push(signed.clone());
        let mut longer = Case { about: format!("length: {length}, and one more"), ..signed.clone() };
        longer.message.push(0);
        all.push(longer);
        if length > 0 {
            let mut shorter = Case { about: format!("length: {length}, less one"), ..signed.clone() };
            shorter.message.pop();
            all.push(shorter);
            let mut other = Case { about: format!("length: {length}, another last byte"), ..signed };
            flip(&mut other.message, 8 * length - 1);
            all.push(other);
        }
    }
}

/// Whole parts in places where they do not belong.
pub(super) fn swaps(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let (one, two) = (honest(rng, "swap: one".to_owned(), 96), honest(rng, "swap: two".to_owned(), 96));
    let (r, s) = one.signature.split_at(32);
    let variants = [
        ("the key of another", two.key.clone(), one.signature.clone()),
        ("the signature of another", one.key.clone(), two.signature.clone()),
        ("s before R", one.key.clone(), [s, r].concat()),
        ("R as key", r.to_vec(), [&one.key, s].concat()),
        ("s of another", one.key.clone(), [r, &two.signature[32..]].concat()),
        ("no signature but zeros", one.key.clone(), vec![0; 64]),
        ("no signature but ones", one.key.clone(), vec![0xff; 64]),
        ("nothing but zeros", vec![0; 32], vec![0; 64]),
        ("nothing but ones", vec![0xff; 32], vec![0xff; 64]),
    ];
    for (about, key, signature) in variants {
        all.push(Case { about: format!("swap: {about}"), key, signature, ..one.clone() });
    }
    all.push(Case { about: "swap: the message of another".to_owned(), message: two.message, ..one.clone() });
    all.push(one);
}
