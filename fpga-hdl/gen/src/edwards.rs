//! Points of edwards25519 in extended coordinates, so that only the last step needs an inversion (RFC 8032 section 5.1.4).

use crate::curve::{Point, d, inverse, negative, prime, sqrt};
use num_bigint::BigUint;

/// The order of the base point.
pub fn order() -> BigUint {
    (BigUint::from(1_u8) << 252) + 27_742_317_777_372_353_535_851_937_790_883_648_493_u128
}

/// x = X / Z, y = Y / Z, x y = T / Z.
#[derive(Clone, Debug)]
pub struct Extended {
    x: BigUint,
    y: BigUint,
    z: BigUint,
    t: BigUint,
}

impl Extended {
    /// The point that is added without effect.
    pub fn neutral() -> Self {
        let one = BigUint::from(1_u8);
        Self { x: BigUint::ZERO, y: one.clone(), z: one, t: BigUint::ZERO }
    }

    /// The same point.
    pub fn of(point: &Point) -> Self {
        Self { x: point.x.clone(), y: point.y.clone(), z: BigUint::from(1_u8), t: &point.x * &point.y % prime() }
    }

    /// The point of 32 bytes (RFC 8032 section 5.1.3; y may be p or more, as ed25519-dalek has it), if there is one.
    pub fn decode(bytes: &[u8; 32]) -> Option<Self> {
        let p = prime();
        let sign = bytes[31] >> 7 == 1;
        let mut low = *bytes;
        low[31] &= 0x7f;
        let y = BigUint::from_bytes_le(&low) % &p;
        let ratio = (&y * &y + &p - 1_u8) * inverse(&(d() * &y * &y + 1_u8));
        let even = sqrt(&ratio)?;
        Some(Self::of(&Point { x: if sign { negative(&even) } else { even }, y }))
    }

    /// The sum, complete on this curve.
    pub fn add(&self, other: &Self) -> Self {
        let p = prime();
        let difference = |a: &BigUint, b: &BigUint| (a + &p - b) % &p;
        let a = difference(&self.y, &self.x) * difference(&other.y, &other.x) % &p;
        let b = (&self.y + &self.x) * (&other.y + &other.x) % &p;
        let c = &self.t * d() % &p * 2_u8 * &other.t % &p;
        let d = &self.z * 2_u8 * &other.z % &p;
        let (e, f, g, h) = (difference(&b, &a), difference(&d, &c), (&d + &c) % &p, (&b + &a) % &p);
        Self { x: &e * &f % &p, y: &g * &h % &p, z: &f * &g % &p, t: &e * &h % &p }
    }

    /// Twice the point.
    pub fn double(&self) -> Self {
        self.add(self)
    }

    /// The point on the other side.
    pub fn negate(&self) -> Self {
        Self { x: negative(&self.x), y: self.y.clone(), z: self.z.clone(), t: negative(&self.t) }
    }

    /// The multiple by a number.
    pub fn multiply(&self, number: &BigUint) -> Self {
        let step = |sum: Self, bit| {
            let doubled = sum.double();
            if number.bit(bit) { doubled.add(self) } else { doubled }
        };
        (0..number.bits()).rev().fold(Self::neutral(), step)
    }

    /// Whether it is the neutral point.
    pub fn is_neutral(&self) -> bool {
        self.x == BigUint::ZERO && self.y == self.z
    }

    /// The points with both coordinates; one inversion for all of them (Montgomery's trick). No Z is ever 0.
    pub fn affine(points: &[Self]) -> Vec<Point> {
        let p = prime();
        let mut product = BigUint::from(1_u8);
        let mut before = Vec::new();
        for point in points {
            before.push(product.clone());
            product = &product * &point.z % &p;
        }
        let mut rest = inverse(&product);
        let mut all = Vec::new();
        for (point, before) in points.iter().zip(before).rev() {
            let z = &rest * before % &p;
            rest = &rest * &point.z % &p;
            all.push(Point { x: &point.x * &z % &p, y: &point.y * &z % &p });
        }
        all.reverse();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::base;

    #[test]
    fn the_base_point_has_the_order_of_the_group() {
        let base = Extended::of(&base());
        assert!(base.multiply(&order()).is_neutral());
        assert!(!base.multiply(&(order() - 1_u8)).is_neutral());
    }

    #[test]
    fn a_point_and_its_negative_differ_in_the_sign_bit_only() {
        let mut bytes: [u8; 32] = base().y.to_bytes_le().try_into().expect("y of the base point has 32 bytes");
        let even = Extended::decode(&bytes).expect("the base point");
        bytes[31] |= 0x80;
        let odd = Extended::decode(&bytes).expect("the other one");
        assert!(even.add(&odd).is_neutral());
        assert!(odd.negate().add(&odd).is_neutral());
    }
}
