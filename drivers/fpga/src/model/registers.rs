//! The registers, and what a write of each does.

use super::hot_keys::HotTable;
use super::memory::{COMPLETIONS, SLOTS};
use super::{FLIGHT_LOG2, Model};
use crate::bus::WINDOW_BYTES;
use crate::completion::DeviceVerdict;
use crate::registers as map;

/// Below this address are registers, each of which repeats nowhere.
const REGISTER_BYTES: u32 = 0x100;

/// Products of a signature, for a counter that the RTL counts exactly.
const PRODUCTS: u32 = 2_919;

/// Counters, or their copies of one moment.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) cycles: u32,
    pub(super) verdicts: [u32; 4],
    pub(super) products: u32,
}

pub(super) struct Registers {
    pub(super) enable: bool,
    pub(super) error: u32,
    pub(super) watchdog: u32,
    pub(super) submit_tail: u16,
    pub(super) submit_head: u16,
    pub(super) complete_head: u16,
    pub(super) complete_tail: u16,
    pub(super) counts: Counts,
    copies: Counts,
    queue: u32,
    submit_base: u64,
    complete_base: u64,
    memory_timeout: u32,
}

impl Registers {
    pub(super) fn new() -> Self {
        Self {
            enable: false,
            error: 0,
            watchdog: 0,
            submit_tail: 0,
            submit_head: 0,
            complete_head: 0,
            complete_tail: 0,
            counts: Counts::default(),
            copies: Counts::default(),
            queue: SLOTS.ilog2() << 8 | COMPLETIONS.ilog2() << 16,
            submit_base: 0,
            complete_base: 0,
            memory_timeout: map::MEMORY_TIMEOUT_RESET,
        }
    }

    /// Whether slots and completions are in host memory.
    pub(super) const fn in_host_memory(&self) -> bool {
        self.queue & map::QUEUE_HOST != 0
    }

    pub(super) const fn slots(&self) -> u16 {
        if self.in_host_memory() { 1 << (self.queue >> 8 & 0xf) } else { SLOTS }
    }

    pub(super) const fn completions(&self) -> u16 {
        if self.in_host_memory() { 1 << (self.queue >> 16 & 0xf) } else { COMPLETIONS }
    }

    pub(super) fn slot_address(&self, index: u16) -> u64 {
        self.submit_base + u64::from(index % self.slots()) * u64::from(map::SLOT_BYTES)
    }

    pub(super) fn completion_address(&self, index: u16) -> u64 {
        self.complete_base + u64::from(index % self.completions()) * u64::from(map::COMPLETION_BYTES)
    }

    pub(super) fn count(&mut self, verdict: DeviceVerdict) {
        let count = &mut self.counts.verdicts[verdict.number() as usize];
        *count = count.wrapping_add(1);
        self.counts.products = self.counts.products.wrapping_add(PRODUCTS);
    }
}

impl Model {
    pub(super) fn read_word(&self, address: u32) -> u32 {
        let address = address & (WINDOW_BYTES - 1) & !3;
        if address < REGISTER_BYTES {
            self.read_register(address)
        } else {
            self.memory.read(address).unwrap_or(map::UNMAPPED_VALUE)
        }
    }

    fn read_register(&self, address: u32) -> u32 {
        let (shape, registers) = (&self.shape, &self.registers);
        match address {
            map::MAGIC => map::MAGIC_VALUE,
            map::VERSION => shape.version,
            map::CAPABILITIES => u32::from_le_bytes([shape.engines, shape.rows, shape.contexts, FLIGHT_LOG2]),
            map::QUEUE_SIZES => u32::from(registers.completions()) << 16 | u32::from(registers.slots()),
            map::CONTROL => u32::from(registers.enable) * map::CONTROL_ENABLE,
            map::STATUS => self.status(),
            map::ERROR => registers.error,
            map::WATCHDOG => registers.watchdog,
            map::SUBMIT_TAIL => registers.submit_tail.into(),
            map::SUBMIT_HEAD => registers.submit_head.into(),
            map::COMPLETE_HEAD => registers.complete_head.into(),
            map::COMPLETE_TAIL => registers.complete_tail.into(),
            map::COUNT_CYCLES => registers.copies.cycles,
            map::COUNT_INVALID => registers.copies.verdicts[map::VERDICT_INVALID as usize],
            map::COUNT_VALID => registers.copies.verdicts[map::VERDICT_VALID as usize],
            map::COUNT_MALFORMED => registers.copies.verdicts[map::VERDICT_MALFORMED as usize],
            map::COUNT_ABORTED => registers.copies.verdicts[map::VERDICT_ABORTED as usize],
            map::COUNT_PRODUCTS => registers.copies.products,
            _ if shape.version > 1 => self.read_feature(address),
            _ => map::UNMAPPED_VALUE,
        }
    }

