//! The field of Curve25519 in big integers: the reference for the arithmetic units.

use num_bigint::BigUint;
use rand::Rng;

/// 2^255 - 19.
pub fn prime() -> BigUint {
    (BigUint::from(1_u8) << 255) - 19_u8
}

/// Canonical elements where carries and reductions go wrong first.
pub fn corners() -> Vec<BigUint> {
    let p = prime();
    let mut all: Vec<BigUint> = (0_u32..20).map(BigUint::from).collect();
    all.extend((1_u32..20).map(|less| &p - less));
    // One bit, all bits below it, and all bits above it, at the edges of rows, limbs and halves.
    for bit in [16_u32, 17, 23, 24, 25, 33, 34, 127, 128, 129, 231, 238, 239, 240, 253, 254] {
        let power: BigUint = BigUint::from(1_u8) << bit;
        all.extend([power.clone(), &power - 1_u8, &p - &power]);
    }
    all
}

/// A canonical element: half of them uniform, half with long runs of equal bits.
pub fn element(rng: &mut impl Rng) -> BigUint {
    let mut bytes = [0_u8; 32];
    rng.fill(&mut bytes);
    if rng.random() {
        for byte in &mut bytes {
            *byte = if *byte < 112 {
                0
            } else if *byte < 224 {
                0xff
            } else {
                *byte
            };
        }
    }
    BigUint::from_bytes_le(&bytes) % prime()
}
