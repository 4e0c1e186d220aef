//! Says whether the verilated device is there: `paxon-fpga-sim` leaves it out where there is no Verilator.

use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(have_verilator)");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_VERILATOR").is_none() {
        return;
    }
    // The same question that the build script of `paxon-fpga-sim` asks.
    let output = Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]).output();
    if output.is_ok_and(|output| output.status.success()) {
        println!("cargo::rustc-cfg=have_verilator");
    }
}
