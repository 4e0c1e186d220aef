//! A device in plain Rust that answers register for register as the RTL does.
//!
//! What is the same: every register but for counters of cycles and products, doorbells with free-running indices, the window's
//! unmapped addresses, error flags, back-pressure (a slot is taken only when its completion has a place), phases, verdicts and
//! reasons, aborts and the watchdog. What is not: when. Time passes only in [`Model::tick`]; a transfer takes none; signatures
//! end in the order in which they began on each engine; a table of a key changes no time. `tests/rtl` holds the two together.

mod defect;
mod hot_keys;
mod memory;
mod oracle;
mod pipeline;
mod registers;

pub use defect::Defect;
pub use oracle::Outcome;

use crate::bus::{Bus, HostMemory};
use crate::registers as map;
use crate::slot::Slot;
use defect::Defects;
use hot_keys::HotTable;
use memory::Memory;
use pipeline::Pipeline;
use registers::Registers;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Requests in flight, and the log2 that `CAPABILITIES` has.
const FLIGHT_LOG2: u8 = 7;

/// What a device is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Version of the register map, 1 or later.
    pub version: u32,
    /// Engines.
    pub engines: u8,
    /// Rows of a multiplier.
    pub rows: u8,
    /// Signatures that an engine works on at a time.
    pub contexts: u8,
    /// Whether there is a port to host memory (version 2).
    pub memory_port: bool,
    /// Units that read slots, as `FEATURES` says; the model works as one (version 2).
    pub fetch_units: u8,
    /// What `MESSAGE_BYTES_MAX` reads; messages that do not stand in their slot are malformed here (version 2).
    pub message_bytes_max: u32,
    /// Entries for keys (version 2).
    pub hot_keys: u16,
    /// Cycles from the read of a slot to its digest.
    pub fetch_cycles: u64,
    /// Cycles from a digest to its verdict.
    pub verify_cycles: u64,
    /// Cycles that pass in each [`Bus::pause`].
    pub pause_cycles: u64,
}

impl Shape {
    /// One engine of one row.
    pub const fn compact() -> Self {
        Self { rows: 1, contexts: 4, verify_cycles: 4 * 32_131, ..Self::zynq7020() }
    }

    /// One engine of 11 rows, with the cycles that the RTL's README measures.
    pub const fn zynq7020() -> Self {
        Self {
            version: 1,
            engines: 1,
            rows: 11,
            contexts: 16,
            memory_port: false,
            fetch_units: 1,
            message_bytes_max: map::SLOT_INLINE_BYTES,
            hot_keys: 0,
            fetch_cycles: 100,
            verify_cycles: 47_688,
            pause_cycles: 1_000,
        }
    }

    /// Two engines of 11 rows.
    pub const fn pair() -> Self {
        Self { engines: 2, ..Self::zynq7020() }
    }

    /// The same with a port to host memory, which version 2 of the map has.
    pub const fn with_memory_port(self) -> Self {
        Self { version: 2, memory_port: true, ..self }
    }

    /// The same with entries for keys, which version 2 of the map has.
    pub const fn with_hot_keys(self, entries: u16) -> Self {
        Self { version: 2, hot_keys: entries, ..self }
    }
}

/// What decides about a slot.
type Oracle = Box<dyn FnMut(&Slot) -> Outcome + Send>;

/// A device in plain Rust.
pub struct Model {
    shape: Shape,
    registers: Registers,
    memory: Memory,
    pipeline: Pipeline,
    hot: HotTable,
    defects: Defects,
    oracle: Oracle,
    /// Cycles since it was built.
    now: u64,
    /// The same, for [`Model::clock`].
    shown: Arc<AtomicU64>,
}

/// The clock that cycles are counted at.
const CLOCK_HZ: u64 = 100_000_000;

impl Model {
    /// A device after its reset.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            registers: Registers::new(),
            memory: Memory::new(),
            pipeline: Pipeline::new(&shape),
            hot: HotTable::new(shape.hot_keys),
            defects: Defects::default(),
            oracle: Box::new(Outcome::of),
            now: 0,
            shown: Arc::default(),
        }
    }

    /// Lets something else than [`Outcome::of`] decide about slots: a cache of it, for long runs.
    pub fn decide_by(&mut self, oracle: impl FnMut(&Slot) -> Outcome + Send + 'static) {
        self.oracle = Box::new(oracle);
    }

    /// Gives a device with a memory port the host's memory.
    pub fn attach(&mut self, host: HostMemory) {
        self.memory.attach(host);
    }

    /// Breaks the device when it has written `completions` more completions.
    pub fn break_after(&mut self, completions: u64, defect: Defect) {
        self.defects.plan(completions, defect);
    }

    /// The time as the device has it, at 100 MHz: for a driver whose time-outs are to be those of hardware.
    pub fn clock(&self) -> impl FnMut() -> Duration + Send + use<> {
        let cycles = Arc::clone(&self.shown);
        move || Duration::from_nanos(cycles.load(Relaxed).saturating_mul(1_000_000_000 / CLOCK_HZ))
    }

    /// Cycles since it was built.
    pub const fn cycles(&self) -> u64 {
        self.now
    }
}

impl Bus for Model {
    fn read(&mut self, address: u32) -> u32 {
        if self.defects.is_gone() { u32::MAX } else { self.read_word(address) }
    }

    fn write(&mut self, address: u32, value: u32) {
        if !self.defects.is_gone() {
            self.write_word(address, value);
        }
    }

    fn pause(&mut self) {
        self.tick(self.shape.pause_cycles);
    }

    fn host_memory(&self) -> Option<HostMemory> {
        self.memory.host()
    }

    fn place(&self) -> String {
        "the model in plain Rust".to_owned()
    }
}

#[cfg(test)]
mod tests;
