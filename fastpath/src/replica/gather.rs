//! The reading of one acceptor by a candidate: promise, heads, journals, payloads, and a second look at the heads.
//!
//! The second look makes the reading a snapshot: no record from a head's `live` on is overwritten before a later head
//! shows, so heads that have not changed prove that nothing was lost between the two looks. PROMISE must still hold the
//! candidate's ballot at the second look, or the reading is void.

use crate::bug::{Bug, planted};
use crate::config::{Config, SCAN_CELLS};
use crate::fabric::Op;
use crate::ids::{ReplicaId, Seq, Slot};
use crate::layout::{Area, CELL_WORDS, LINE_WORDS, REPLICAS_MAX, Span};
use crate::line::Head;
use crate::memory::copy_out;
use crate::promise::Ballot;
use crate::record::{Cell, Flags, Header};
use crate::replica::journal::line_at;
use crate::replica::token::Kind;
use crate::seal::Seal;
use std::sync::atomic::AtomicU64;

/// Readings of one acceptor before the candidate gives up: each restart means that the journal moved underneath.
const RESTARTS_MAX: u32 = 16;

/// A record that an acceptor holds: a possible vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) lane: ReplicaId,
    pub(crate) payload: Vec<u64>,
}

/// What a reading waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The compare-and-exchange of PROMISE, with the heads.
    Promise,
    /// Cells of a lane.
    Cells,
    /// The payload of a record.
    Payload,
    /// The second look at heads and PROMISE.
    Recheck,
    /// Nothing: it is complete.
    Done,
    /// Nothing: it failed.
    Failed,
}

/// How the cells of a lane are read.
#[derive(Clone, Copy, Debug)]
enum Scan {
    /// From a record on: what is there before `live`, then as long as records are contiguous.
    From(Seq),
    /// All cells, from this one on: the head is damaged (its proposer died while writing it).
    All(usize),
}

/// The reading of one acceptor.
#[derive(Debug)]
pub(crate) struct Gather {
    step: Step,
    /// Whether the chain of `step` has been taken by the fabric.
    pub(crate) posted: bool,
    /// What the compare-and-exchange expects.
    pub(crate) expected: u64,
    ballot: Ballot,
    /// Records at or below this slot are of no interest.
    base: Slot,
    heads: [[u64; LINE_WORDS]; REPLICAS_MAX],
    lane: usize,
    scan: Scan,
    /// From here on the lane's records are contiguous; before, any may be missing.
    live: Seq,
    payload: usize,
    restarts: u32,
    pub(crate) records: Vec<Found>,
    /// Which ballots have called which slots committed.
    pub(crate) evidence: Vec<(Ballot, Slot)>,
    /// The highest slot for which a head covers records that were not read.
    pub(crate) covered: Slot,
}

impl Gather {
    pub(crate) fn new(ballot: Ballot, expected: u64, base: Slot) -> Self {
        Self {
            step: Step::Promise,
            posted: false,
            expected,
            ballot,
            base,
            heads: [[0; LINE_WORDS]; REPLICAS_MAX],
            lane: 0,
            scan: Scan::From(Seq(0)),
            live: Seq(0),
            payload: 0,
            restarts: 0,
            records: Vec::new(),
            evidence: Vec::new(),
            covered: Slot::NONE,
        }
    }

    pub(crate) const fn step(&self) -> Step {
        self.step
    }

    /// Starts over with the compare-and-exchange, now expecting what was found.
    pub(crate) fn expect(&mut self, found: u64) {
        self.expected = found;
        self.posted = false;
    }

    pub(crate) fn fail(&mut self) {
        self.step = Step::Failed;
        self.posted = true;
    }

    /// The chain of the present step: writes it to `chain`, returns its kind and length.
    pub(crate) fn chain(&self, config: &Config, chain: &mut [Op]) -> Option<(Kind, usize)> {
        match self.step {
            Step::Promise => {
                chain[0] = Op::Write(Head::span(Area::Lane(config.replica)));
                chain[1] = Op::Cas { expected: self.expected, new: self.ballot.0 };
                Some((Kind::Promise, 2 + heads_chain(config, &mut chain[2..])))
            }
            Step::Recheck => Some((Kind::Recheck, heads_chain(config, chain))),
            Step::Cells => {
                chain[0] = Op::Read { span: self.cells(config), into: config.scratch_bulk() };
                Some((Kind::Cells, 1))
            }
            Step::Payload => Some((Kind::Payload, self.payload_chain(config, chain)?)),
            Step::Done | Step::Failed => None,
        }
    }

    fn area(&self) -> Area {
        Area::Lane(ReplicaId(self.lane as u8))
    }

    fn cells(&self, config: &Config) -> Span {
        let first = match self.scan {
            Scan::From(seq) => seq.0 as usize & (config.layout.cells - 1),
            Scan::All(cell) => cell,
        };
        let cells = SCAN_CELLS.min(config.layout.cells - first);
        Span { area: self.area(), start: config.layout.cell(Seq(first as u64)), words: cells * CELL_WORDS }
    }

