//! What a driver of the Ed25519 verifier has to know: registers, their bits, offsets in slots and completions.
//!
//! [`registers`] is written by `paxon-fpga-gen` from the description that also makes the RTL's package and `REGISTERS.md`. No
//! dependencies, and no need of Verilator.

#![forbid(unsafe_code)]

pub mod registers;
