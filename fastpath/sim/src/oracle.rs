//! What must be true of all replicas together, checked at every decided slot and every answer.

use crate::lab::{Check, Lab};
use crate::rng::mix;
use crate::tally::Count;
use crate::workload::{is_refused, payload};
use paxon_fastpath::{Command, Config, Decided, Flags, Layout, ReplicaId, Seq, Slot, commands};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Flags that belong to a value; the others say how it travelled.
const VALUE_FLAGS: u8 = Flags::NOOP.0 | Flags::CONFIG.0 | Flags::SIGNED.0 | Flags::BATCH.0;

/// What is known of a decided slot.
#[derive(Clone, Copy, Debug)]
struct Truth {
    value: u64,
    /// The first replica that said so.
    by: ReplicaId,
    /// Digest of the state machine after the slot, once a replica has applied it.
    state: Option<u64>,
}

/// The global truth of a run.
#[derive(Debug)]
pub struct Oracle {
    lab: Rc<Lab>,
    /// By slot, from 1.
    decided: Vec<Option<Truth>>,
    /// The highest sequence that was proposed in each session.
    proposed: BTreeMap<u64, u64>,
    /// Where each command took effect.
    effects: BTreeMap<(u64, u64), Slot>,
    /// Slots in which the screen of some replica refused a command.
    refusals: BTreeSet<(u64, u64, Slot)>,
    /// Commands that were acknowledged to their client, and where they took effect.
    acknowledged: BTreeMap<(u64, u64), Slot>,
    /// The highest slot that any finished operation has shown to its client: what begins now comes after it.
    floor: Slot,
}

impl Oracle {
    /// Nothing is known yet.
    pub fn new(lab: Rc<Lab>) -> Self {
        Self {
            lab,
            decided: Vec::new(),
            proposed: BTreeMap::new(),
            effects: BTreeMap::new(),
            refusals: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            floor: Slot::NONE,
        }
    }

    /// A client proposes commands `first..=last` of its session.
    pub fn propose(&mut self, session: u64, last: u64) {
        let proposed = self.proposed.entry(session).or_default();
        *proposed = last.max(*proposed);
    }

    /// What an operation that begins now must not miss.
    pub const fn floor(&self) -> Slot {
        self.floor
    }

    /// The highest slot that any replica has seen decided.
    pub const fn last_decided(&self) -> Slot {
        Slot(self.decided.len() as u64)
    }

    /// `by` says that a slot was decided.
    pub fn decide(&mut self, by: ReplicaId, decided: &Decided<'_>) {
        let value = value_of(decided);
        let slot = decided.slot;
        let index = slot.0 as usize - 1;
        if self.decided.len() <= index {
            self.decided.resize(index + 1, None);
        }
        if let Some(truth) = self.decided[index] {
            if truth.value != value {
                self.lab.violate(Check::Agreement, || {
                    format!("{by} decided {slot} as {:?}, {} decided another value", decided.header, truth.by)
                });
            }
            return;
        }
        self.decided[index] = Some(Truth { value, by, state: None });
        self.check_validity(by, decided);
        self.count(decided);
    }

    fn check_validity(&self, by: ReplicaId, decided: &Decided<'_>) {
        for command in commands(decided.header, decided.payload) {
            let valid = command.is_ok_and(|command| self.was_proposed(&command));
            if !valid {
                self.lab.violate(Check::Validity, || {
                    format!("{by} decided {} as {:?}, which nobody proposed", decided.slot, decided.header)
                });
            }
        }
    }

    fn was_proposed(&self, command: &Command<'_>) -> bool {
        if command.opens_session() {
            return true;
        }
        let Command { session, sequence, .. } = *command;
        let last = self.proposed.get(&session).copied().unwrap_or(0);
        (1..=last).contains(&sequence) && command.payload == payload(&self.lab.scenario.config, session, sequence)
    }

    fn count(&self, decided: &Decided<'_>) {
        let Config { layout: Layout { cells, arena_words, .. }, .. } = self.lab.scenario.config;
        let header = decided.header;
        let seq_in_life = header.seq.0 & (Seq::first(paxon_fastpath::Epoch(1)).0 - 2);
        let counts = [
            (Count::Slot, true),
            (Count::Adopted, header.flags.has(Flags::ADOPTED)),
            (Count::Noop, header.flags.has(Flags::NOOP)),
            (Count::RingRecycled, seq_in_life > cells as u64),
            (Count::ArenaRecycled, header.flags.has(Flags::ARENA) && header.session_or_arena >= arena_words as u64),
        ];
        counts.iter().filter(|(_, happened)| *happened).for_each(|(count, _)| self.lab.count(*count));
    }

