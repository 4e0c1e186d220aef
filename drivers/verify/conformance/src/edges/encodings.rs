//! Numbers at and beyond the edges of their ranges: s around multiples of the group order, y around those of p.

use super::forge::{Part, case, encode, random_bytes, random_scalar, sign};
use super::plain::honest;
use crate::Case;
use curve25519_dalek::Scalar;
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use rand::rngs::SmallRng;

/// The group order, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// p = 2^255 - 19, little-endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    p
};
/// Multiples of the group order that are added to s; more do not fit 32 bytes.
const MULTIPLES: usize = 15;

/// The sum, if it fits 32 bytes.
fn sum(a: &[u8; 32], b: &[u8; 32]) -> Option<[u8; 32]> {
    let (mut sum, mut carry) = ([0; 32], 0);
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        let total = u16::from(a) + u16::from(b) + carry;
        let [low, high] = total.to_le_bytes();
        (*sum, carry) = (low, u16::from(high));
    }
    (carry == 0).then_some(sum)
}

fn small_number(value: u8) -> [u8; 32] {
    let mut number = [0; 32];
    number[0] = value;
    number
}

/// 2^bit - 1.
fn ones(bit: usize) -> [u8; 32] {
    let mut number = [0xff; 32];
    for (i, byte) in number.iter_mut().enumerate() {
        *byte = u8::try_from((1_u16 << bit.saturating_sub(8 * i).min(8)) - 1).unwrap_or(u8::MAX);
    }
    number
}

/// y + p, if that fits the 255 bits of a coordinate: another string for the same point.
pub(super) fn wrapped(y: [u8; 32]) -> Option<[u8; 32]> {
    sum(&y, &P).filter(|sum| sum[31] < 0x80)
}

/// s that is its like modulo the group order, and s at the edges of ranges.
pub(super) fn scalars(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let (key, r) = (Part::multiple(rng, 0), Part::multiple(rng, 0));
    let signed = sign("scalar: as it should be".to_owned(), &key, &r, random_bytes(rng, 20));
    let mut s = [0; 32];
    s.copy_from_slice(&signed.signature[32..]);
    all.push(signed.clone());
    for multiple in 1..=MULTIPLES {
        let Some(next) = sum(&s, &ORDER) else { break };
        s = next;
        let about = format!("scalar: s + {multiple} times the order");
        all.push(case(about, key.encoding(), r.encoding(), s, signed.message.clone()));
    }
    let minus_one = (Scalar::ZERO - Scalar::ONE).to_bytes();
    let mut edges = vec![[0; 32], small_number(1), minus_one, ORDER];
    edges.extend(sum(&ORDER, &small_number(1)));
    for bit in [252, 253, 254, 255, 256] {
        edges.push(ones(bit));
        edges.extend(sum(&ones(bit), &small_number(1)));
    }
    for s in edges {
        all.push(case(format!("scalar: s = {s:02x?}"), key.encoding(), r.encoding(), s, random_bytes(rng, 20)));
        let like = encode(ED25519_BASEPOINT_POINT * Scalar::from_bytes_mod_order(s));
        // The key that is the neutral point would make these right, were it not of small order.
        all.push(case(format!("scalar: s = {s:02x?} and R = sB"), small_number(1), like, s, random_bytes(rng, 20)));
    }
}

/// y close to 0 and to p from both sides, whether a point or none, with either sign, as key and as R.
pub(super) fn coordinates(rng: &mut SmallRng, all: &mut Vec<Case>) {
    let low = (0..=20).map(small_number);
    let above = (0..=18).filter_map(|more| wrapped(small_number(more)));
    let below = (1..=20).map(|less| {
        let mut y = P;
        y[0] -= less;
        y
    });
    for y in low.chain(above).chain(below).collect::<Vec<_>>() {
        for sign_bit in [0, 0x80] {
            let mut string = y;
            string[31] |= sign_bit;
            let odd = Part::string(string);
            let part = Part::multiple(rng, 0);
            let message = random_bytes(rng, 5);
            all.push(sign(format!("coordinate: key {string:02x?}"), &odd, &part, message.clone()));
            all.push(sign(format!("coordinate: R {string:02x?}"), &part, &odd, message.clone()));
            // Beside numbers that nobody could tell from honest ones.
            let s = random_scalar(rng).to_bytes();
            all.push(case(format!("coordinate: key {string:02x?}, any s"), string, part.encoding(), s, message));
            let mut other = honest(rng, "coordinate: the key is another".to_owned(), 5);
            other.key = string.to_vec();
            all.push(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_what_they_say() {
        assert_eq!(sum(&(Scalar::ZERO - Scalar::ONE).to_bytes(), &small_number(1)), Some(ORDER));
        assert_eq!(sum(&P, &small_number(19)).map(|bytes| bytes[31]), Some(0x80));
        assert_eq!(ones(252)[31], 0x0f);
        assert_eq!(ones(256), [0xff; 32]);
        assert_eq!(wrapped(small_number(18)), Some(ones(255)));
        assert_eq!(wrapped(small_number(19)), None);
    }

    #[test]
    fn small_order_has_fourteen_strings() {
        assert_eq!(super::super::orders::strings().len(), 14);
    }
}