    fn payload_chain(&self, config: &Config, chain: &mut [Op]) -> Option<usize> {
        let found = self.records.get(self.payload)?;
        let (at, words) = (found.header.session_or_arena, found.header.payload_words());
        let position = at as usize & (config.layout.arena_words - 1);
        let span = Span { area: Area::Lane(found.lane), start: config.layout.arena(at), words };
        let fits = words <= config.layout.arena_words - position;
        let allowed = words <= config.record_words_max();
        (fits && allowed).then(|| {
            chain[0] = Op::Read { span, into: config.scratch_bulk() };
            1
        })
    }

    /// PROMISE was exchanged and the heads are in the scratch: begins to read the lanes.
    pub(crate) fn promised(&mut self, config: &Config, seals: &[Seal], scratch: &[AtomicU64]) {
        self.copy_heads(config, scratch);
        self.begin_lanes(config, seals);
    }

    fn copy_heads(&mut self, config: &Config, scratch: &[AtomicU64]) {
        for (lane, head) in self.heads.iter_mut().enumerate().take(config.replicas()) {
            copy_out(&scratch[config.scratch_heads() + (lane + 1) * LINE_WORDS..], head);
        }
    }

    fn begin_lanes(&mut self, config: &Config, seals: &[Seal]) {
        self.records.clear();
        self.evidence.clear();
        self.covered = Slot::NONE;
        self.begin_lane(0, config, seals);
    }

    fn begin_lane(&mut self, lane: usize, config: &Config, seals: &[Seal]) {
        self.posted = false;
        if lane == config.replicas() {
            self.payload = 0;
            self.skip_to_payload(config);
            return;
        }
        self.lane = lane;
        self.step = Step::Cells;
        match seals[lane].open_head(&self.heads[lane]) {
            Some(head) if head.live == Seq(0) => self.begin_lane(lane + 1, config, seals),
            Some(head) => {
                // Records before `live` that this candidate has not applied may be there still, and be the only ones.
                let slots = head.covered.0.saturating_sub(self.base.0);
                // Records of an earlier tenure for the same slots may lie between.
                let missing = if slots > 0 { slots.saturating_add(config.window as u64).saturating_mul(2) } else { 0 };
                let missing = missing.min(config.layout.cells as u64);
                self.live = head.live;
                self.scan = Scan::From(Seq(head.live.0.saturating_sub(missing)));
                if head.scattered {
                    self.scan = Scan::All(0);
                }
                self.covered = self.covered.max(head.covered);
                self.evidence.extend(head.evidence());
            }
            None if planted(Bug::DamagedHeadIsEmpty) => self.begin_lane(lane + 1, config, seals),
            None => self.scan = Scan::All(0),
        }
    }

    /// Cells are in the scratch.
    pub(crate) fn cells_read(&mut self, config: &Config, seals: &[Seal], scratch: &[AtomicU64]) {
        let cells = self.cells(config).words / CELL_WORDS;
        let bulk = &scratch[config.scratch_bulk()..];
        let mut more = true;
        for at in 0..cells {
            let mut cell = Cell([0; CELL_WORDS]);
            copy_out(&bulk[at * CELL_WORDS..], &mut cell.0);
            more = self.take(&cell, config, &seals[self.lane]);
            if !more {
                break;
            }
        }
        if let Scan::All(cell) = &mut self.scan {
            *cell += cells;
            more = *cell < config.layout.cells;
        }
        self.posted = false;
        if !more {
            self.begin_lane(self.lane + 1, config, seals);
        }
    }

    /// Notes a cell; false if the journal ends before it.
    fn take(&mut self, cell: &Cell, config: &Config, seal: &Seal) -> bool {
        let header = seal.open(cell);
        if let Scan::From(next) = &mut self.scan {
            let here = *next;
            if header.is_none_or(|header| header.seq != here) {
                *next = here.plus(1);
                return here < self.live;
            }
            *next = here.plus(1);
        }
        let Some(header) = header else { return true };
        if matches!(self.scan, Scan::All(_)) {
            // Without a head it is not known what was overwritten; but what overwrites a record carries a commit index that covers it.
            self.covered = self.covered.max(header.commit());
        }
        self.evidence.push((header.ballot, header.commit()));
        let far = self.base.0.saturating_add((config.layout.cells * config.replicas()) as u64);
        if header.slot.0 > far {
            // More slots than all journals hold lie between: this candidate is behind, or the number is nonsense.
            self.covered = self.covered.max(header.slot);
        } else if header.slot > self.base {
            let payload = if header.flags.has(Flags::ARENA) {
                Vec::new()
            } else {
                cell.inline()[..header.payload_words()].to_vec()
            };
            self.records.push(Found { header, lane: ReplicaId(self.lane as u8), payload });
        }
        true
    }