    /// `by` has applied everything up to `slot`, and its state machine has this digest.
    pub fn state(&mut self, by: ReplicaId, slot: Slot, digest: u64) {
        let Some(Some(truth)) = self.decided.get_mut(slot.0 as usize - 1) else {
            self.lab.violate(Check::Agreement, || format!("{by} has state up to {slot}, which nobody decided"));
            return;
        };
        if *truth.state.get_or_insert(digest) != digest {
            self.lab
                .violate(Check::Digest, || format!("the state of {by} after {slot} differs from another replica's"));
        }
    }

    /// The screen of `by` refused a command in `slot`.
    pub fn refused(&mut self, by: ReplicaId, session: u64, sequence: u64, slot: Slot) {
        let refuse_one_in = self.lab.scenario.refuse_one_in;
        if !is_refused(refuse_one_in, slot, session, sequence) {
            self.lab.violate(Check::Screen, || {
                format!("{by} refused command {sequence} of session {session:#x} in {slot} without a reason")
            });
        }
        if self.refusals.insert((session, sequence, slot)) {
            self.lab.count(Count::Screened);
        }
    }

    /// `by` says that a command took effect in `slot`.
    pub fn effect(&mut self, by: ReplicaId, session: u64, sequence: u64, slot: Slot) {
        if is_refused(self.lab.scenario.refuse_one_in, slot, session, sequence) {
            self.lab.violate(Check::Screen, || {
                format!(
                    "command {sequence} of session {session:#x} took effect at {by} in {slot}, where it is to be refused"
                )
            });
        }
        if !self.effects.contains_key(&(session, sequence)) && self.was_refused(session, sequence) {
            self.lab.count(Count::RefusedThenApplied);
        }
        let first = *self.effects.entry((session, sequence)).or_insert(slot);
        if first != slot {
            self.lab.violate(Check::AtMostOnce, || {
                format!("command {sequence} of session {session:#x} took effect in {first}, and at {by} in {slot}")
            });
        }
    }

    fn was_refused(&self, session: u64, sequence: u64) -> bool {
        let of_command = (session, sequence, Slot::NONE)..=(session, sequence, Slot(u64::MAX));
        self.refusals.range(of_command).next().is_some()
    }

    /// A client learns that its command took effect in `slot`; it began when the floor was at `began`.
    pub fn acknowledge(&mut self, session: u64, sequence: u64, slot: Slot, began: Slot) {
        self.lab.count(Count::Acked);
        if slot <= began {
            self.lab.violate(Check::Linearizability, || {
                format!(
                    "command {sequence} of session {session:#x} took effect in {slot}, before it began (after {began})"
                )
            });
        }
        self.acknowledged.insert((session, sequence), slot);
        self.floor = self.floor.max(slot);
    }

    /// A client reads the state after `applied`; it began when the floor was at `began`.
    pub fn read(&mut self, by: ReplicaId, applied: Slot, began: Slot) {
        self.lab.count(Count::Read);
        if applied < began {
            self.lab.violate(Check::Linearizability, || {
                format!("a read at {by} saw {applied}, although {began} was known before it began")
            });
        }
        self.floor = self.floor.max(applied);
    }

    /// At the end: every acknowledged command is where its client was told.
    pub fn check_acknowledged(&self) {
        for ((session, sequence), slot) in &self.acknowledged {
            if self.effects.get(&(*session, *sequence)) != Some(slot) {
                self.lab.violate(Check::LostCommit, || {
                    format!("command {sequence} of session {session:#x} was acknowledged in {slot} and is not there")
                });
            }
        }
        if let Some(hole) = self.decided.iter().position(Option::is_none) {
            self.lab.violate(Check::LostCommit, || format!("slot {} was never seen decided", hole + 1));
        }
    }
}

/// A hash of what was decided, the same however it travelled.
fn value_of(decided: &Decided<'_>) -> u64 {
    let header = decided.header;
    let inline = !header.flags.has(Flags::ARENA) && !header.flags.has(Flags::NOOP);
    let (session, sequence) = if inline { (header.session_or_arena, header.sequence) } else { (0, 0) };
    let shape = [
        u64::from(header.flags.0 & VALUE_FLAGS),
        u64::from(header.commands),
        u64::from(header.payload_bytes),
        session,
        sequence,
    ];
    shape.iter().chain(decided.payload).fold(1, |hash, &word| mix(hash ^ word).wrapping_add(hash))
}
