//! The RTL as a device.

use crate::bus::Bus;
use paxon_fpga_sim::{Device, ModelError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The clock that simulated cycles are counted at.
const CLOCK_HZ: u64 = 100_000_000;

/// Cycles that pass in each [`Bus::pause`], unless told otherwise.
const PAUSE_CYCLES: u64 = 500;

/// A verilated device. Time passes in transfers and in [`Bus::pause`].
pub struct Verilated {
    device: Device,
    name: String,
    pause_cycles: u64,
    cycles: Arc<AtomicU64>,
}

impl Verilated {
    /// Builds the configuration of that name of `fpga-hdl/sim/models.txt`: `compact`, `zynq7020`, `pair`.
    ///
    /// # Errors
    /// [`ModelError`] when there is no such configuration, or it is no device.
    pub fn new(name: &str) -> Result<Self, ModelError> {
        let device = Device::new(name)?;
        Ok(Self { device, name: name.to_owned(), pause_cycles: PAUSE_CYCLES, cycles: Arc::default() })
    }

    /// The same device, with as many cycles in each pause.
    pub fn with_pause(self, pause_cycles: u64) -> Self {
        Self { pause_cycles, ..self }
    }

    /// The time as the device has it, at 100 MHz: for a driver whose time-outs are to be those of hardware.
    pub fn clock(&self) -> impl FnMut() -> Duration + Send + use<> {
        let cycles = Arc::clone(&self.cycles);
        move || Duration::from_nanos(cycles.load(Relaxed).saturating_mul(1_000_000_000 / CLOCK_HZ))
    }

    /// Cycles since the device was built.
    pub fn cycles(&self) -> u64 {
        self.device.cycles()
    }

    /// Lets cycles pass.
    pub fn tick(&mut self, cycles: u64) {
        self.device.clock(cycles);
        self.cycles.store(self.device.cycles(), Relaxed);
    }
}

impl Bus for Verilated {
    fn read(&mut self, address: u32) -> u32 {
        self.device.read(address)
    }

    fn write(&mut self, address: u32, value: u32) {
        self.device.write(address, value);
    }

    fn pause(&mut self) {
        self.tick(self.pause_cycles);
    }

    fn place(&self) -> String {
        format!("the verilated model {}", self.name)
    }
}