    /// Moves to the next record whose payload has to be read, or to the second look.
    fn skip_to_payload(&mut self, config: &Config) {
        self.posted = false;
        while let Some(found) = self.records.get(self.payload) {
            if found.header.flags.has(Flags::ARENA) && found.header.payload_bytes > 0 {
                self.step = Step::Payload;
                if self.payload_chain(config, &mut [Op::Cas { expected: 0, new: 0 }]).is_none() {
                    // A member with a higher limit, or nonsense: what cannot be read must not be taken for no vote.
                    self.fail();
                }
                return;
            }
            self.payload += 1;
        }
        self.step = Step::Recheck;
    }

    /// A payload is in the scratch.
    pub(crate) fn payload_read(&mut self, config: &Config, scratch: &[AtomicU64]) {
        let found = &mut self.records[self.payload];
        let mut payload = vec![0; found.header.payload_words()];
        copy_out(&scratch[config.scratch_bulk()..], &mut payload);
        found.payload = payload;
        self.payload += 1;
        self.skip_to_payload(config);
    }

    /// The second look is in the scratch: complete, or over again from the heads that it found.
    pub(crate) fn rechecked(&mut self, config: &Config, seals: &[Seal], scratch: &[AtomicU64]) {
        let before = self.heads;
        let mut promise = [0];
        copy_out(&scratch[config.scratch_heads()..], &mut promise);
        self.copy_heads(config, scratch);
        if promise[0] != self.ballot.0 {
            self.fail();
        } else if self.heads == before {
            // A payload that does not match its hash was still on its way when we promised: its check will fail, so it is no vote.
            self.records.retain(|found| seals[found.lane.index()].matches(&found.header, &found.payload));
            self.step = Step::Done;
        } else if self.restarts == RESTARTS_MAX {
            self.fail();
        } else {
            self.restarts += 1;
            self.begin_lanes(config, seals);
        }
    }
}

/// What the heads in the scratch say, whatever came of the compare-and-exchange before them: which ballot has decided up
/// to which slot.
pub(crate) fn commits_in_heads(config: &Config, seals: &[Seal], scratch: &[AtomicU64]) -> Vec<(Ballot, Slot)> {
    let heads = (0..config.replicas()).filter_map(|lane| {
        let line = line_at(scratch, config.scratch_heads() + (lane + 1) * LINE_WORDS);
        seals[lane].open_head(&line)
    });
    heads.flat_map(|head| head.evidence()).collect()
}

/// Reads PROMISE and the heads of all lanes.
fn heads_chain(config: &Config, chain: &mut [Op]) -> usize {
    let into = config.scratch_heads();
    chain[0] = Op::Read { span: Span::line(Area::Promise, 0), into };
    for (lane, op) in chain[1..=config.replicas()].iter_mut().enumerate() {
        let span = Head::span(Area::Lane(ReplicaId(lane as u8)));
        *op = Op::Read { span, into: into + (lane + 1) * LINE_WORDS };
    }
    config.replicas() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, QuorumSizes};

    const SEALS: [Seal; REPLICAS_MAX] = [const { Seal::Checksum { seed: 0 } }; REPLICAS_MAX];
    use std::sync::atomic::Ordering::Relaxed;

    fn scratch_with(config: &Config, promise: u64, head: &Head) -> Vec<AtomicU64> {
        let scratch: Vec<AtomicU64> = (0..config.scratch_words()).map(|_| AtomicU64::new(0)).collect();
        scratch[config.scratch_heads()].store(promise, Relaxed);
        for (word, value) in scratch[config.scratch_heads() + LINE_WORDS..].iter().zip(head.encode(0)) {
            word.store(value, Relaxed);
        }
        scratch
    }

    /// Promise, an empty lane 0 behind `first`, and a second look that finds `second` and `promise`.
    fn read(first: &Head, second: &Head, promise: u64) -> Step {
        let config = Config::new(1, ReplicaId(0), QuorumSizes::majority(3).expect("three is a size"));
        let ballot = Ballot::new(Epoch::FIRST, 7, ReplicaId(0));
        let mut gather = Gather::new(ballot, 0, Slot::NONE);
        let scratch = scratch_with(&config, ballot.0, first);
        gather.promised(&config, &SEALS, &scratch);
        gather.cells_read(&config, &SEALS, &scratch);
        assert_eq!(gather.step(), Step::Recheck, "the other lanes were never written");
        gather.rechecked(&config, &SEALS, &scratch_with(&config, promise, second));
        gather.step()
    }

    #[test]
    fn a_reading_counts_only_if_heads_and_promise_have_not_moved() {
        let ballot = Ballot::new(Epoch::FIRST, 7, ReplicaId(0));
        let head = Head { live: Seq::first(Epoch::FIRST), ..Head::default() };
        let moved = Head { live: head.live.plus(5), covered: Slot(5), ..head };
        assert_eq!(read(&head, &head, ballot.0), Step::Done);
        assert_eq!(read(&head, &moved, ballot.0), Step::Cells, "what was read may have been overwritten meanwhile");
        assert_eq!(read(&head, &head, ballot.0 + 256), Step::Failed, "somebody else has a higher promise");
    }
}
