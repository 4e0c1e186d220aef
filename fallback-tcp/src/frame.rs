//! The bytes between a proposer and the server of an acceptor: chains one way, replies the other.
//!
//! Little-endian words of 64 bits. A frame is a header of two words, a body, and a checksum over all of it:
//!
//! ```text
//!  word 0   [bytes:32 | count:8 | kind:8 | check:16]    bytes of the whole frame; check covers this word and the next
//!  word 1   number of the chain, from 1 in each session
//!  ...      body
//!  last     XXH3-64 of everything before, seeded by the session
//!
//!  chain    count operations   WRITE  [1 | area:8 | 0:16 | words:32]  start  the words
//!                              READ   [2 | area:8 | 0:16 | words:32]  start
//!                              CAS    [3 | 0:56]  expected  new
//!  reply    count 0            what the CAS found, 0 if there was none; then the words of the READs in their order
//!  opening  count 0            nothing; its number is the nonce of the session
//!
//!  area     0 PROMISE, 1 status, 2 snapshot, 16 + p the lane of p
//! ```
//!
//! The server sends its opening right behind the welcome; the proposer sends nothing before it has it. Opening included,
//! checksums are seeded by hello and welcome, and from then on by the nonce as well, so that a frame of another session
//! never passes, not even one between the same two processes.
//!
//! The check in the header exists so that a damaged length is found at once: without it the receiver would wait for bytes
//! that never come. Neither check is a defence against an attacker; TLS is.
//!
//! Bytes from outside are only read here: every length is compared with what is there and with a bound before it is used,
//! nothing is allocated for a length that was only announced, and no input panics.

mod chain;
mod inbox;
mod reply;
mod violation;

pub use chain::{Chain, ChainEncoder, Request, ServerLimits, chain_bytes};
pub use inbox::{Inbox, Receiver};
pub use reply::{ReplyEncoder, decode_reply, reply_bytes};
pub use violation::Violation;

use paxon_channel::{Hello, Welcome};
use paxon_fastpath::{Area, CHAIN_OPS_MAX, Layout, ReplicaId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of a header.
pub const HEADER_BYTES: usize = HEADER_WORDS * 8;
/// Words of a header.
pub(crate) const HEADER_WORDS: usize = 2;
/// Words of the longest operation, the data of a write aside.
const OP_WORDS_MAX: usize = 3;
/// Bytes of the shortest frame: a chain of nothing.
pub const FRAME_BYTES_MIN: usize = (HEADER_WORDS + 1) * 8;

/// Bytes of the largest chain: all operations that one may have, and every word of a lane once.
///
/// The engine never writes a word twice in a chain: what it writes are different cells and parts of the arena, and the head.
pub const fn frame_bytes_max(layout: &Layout) -> usize {
    (HEADER_WORDS + CHAIN_OPS_MAX * OP_WORDS_MAX + layout.words(Area::Lane(ReplicaId(0))) + 1) * 8
}

/// Words that the READs of one chain may ask for: as many as the largest area has.
pub fn read_words_max(layout: &Layout) -> usize {
    layout.areas().map(|area| layout.words(area)).max().unwrap_or(0)
}

/// Seeds the checksums of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The seed of openings between the two parties of a greeting.
    pub fn of(hello: &Hello, welcome: &Welcome) -> Self {
        let from = hello.from.map_or(u64::MAX, |id| u64::from(id.0));
        let words = [hello.cluster, from, u64::from(hello.to.0), hello.incarnation, welcome.incarnation];
        Self(xxh3_64(bytemuck::cast_slice(&words)))
    }

    /// The seed of the session that was opened with `nonce`.
    #[must_use]
    pub fn opened(self, nonce: u64) -> Self {
        Self(xxh3_64_with_seed(&nonce.to_le_bytes(), self.0))
    }

    /// The checksum of `bytes`.
    #[inline]
    fn checksum(self, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.0)
    }

    /// The check of a header: sixteen bits, each the parity of seven or eight of the bits covered, so that no single flipped
    /// bit passes, and of the seed.
    #[inline]
    const fn header_check(self, word: u64, number: u64) -> u64 {
        // The number is turned, so that a bit of it does not fall on the same bit of the length's run.
        let mixed = (word & CHECKED) ^ number.rotate_left(21) ^ self.0;
        let mixed = mixed ^ mixed >> 32;
        (mixed ^ mixed >> 16) & 0xFFFF
    }
}

