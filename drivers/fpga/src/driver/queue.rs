//! Both rings: slots to the device, completions from it.

use super::fault::Fault;
use crate::bus::{Bus, HostMemory};
use crate::completion::Completion;
use crate::identity::Identity;
use crate::registers as map;
use crate::slot::Slot;
use std::sync::atomic::Ordering;

/// Slots and completions of a queue in host memory: the completions of everything in flight fit.
const HOST_SLOTS: u16 = 128;
const HOST_COMPLETIONS: u16 = 256;

const SLOT_WORDS: usize = map::SLOT_BYTES as usize / 4;
/// Words of 64 bits.
const HOST_SLOT_WORDS: usize = map::SLOT_BYTES as usize / 8;
const HOST_COMPLETION_WORDS: usize = map::COMPLETION_BYTES as usize / 8;
/// Where the completions begin in host memory.
const HOST_COMPLETIONS_AT: usize = HOST_SLOTS as usize * HOST_SLOT_WORDS;
const HOST_WORDS: usize = HOST_COMPLETIONS_AT + HOST_COMPLETIONS as usize * HOST_COMPLETION_WORDS;

/// Indices are free running and wrap at 65,536: distances are small, so that a difference says how many.
pub(super) struct Queue<B: Bus> {
    bus: B,
    /// Rings in host memory; in the device's otherwise.
    host: Option<HostMemory>,
    has_queue_registers: bool,
    watchdog: u32,
    /// Places, powers of two; 0 until the first start.
    slots: u16,
    completions: u16,
    /// Slots that were filled, and those of them that the device was told of.
    tail: u16,
    rung: u16,
    /// Slots that may be filled again, as far as is known: `tail - head <= slots`.
    head: u16,
    /// Completions that were consumed.
    consumed: u16,
    acknowledged: u16,
    /// What a look at `SUBMIT_HEAD` found wrong; the next [`Self::take`] says so.
    wrong_head: Option<Fault>,
}

impl<B: Bus> Queue<B> {
    pub(super) fn new(bus: B, identity: &Identity, watchdog: u32) -> Self {
        let host = bus.host_memory().filter(|host| {
            let fits = host.region.words().len() >= HOST_WORDS && host.address.is_multiple_of(map::SLOT_BYTES.into());
            identity.memory_port && fits
        });
        Self {
            bus,
            host,
            has_queue_registers: identity.configures_queue(),
            watchdog,
            slots: 0,
            completions: 0,
            tail: 0,
            rung: 0,
            head: 0,
            consumed: 0,
            acknowledged: 0,
            wrong_head: None,
        }
    }

    pub(super) const fn bus_mut(&mut self) -> &mut B {
        &mut self.bus
    }

    pub(super) fn pause(&mut self) {
        self.bus.pause();
    }

    pub(super) fn is_gone(&mut self) -> bool {
        self.bus.read(map::MAGIC) != map::MAGIC_VALUE
    }

    pub(super) fn error(&mut self) -> u32 {
        self.bus.read(map::ERROR)
    }

    /// Disables the device and aborts what is in flight.
    pub(super) fn reset(&mut self) {
        self.bus.write(map::CONTROL, map::CONTROL_ABORT);
        self.bus.pause();
    }

    /// What the reset has left to do: `STATUS`, 0 when it is over.
    pub(super) fn status(&mut self) -> u32 {
        self.bus.read(map::STATUS)
    }

