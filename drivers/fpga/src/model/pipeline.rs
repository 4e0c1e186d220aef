//! From a slot to its completion, as time passes.

use super::defect::{self, Defect};
use super::{FLIGHT_LOG2, Model, Outcome, Shape};
use crate::completion::{Completion, DeviceVerdict};
use crate::registers as map;
use std::sync::atomic::Ordering::Relaxed;

/// An abort looks at each tag.
const ABORT_CYCLES: u64 = 1 << FLIGHT_LOG2;

/// A request in flight.
#[derive(Clone, Copy)]
struct Flight {
    cookie: u64,
    outcome: Outcome,
    start: u64,
    /// When it ends.
    end: u64,
}

#[derive(Default)]
pub(super) struct Pipeline {
    /// The slot that is read and hashed; its `end` is that of the hash.
    fetching: Option<Flight>,
    /// Signatures on the engines, in the order of their ends.
    flying: Vec<Flight>,
    /// Signatures that the engines take.
    places: usize,
    /// When the abort that goes on ends.
    aborting: Option<u64>,
}

impl Pipeline {
    pub(super) fn new(shape: &Shape) -> Self {
        Self { places: usize::from(shape.engines) * usize::from(shape.contexts), ..Self::default() }
    }

    pub(super) const fn is_aborting(&self) -> bool {
        self.aborting.is_some()
    }

    fn in_flight(&self) -> usize {
        self.flying.len() + usize::from(self.fetching.is_some())
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight() > 0
    }

    /// When something happens next. A hash whose signature finds no place waits for the engines.
    fn next(&self) -> Option<u64> {
        if self.aborting.is_some() {
            return self.aborting;
        }
        let fetched = self.fetching.filter(|_| self.flying.len() < self.places).map(|flight| flight.end);
        let flown = self.flying.iter().map(|flight| flight.end).min();
        fetched.into_iter().chain(flown).min()
    }

    /// When the oldest request is too old for a watchdog.
    fn late_at(&self, watchdog: u32) -> Option<u64> {
        let oldest = self.flying.iter().chain(&self.fetching).map(|flight| flight.start).min()?;
        (watchdog != 0 && self.aborting.is_none()).then(|| oldest + u64::from(watchdog) + 1)
    }
}

impl Model {
    /// Lets cycles pass.
    pub fn tick(&mut self, cycles: u64) {
        let end = self.now + cycles;
        loop {
            self.fetch();
            let late = self.pipeline.late_at(self.registers.watchdog);
            let next = if self.defects.is_mute() && !self.pipeline.is_aborting() { None } else { self.pipeline.next() };
            let Some(at) = next.into_iter().chain(late).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if late.is_some_and(|late| late <= self.now) {
                self.registers.error |= map::ERROR_WATCHDOG;
                self.abort();
            } else {
                self.happen();
            }
        }
        self.now = end;
        self.shown.store(end, Relaxed);
    }

    /// Starts to read a slot, if there is one and its completion has a place.
    fn fetch(&mut self) {
        let registers = &self.registers;
        let unconsumed = registers.complete_tail.wrapping_sub(registers.complete_head);
        let room = self.pipeline.in_flight() + usize::from(unconsumed) < usize::from(registers.completions());
        let tag = self.pipeline.in_flight() < 1 << FLIGHT_LOG2;
        let waiting = registers.enable && registers.submit_head != registers.submit_tail;
        if !waiting || !room || !tag || self.pipeline.fetching.is_some() || self.pipeline.is_aborting() {
            return;
        }
        let index = registers.submit_head;
        let slot = if registers.in_host_memory() {
            self.memory.host_slot(registers.slot_address(index))
        } else {
            Some(self.memory.slot(index))
        };
        let (cookie, outcome) = match slot {
            Some(slot) => (slot.cookie(), (self.oracle)(&slot)),
            None => {
                self.registers.error |= map::ERROR_MEMORY_READ;
                (u64::MAX, Outcome::ABORTED)
            }
        };
        let end = self.now + self.shape.fetch_cycles;
        self.pipeline.fetching = Some(Flight { cookie, outcome, start: self.now, end });
    }

    /// The next thing happens, now.
    fn happen(&mut self) {
        if self.pipeline.aborting.take().is_some() {
            return self.end_abort();
        }
        let ended = self.pipeline.flying.iter().position(|flight| flight.end <= self.now);
        if let Some(at) = ended {
            let flight = self.pipeline.flying.remove(at);
            return self.complete(flight);
        }
        if let Some(mut flight) = self.pipeline.fetching.take() {
            self.registers.submit_head = self.registers.submit_head.wrapping_add(1);
            if matches!(flight.outcome.verdict, DeviceVerdict::Malformed | DeviceVerdict::Aborted) {
                return self.complete(flight);
            }
            flight.end = self.now + self.shape.verify_cycles;
            self.pipeline.flying.push(flight);
        }
    }

    /// Aborts what is in flight. The slot that is being read belongs to it; those behind stay.
    pub(super) fn abort(&mut self) {
        self.defects.reset();
        if self.pipeline.aborting.is_none() {
            self.pipeline.aborting = Some(self.now + ABORT_CYCLES);
        }
    }

    fn end_abort(&mut self) {
        if self.pipeline.fetching.is_some() {
            self.registers.submit_head = self.registers.submit_head.wrapping_add(1);
        }
        let mut all = std::mem::take(&mut self.pipeline.flying);
        all.extend(self.pipeline.fetching.take());
        for flight in all {
            self.complete(Flight { outcome: Outcome::ABORTED, ..flight });
        }
    }

    fn complete(&mut self, flight: Flight) {
        let mut completion = Completion {
            cookie: flight.cookie,
            verdict: flight.outcome.verdict,
            reason: flight.outcome.reason,
            submit_head: self.registers.submit_head,
            cycles: u16::try_from(self.now - flight.start).unwrap_or(u16::MAX),
        };
        self.registers.count(completion.verdict);
        let defects = self.defects.next();
        for defect in &defects {
            defect::spoil(*defect, &mut completion);
        }
        let is = |defect| defects.contains(&defect);
        if is(Defect::Drop) {
            return;
        }
        let phase = Completion::phase_of(self.registers.complete_tail, self.registers.completions());
        let phase = if is(Defect::WrongPhase) { 1 - phase } else { phase };
        let words = if is(Defect::Garbage) { [0x9e37_79b9; 4] } else { completion.encode(phase) };
        self.put(words);
        if is(Defect::Duplicate) {
            self.put_again(&completion);
        }
        if is(Defect::Unasked) {
            self.put_again(&Completion { cookie: 0x1234_5678_9abc, ..completion });
        }
        if is(Defect::Aborts) {
            self.registers.error |= map::ERROR_WATCHDOG;
            self.abort();
        }
    }

    fn put_again(&mut self, completion: &Completion) {
        let phase = Completion::phase_of(self.registers.complete_tail, self.registers.completions());
        self.put(completion.encode(phase));
    }

    fn put(&mut self, words: [u32; 4]) {
        let index = self.registers.complete_tail;
        if !self.registers.in_host_memory() {
            self.memory.complete(index, words);
        } else if !self.memory.host_complete(self.registers.completion_address(index), words) {
            self.registers.error |= map::ERROR_MEMORY_WRITE;
        }
        self.registers.complete_tail = index.wrapping_add(1);
    }
}