const CHECK_SHIFT: u32 = 48;
/// The bits of word 0 that are not the check itself.
const CHECKED: u64 = (1 << CHECK_SHIFT) - 1;
const COUNT_SHIFT: u32 = 32;
const KIND_SHIFT: u32 = 40;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Operations, from the proposer.
    Chain = 1,
    /// What came of them, from the server.
    Reply = 2,
    /// The beginning of a session, from the server.
    Opening = 3,
}

/// The first two words of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole frame, a multiple of eight.
    pub bytes: usize,
    /// Operations of a chain, 0 in a reply.
    pub count: usize,
    /// What it is.
    pub kind: Kind,
    /// The number of the chain, or the nonce of an opening.
    pub number: u64,
}

impl Header {
    /// The two words.
    #[inline]
    pub fn encode(&self, seed: Seed) -> [u64; HEADER_WORDS] {
        debug_assert!(self.bytes <= u32::MAX as usize && self.count <= u8::MAX as usize, "bounded by the options");
        let word = self.bytes as u64 | (self.count as u64) << COUNT_SHIFT | (self.kind as u64) << KIND_SHIFT;
        [word | seed.header_check(word, self.number) << CHECK_SHIFT, self.number]
    }

    /// Reads the header of a frame of `kind` with at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`Violation`]: what is wrong with it.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_BYTES], seed: Seed, kind: Kind, bytes_max: usize) -> Result<Self, Violation> {
        let words = bytes.as_chunks().0;
        let (word, number) = (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]));
        if word >> CHECK_SHIFT != seed.header_check(word, number) {
            return Err(Violation::Header);
        }
        let bytes = word as u32 as usize;
        if bytes < FRAME_BYTES_MIN || bytes > bytes_max || !bytes.is_multiple_of(8) {
            return Err(Violation::Length);
        }
        if (word >> KIND_SHIFT) as u8 != kind as u8 {
            return Err(Violation::Kind);
        }
        Ok(Self { bytes, count: (word >> COUNT_SHIFT) as u8 as usize, kind, number })
    }
}

/// Bytes of an opening.
pub const OPENING_BYTES: usize = FRAME_BYTES_MIN;

/// The opening of a session with `nonce`.
pub fn encode_opening(nonce: u64, seed: Seed) -> [u8; OPENING_BYTES] {
    let header = Header { bytes: OPENING_BYTES, count: 0, kind: Kind::Opening, number: nonce };
    let [word, number] = header.encode(seed);
    let sum = seed.checksum(bytemuck::cast_slice(&[word, number]));
    bytemuck::cast([word, number, sum])
}

/// The nonce of an opening.
///
/// # Errors
/// [`Violation`]: it is none, or not between these parties.
pub fn decode_opening(frame: &[u8; OPENING_BYTES], seed: Seed) -> Result<u64, Violation> {
    let header = frame.first_chunk().ok_or(Violation::Length)?;
    let header = Header::decode(header, seed, Kind::Opening, OPENING_BYTES)?;
    body(frame, seed).map(|_| header.number)
}

/// Splits a frame whose header was decoded into its body, after comparing its checksum.
#[inline]
fn body(frame: &[u8], seed: Seed) -> Result<Words<'_>, Violation> {
    let (covered, sum) = frame.split_last_chunk().ok_or(Violation::Length)?;
    if u64::from_le_bytes(*sum) != seed.checksum(covered) {
        return Err(Violation::Checksum);
    }
    let words = covered.as_chunks().0.get(HEADER_WORDS..).ok_or(Violation::Length)?;
    Ok(Words(words))
}

/// Words of a frame that were not read yet.
#[derive(Clone, Copy, Debug)]
struct Words<'a>(&'a [[u8; 8]]);

