//! Applying decided records, and remembering where the latest lie.

use super::learner::Place;
use super::{Replica, Turn};
use crate::Configuration;
use crate::config::Config;
use crate::fabric::Fabric;
use crate::host::{Decided, Host};
use crate::ids::{Seq, Slot};
use crate::layout::{Area, CELL_WORDS, Layout};
use crate::memory::copy_out;
use crate::record::{Cell, Flags, Header};
use crate::seal::Seal;
use std::sync::atomic::AtomicU64;

/// Why a decided record could not be read from the own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// Its cell holds something else: it was overwritten, this replica is behind the journals.
    Gone,
    /// Its payload is not complete here yet.
    Incomplete,
}

/// The applied prefix, with a buffer for the record at hand.
#[derive(Debug)]
pub(crate) struct Applied {
    slot: Slot,
    /// Where the records of the latest slots lie, by slot modulo the window: a new leader proposes them again for those who lag.
    recent: Box<[Option<(Slot, Place)>]>,
    /// The record at hand.
    cell: Cell,
    payload: Box<[u64]>,
}

impl Applied {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            slot: Slot::NONE,
            recent: vec![None; config.window].into_boxed_slice(),
            cell: Cell([0; CELL_WORDS]),
            payload: vec![0; config.record_words_max()].into_boxed_slice(),
        }
    }

    pub(crate) const fn slot(&self) -> Slot {
        self.slot
    }

    /// A snapshot covers everything up to `slot`.
    pub(crate) fn restored(&mut self, slot: Slot) {
        self.slot = slot;
        self.recent.fill(None);
    }

    fn advance(&mut self, slot: Slot, place: Place) {
        self.slot = slot;
        let at = slot.0 as usize & (self.recent.len() - 1);
        self.recent[at] = Some((slot, place));
    }

    /// Where the record that was applied to `slot` lies, if that is still remembered.
    pub(crate) fn place(&self, slot: Slot) -> Option<Place> {
        let (found, place) = self.recent[slot.0 as usize & (self.recent.len() - 1)]?;
        (found == slot).then_some(place)
    }

    /// Copies the record for `slot` at `place` out of `lane` and checks that it is whole.
    pub(crate) fn load(
        &mut self,
        slot: Slot,
        place: Place,
        lane: &[AtomicU64],
        layout: &Layout,
        seal: &Seal,
    ) -> Result<(Header, &[u64]), ReadError> {
        let start = layout.cell(place.seq);
        copy_out(&lane[start..start + CELL_WORDS], &mut self.cell.0);
        let header = seal.open(&self.cell).ok_or(ReadError::Gone)?;
        if (header.seq, header.slot, header.ballot) != (place.seq, slot, place.ballot) {
            return Err(ReadError::Gone);
        }
        let words = header.payload_words();
        let payload = if header.flags.has(Flags::ARENA) {
            let start = layout.arena(header.session_or_arena);
            let arena = lane.get(start..start + words).ok_or(ReadError::Gone)?;
            let into = self.payload.get_mut(..words).ok_or(ReadError::Gone)?;
            copy_out(arena, into);
            &*into
        } else {
            &self.cell.inline()[..words]
        };
        if !seal.matches(&header, payload) {
            return Err(ReadError::Incomplete);
        }
        Ok((header, payload))
    }
}

impl Applied {
    /// Copies a record of the own lane out. Nobody else writes it and it is not overwritten before it is applied, so it is as
    /// it was appended.
    #[inline]
    fn load_own(&mut self, seq: Seq, lane: &[AtomicU64], layout: &Layout) -> (Header, &[u64]) {
        let start = layout.cell(seq);
        copy_out(&lane[start..start + CELL_WORDS], &mut self.cell.0);
        let header = Header::unpack(self.cell.line());
        let words = header.payload_words();
        if !header.flags.has(Flags::ARENA) {
            return (header, &self.cell.inline()[..words]);
        }
        let payload = &mut self.payload[..words];
        copy_out(&lane[layout.arena(header.session_or_arena)..], payload);
        (header, payload)
    }
}

impl Replica {
    /// Applies the next slot from the own journal.
    #[inline]
    pub(super) fn apply_own<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let slot = self.applied.slot().next();
        let place = Place { lane: self.me(), seq: self.tenure.seq_of(slot), ballot: self.tenure.ballot };
        let lane = turn.fabric.local(Area::Lane(place.lane));
        let (header, payload) = self.applied.load_own(place.seq, lane, &self.config.layout);
        turn.host.decided(Decided { slot, header: &header, payload });
        let configuration = header.flags.has(Flags::CONFIG).then(|| Configuration::decode(payload)).flatten();
        self.applied.advance(slot, place);
        if let Some(next) = configuration {
            self.on_configuration(slot, next, place.ballot, turn);
        }
    }

    /// Applies the next slot from the own memory.
    pub(super) fn apply<F: Fabric, H: Host>(
        &mut self,
        place: Place,
        turn: &mut Turn<'_, F, H>,
    ) -> Result<(), ReadError> {
        let slot = self.applied.slot().next();
        let lane = turn.fabric.local(Area::Lane(place.lane));
        let seal = &self.seals[place.lane.index()];
        let (header, payload) = self.applied.load(slot, place, lane, &self.config.layout, seal)?;
        let configuration = header.flags.has(Flags::CONFIG).then(|| Configuration::decode(payload)).flatten();
        turn.host.decided(Decided { slot, header: &header, payload });
        self.applied.advance(slot, place);
        if let Some(next) = configuration {
            self.on_configuration(slot, next, place.ballot, turn);
        }
        Ok(())
    }
}