    /// The registers that version 2 added.
    fn read_feature(&self, address: u32) -> u32 {
        let registers = &self.registers;
        match address {
            map::FEATURES => {
                let port = if self.shape.memory_port { map::FEATURE_MEMORY } else { 0 };
                port | (u32::from(self.shape.fetch_units) << 8) | (u32::from(self.shape.hot_keys) << 16)
            }
            map::HOT_ENTRY => self.hot.selected(),
            map::HOT_STATE => self.hot.state(),
            map::MESSAGE_BYTES_MAX => self.shape.message_bytes_max,
            map::QUEUE => registers.queue,
            map::SUBMIT_BASE_LOW => registers.submit_base as u32,
            map::SUBMIT_BASE_HIGH => (registers.submit_base >> 32) as u32,
            map::COMPLETE_BASE_LOW => registers.complete_base as u32,
            map::COMPLETE_BASE_HIGH => (registers.complete_base >> 32) as u32,
            map::MEMORY_TIMEOUT => registers.memory_timeout,
            _ => map::UNMAPPED_VALUE,
        }
    }

    fn status(&self) -> u32 {
        let busy = if self.pipeline.is_busy() { map::STATUS_BUSY } else { 0 };
        busy | if self.pipeline.is_aborting() { map::STATUS_ABORTING } else { 0 }
    }

    pub(super) fn write_word(&mut self, address: u32, value: u32) {
        let address = address & (WINDOW_BYTES - 1) & !3;
        if address >= map::HOT_TABLE && self.shape.hot_keys > 0 {
            return self.write_hot(|hot| hot.write((address - map::HOT_TABLE) / 4));
        }
        if address >= REGISTER_BYTES {
            return self.memory.write(address, value);
        }
        match address {
            map::CONTROL => self.control(value),
            map::ERROR => self.registers.error &= !value,
            map::WATCHDOG => self.configure(address, value),
            map::SUBMIT_TAIL => self.ring_submit(value as u16),
            map::COMPLETE_HEAD => self.ring_complete(value as u16),
            map::SNAPSHOT => {
                self.registers.counts.cycles = self.now as u32;
                self.registers.copies = self.registers.counts;
            }
            map::HOT_ENTRY if self.shape.hot_keys > 0 => self.write_hot(|hot| hot.select(value)),
            map::HOT_COMMAND if self.shape.hot_keys > 0 => self.write_hot(|hot| hot.command(value)),
            _ if self.shape.version > 1 => self.configure(address, value),
            _ => {}
        }
    }

    fn write_hot(&mut self, write: impl FnOnce(&mut HotTable) -> bool) {
        if !write(&mut self.hot) {
            self.registers.error |= map::ERROR_HOT;
        }
    }

    fn control(&mut self, value: u32) {
        self.registers.enable = value & map::CONTROL_ENABLE != 0;
        if value & map::CONTROL_ABORT != 0 {
            self.abort();
        }
    }

    fn ring_submit(&mut self, tail: u16) {
        let registers = &mut self.registers;
        if tail.wrapping_sub(registers.submit_head) > registers.slots() {
            registers.error |= map::ERROR_DOORBELL;
        } else {
            registers.submit_tail = tail;
        }
    }

    fn ring_complete(&mut self, head: u16) {
        let registers = &mut self.registers;
        let (tail, old) = (registers.complete_tail, registers.complete_head);
        if tail.wrapping_sub(head) > tail.wrapping_sub(old) {
            registers.error |= map::ERROR_DOORBELL;
        } else {
            registers.complete_head = head;
        }
    }

    fn configure(&mut self, address: u32, value: u32) {
        // Version 1 looks at the enable bit alone.
        let locked = self.registers.enable || (self.shape.version > 1 && self.pipeline.is_busy());
        let low = |old: u64| old & !u64::from(u32::MAX) | u64::from(value);
        let high = |old: u64| old & u64::from(u32::MAX) | u64::from(value) << 32;
        let port = self.shape.memory_port;
        let registers = &mut self.registers;
        let place = match address {
            map::WATCHDOG => &mut registers.watchdog,
            map::MEMORY_TIMEOUT => &mut registers.memory_timeout,
            map::QUEUE if !locked && is_queue(value, port) => &mut registers.queue,
            map::QUEUE => return registers.error |= map::ERROR_CONFIGURE,
            map::SUBMIT_BASE_LOW if !locked => return registers.submit_base = low(registers.submit_base) & !0xff,
            map::SUBMIT_BASE_HIGH if !locked => return registers.submit_base = high(registers.submit_base),
            map::COMPLETE_BASE_LOW if !locked => return registers.complete_base = low(registers.complete_base) & !0xf,
            map::COMPLETE_BASE_HIGH if !locked => return registers.complete_base = high(registers.complete_base),
            map::SUBMIT_BASE_LOW | map::SUBMIT_BASE_HIGH | map::COMPLETE_BASE_LOW | map::COMPLETE_BASE_HIGH => {
                return registers.error |= map::ERROR_CONFIGURE;
            }
            _ => return,
        };
        if locked {
            registers.error |= map::ERROR_CONFIGURE;
        } else {
            *place = value;
        }
    }
}

fn is_queue(value: u32, memory_port: bool) -> bool {
    let sizes = value >> 8 & 0xf != 0 && value >> 16 & 0xf != 0;
    sizes && value & 0xfff0_f0fe == 0 && (memory_port || value & map::QUEUE_HOST == 0)
}
