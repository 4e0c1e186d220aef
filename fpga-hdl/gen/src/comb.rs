//! Combs: tables of one point P, with which the multiple by any scalar takes 8 columns of 4 additions and 7 doublings.
//!
//! The bits of a scalar, read as signs, are a sum of +2^i or -2^i. Column c (0 to 7) and table t (0 to 3) take the eight bits at
//! 64 t + 8 j + c. The highest is the digit's sign: it turns all signs around when it is -1, so that 128 entries are enough.
//! Entry i of table t is 2^(64 t) (2^56 + sum of (2 i_j - 1) 2^(8 j), j below 7) P / 2.
//!
//! Signs give 2 h - (2^256 - 1) halves of P instead of h P: the sum starts from (2^256 - 1) / 2^8 P, which the doublings turn into
//! what is missing. Both halves exist because P has the odd order of the base point; other points have no comb here.

use crate::curve::{self, Point, d, prime};
use crate::edwards::{Extended, order};
use crate::verilog::{header, literal};
use num_bigint::BigUint;
use std::fmt::Write;
use thiserror::Error;

/// Tables of a comb.
pub const TABLES: u32 = 4;
/// Bits of a scalar that choose an entry, its sign among them.
pub const TEETH: u32 = 8;
/// Entries of all tables.
pub const ENTRIES: usize = (TABLES as usize) << (TEETH - 1);
/// Elements that the hardware is given for one key: three for each entry, the start, the key.
pub const ELEMENTS: usize = 3 * ENTRIES + 3 + 1;

/// Why a key has no comb. Its signatures are verified without one.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CombError {
    /// The bytes are no point: every signature of it is invalid.
    #[error("the key is not the encoding of a point; every signature of it is invalid, so do not register it")]
    Undecodable,
    /// The point has an order of 1, 2, 4 or 8: `verify_strict` refuses every signature of it.
    #[error("the key is of small order; verify_strict refuses every signature of it, so do not register it")]
    SmallOrder,
    /// The point has a component of small order, as no key made from a secret has.
    #[error("the key has a component of small order; it cannot be registered and is verified without a table")]
    Torsion,
}

/// What the hardware is given to verify signatures of `key` from a table: [`ELEMENTS`] strings of 32 bytes, lowest byte first, in the
/// order of writing. y + x, y - x and 2 d x y of each entry, then x, y and x y of the start, then the key.
///
/// # Errors
/// When the key has no comb.
pub fn comb_of(key: &[u8; 32]) -> Result<Vec<[u8; 32]>, CombError> {
    let point = Extended::decode(key).ok_or(CombError::Undecodable)?;
    if point.multiply(&BigUint::from(8_u8)).is_neutral() {
        return Err(CombError::SmallOrder);
    }
    if !point.multiply(&order()).is_neutral() {
        return Err(CombError::Torsion);
    }
    let point = point.negate();
    let start = Extended::affine(&[start(&point).add(&start(&Extended::of(&curve::base())))]);
    let words = entries(&point).into_iter().flatten();
    let words = words.chain(start.into_iter().flat_map(|Point { x, y }| {
        let product = &x * &y % prime();
        [x, y, product]
    }));
    let mut elements: Vec<_> = words.map(|word| bytes(&word)).collect();
    elements.push(*key);
    Ok(elements)
}

fn bytes(word: &BigUint) -> [u8; 32] {
    let digits = word.to_bytes_le();
    std::array::from_fn(|at| digits.get(at).copied().unwrap_or(0))
}

/// (2^256 - 1) / 2^8 of a point whose order is that of the base point.
fn start(point: &Extended) -> Extended {
    let order = order();
    let signs = (BigUint::from(1_u8) << 256) - 1_u8;
    let inverse = BigUint::from(256_u32).modpow(&(&order - 2_u8), &order);
    point.multiply(&(signs * inverse % &order))
}

/// y + x, y - x and 2 d x y of every entry.
fn entries(point: &Extended) -> Vec<[BigUint; 3]> {
    let mut tooth = point.multiply(&((order() + 1_u8) >> 1));
    let mut all = Vec::new();
    for _ in 0..TABLES {
        let mut teeth = Vec::new();
        for _ in 0..TEETH {
            teeth.push(tooth.clone());
            tooth = (0..TEETH).fold(tooth, |tooth, _| tooth.double());
        }
        all.extend(table(&teeth));
    }
    let (p, twice_d) = (prime(), d() * 2_u8 % prime());
    let words = |Point { x, y }: Point| [(&y + &x) % &p, (&y + &p - &x) % &p, &x * &y % &p * &twice_d % &p];
    Extended::affine(&all).into_iter().map(words).collect()
}

