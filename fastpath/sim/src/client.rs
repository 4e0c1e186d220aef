//! Clients: they propose, retry when they hear nothing, read, and tell the oracle what they were told.

use crate::channel::NEVER;
use crate::host::{LIMITS, News};
use crate::lab::{Check, Lab};
use crate::oracle::Oracle;
use crate::seat::{Life, Process, Seat};
use crate::tally::Count;
use crate::workload::payload;
use paxon_fastpath::{Batch, Command, INLINE_BYTES, ProposeError, ReadRound, Role, Slot, Submission};
use std::cell::RefCell;
use std::rc::Rc;

/// Operations that each client finishes after the faults have stopped.
const LAST_OPERATIONS: u32 = 3;

/// What a client is doing.
#[derive(Clone, Copy, Debug)]
enum Busy {
    Idle,
    /// A session is being opened by the record of this slot and ballot.
    Opening {
        at: Life,
        slot: Slot,
        ballot: u64,
    },
    /// Commands `first..=last` are under way; they began when the oracle's floor was at `began`.
    Commands {
        at: Option<Life>,
        first: u64,
        last: u64,
        began: Slot,
    },
    /// A read waits for its round.
    Reading {
        at: Life,
        round: ReadRound,
        began: Slot,
    },
}

/// A client.
#[derive(Debug)]
pub struct Client {
    lab: Rc<Lab>,
    oracle: Rc<RefCell<Oracle>>,
    /// It proposes without waiting for answers, and never retries.
    never_waits: bool,
    session: Option<u64>,
    /// The number of its next command.
    sequence: u64,
    busy: Busy,
    /// When it acts next: begins something, or loses its patience.
    pub due: u64,
    /// Operations left after the faults have stopped.
    left: u32,
}

impl Client {
    /// A client without a session.
    pub fn new(lab: Rc<Lab>, oracle: Rc<RefCell<Oracle>>, never_waits: bool) -> Self {
        let due = lab.rng.around(lab.scenario.think_ns);
        Self { lab, oracle, never_waits, session: None, sequence: 1, busy: Busy::Idle, due, left: LAST_OPERATIONS }
    }

    /// The faults are over: a few more operations, then it is done.
    pub fn wind_up(&mut self) {
        if self.never_waits {
            (self.busy, self.due, self.left) = (Busy::Idle, NEVER, 0);
        }
    }

    /// Whether it has finished its last operation.
    pub const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Its time has come.
    pub fn act(&mut self, seats: &mut [Seat]) {
        let suspect = self.lab.scenario.config.timing.suspect.0;
        self.due = self.lab.now() + self.lab.rng.around(suspect / 2);
        let Some(seat) = self.choose(seats) else { return };
        let life = seat.life;
        let Some(process) = seat.running() else { return };
        let taken = match (self.busy, self.session) {
            (Busy::Commands { first, last, began, .. }, Some(session)) => {
                self.busy = Busy::Commands { at: Some(life), first, last, began };
                self.propose(process, session, first, last)
            }
            (_, None) => self.open(process, life),
            (_, Some(_)) if !self.never_waits && self.lab.rng.chance(2_500) => self.read(process, life),
            (_, Some(session)) => self.begin(process, life, session),
        };
        if taken {
            self.due = self.lab.now() + self.lab.rng.around(3 * suspect + 4 * self.lab.scenario.distance_ns);
            if self.never_waits && self.session.is_some() {
                self.busy = Busy::Idle;
                self.due = self.lab.now() + self.lab.rng.around(self.lab.scenario.think_ns);
            }
            if self.lab.rng.chance(3_000) {
                seat.next_poll = self.lab.now();
            }
        }
    }