impl<'a> Words<'a> {
    #[inline]
    fn next(&mut self) -> Result<u64, Violation> {
        let (word, rest) = self.0.split_first().ok_or(Violation::Body)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*word))
    }

    #[inline]
    fn run(&mut self, words: usize) -> Result<&'a [[u8; 8]], Violation> {
        let (run, rest) = self.0.split_at_checked(words).ok_or(Violation::Body)?;
        self.0 = rest;
        Ok(run)
    }

    #[inline]
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The lane of replica 0; the others follow.
const LANE_CODE: u8 = 16;

#[inline]
const fn area_code(area: Area) -> u8 {
    match area {
        Area::Promise => 0,
        Area::Status => 1,
        Area::Snapshot => 2,
        Area::Lane(proposer) => LANE_CODE + proposer.0,
    }
}

/// The area of a code, if a cluster of `replicas` has it.
#[inline]
fn area_of(code: u8, replicas: usize) -> Option<Area> {
    match code {
        0 => Some(Area::Promise),
        1 => Some(Area::Status),
        2 => Some(Area::Snapshot),
        lane => {
            let proposer = ReplicaId(lane.checked_sub(LANE_CODE)?);
            (proposer.index() < replicas).then_some(Area::Lane(proposer))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: Seed = Seed(0x1234_5678_9ABC_DEF0);

    fn bytes_of(header: &Header) -> [u8; HEADER_BYTES] {
        bytemuck::cast(header.encode(SEED))
    }

    #[test]
    fn areas_survive_the_round_trip_and_nothing_else_is_one() {
        let layout = Layout { replicas: 5, cells: 64, arena_words: 256, snapshot_words: 512 };
        let codes: Vec<u8> = layout.areas().map(area_code).collect();
        for code in 0..=u8::MAX {
            let area = area_of(code, layout.replicas);
            assert_eq!(area.is_some(), codes.contains(&code), "{code}");
            assert!(area.is_none_or(|area| area_code(area) == code));
        }
    }

    #[test]
    fn an_opening_survives_the_round_trip_and_passes_between_its_parties_only() {
        let frame = encode_opening(77, SEED);
        assert_eq!(decode_opening(&frame, SEED), Ok(77));
        assert!(decode_opening(&frame, Seed(SEED.0 ^ 1 << 40)).is_err());
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_opening(&damaged, SEED).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn a_header_survives_the_round_trip(words in 3usize..1 << 20, count in 0usize..256, number: u64) {
            let header = Header { bytes: words * 8, count, kind: Kind::Chain, number };
            prop_assert_eq!(Header::decode(&bytes_of(&header), SEED, Kind::Chain, 8 << 20), Ok(header));
        }

        #[test]
        fn a_header_with_a_flipped_bit_is_refused(words in 3usize..1 << 20, number: u64, bit in 0usize..128) {
            let mut bytes = bytes_of(&Header { bytes: words * 8, count: 3, kind: Kind::Reply, number });
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Header::decode(&bytes, SEED, Kind::Reply, usize::MAX), Err(Violation::Header));
        }

        #[test]
        fn no_bytes_panic_the_decoder(bytes: [u8; HEADER_BYTES], bytes_max in 0usize..1 << 20) {
            if let Ok(header) = Header::decode(&bytes, SEED, Kind::Chain, bytes_max) {
                prop_assert!(header.bytes >= FRAME_BYTES_MIN && header.bytes <= bytes_max);
            }
        }
    }

    #[test]
    fn lengths_out_of_bounds_are_refused_though_the_check_is_right() {
        let decode = |bytes| {
            let header = Header { bytes, count: 0, kind: Kind::Chain, number: 1 };
            Header::decode(&bytes_of(&header), SEED, Kind::Chain, 1024)
        };
        for bytes in [0, 8, 16, 25, 1032, u32::MAX as usize] {
            assert_eq!(decode(bytes), Err(Violation::Length), "{bytes}");
        }
        assert!(decode(24).is_ok() && decode(1024).is_ok());
    }
}
