//! The replica's own journal: where its proposals are written first, and from where they are mirrored.

use crate::bug::{Bug, planted};
use crate::ids::{Seq, Slot};
use crate::layout::{Area, CELL_WORDS, LINE_WORDS, Layout, Span};
use crate::line::Head;
use crate::memory::{copy_in, copy_out};
use crate::promise::Ballot;
use crate::record::{Flags, Header};
use crate::seal::Seal;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A record about to be appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) slot: Slot,
    pub(crate) ballot: Ballot,
    pub(crate) commit: Slot,
    pub(crate) commands: u16,
    pub(crate) flags: Flags,
    pub(crate) session: u64,
    pub(crate) sequence: u64,
    pub(crate) payload: &'a [u64],
    pub(crate) payload_bytes: u32,
    /// Where the payload stands in the own arena already, if it does.
    pub(crate) stands_at: Option<u64>,
}

impl Draft<'_> {
    /// Words of the arena that it takes.
    pub(crate) const fn arena_words(&self) -> usize {
        if self.flags.has(Flags::ARENA) && self.stands_at.is_none() { self.payload.len() } else { 0 }
    }
}

/// The journal and the arena have no room: TRIM has to advance first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Bookkeeping of the own lane. The bytes are in shared memory; nobody else writes them.
#[derive(Debug)]
pub(crate) struct Journal {
    layout: Layout,
    area: Area,
    seal: Seal,
    /// The next record's sequence number.
    next: Seq,
    /// Records before this one may be overwritten: their slots are at or below TRIM.
    free: Seq,
    /// TRIM: what is below may be overwritten once a head says so.
    trimmed: Slot,
    /// The head as the own memory shows it. Invariant: `free <= head.live` whenever a cell is reused.
    head: Head,
    /// Next free word of the arena, counted since the lane was created.
    arena_next: u64,
    /// For each cell, `arena_next` before its record was appended.
    arena_start: Box<[u64]>,
    /// The current tenure's first record and slot: from there on slots are consecutive.
    tenure: (Seq, Slot),
}

impl Journal {
    /// Takes over what the own lane holds, whatever epoch it is of: every record may be a vote. `first` is the sequence number
    /// to start with if it holds nothing.
    pub(crate) fn recover(layout: Layout, area: Area, seal: Seal, lane: &[AtomicU64], first: Seq) -> Self {
        let mut headers: Vec<Header> = (0..layout.cells)
            .filter_map(|cell| {
                let header = seal.open_at(lane, layout.cell(Seq(cell as u64)))?;
                (header.seq.0 as usize & (layout.cells - 1) == cell).then_some(header)
            })
            .collect();
        headers.sort_unstable_by_key(|header| header.seq);
        let next = headers.last().map_or(first, |last| last.seq.plus(1));
        // A journal holds one lap; whatever else looks like a record is not one of it.
        headers.retain(|header| next.since(header.seq) <= layout.cells as u64);
        let oldest = headers.first().map_or(next, |header| header.seq);
        // Stands in for a damaged head: what was overwritten before `oldest` is covered by the commit indices of what is there.
        let latest = headers.iter().max_by_key(|header| header.commit());
        let mut journal = Self {
            layout,
            area,
            seal,
            next,
            free: oldest,
            trimmed: latest.map_or(Slot::NONE, Header::commit),
            head: Head {
                ballot: latest.map_or(Ballot::NONE, |header| header.ballot),
                commit: latest.map_or(Slot::NONE, Header::commit),
                live: oldest,
                covered: latest.map_or(Slot::NONE, Header::commit),
                scattered: !headers.is_empty(),
                ..Head::default()
            },
            arena_next: 0,
            arena_start: vec![0; layout.cells].into_boxed_slice(),
            tenure: (next, Slot(u64::MAX)),
        };
        let in_arena = headers.iter().filter(|header| header.flags.has(Flags::ARENA));
        journal.arena_next = in_arena.map(|header| header.session_or_arena).min().unwrap_or(0);
        for header in &headers {
            journal.recover_arena(header);
        }
        let head = journal.seal.open_head(&line_at(lane, 0));
        if let Some(head) = head.filter(|head| head.live >= oldest && head.live <= next) {
            journal.head = head;
            journal.trimmed = head.covered;
        }
        journal
    }

    fn recover_arena(&mut self, header: &Header) {
        let at = self.at(header.seq);
        self.arena_start[at] = self.arena_next;
        let end = header.session_or_arena.saturating_add(header.payload_words() as u64);
        // A payload that ends earlier stands in the arena on behalf of an older record.
        if header.flags.has(Flags::ARENA) && end > self.arena_next {
            self.arena_start[at] = header.session_or_arena;
            self.arena_next = end;
        }
    }

    const fn at(&self, seq: Seq) -> usize {
        seq.0 as usize & (self.layout.cells - 1)
    }

    /// The lane.
    pub(crate) const fn area(&self) -> Area {
        self.area
    }

    /// The next record's sequence number.
    pub(crate) const fn next(&self) -> Seq {
        self.next
    }

