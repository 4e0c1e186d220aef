//! The constants of edwards25519 (RFC 8032 section 5.1) and the table of odd multiples of its base point.

use crate::verilog::{header, literal};
use num_bigint::BigUint;
use std::fmt::Write;

/// Odd multiples of a point in the table: 1, 3, ... 127.
pub const BASE_MULTIPLES: usize = 64;

/// The table has the multiples of B and then those of 2^BASE_HALF_BITS B, as `BaseHalfBits` of `sc25519_pkg.sv`.
pub const BASE_HALF_BITS: usize = 128;

/// Constants that the microcode names; they stand in the fourth column of the table of the base point.
pub const NAMED: [&str; 4] = ["ONE", "D", "D2", "SQRT_M1"];

/// A point with both coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) x: BigUint,
    pub(crate) y: BigUint,
}

/// How both ROMs are read.
pub(crate) const ROM_READ: &str = "  logic [254:0] read_q, word_q;
  always_ff @(posedge clk_i) begin
    read_q <= Table[addr_i];
    word_q <= read_q;
  end
  assign word_o = word_q;

endmodule
";

pub(crate) fn prime() -> BigUint {
    (BigUint::from(1_u8) << 255) - 19_u8
}

pub(crate) fn inverse(a: &BigUint) -> BigUint {
    a.modpow(&(prime() - 2_u8), &prime())
}

pub(crate) fn negative(a: &BigUint) -> BigUint {
    (prime() - a % prime()) % prime()
}

/// d = -121665 / 121666.
pub(crate) fn d() -> BigUint {
    negative(&(BigUint::from(121_665_u32) * inverse(&BigUint::from(121_666_u32))))
}

/// A square root of -1: 2^((p - 1) / 4).
fn sqrt_m1() -> BigUint {
    BigUint::from(2_u8).modpow(&((prime() - 1_u8) / 4_u8), &prime())
}

/// The even square root, if there is one.
pub(crate) fn sqrt(a: &BigUint) -> Option<BigUint> {
    let p = prime();
    let root = a.modpow(&((&p + 3_u8) / 8_u8), &p);
    let other = &root * sqrt_m1() % &p;
    let root = [root, other].into_iter().find(|root| root * root % &p == a % &p)?;
    Some(if root.bit(0) { negative(&root) } else { root })
}

fn add(a: &Point, b: &Point) -> Point {
    let p = prime();
    let product = d() * &a.x * &b.x * &a.y * &b.y % &p;
    let x = (&a.x * &b.y + &a.y * &b.x) * inverse(&(1_u8 + &product));
    let y = (&a.y * &b.y + &a.x * &b.x) * inverse(&(1_u8 + &p - product));
    Point { x: x % &p, y: y % &p }
}

/// The point with y = 4/5 and even x.
pub(crate) fn base() -> Point {
    let p = prime();
    let y = BigUint::from(4_u8) * inverse(&BigUint::from(5_u8)) % &p;
    let ratio = (&y * &y + &p - 1_u8) * inverse(&(d() * &y * &y + 1_u8));
    Point { x: sqrt(&ratio).expect("the base point is on the curve"), y }
}

/// One of the two y of the points of order 8: d y^4 + 2 y^2 = 1, since their doubles have y = 0.
fn order_eight_y() -> BigUint {
    let p = prime();
    let root = sqrt(&(d() + 1_u8)).expect("1 + d is a square");
    let squares = [&root + &p - 1_u8, &p + &p - &root - 1_u8].map(|numerator| numerator * inverse(&d()) % &p);
    squares.iter().find_map(sqrt).expect("there are points of order 8")
}

/// The package with the constants that RTL outside of the engine's ROM uses.
pub fn package() -> String {
    let mut text = header("The y of the points of small order (every other one is 0, 1 or -1), mod p.");
    text.push_str("package ed25519_constants_pkg;\n\n");
    let y = order_eight_y();
    for (name, value) in [("OrderEightY", y.clone()), ("OrderEightMinusY", negative(&y))] {
        writeln!(text, "  localparam logic [254:0] {name} = {};", literal(255, &value)).expect("a string takes text");
    }
    text.push_str("\nendpackage\n");
    text
}

/// 2^count of a point.
fn doubled(point: Point, count: usize) -> Point {
    (0..count).fold(point, |point, _| add(&point, &point))
}

/// What stands at an address of the ROM: four words for each odd multiple.
pub(crate) fn rom_words() -> Vec<BigUint> {
    let p = prime();
    let constants = [BigUint::from(1_u8), d(), d() * 2_u8 % &p, sqrt_m1()];
    let mut words = Vec::new();
    for mut point in [base(), doubled(base(), BASE_HALF_BITS)] {
        let twice = add(&point, &point);
        for _ in 0..BASE_MULTIPLES {
            let constant = constants.get(words.len() / 4).cloned().unwrap_or_default();
            words.push((&point.y + &point.x) % &p);
            words.push((&point.y + &p - &point.x) % &p);
            words.push(&point.x * &point.y % &p * d() * 2_u8 % &p);
            words.push(constant);
            point = add(&point, &twice);
        }
    }
    words
}

/// The module with the table of the base point and the named constants.
pub fn base_rom() -> String {
    let mut text = header(
        "Odd multiples (2 i + 1) B of the base point: y + x, y - x, 2 d x y at 4 i, 4 i + 1, 4 i + 2; of 2^128 B from 256 on.",
    );
    writeln!(
        text,
        "// Constants at 4 i + 3: {}. Latency: 2 cycles. Rate: one word in a cycle. Stall: none.",
        NAMED.join(", ")
    )
    .expect("a string takes text");
    text.push_str("// Input range: any address. Output range: canonical.\n\n");
    text.push_str("module ed25519_base_rom (\n  input  logic         clk_i,\n  input  logic [8:0]   addr_i,\n");
    text.push_str("  output logic [254:0] word_o\n);\n\n  localparam logic [254:0] Table [512] = '{\n");
    let words: Vec<_> = rom_words().iter().map(|word| format!("    {}", literal(255, word))).collect();
    text.push_str(&words.join(",\n"));
    text.push_str("\n  };\n\n");
    text.push_str(ROM_READ);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_curve(point: &Point) -> bool {
        let (p, x2, y2) = (prime(), &point.x * &point.x, &point.y * &point.y);
        (&y2 + &p * &p - &x2) % &p == (d() * x2 * y2 + 1_u8) % &p
    }

    #[test]
    fn the_base_point_is_on_the_curve_and_its_table_is_of_odd_multiples() {
        assert!(on_curve(&base()));
        let (p, words) = (prime(), rom_words());
        let half = inverse(&BigUint::from(2_u8));
        let y = (&words[4] + &words[5]) * &half % &p;
        let x = (&words[4] + &p - &words[5]) * &half % &p;
        assert_eq!(Point { x, y }, add(&base(), &add(&base(), &base())));
        let high = doubled(base(), BASE_HALF_BITS);
        assert_eq!(words[256], (high.y + high.x) % p);
    }

    #[test]
    fn the_points_of_order_eight_are_on_the_curve_and_double_to_order_four() {
        let p = prime();
        let y = order_eight_y();
        let ratio = (&y * &y + &p - 1_u8) * inverse(&(d() * &y * &y + 1_u8));
        let point = Point { x: sqrt(&ratio).expect("on the curve"), y };
        let twice = add(&point, &point);
        assert_eq!(twice.y, BigUint::ZERO);
        assert!(on_curve(&twice));
    }
}
