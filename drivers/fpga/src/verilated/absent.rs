//! Stands where the RTL as a device would: this build simulates no RTL.

use crate::bus::Bus;
use std::convert::Infallible;
use std::time::Duration;

/// This build has no verilated device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build simulates no RTL: install Verilator and a C++ compiler, then build with `--features verilator`")]
pub struct Absent;

/// The RTL as a device, which only a build with the feature `verilator`, on a machine with Verilator, has: nobody ever holds one.
pub struct Verilated(Infallible);

impl Verilated {
    /// Says that there is none.
    ///
    /// # Errors
    /// Says how to build it, always.
    pub const fn new(_: &str) -> Result<Self, Absent> {
        Err(Absent)
    }

    /// The time as the device has it.
    pub fn clock(&self) -> impl FnMut() -> Duration + Send + use<> {
        let none = self.0;
        move || match none {}
    }
}

impl Bus for Verilated {
    fn read(&mut self, _: u32) -> u32 {
        match self.0 {}
    }

    fn write(&mut self, _: u32, _: u32) {
        match self.0 {}
    }

    fn place(&self) -> String {
        match self.0 {}
    }
}
