//! Multiples of a point, tabled so that a multiplication takes additions and few doublings.
//!
//! A scalar is cut into digits of `width` bits, each from -2^(width-1) to 2^(width-1). The digits are dealt out to `ways`
//! in turn; digits of one way are added from the table, and the ways are joined by doublings. One way needs no doubling; more
//! ways share one table between them, which keeps the tables of many keys in the caches and in the TLB.

use curve25519_dalek::traits::Identity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use smallvec::SmallVec;

/// Bits of a scalar below the group order (253), and one for the sign of the top digit.
const SCALAR_BITS: usize = 254;
/// Digits that are at most in use: of the narrowest width, 4 bits.
const DIGITS_MAX: usize = 64;

/// A point for each digit; never more than fit.
type Picked = SmallVec<[EdwardsPoint; DIGITS_MAX]>;

/// How a table is laid out.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Bits of a digit, from 4 to 8.
    width: usize,
    /// Digits that share a place in the table, at least 1.
    ways: usize,
}

impl Shape {
    /// One table a process: 32 places of 128 points, 32 additions.
    pub(super) const SHARED: Self = Self { width: 8, ways: 1 };
    /// One table a key: 13 places of 16 points, 51 additions and 15 doublings. One way would need no doubling but four times
    /// the memory, and the tables of many keys live in slow caches.
    pub(super) const KEY: Self = Self { width: 5, ways: 4 };

    const fn digits(self) -> usize {
        SCALAR_BITS.div_ceil(self.width)
    }

    const fn places(self) -> usize {
        self.digits().div_ceil(self.ways)
    }

    /// Points of one place: the multiples that a digit can name, but for their sign.
    const fn multiples(self) -> usize {
        1 << (self.width - 1)
    }

    /// The digits of a scalar below the group order, lowest first.
    fn digits_of(self, scalar: &Scalar) -> [i16; DIGITS_MAX] {
        let bytes = scalar.as_bytes();
        let mut digits = [0; DIGITS_MAX];
        let mut carry = 0;
        for (i, digit) in digits.iter_mut().enumerate().take(self.digits()) {
            let bit = i * self.width;
            let word = u16::from(bytes[bit / 8]) | bytes.get(bit / 8 + 1).map_or(0, |&high| u16::from(high) << 8);
            let bits = (word >> (bit % 8)) & ((1 << self.width) - 1);
            // At most 2^8 + 1.
            let value = bits.cast_signed() + carry;
            carry = i16::from(value > 1 << (self.width - 1));
            *digit = value - (carry << self.width);
        }
        debug_assert_eq!(carry, 0, "a scalar below the group order leaves the top bit free");
        digits
    }
}

const _: () = assert!(Shape::SHARED.digits() <= DIGITS_MAX && Shape::KEY.digits() <= DIGITS_MAX);

/// The table of one point.
pub(super) struct Comb {
    shape: Shape,
    /// `places` x `multiples`: at place p the multiples 1, 2, .. of 2^(width * ways * p) times the point.
    points: Box<[EdwardsPoint]>,
}

impl Comb {
    pub(super) fn new(point: &EdwardsPoint, shape: Shape) -> Self {
        let mut points = Vec::with_capacity(shape.places() * shape.multiples());
        let mut base = *point;
        for _ in 0..shape.places() {
            let mut multiple = base;
            for _ in 0..shape.multiples() {
                points.push(multiple);
                multiple += base;
            }
            base = doubled(base, shape.width * shape.ways);
        }
        Self { shape, points: points.into_boxed_slice() }
    }

    /// The scalar's multiple of the point.
    pub(super) fn multiple(&self, scalar: &Scalar) -> EdwardsPoint {
        self.add_multiple_by_ways(EdwardsPoint::identity(), scalar)
    }

    /// `sum` and the scalar's multiple of the point. Only for a table with one way, which never doubles.
    pub(super) fn add_multiple(&self, sum: EdwardsPoint, scalar: &Scalar) -> EdwardsPoint {
        assert_eq!(self.shape.ways, 1, "doublings would double the sum, too");
        self.add_multiple_by_ways(sum, scalar)
    }