    /// Goes on where a device stands that is disabled and idle, drops what it has not read, and enables it.
    pub(super) fn start(&mut self) -> Result<(), Fault> {
        self.bus.write(map::ERROR, u32::MAX);
        self.bus.write(map::WATCHDOG, self.watchdog);
        if self.has_queue_registers {
            self.place_queue();
        }
        let sizes = self.bus.read(map::QUEUE_SIZES);
        (self.slots, self.completions) = (sizes as u16, (sizes >> 16) as u16);
        if !self.slots.is_power_of_two() || !self.completions.is_power_of_two() || self.completions > 1 << 15 {
            let expected = u32::from(HOST_COMPLETIONS) << 16 | u32::from(HOST_SLOTS);
            return Err(Fault::NotReset { register: map::QUEUE_SIZES, found: sizes, expected });
        }
        self.tail = self.bus.read(map::SUBMIT_HEAD) as u16;
        self.consumed = self.bus.read(map::COMPLETE_TAIL) as u16;
        (self.head, self.rung, self.acknowledged) = (self.tail, self.tail, self.consumed);
        self.wrong_head = None;
        self.fill_phases();
        self.bus.store_fence();
        self.bus.write(map::SUBMIT_TAIL, self.tail.into());
        self.bus.write(map::COMPLETE_HEAD, self.consumed.into());
        self.bus.write(map::CONTROL, map::CONTROL_ENABLE);
        let (tail, consumed) = (self.tail.into(), self.consumed.into());
        let wanted = [
            (map::MAGIC, map::MAGIC_VALUE),
            (map::CONTROL, map::CONTROL_ENABLE),
            (map::SUBMIT_TAIL, tail),
            (map::COMPLETE_HEAD, consumed),
            (map::ERROR, 0),
        ];
        for (register, expected) in wanted {
            let found = self.bus.read(register);
            if found != expected {
                return Err(Fault::NotReset { register, found, expected });
            }
        }
        Ok(())
    }

    /// Tells a device of version 2 where the rings are. An earlier user may have left others.
    fn place_queue(&mut self) {
        let Some(host) = &self.host else {
            // The sizes say nothing for rings in the device's memory, but have to be in range.
            self.bus.write(map::QUEUE, 1 << 8 | 1 << 16);
            return;
        };
        let (slots, completions) = (host.address, host.address + 8 * HOST_COMPLETIONS_AT as u64);
        self.bus.write(map::SUBMIT_BASE_LOW, slots as u32);
        self.bus.write(map::SUBMIT_BASE_HIGH, (slots >> 32) as u32);
        self.bus.write(map::COMPLETE_BASE_LOW, completions as u32);
        self.bus.write(map::COMPLETE_BASE_HIGH, (completions >> 32) as u32);
        self.bus.write(map::QUEUE, map::QUEUE_HOST | HOST_SLOTS.ilog2() << 8 | HOST_COMPLETIONS.ilog2() << 16);
    }

    /// Gives every place of the ring in host memory the phase that it does not have once it is written next.
    fn fill_phases(&self) {
        let Some(host) = &self.host else { return };
        for more in 0..self.completions {
            let index = self.consumed.wrapping_add(more);
            let other = 1 - Completion::phase_of(index, self.completions);
            let word = HOST_COMPLETIONS_AT + usize::from(index % self.completions) * HOST_COMPLETION_WORDS + 1;
            // The store fence before the doorbell orders it.
            host.region.words()[word].store(u64::from(other) << 56, Ordering::Relaxed);
        }
    }

    /// Whether a slot is free. Asks the device when none is known to be.
    pub(super) fn has_room(&mut self) -> bool {
        if self.tail.wrapping_sub(self.head) < self.slots {
            return true;
        }
        let head = self.bus.read(map::SUBMIT_HEAD) as u16;
        if let Err(fault) = self.advance_head(head) {
            self.wrong_head = Some(fault);
            return false;
        }
        self.tail.wrapping_sub(self.head) < self.slots
    }

    /// The device says that slots up to `head` may be filled again. It may be old: completions overtake each other.
    fn advance_head(&mut self, head: u16) -> Result<(), Fault> {
        let ahead = head.wrapping_sub(self.head);
        if ahead <= self.rung.wrapping_sub(self.head) {
            self.head = head;
        } else if self.head.wrapping_sub(head) > self.slots {
            return Err(Fault::Head { found: head, from: self.head, to: self.rung });
        }
        Ok(())
    }

    /// Fills the next slot; there is one.
    pub(super) fn put(&mut self, slot: &Slot) {
        let index = self.tail % self.slots;
        self.tail = self.tail.wrapping_add(1);
        let mut words = [0; SLOT_WORDS];
        let count = slot.words().len();
        for (place, word) in words.iter_mut().zip(slot.words()) {
            *place = word;
        }
        match &self.host {
            None => {
                let address = map::SLOTS + map::SLOT_BYTES * u32::from(index);
                self.bus.write_words(address, &words[..count]);
            }
            Some(host) => {
                let first = usize::from(index) * HOST_SLOT_WORDS;
                for (word, pair) in host.region.words()[first..].iter().zip(words[..count].chunks_exact(2)) {
                    // The store fence before the doorbell orders it.
                    word.store(u64::from(pair[1]) << 32 | u64::from(pair[0]), Ordering::Relaxed);
                }
            }
        }
    }

