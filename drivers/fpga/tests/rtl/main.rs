//! The RTL: held together with the model in plain Rust, and driven.

#[cfg(have_verilator)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(have_verilator)]
mod conformance;
#[cfg(have_verilator)]
mod driven;
#[cfg(have_verilator)]
mod pair;
#[cfg(have_verilator)]
mod together;

#[cfg(not(have_verilator))]
#[test]
fn the_rtl_is_skipped() {
    eprintln!("SKIPPED: the driver over the RTL. Install Verilator and pass --features verilator.");
}
