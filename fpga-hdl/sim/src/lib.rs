//! The RTL of `fpga-hdl/rtl` as a simulated device.
//!
//! With the feature `verilator`, and Verilator on the machine, the build script turns each model of `models.txt` into C++ and
//! links it in; `Model` drives one. Otherwise the crate is empty and its tests say that they were skipped.
//!
//! Limits: one clock, `clk_i`; one reset, `rst_ni`; no traces.

#[cfg(have_verilator)]
mod bus;
#[cfg(have_verilator)]
mod device;
#[cfg(have_verilator)]
mod ffi;
#[cfg(have_verilator)]
mod memory;
#[cfg(have_verilator)]
mod model;

pub use paxon_fpga_map::registers;

#[cfg(have_verilator)]
pub use device::Device;
#[cfg(have_verilator)]
pub use memory::{Behaviour, HostMemory};
#[cfg(have_verilator)]
pub use model::{Model, ModelError, Port};
