//! Writes the generated part of the RTL.
//!
//! Everything under `fpga-hdl/rtl/gen` comes from here: the constants of SHA-512 and of the curve are computed, the
//! microcode is assembled from `fpga-hdl/ucode`, the register map is written for RTL, Rust and readers. A test of `paxon-fpga-sim` fails when a file there is not what this crate writes.

#![forbid(unsafe_code)]

pub mod assembler;
pub mod comb;
pub mod curve;
mod edwards;
pub mod instruction;
pub mod registers;
pub mod sha512;
mod verilog;

use std::path::{Path, PathBuf};

/// A generated file: its path below `fpga-hdl` and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Generated {
    /// Where it belongs.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl Generated {
    fn new(name: &str, text: String) -> Self {
        Self { path: Path::new("rtl/gen").join(name), text }
    }

    fn at(path: &str, text: String) -> Self {
        Self { path: path.into(), text }
    }
}

/// Everything that is generated, from the microcode in `source`.
///
/// # Errors
/// When the microcode does not assemble.
pub fn all(source: &str) -> Result<Vec<Generated>, assembler::AssembleError> {
    let program = assembler::assemble(source)?;
    Ok(vec![
        Generated::new("sha512_constants_pkg.sv", sha512::package()),
        Generated::new("ed25519_constants_pkg.sv", curve::package()),
        Generated::new("ed25519_base_rom.sv", curve::base_rom()),
        Generated::new("ed25519_comb_rom.sv", comb::rom()),
        Generated::new("ed25519_ucode_pkg.sv", program.package()),
        Generated::new("device_registers_pkg.sv", registers::package()),
        Generated::at("REGISTERS.md", registers::document()),
        Generated::at("map/src/registers.rs", registers::rust()),
    ])
}