    fn add_multiple_by_ways(&self, mut sum: EdwardsPoint, scalar: &Scalar) -> EdwardsPoint {
        let digits = self.shape.digits_of(scalar);
        let picked = self.pick(&digits);
        for way in (0..self.shape.ways).rev() {
            if way + 1 < self.shape.ways {
                sum = doubled(sum, self.shape.width);
            }
            for (digit, point) in digits.iter().zip(&picked).skip(way).step_by(self.shape.ways) {
                match digit {
                    0 => {}
                    1.. => sum += point,
                    _ => sum -= point,
                }
            }
        }
        sum
    }

    /// The point that each digit names, but for its sign. All are fetched before the first is needed: the processor then
    /// waits for many of them at a time, which counts when the tables of many keys do not fit its caches.
    fn pick(&self, digits: &[i16]) -> Picked {
        let point = |(i, digit): (usize, &i16)| match usize::from(digit.unsigned_abs()) {
            0 => EdwardsPoint::identity(),
            size => self.points[i / self.shape.ways * self.shape.multiples() + size - 1],
        };
        digits.iter().take(self.shape.digits()).enumerate().map(point).collect()
    }
}

/// 2^times the point.
fn doubled(mut point: EdwardsPoint, mut times: usize) -> EdwardsPoint {
    while times >= 3 {
        point = point.mul_by_cofactor();
        times -= 3;
    }
    for _ in 0..times {
        point += point;
    }
    point
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

    fn scalars() -> Vec<Scalar> {
        let mut all = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE];
        // Every carry pattern at the edges: powers of two, and one less and more.
        let two = Scalar::from(2_u8);
        let mut power = Scalar::ONE;
        for _ in 0..253 {
            all.extend([power, power - Scalar::ONE, power + Scalar::ONE, -power]);
            power *= two;
        }
        all.extend((1..=64_u8).map(|fill| Scalar::from_bytes_mod_order([fill.wrapping_mul(37); 32])));
        all
    }

    #[test]
    fn every_shape_multiplies_as_the_library_does() {
        let torsion = ED25519_BASEPOINT_POINT * Scalar::from(5_u8) + EIGHT_TORSION[1];
        for shape in [Shape::SHARED, Shape::KEY, Shape { width: 4, ways: 1 }, Shape { width: 6, ways: 3 }] {
            let (plain, mixed) = (Comb::new(&ED25519_BASEPOINT_POINT, shape), Comb::new(&torsion, shape));
            for scalar in scalars() {
                assert_eq!(plain.multiple(&scalar), ED25519_BASEPOINT_POINT * scalar, "{scalar:?}");
                assert_eq!(mixed.multiple(&scalar), torsion * scalar, "{scalar:?}");
            }
        }
    }

    #[test]
    fn digits_make_up_the_scalar_and_stay_within_the_table() {
        for width in 4..=8 {
            let shape = Shape { width, ways: 1 };
            for scalar in scalars() {
                let digits = shape.digits_of(&scalar);
                let value = digits[..shape.digits()].iter().rev().fold(Scalar::ZERO, |sum, &digit| {
                    let size = Scalar::from(digit.unsigned_abs());
                    sum * Scalar::from(1_u16 << width) + if digit < 0 { -size } else { size }
                });
                assert_eq!(value, scalar);
                assert!(digits.iter().all(|digit| usize::from(digit.unsigned_abs()) <= shape.multiples()));
            }
        }
    }

    #[test]
    #[should_panic(expected = "doublings would double the sum")]
    fn a_sum_is_not_taken_by_a_table_that_doubles() {
        let comb = Comb::new(&ED25519_BASEPOINT_POINT, Shape::KEY);
        comb.add_multiple(ED25519_BASEPOINT_POINT, &Scalar::ONE);
    }
}
