//! The constants of SHA-512: fractional parts of roots of the first primes (FIPS 180-4 sections 4.2.3 and 5.3.5).

use crate::verilog::{header, literal};
use num_bigint::BigUint;

/// The package with the initial hash and the round constants.
pub fn package() -> String {
    let mut text = header("The constants of SHA-512 (FIPS 180-4 sections 4.2.3 and 5.3.5).");
    text.push_str("package sha512_constants_pkg;\n\n");
    text.push_str(&list("[7:0][63:0] InitialHash", "", 8, 2));
    text.push_str(&list("[63:0] RoundConstant [80]", "'", 80, 3));
    text.push_str("endpackage\n");
    text
}

fn list(declaration: &str, brace: &str, count: usize, degree: u32) -> String {
    let words = primes(count).map(|prime| format!("    {}", literal(64, &root_fraction(prime, degree))));
    let words = words.collect::<Vec<_>>().join(",\n");
    format!("  localparam logic {declaration} = {brace}{{\n{words}\n  }};\n\n")
}

/// The first 64 bits behind the point of the root of that degree.
fn root_fraction(number: u32, degree: u32) -> BigUint {
    (BigUint::from(number) << (64 * degree)).nth_root(degree) % (BigUint::from(1_u8) << 64)
}

fn primes(count: usize) -> impl Iterator<Item = u32> {
    (2_u32..).filter(|number| (2..*number).all(|divisor| number % divisor != 0)).take(count)
}