    /// Tells the device of the slots that were filled. Whether there were any.
    pub(super) fn ring(&mut self) -> bool {
        let new = self.tail != self.rung;
        if new {
            self.bus.store_fence();
            self.bus.write(map::SUBMIT_TAIL, self.tail.into());
            self.rung = self.tail;
        }
        new
    }

    /// The next completion and its index, if it is there. `in_flight` says whether a cookie is that of a request in flight.
    ///
    /// What a broken device left in the ring in an earlier round is not yet a completion: before something is called wrong,
    /// `COMPLETE_TAIL` has to say that it was written.
    pub(super) fn take(&mut self, in_flight: impl FnOnce(u64) -> bool) -> Result<Option<(u16, Completion)>, Fault> {
        if let Some(fault) = self.wrong_head.take() {
            return Err(fault);
        }
        let index = self.consumed;
        match self.look(index, in_flight) {
            Ok(Some(completion)) => {
                self.consumed = index.wrapping_add(1);
                Ok(Some((index, completion)))
            }
            Err(fault) if self.is_written(index) => Err(fault),
            Ok(None) | Err(_) => Ok(None),
        }
    }

    fn look(&mut self, index: u16, in_flight: impl FnOnce(u64) -> bool) -> Result<Option<Completion>, Fault> {
        let garbage = |bad| Fault::Garbage { index, bad };
        let place = index % self.completions;
        let [third, last] = self.completion_end(place);
        if Completion::phase(last).map_err(garbage)? != Completion::phase_of(index, self.completions) {
            return Ok(None);
        }
        self.bus.acquire_fence();
        let words = self.completion_body(place, third, last);
        let completion = Completion::decode(words).map_err(garbage)?;
        if !in_flight(completion.cookie) {
            return Err(Fault::Unasked { index, cookie: completion.cookie });
        }
        self.advance_head(completion.submit_head)?;
        Ok(Some(completion))
    }

    /// Whether the device says that it has written completion `index`, which was not consumed.
    fn is_written(&mut self, index: u16) -> bool {
        let tail = self.bus.read(map::COMPLETE_TAIL);
        let written = (tail as u16).wrapping_sub(index);
        tail > u16::MAX.into() || (1..=self.completions).contains(&written)
    }

    /// The half that holds the phase. Over a bus of 32 bits only the last word is read; the third is read with the body.
    fn completion_end(&mut self, place: u16) -> [u32; 2] {
        match &self.host {
            None => {
                let base = map::COMPLETIONS + map::COMPLETION_BYTES * u32::from(place);
                [0, self.bus.read(base + Completion::PHASE_WORD)]
            }
            Some(host) => {
                let word = HOST_COMPLETIONS_AT + usize::from(place) * HOST_COMPLETION_WORDS + 1;
                // The device's write of the phase after the cookie is the partner.
                let end = host.region.words()[word].load(Ordering::Acquire);
                [end as u32, (end >> 32) as u32]
            }
        }
    }

    fn completion_body(&mut self, place: u16, third: u32, last: u32) -> [u32; 4] {
        match &self.host {
            None => {
                let base = map::COMPLETIONS + map::COMPLETION_BYTES * u32::from(place);
                [self.bus.read(base), self.bus.read(base + 4), self.bus.read(base + 8), last]
            }
            Some(host) => {
                let word = HOST_COMPLETIONS_AT + usize::from(place) * HOST_COMPLETION_WORDS;
                let cookie = host.region.words()[word].load(Ordering::Relaxed);
                [cookie as u32, (cookie >> 32) as u32, third, last]
            }
        }
    }

    /// Tells the device of the completions that were consumed.
    pub(super) fn acknowledge(&mut self) {
        if self.acknowledged != self.consumed {
            self.bus.write(map::COMPLETE_HEAD, self.consumed.into());
            self.acknowledged = self.consumed;
        }
    }
}

impl<B: Bus> Drop for Queue<B> {
    fn drop(&mut self) {
        // A device that writes to host memory must not go on after its memory has gone.
        self.bus.write(map::CONTROL, map::CONTROL_ABORT);
    }
}