/// The entries of one table: the highest tooth, and each lower one added or taken off.
fn table(teeth: &[Extended]) -> Vec<Extended> {
    let (highest, lower) = teeth.split_last().expect("a table has teeth");
    let lowest = lower.iter().fold(highest.clone(), |sum, tooth| sum.add(&tooth.negate()));
    let mut entries = vec![lowest];
    for tooth in lower {
        let twice = tooth.double();
        let with: Vec<_> = entries.iter().map(|entry| entry.add(&twice)).collect();
        entries.extend(with);
    }
    entries
}

/// The module with the base point's comb; the words of `ed25519_base_rom` fill the column that a comb leaves free.
pub fn rom() -> String {
    let mut text = header("The comb of the base point: y + x, y - x, 2 d x y of entry i at 4 i, 4 i + 1, 4 i + 2.");
    text.push_str(
        "// At 4 i + 3 stands word i of ed25519_base_rom. Latency: 2 cycles. Rate: one word in a cycle. Stall: none.\n",
    );
    text.push_str("// Input range: any address. Output range: canonical.\n\n");
    text.push_str("module ed25519_comb_rom (\n  input  logic         clk_i,\n  input  logic [10:0]  addr_i,\n");
    text.push_str("  output logic [254:0] word_o\n);\n\n  localparam logic [254:0] Table [2048] = '{\n");
    let others = curve::rom_words();
    let lines = entries(&Extended::of(&curve::base())).into_iter().enumerate().map(|(at, entry)| {
        let words = entry.into_iter().chain([others.get(at).cloned().unwrap_or_default()]);
        words.map(|word| literal(255, &word)).collect::<Vec<_>>().join(", ")
    });
    writeln!(text, "    {}\n  }};\n", lines.collect::<Vec<_>>().join(",\n    ")).expect("a string takes text");
    text.push_str(curve::ROM_READ);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the hardware does with a comb, on points.
    fn multiple(entries: &[[BigUint; 3]], start: Extended, scalar: &BigUint) -> Extended {
        let half = (prime() + 1_u8) >> 1;
        let mut sum = start;
        for column in (0..8).rev() {
            for table in 0..4 {
                let bits: Vec<_> = (0..8).map(|tooth| scalar.bit(64 * table + 8 * tooth + column)).collect();
                let index = (0..7).filter(|tooth| bits[*tooth] == bits[7]).map(|tooth| 1 << tooth).sum::<usize>();
                let [plus, minus, _] = &entries[128 * table as usize + index];
                let x = (plus + prime() - minus) * &half % prime();
                let y = (plus + minus) * &half % prime();
                let entry = Extended::of(&Point { x, y });
                sum = sum.add(&if bits[7] { entry } else { entry.negate() });
            }
            if column > 0 {
                sum = sum.double();
            }
        }
        sum
    }

    #[test]
    fn a_comb_gives_the_multiple_by_any_scalar() {
        let base = Extended::of(&curve::base());
        let point = base.multiply(&BigUint::from(1_234_567_u32));
        let entries = entries(&point);
        assert_eq!(entries.len(), ENTRIES);
        let some = BigUint::from(7_u8).modpow(&BigUint::from(99_u8), &order());
        for scalar in [BigUint::ZERO, BigUint::from(1_u8), BigUint::from(2_u8), order() - 1_u8, some] {
            let found = multiple(&entries, start(&point), &scalar);
            assert!(found.add(&point.multiply(&scalar).negate()).is_neutral(), "{scalar}");
        }
    }

    #[test]
    fn keys_of_which_no_signature_needs_a_table_have_none() {
        let neutral = bytes(&BigUint::from(1_u8));
        assert_eq!(comb_of(&neutral), Err(CombError::SmallOrder));
        assert_eq!(comb_of(&[0; 32]), Err(CombError::SmallOrder));
        assert_eq!(comb_of(&bytes(&BigUint::from(2_u8))), Err(CombError::Undecodable));
    }

    #[test]
    fn a_key_with_a_component_of_order_two_has_no_comb() {
        // Adding (0, -1) negates both coordinates.
        let Point { x, y } = curve::base();
        let mut key = bytes(&(prime() - y));
        key[31] |= if (prime() - x).bit(0) { 0x80 } else { 0 };
        assert_eq!(comb_of(&key), Err(CombError::Torsion));
    }

    #[test]
    fn the_elements_of_a_key_end_with_the_key() {
        let key = bytes(&curve::base().y);
        let elements = comb_of(&key).expect("the base point is a key");
        assert_eq!((elements.len(), elements.last()), (ELEMENTS, Some(&key)));
    }
}
