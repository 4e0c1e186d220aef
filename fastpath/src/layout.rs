//! The memory map of one acceptor. DESIGN.md draws it byte by byte; the asserts below keep the two in step.

use crate::ids::{ReplicaId, Seq};

/// Members of the largest cluster.
pub const REPLICAS_MAX: usize = 7;
/// Words of a cache line; a field that somebody polls has a line of its own.
pub const LINE_WORDS: usize = 8;
/// Words of a page: memory with different writers never shares one, so that mappings can protect it.
pub const PAGE_WORDS: usize = 512;
/// Words of a journal cell: a header line and a line of inline payload.
pub const CELL_WORDS: usize = 16;
/// Payload bytes that a cell carries without an arena.
pub const INLINE_BYTES: usize = (CELL_WORDS - LINE_WORDS) * 8;

/// A part of an acceptor's memory with one set of writers: the unit of mapping and of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// One page; word 0 is PROMISE. Every proposer compares and exchanges that word, nobody stores to it.
    Promise,
    /// One page of lines written by the acceptor's owner (see [`crate::Status`]).
    Status,
    /// Head page, journal and arena of one proposer, written only by that proposer.
    Lane(ReplicaId),
    /// The owner's latest snapshot, written by the owner.
    Snapshot,
}

/// A run of words in an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The area.
    pub area: Area,
    /// First word.
    pub start: usize,
    /// Number of words.
    pub words: usize,
}

impl Span {
    /// One line of an area.
    pub const fn line(area: Area, line: usize) -> Self {
        Self { area, start: line * LINE_WORDS, words: LINE_WORDS }
    }
}

/// Sizes of an acceptor's memory, the same at every member of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Members of the cluster: 1, 3, 5 or 7.
    pub replicas: usize,
    /// Cells of each journal; a power of two.
    pub cells: usize,
    /// Words of each arena; a power of two.
    pub arena_words: usize,
    /// Words of the snapshot area.
    pub snapshot_words: usize,
}

impl Layout {
    /// Words of `area`.
    pub const fn words(&self, area: Area) -> usize {
        match area {
            Area::Promise | Area::Status => PAGE_WORDS,
            Area::Lane(_) => PAGE_WORDS + self.cells * CELL_WORDS + self.arena_words,
            Area::Snapshot => self.snapshot_words,
        }
    }

    /// All areas of an acceptor, in the order in which they lie in one piece of memory.
    pub fn areas(&self) -> impl Iterator<Item = Area> + use<> {
        [Area::Promise, Area::Status]
            .into_iter()
            .chain(ReplicaId::all(self.replicas).map(Area::Lane))
            .chain([Area::Snapshot])
    }

    /// Bytes of an acceptor's whole memory.
    pub fn bytes(&self) -> usize {
        self.areas().map(|area| self.words(area) * 8).sum()
    }

    /// First word, within a lane, of the cell that `seq` occupies.
    pub const fn cell(&self, seq: Seq) -> usize {
        PAGE_WORDS + (seq.0 as usize & (self.cells - 1)) * CELL_WORDS
    }

    /// First word, within a lane, of arena position `at` (words since the lane was created, modulo the arena).
    pub const fn arena(&self, at: u64) -> usize {
        PAGE_WORDS + self.cells * CELL_WORDS + (at as usize & (self.arena_words - 1))
    }
}

const _: () = {
    assert!(LINE_WORDS * 8 == 64 && PAGE_WORDS * 8 == 4096 && CELL_WORDS * 8 == 128 && INLINE_BYTES == 64);
    let layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
    assert!(layout.cell(Seq(0)) == 512 && layout.cell(Seq(1)) == 528 && layout.cell(Seq(1024)) == 512);
    assert!(layout.arena(0) == 512 + 1024 * 16 && layout.arena(4096) == layout.arena(0));
    assert!(layout.words(Area::Lane(ReplicaId(0))) == 512 + 1024 * 16 + 4096);
};
