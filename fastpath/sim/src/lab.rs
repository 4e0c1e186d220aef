//! What all parts of a run share: the seed's scenario, the random stream, the virtual clock, the trace and the verdict.

use crate::rng::{Rng, mix};
use crate::scenario::Scenario;
use crate::tally::{Count, Tally};
use std::cell::{Cell, RefCell};

/// A property that a run broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {message}")]
pub struct Violation {
    /// Which check failed.
    pub check: Check,
    /// What was seen.
    pub message: String,
}

/// The checks of the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Check {
    /// A slot was decided as two values.
    #[error("agreement")]
    Agreement,
    /// A replica skipped or repeated a slot.
    #[error("slot order")]
    SlotOrder,
    /// A value was decided that nobody proposed.
    #[error("validity")]
    Validity,
    /// A command took effect twice, or at different slots on different replicas.
    #[error("at most once")]
    AtMostOnce,
    /// Replicas disagree on whether the screen refused a command, or a refused command took effect.
    #[error("screen")]
    Screen,
    /// An answer contradicts the order of real time.
    #[error("linearizability")]
    Linearizability,
    /// An acknowledged command is missing at the end.
    #[error("lost commit")]
    LostCommit,
    /// Two replicas applied the same slots and differ.
    #[error("digest")]
    Digest,
    /// The cluster did not recover after the faults stopped.
    #[error("progress")]
    Progress,
    /// The engine broke the contract of the fabric, or changed shared memory in a way that the protocol excludes.
    #[error("memory")]
    Memory,
    /// An assertion in the engine failed.
    #[error("assertion")]
    Assertion,
}

/// The shared parts of a run. Everything is reached by shared reference, on one thread.
#[derive(Debug)]
pub struct Lab {
    /// What the seed decided.
    pub scenario: Scenario,
    /// The only random stream of the run.
    pub rng: Rng,
    /// Virtual time in nanoseconds.
    now: Cell<u64>,
    /// Faults are over.
    calm: Cell<bool>,
    /// Hash of everything that happened.
    trace_hash: Cell<u64>,
    /// The readable trace, if one is wanted.
    trace: Option<RefCell<Vec<String>>>,
    /// Counts.
    pub tally: Tally,
    /// The first violation.
    violation: RefCell<Option<Violation>>,
}

impl Lab {
    /// The start of a run.
    pub fn new(scenario: Scenario, keep_trace: bool) -> Self {
        Self {
            rng: Rng::new(mix(scenario.seed)),
            scenario,
            now: Cell::new(0),
            calm: Cell::new(false),
            trace_hash: Cell::new(0),
            trace: keep_trace.then(RefCell::default),
            tally: Tally::default(),
            violation: RefCell::default(),
        }
    }

    /// Virtual time in nanoseconds.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Moves the clock on to `now`.
    pub fn advance(&self, now: u64) {
        debug_assert!(now >= self.now.get(), "virtual time went back");
        self.now.set(now);
    }

    /// Stops all faults that are drawn by [`Self::strikes`].
    pub fn calm_down(&self) {
        self.calm.set(true);
    }

    /// Whether the faults are over.
    pub fn is_calm(&self) -> bool {
        self.calm.get()
    }

    /// Whether a fault with this rate (per 10,000) strikes now.
    pub fn strikes(&self, rate: u64) -> bool {
        !self.calm.get() && self.rng.chance(rate)
    }

    /// Counts one.
    pub fn count(&self, count: Count) {
        self.tally.one(count);
    }

    /// Adds an event to the trace: `words` to its hash, the description only if somebody reads it.
    pub fn note(&self, who: impl std::fmt::Display, words: &[u64], describe: impl FnOnce() -> String) {
        let start = self.trace_hash.get() ^ self.now.get();
        self.trace_hash.set(words.iter().fold(start, |hash, &word| mix(hash.rotate_left(17) ^ word)));
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(format!("{:>12} ns  {who:<4} {}", self.now(), describe()));
        }
    }

    /// Hash of everything that happened so far.
    pub fn trace_hash(&self) -> u64 {
        self.trace_hash.get()
    }

    /// The readable trace so far; empty unless it was asked for.
    pub fn trace(&self) -> Vec<String> {
        self.trace.as_ref().map_or_else(Vec::new, |trace| trace.borrow().clone())
    }

    /// Records a violation; the first one stays.
    pub fn violate(&self, check: Check, message: impl FnOnce() -> String) {
        let mut violation = self.violation.borrow_mut();
        if violation.is_none() {
            *violation = Some(Violation { check, message: message() });
        }
    }

    /// The first violation.
    ///
    /// # Errors
    /// The violation, if there is one.
    pub fn verdict(&self) -> Result<(), Violation> {
        self.violation.borrow().clone().map_or(Ok(()), Err)
    }
}