    /// A replica that leads, now and then any.
    fn choose<'a>(&self, seats: &'a mut [Seat]) -> Option<&'a mut Seat> {
        let any = self.lab.rng.chance(500);
        let candidates =
            seats.iter_mut().filter(|seat| seat.is_running() && (any || seat.role() == Some(Role::Leader)));
        let mut candidates: Vec<_> = candidates.collect();
        let index = self.lab.rng.below(candidates.len() as u64) as usize;
        (index < candidates.len()).then(|| candidates.swap_remove(index))
    }

    fn begin(&mut self, process: &mut Process, life: Life, session: u64) -> bool {
        let first = self.sequence;
        let last = first + self.lab.rng.pick(&[0, 0, 1, LIMITS.window as u64 - 1]);
        self.sequence = last + 1;
        let began = self.oracle.borrow().floor();
        self.oracle.borrow_mut().propose(session, last);
        self.busy = Busy::Commands { at: Some(life), first, last, began };
        self.propose(process, session, first, last)
    }

    /// Proposes commands `first..=last`, or as many of them as fit into one record.
    fn propose(&mut self, process: &mut Process, session: u64, first: u64, last: u64) -> bool {
        let config = &self.lab.scenario.config;
        let single = payload(config, session, first);
        let outcome = if first == last && single.len() <= INLINE_BYTES && self.lab.rng.chance(5_000) {
            let command = Submission::Command { session, sequence: first, payload: &single };
            process.replica.propose(&mut process.fabric, command)
        } else {
            let mut batch = Batch::new(config.payload_bytes_max, usize::from(u16::MAX));
            let fits = |sequence: &u64| {
                let payload = payload(config, session, *sequence);
                batch.push(Command { session, sequence: *sequence, payload: &payload }).is_ok()
            };
            let packed = (first..=last).take_while(fits).count() as u64;
            if let Busy::Commands { last, .. } = &mut self.busy {
                *last = first + packed - 1;
            }
            self.sequence = first + packed;
            let (commands, words, bytes) = (batch.commands(), batch.words(), batch.bytes());
            process.replica.propose(&mut process.fabric, Submission::Batch { commands, words, bytes })
        };
        self.taken(outcome).is_some()
    }

    fn open(&mut self, process: &mut Process, life: Life) -> bool {
        let Command { session, sequence, payload } = Command::open_session();
        let outcome = process.replica.propose(&mut process.fabric, Submission::Command { session, sequence, payload });
        let Some(slot) = self.taken(outcome) else { return false };
        self.busy = Busy::Opening { at: life, slot, ballot: process.replica.ballot().0 };
        true
    }

    fn read(&mut self, process: &mut Process, life: Life) -> bool {
        let began = self.oracle.borrow().floor();
        let Ok(round) = process.replica.read() else { return false };
        self.busy = Busy::Reading { at: life, round, began };
        true
    }

    fn taken(&self, outcome: Result<Slot, ProposeError>) -> Option<Slot> {
        self.lab.note("cli", &[b'c'.into(), outcome.as_ref().map_or(0, |slot| slot.0)], || {
            format!("session {:x?} {:?}: {outcome:?}", self.session, self.busy)
        });
        match outcome {
            Ok(slot) => return Some(slot),
            Err(ProposeError::Full { .. }) => self.lab.count(Count::ProposeFull),
            Err(ProposeError::NotLeader { .. }) => {}
            Err(error) => self.lab.violate(Check::Assertion, || format!("a proposal that fits was refused: {error}")),
        }
        None
    }

    /// A process that it may be waiting for has said something.
    pub fn hear(&mut self, from: Life, news: &News) {
        match (self.busy, *news) {
            (Busy::Opening { at, slot, ballot }, News::Opened { slot: s, ballot: b, session })
                if (at, slot, ballot) == (from, s, b) =>
            {
                self.session = Some(session);
                self.sequence = 1;
                self.rest();
            }
            (Busy::Commands { at, first, last, began }, News::Applied { session, sequence, first: slot })
                if at == Some(from) && self.session == Some(session) && (first..=last).contains(&sequence) =>
            {
                self.oracle.borrow_mut().acknowledge(session, sequence, slot, began);
                if sequence == last {
                    self.finish();
                }
            }
            (Busy::Reading { at, round, began }, News::ReadReady { round: ready, applied })
                if at == from && ready >= round =>
            {
                self.oracle.borrow_mut().read(from.replica, applied, began);
                self.finish();
            }
            (Busy::Commands { at, first, last, .. }, News::Screened { session, sequence })
                if at == Some(from) && self.session == Some(session) && (first..=last).contains(&sequence) =>
            {
                // Under the same numbers: those that were applied are answered again.
                self.due = self.lab.now() + self.lab.rng.around(self.lab.scenario.think_ns);
            }
            (_, News::Refused { session, .. }) if self.session == Some(session) => {
                self.session = None;
                self.rest();
            }
            (Busy::Reading { at, .. } | Busy::Opening { at, .. }, News::Deposed) if at == from => self.rest(),
            (Busy::Commands { at, .. }, News::Deposed) if at == Some(from) => self.due = self.lab.now(),
            _ => {}
        }
    }

    fn finish(&mut self) {
        if self.lab.is_calm() {
            self.left = self.left.saturating_sub(1);
        }
        self.rest();
    }

    fn rest(&mut self) {
        self.busy = Busy::Idle;
        self.due =
            if self.left == 0 { NEVER } else { self.lab.now() + self.lab.rng.around(self.lab.scenario.think_ns) };
    }
}
