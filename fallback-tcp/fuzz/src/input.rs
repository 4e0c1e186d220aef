//! Numbers and pieces out of the bytes that a fuzzer has made up.

use paxon_fastpath::{Area, ReplicaId};

/// What is left of an input. Numbers that it does not have any more are zero.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of an input.
    pub const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes, at most `bytes`.
    pub fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let taken = self.take(N);
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    /// A number of one byte.
    pub fn u8(&mut self) -> u8 {
        self.number::<1>() as u8
    }

    /// A number of two bytes.
    pub fn u16(&mut self) -> u16 {
        self.number::<2>() as u16
    }

    /// A number of eight bytes.
    pub fn u64(&mut self) -> u64 {
        self.number::<8>()
    }

    /// A number below `end`, which fits in sixteen bits.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.u16()) % end
    }

    /// A number that is often one at which something changes.
    pub fn odd_u64(&mut self) -> u64 {
        let choice = self.u8();
        match choice {
            0..=99 => choice.into(),
            100..=163 => 1 << (choice - 100),
            164..=227 => u64::MAX >> (choice - 164),
            _ => self.u64(),
        }
    }

    /// One of the areas of an acceptor of three.
    pub fn area(&mut self) -> Area {
        match self.u8() % 6 {
            0 => Area::Promise,
            1 => Area::Status,
            2 => Area::Snapshot,
            lane => Area::Lane(ReplicaId(lane - 3)),
        }
    }

    /// The next words, at most `words`, of which the last one may be cut.
    pub fn words(&mut self, words: usize) -> Vec<u64> {
        self.take(words.saturating_mul(8)).chunks(8).map(|bytes| Input(bytes).u64()).collect()
    }
}

/// Cuts a stream as a network might: pieces of 1 to 255 bytes that follow from `seed`, or one piece for seed 0.
pub fn pieces(mut stream: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed);
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        // A linear congruential generator (Numerical Recipes); only its upper bits are used.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let bytes = if seed == 0 { stream.len() } else { (state >> 24).max(1) as usize >> (seed & 7) };
        let (piece, rest) = stream.split_at(bytes.clamp(1, stream.len()));
        stream = rest;
        Some(piece)
    })
}
