//! Frames of the fabric made right: what a fuzzer cannot guess are checksums and numbers.

use crate::input::Input;
use paxon_fastpath::{Area, Layout, ReplicaId};
use paxon_tcp::frame::{FRAME_BYTES_MIN, HEADER_BYTES, Header, Kind, Seed, encode_opening};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A small memory of three acceptors, so that a run is short and ends of areas are near.
pub const LAYOUT: Layout = Layout { replicas: 3, cells: 8, arena_words: 16, snapshot_words: 64 };
/// The proposer whose bytes are made up.
pub const PROPOSER: ReplicaId = ReplicaId(1);

/// How a stream is made of an input, from its first bytes.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// How the stream is cut.
    pub cut: u8,
    /// Whether headers, numbers and checksums are made right.
    repaired: bool,
    /// Which bit is flipped after that, if one is.
    flipped: Option<usize>,
}

impl Recipe {
    /// The recipe at the start of an input: `[1: repaired | 2: a bit flipped]`, the cut, and the bit as two bytes.
    pub fn read(input: &mut Input<'_>) -> Self {
        let (choice, cut, bit) = (input.u8(), input.u8(), input.u16());
        Self { cut, repaired: choice & 1 == 1, flipped: (choice & 2 == 2).then_some(bit.into()) }
    }

    /// The stream of `bytes`.
    pub fn stream(&self, bytes: &[u8], kind: Kind, seed: Seed, seed_value: u64) -> Vec<u8> {
        let mut stream = bytes.to_vec();
        if self.repaired {
            repair(&mut stream, kind, seed, seed_value);
        }
        if let Some(byte) = self.flipped.and_then(|bit| stream.get_mut(bit / 8).map(|byte| (byte, bit % 8))) {
            *byte.0 ^= 1 << byte.1;
        }
        stream
    }
}

/// The value behind a seed: the checksum of an opening is that of its header, so that guesses can be compared.
///
/// # Panics
/// If the frames' documentation and their code differ.
pub fn seed_value(seed: Seed, value: u64) -> u64 {
    let opening = encode_opening(7, seed);
    let (covered, sum) = opening.split_at(HEADER_BYTES);
    assert_eq!(xxh3_64_with_seed(covered, value).to_le_bytes(), sum, "seeds are made otherwise than documented");
    value
}

/// Gives frames that stand one behind the other, of the lengths that they announce, the header, number and checksum that
/// the receiver expects.
fn repair(mut stream: &mut [u8], kind: Kind, seed: Seed, seed_value: u64) {
    for number in 1.. {
        if stream.len() < FRAME_BYTES_MIN {
            return;
        }
        let word = Input::new(stream).u64();
        let bytes = (word as u32 as usize & !7).clamp(FRAME_BYTES_MIN, stream.len() & !7);
        let count = usize::from((word >> 32) as u8);
        let (frame, rest) = std::mem::take(&mut stream).split_at_mut(bytes);
        let header = Header { bytes, count, kind, number }.encode(seed);
        frame[..HEADER_BYTES].copy_from_slice(bytemuck::cast_slice(&header));
        let (covered, sum) = frame.split_at_mut(bytes - 8);
        sum.copy_from_slice(&xxh3_64_with_seed(covered, seed_value).to_le_bytes());
        stream = rest;
    }
}

/// What all areas hold, in the order of the layout.
pub type Content = Vec<(Area, Vec<u64>)>;

/// The memory of an acceptor.
pub struct Memory(Vec<(Area, Vec<AtomicU64>)>);

impl Memory {
    /// Memory whose every word is another.
    pub fn new() -> Self {
        let mut next = 0;
        let mut word = || {
            next += 1;
            AtomicU64::new(next)
        };
        Self(LAYOUT.areas().map(|area| (area, (0..LAYOUT.words(area)).map(|_| word()).collect())).collect())
    }

    /// Memory with a content.
    pub fn of(content: &Content) -> Self {
        let words = |words: &Vec<u64>| words.iter().map(|&word| AtomicU64::new(word)).collect();
        Self(content.iter().map(|(area, content)| (*area, words(content))).collect())
    }

    /// The words of an area.
    ///
    /// # Panics
    /// If the memory has no such area.
    pub fn words(&self, area: Area) -> &[AtomicU64] {
        let found = self.0.iter().find(|(other, _)| *other == area);
        found.map(|(_, words)| words).expect("a chain names areas of the layout only")
    }

    /// What all areas hold.
    pub fn content(&self) -> Content {
        content_of(|area| self.words(area))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// What all areas hold.
pub fn content_of<'a>(words: impl Fn(Area) -> &'a [AtomicU64]) -> Content {
    LAYOUT.areas().map(|area| (area, words(area).iter().map(|word| word.load(Relaxed)).collect())).collect()
}

/// Asserts that nothing has changed but what the proposer may change: its lane, and the first word of PROMISE.
///
/// # Panics
/// If something else has.
pub fn assert_untouched(before: &Content, after: &Content) {
    for ((area, before), (_, after)) in before.iter().zip(after) {
        match area {
            Area::Lane(PROPOSER) => {}
            Area::Promise => assert_eq!(before[1..], after[1..], "the page of PROMISE was changed"),
            _ => assert_eq!(before, after, "{area:?} was changed"),
        }
    }
}
