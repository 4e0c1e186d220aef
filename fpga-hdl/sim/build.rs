//! Verilates the RTL, one static library for each model, and links them in.
//!
//! A model is named in `models.txt`: its name, its top module, parameters. What a model is built from is remembered beside its
//! library, so that a change of one module rebuilds the models that contain it and no others.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(have_verilator)");
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "verilator")]
    verilated::build();
}

#[cfg(feature = "verilator")]
#[path = "build/verilated.rs"]
mod verilated;
