//! Every module of the RTL against a Rust reference, with random stalls on both sides.

#[cfg(have_verilator)]
mod cases;
#[cfg(have_verilator)]
mod core;
#[cfg(have_verilator)]
mod device;
#[cfg(have_verilator)]
mod fe25519;
#[cfg(have_verilator)]
mod field;
mod generated;
#[cfg(have_verilator)]
mod half;
#[cfg(have_verilator)]
mod host;
#[cfg(have_verilator)]
mod hot_keys;
#[cfg(have_verilator)]
mod memory;
#[cfg(have_verilator)]
mod report;
#[cfg(have_verilator)]
mod scalar;
#[cfg(have_verilator)]
mod sha512;
#[cfg(have_verilator)]
mod signature;
#[cfg(have_verilator)]
mod stream;

#[cfg(not(have_verilator))]
#[test]
fn the_hardware_is_skipped() {
    eprintln!("SKIPPED: every test of the RTL. Install Verilator and pass --features verilator.");
}