    /// Whether nothing has ever been appended.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.next.0 & ((1 << 52) - 1) == 1
    }

    /// The cell of the next record.
    pub(crate) const fn next_cell(&self) -> Span {
        Span { area: self.area, start: self.layout.cell(self.next), words: CELL_WORDS }
    }

    /// Records before this one may have been overwritten.
    pub(crate) const fn free(&self) -> Seq {
        self.free
    }

    /// The head that the own memory shows.
    pub(crate) const fn head(&self) -> Head {
        self.head
    }

    /// Cells that can be appended before TRIM has to advance.
    pub(crate) fn room(&self) -> usize {
        self.layout.cells - self.next.since(self.free) as usize
    }

    /// Whether the record `seq` (or the place for it) is still in the own memory and no older one is needed.
    pub(crate) fn keeps(&self, seq: Seq) -> bool {
        seq >= self.free && seq >= self.tenure.0 && seq <= self.next
    }

    /// Begins a tenure: the next record is for `slot` and slots are consecutive from there.
    pub(crate) fn begin_tenure(&mut self, slot: Slot) {
        if planted(Bug::InPlaceRewrite) {
            self.next = self.head.live;
        }
        self.tenure = (self.next, slot);
    }

    /// Records whose slots are at or below `trim` may be overwritten from now on.
    pub(crate) fn release(&mut self, lane: &[AtomicU64], trim: Slot) {
        self.trimmed = self.trimmed.max(trim);
        self.free = if planted(Bug::ReuseBeforeTrim) { self.next } else { self.first_after(lane, self.free, trim) };
    }

    /// The first record from `from` on whose slot is above `upto`.
    fn first_after(&self, lane: &[AtomicU64], mut from: Seq, upto: Slot) -> Seq {
        let (first, slot) = self.tenure;
        while from < self.next {
            if from >= first {
                let covered = upto.0.saturating_add(1).saturating_sub(slot.0);
                return from.max(first.plus(covered.min(self.next.since(first))));
            }
            if lane[self.layout.cell(from) + 1].load(Ordering::Relaxed) > upto.0 {
                break;
            }
            from = from.plus(1);
        }
        from
    }

    /// Shows a head to readers of the own memory; the fabric mirrors it to the others.
    pub(crate) fn publish_head(&mut self, lane: &[AtomicU64], ballot: Ballot, commit: Slot) {
        let live = self.first_after(lane, self.head.live, self.trimmed);
        self.head = Head { ballot, commit, live, covered: self.trimmed, ..self.head };
        // Release before and after: a reader that sees a later cell sees this head, and this head shows no record that is not there.
        fence(Ordering::Release);
        copy_in(&self.seal.close_head(&self.head), lane);
        fence(Ordering::Release);
    }

    /// This journal is new because the memory is: `slot` covers what an earlier life of this member left in the lane at other
    /// acceptors.
    pub(crate) fn cover_earlier_life(&mut self, slot: Slot) {
        self.trimmed = self.trimmed.max(slot);
    }

    /// An epoch has ended with `slot`, which `ballot` has decided: heads say so from now on.
    pub(crate) fn close_epoch(&mut self, ballot: Ballot, slot: Slot) {
        self.head.closed_by = ballot;
        self.head.closed_at = slot;
    }

    /// Appends a record to the own memory.
    pub(crate) fn append(&mut self, lane: &[AtomicU64], draft: &Draft<'_>) -> Result<Seq, Full> {
        let in_arena = draft.flags.has(Flags::ARENA);
        let words = draft.arena_words();
        let arena = draft.stands_at.map_or_else(|| self.arena_room(words), Ok)?;
        // A distance that does not fit would claim more to be committed than is.
        if self.room() == 0 || draft.slot.0 > draft.commit.0 + u64::from(u16::MAX) {
            return Err(Full);
        }
        self.keep_head_ahead(lane, draft, arena + words as u64);
        let seq = self.next;
        let header = Header {
            seq,
            slot: draft.slot,
            ballot: draft.ballot,
            commit_lag: (draft.slot.0.saturating_sub(draft.commit.0)).clamp(1, u64::from(u16::MAX)) as u16,
            commands: draft.commands,
            flags: draft.flags,
            payload_bytes: draft.payload_bytes,
            session_or_arena: if in_arena { arena } else { draft.session },
            sequence: draft.sequence,
            payload_hash: self.seal.payload_hash(draft.flags, draft.payload),
        };
        let cell = self.layout.cell(seq);
        let payload_at = if in_arena { self.layout.arena(arena) } else { cell + LINE_WORDS };
        if draft.stands_at.is_none() {
            copy_in(draft.payload, &lane[payload_at..]);
        }
        self.seal.close(&header, draft.payload, lane, cell);
        let at = self.at(seq);
        self.arena_start[at] = self.arena_next;
        if words > 0 {
            self.arena_start[at] = arena;
            self.arena_next = arena + words as u64;
        }
        self.next = seq.plus(1);
        Ok(seq)
    }

    /// A cell, or a part of the arena up to `arena_end`, may be reused only while a head is shown that no longer covers the old
    /// record: readers detect recycling by it.
    #[inline]
    fn keep_head_ahead(&mut self, lane: &[AtomicU64], draft: &Draft<'_>, arena_end: u64) {
        let live = self.head.live;
        let half_a_lap = self.next.since(live) as usize >= self.layout.cells / 2;
        let laps_arena =
            live < self.next && arena_end > self.arena_start[self.at(live)] + self.layout.arena_words as u64;
        if half_a_lap || laps_arena {
            self.publish_head(lane, draft.ballot, draft.commit);
        }
    }

    /// Where `words` contiguous words can go in the arena.
    fn arena_room(&self, words: usize) -> Result<u64, Full> {
        let start = self.place_after(self.arena_next, words);
        let end = start + words as u64;
        if end - self.arena_used_from(start) <= self.layout.arena_words as u64 { Ok(start) } else { Err(Full) }
    }

    /// The first place at or after `at` where `words` words do not wrap.
    const fn place_after(&self, at: u64, words: usize) -> u64 {
        let size = self.layout.arena_words as u64;
        let to_end = size - (at & (size - 1));
        if words as u64 <= to_end { at } else { at + to_end }
    }

    /// Where the part of the arena that is in use begins, if the next payload goes to `start`.
    fn arena_used_from(&self, start: u64) -> u64 {
        if self.free < self.next { self.arena_start[self.at(self.free)] } else { start }
    }

    /// Whether a record with so many words in the arena can be appended.
    pub(crate) fn fits(&self, words: usize) -> bool {
        self.room() > 0 && self.arena_room(words).is_ok()
    }

    /// Whether records that take so many words of the arena each can all be appended before anything is released.
    pub(crate) fn fits_all(&self, records: impl Iterator<Item = usize>) -> bool {
        let mut count = 0;
        let end = records.fold(self.arena_next, |at, words| {
            count += 1;
            self.place_after(at, words) + words as u64
        });
        count <= self.room() && end - self.arena_used_from(self.arena_next) <= self.layout.arena_words as u64
    }

    /// Where a payload stands in the arena already, for the sake of an older record of the same slot that has not been given
    /// up. (Of the same slot: once the older one is given up, a head covers the slot for both.)
    pub(crate) fn standing(&self, lane: &[AtomicU64], slot: Slot, payload: &[u64]) -> Option<u64> {
        let hash = self.seal.payload_hash(Flags::ARENA, payload);
        (self.free.0..self.next.0).rev().find_map(|seq| {
            let cell = self.layout.cell(Seq(seq));
            if lane[cell + 1].load(Ordering::Relaxed) != slot.0 {
                return None;
            }
            let header = self.seal.open_at(lane, cell)?;
            let same = header.seq == Seq(seq) && header.slot == slot && header.payload_hash == hash;
            let alike = same && header.flags.has(Flags::ARENA);
            let at = header.session_or_arena;
            let start = self.layout.arena(at);
            let there =
                lane.get(start..start + header.payload_words())?.iter().map(|word| word.load(Ordering::Relaxed));
            (alike && there.eq(payload.iter().copied())).then_some(at)
        })
    }

    /// Whether a proposal with so many words in the arena leaves half of it to a tenure that may have to propose all of the
    /// other half again.
    pub(crate) fn fits_half(&self, words: usize) -> bool {
        let start = self.place_after(self.arena_next, words);
        start + words as u64 - self.arena_used_from(start) <= self.layout.arena_words as u64 / 2
    }

    /// Spans of the cells `from..upto`; the second is empty unless they wrap.
    #[inline]
    pub(crate) fn cell_spans(&self, from: Seq, upto: Seq) -> [Span; 2] {
        let cells = upto.since(from) as usize;
        let before_wrap = cells.min(self.layout.cells - self.at(from));
        let span = |start, cells| Span { area: self.area, start, words: cells * CELL_WORDS };
        [span(self.layout.cell(from), before_wrap), span(self.layout.cell(Seq(0)), cells - before_wrap)]
    }

    /// Spans of the arena that the cells `from..upto` refer to; empty ones have no words.
    #[inline]
    pub(crate) fn arena_spans(&self, from: Seq, upto: Seq) -> [Span; 2] {
        let end = if upto < self.next { self.arena_start[self.at(upto)] } else { self.arena_next };
        let start = self.arena_start[self.at(from)].min(end);
        let words = (end - start) as usize;
        let before_wrap = words.min(self.layout.arena_words - (start as usize & (self.layout.arena_words - 1)));
        let span = |at, words| Span { area: self.area, start: self.layout.arena(at), words };
        [span(start, before_wrap), span(0, words - before_wrap)]
    }
}

/// Copies a line out of shared memory.
pub(crate) fn line_at(memory: &[AtomicU64], start: usize) -> [u64; LINE_WORDS] {
    let mut line = [0; LINE_WORDS];
    copy_out(&memory[start..start + LINE_WORDS], &mut line);
    line
}
