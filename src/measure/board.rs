//! A page that the measuring process and its followers share: what is being measured, and the followers' digests.

use paxon_fastpath::Slot;
use paxon_region::{Region, RegionError};
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Words of the page.
const WORDS: usize = 512;
/// Word of the slot at which the run ends.
const TARGET: usize = 1;
/// First word of the followers' lines: `[done, digest, port + 1]`, eight words apart.
const LINES: usize = 8;

/// What is being measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Commits of the engine.
    Commits,
    /// Bare rounds.
    Floor,
    /// A stream of commands that is bound by what is verified: followers leave the processors to the verifier.
    Stream,
    /// Nothing any more.
    End,
}

/// The shared page.
pub(super) struct Board(Region);

impl Board {
    pub(super) fn create(directory: &Path) -> Result<Self, RegionError> {
        Region::create(&directory.join("board"), WORDS).map(Self)
    }

    pub(super) fn open(directory: &Path) -> Result<Self, RegionError> {
        Region::open(&directory.join("board"), WORDS).map(Self)
    }

    pub(super) fn set(&self, phase: Phase) {
        // Release: whoever sees the end sees the slot of the end (partner: `phase`).
        self.0.words()[0].store(phase as u64, Release);
    }

    pub(super) fn phase(&self) -> Phase {
        match self.0.words()[0].load(Acquire) {
            0 => Phase::Commits,
            1 => Phase::Floor,
            2 => Phase::Stream,
            _ => Phase::End,
        }
    }

    /// Ends the run: followers stop when they have applied `target`.
    pub(super) fn end(&self, target: Slot) {
        self.0.words()[TARGET].store(target.0, Relaxed);
        self.set(Phase::End);
    }

    pub(super) fn target(&self) -> Slot {
        Slot(self.0.words()[TARGET].load(Relaxed))
    }

    /// A follower has applied everything.
    pub(super) fn done(&self, replica: u8, digest: u64) {
        let line = &self.0.words()[LINES * (usize::from(replica) + 1)..];
        line[1].store(digest, Relaxed);
        // Release: the digest is there when the mark is (partner: `digest`).
        line[0].store(1, Release);
    }

    /// A follower listens at this port for bare rounds.
    pub(super) fn listens(&self, replica: u8, port: u16) {
        self.0.words()[LINES * (usize::from(replica) + 1) + 2].store(u64::from(port) + 1, Relaxed);
    }

    /// Where a follower listens, once it does.
    pub(super) fn port(&self, replica: u8) -> Option<u16> {
        let word = self.0.words()[LINES * (usize::from(replica) + 1) + 2].load(Relaxed);
        u16::try_from(word.checked_sub(1)?).ok()
    }

    /// The digest of a follower that is done.
    pub(super) fn digest(&self, replica: u8) -> Option<u64> {
        let line = &self.0.words()[LINES * (usize::from(replica) + 1)..];
        (line[0].load(Acquire) == 1).then(|| line[1].load(Relaxed))
    }
}
