//! Every module of the RTL against a Rust reference, with random stalls on both sides.

#[cfg(have_verilator)]
mod fe25519;
#[cfg(have_verilator)]
mod field;

#[cfg(not(have_verilator))]
#[test]
fn the_hardware_is_skipped() {
    eprintln!("SKIPPED: every test of the RTL. Install Verilator and pass --features verilator.");
}
