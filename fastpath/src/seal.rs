//! What makes a record believable: a checksum, or a message authentication code that only the members can make.
//!
//! Both bind what they seal to cluster and lane, and both take the same sixteen bytes of a cell.
//!
//! ```text
//!          checksum                              message authentication code (128 bits)
//! cell     w6 XXH3-64 of the payload             w6 w7 keyed hash of w0..w6 and the words behind the header:
//!          w7 XXH3-64 of w0..w7                        the inline payload, or the keyed hash of one in the arena
//! head     w7 XXH3-64 of w0..w7                  w5 w7 keyed hash of the rest; `scattered` moves to the top of w6
//! ```
//!
//! A sealed cell can be judged alone, before its payload in the arena is there: journals are read that way.

use crate::bug::{Bug, planted};
use crate::checksum;
use crate::ids::ReplicaId;
use crate::layout::{CELL_WORDS, LINE_WORDS};
use crate::line::Head;
use crate::memory::{copy_in, copy_out};
use crate::record::{Cell, Flags, Header};
use std::fmt::{self, Debug, Formatter};
use std::sync::atomic::AtomicU64;

/// Words of a tag.
const TAG_WORDS: usize = 2;
/// Words of the header line that a tag covers.
const HEADER_WORDS: usize = LINE_WORDS - TAG_WORDS;
/// Where a head with a tag says that it is scattered: slots are below.
const SCATTERED: u64 = 1 << 63;

/// 32 random bytes that the replicas of one cluster share and nobody else knows. They stay the same for the life of the
/// cluster, since records of earlier epochs are still read; a cluster that is begun anew draws new ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordSecret([u8; 32]);

impl RecordSecret {
    /// The secret of these bytes, which nobody may be able to guess.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn derive(&self, context: &str, cluster: u64, proposer: Option<ReplicaId>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.0).update(&cluster.to_le_bytes());
        hasher.update(&[proposer.map_or(u8::MAX, |proposer| proposer.0)]);
        *hasher.finalize().as_bytes()
    }
}

impl Debug for RecordSecret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSecret(..)")
    }
}

/// How the records of a cluster are sealed. All replicas of it have the same: what one seals another way is no record to the
/// others, and its votes would be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sealing {
    /// With checksums: tells whole records from torn, stale and foreign ones, on fabrics that only members can write to.
    #[default]
    Checksum,
    /// With message authentication codes: what somebody without the secret writes is no record either.
    Mac(RecordSecret),
}

impl Sealing {
    /// A number of this way of sealing that does not give the secret away; zero for checksums.
    pub fn fingerprint(&self, cluster: u64) -> u64 {
        match self {
            Self::Checksum => 0,
            Self::Mac(secret) => {
                let hash = secret.derive("paxon 1 fingerprint of the record secret", cluster, None);
                u64::from_le_bytes(hash.as_chunks().0[0]).max(1)
            }
        }
    }

    /// What a replica tells others about its way of sealing, so that replicas with different ones do not meet.
    pub fn mark(&self, cluster: u64) -> SealMark {
        match self.fingerprint(cluster) {
            0 => SealMark::CHECKSUM,
            // Never zero, which stands for checksums.
            number => SealMark(number as u16 | 1 << 15),
        }
    }

    /// The seal of the records of one proposer.
    pub fn lane(&self, cluster: u64, proposer: ReplicaId) -> Seal {
        match self {
            Self::Checksum => Seal::Checksum { seed: checksum::lane_seed(cluster, proposer) },
            Self::Mac(secret) => {
                let key = |context| secret.derive(context, cluster, Some(proposer));
                Seal::Mac(Box::new(LaneKeys {
                    cell: key("paxon 1 cells of a lane"),
                    payload: key("paxon 1 payloads in the arena of a lane"),
                    head: key("paxon 1 heads of a lane"),
                    seed: checksum::lane_seed(cluster, proposer),
                }))
            }
        }
    }
}

/// A way of sealing as a number: zero for checksums, otherwise something about the secret that does not give it away. Two
/// secrets have the same one time in 32,768.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealMark(pub u16);

impl SealMark {
    /// Checksums.
    pub const CHECKSUM: Self = Self(0);
}

impl fmt::Display for SealMark {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CHECKSUM => f.write_str("checksums"),
            Self(number) => write!(f, "message authentication codes under secret {number:04x}"),
        }
    }
}

/// Seals the records and heads of one lane, and opens them.
#[derive(Clone, Debug)]
pub enum Seal {
    /// With checksums.
    Checksum {
        /// Binds them to cluster and lane.
        seed: u64,
    },
    /// With message authentication codes.
    Mac(Box<LaneKeys>),
}

/// The keys of one lane, one for each kind of thing that is sealed.
#[derive(Clone)]
pub struct LaneKeys {
    cell: [u8; 32],
    payload: [u8; 32],
    head: [u8; 32],
    /// Of the checksums that say nothing here.
    seed: u64,
}

impl Debug for LaneKeys {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("LaneKeys(..)")
    }
}

impl Seal {
    /// What a record says of its payload. An inline payload under a key needs nothing said: the cell's tag covers it.
    #[inline]
    pub fn payload_hash(&self, flags: Flags, payload: &[u64]) -> u128 {
        match self {
            Self::Checksum { seed } => u128::from(checksum::of_words(payload, *seed)),
            Self::Mac(keys) if flags.has(Flags::ARENA) => join(tag(&keys.payload, payload)),
            Self::Mac(_) => 0,
        }
    }

    /// Whether `payload` is the one of a record that was opened. Of an inline record it has to be out of the very copy of the
    /// cell that was opened.
    #[inline]
    pub fn matches(&self, header: &Header, payload: &[u64]) -> bool {
        self.payload_hash(header.flags, payload) == header.payload_hash || planted(Bug::PayloadHashIgnored)
    }

    /// Writes the header of a record into the cell at word `start` of its lane. An inline payload stands there already.
    #[inline]
    pub fn close(&self, header: &Header, payload: &[u64], lane: &[AtomicU64], start: usize) {
        match self {
            Self::Checksum { seed } => copy_in(&header.encode(*seed), &lane[start..]),
            // A copy, so that with checksums the header never has to stand in memory.
            Self::Mac(keys) => {
                let copy = *header;
                keys.close(&copy, payload, lane, start);
            }
        }
    }

    /// Opens a cell that was copied out; `None` if it is not whole, not of this cluster and lane, or not possible.
    #[inline]
    pub fn open(&self, cell: &Cell) -> Option<Header> {
        match self {
            Self::Checksum { seed } => Header::decode(cell.line(), *seed),
            Self::Mac(keys) => keys.open(cell),
        }
    }

    /// Opens the cell at word `start` of its lane.
    #[inline]
    pub fn open_at(&self, lane: &[AtomicU64], start: usize) -> Option<Header> {
        match self {
            Self::Checksum { seed } => {
                let mut line = [0; LINE_WORDS];
                copy_out(&lane[start..start + LINE_WORDS], &mut line);
                Header::decode(&line, *seed)
            }
            Self::Mac(keys) => {
                let mut cell = Cell([0; CELL_WORDS]);
                copy_out(&lane[start..start + CELL_WORDS], &mut cell.0);
                keys.open(&cell)
            }
        }
    }

    /// A head as a line.
    pub fn close_head(&self, head: &Head) -> [u64; LINE_WORDS] {
        match self {
            Self::Checksum { seed } => head.encode(*seed),
            Self::Mac(keys) => keys.close_head(head),
        }
    }

    /// Reads a head. An untouched line is the default head; `None` is a torn, foreign or damaged one.
    pub fn open_head(&self, line: &[u64; LINE_WORDS]) -> Option<Head> {
        match self {
            Self::Checksum { seed } => Head::decode(line, *seed),
            Self::Mac(keys) => keys.open_head(line),
        }
    }
}

impl LaneKeys {
    fn close(&self, header: &Header, payload: &[u64], lane: &[AtomicU64], start: usize) {
        let mut line = header.words();
        let in_arena = header.flags.has(Flags::ARENA);
        let hash = split(header.payload_hash);
        let behind = if in_arena { &hash } else { payload };
        let tag = self.cell_tag(&line, behind);
        line[HEADER_WORDS..].copy_from_slice(&tag);
        copy_in(&line, &lane[start..]);
        if in_arena {
            copy_in(&hash, &lane[start + LINE_WORDS..]);
        }
    }

    fn open(&self, cell: &Cell) -> Option<Header> {
        let (line, inline) = (cell.line(), cell.inline());
        let mut header = Header { payload_hash: 0, ..Header::unpack(line) };
        if !header.is_possible() {
            return None;
        }
        let behind = if header.flags.has(Flags::ARENA) { TAG_WORDS } else { header.payload_words() };
        if header.flags.has(Flags::ARENA) {
            header.payload_hash = join([inline[0], inline[1]]);
        }
        let whole = is_same(self.cell_tag(line, &inline[..behind]), [line[HEADER_WORDS], line[HEADER_WORDS + 1]]);
        let ignored = planted(Bug::MacIgnored) && Header::decode(line, self.seed).is_some();
        (whole || ignored || planted(Bug::HeaderChecksumIgnored)).then_some(header)
    }

    /// The tag of a cell. How many words stand behind the header, the header says itself.
    fn cell_tag(&self, line: &[u64; LINE_WORDS], behind: &[u64]) -> [u64; TAG_WORDS] {
        let mut words = [0; HEADER_WORDS + LINE_WORDS];
        words[..HEADER_WORDS].copy_from_slice(&line[..HEADER_WORDS]);
        words[HEADER_WORDS..][..behind.len()].copy_from_slice(behind);
        tag(&self.cell, &words[..HEADER_WORDS + behind.len()])
    }

    fn close_head(&self, head: &Head) -> [u64; LINE_WORDS] {
        let mut line = head.words();
        line[6] |= if head.scattered { SCATTERED } else { 0 };
        [line[5], line[7]] = self.head_tag(&line);
        line
    }

    fn open_head(&self, line: &[u64; LINE_WORDS]) -> Option<Head> {
        if line.iter().all(|&word| word == 0) {
            return Some(Head::default());
        }
        let whole = is_same(self.head_tag(line), [line[5], line[7]]);
        let mut words = *line;
        words[5] = line[6] >> 63;
        words[6] &= !SCATTERED;
        whole.then(|| Head::unpack(&words))
    }

    fn head_tag(&self, line: &[u64; LINE_WORDS]) -> [u64; TAG_WORDS] {
        tag(&self.head, &[line[0], line[1], line[2], line[3], line[4], line[6]])
    }
}

/// The first 128 bits of BLAKE3's keyed hash.
fn tag(key: &[u8; 32], words: &[u64]) -> [u64; TAG_WORDS] {
    let hash = blake3::keyed_hash(key, bytemuck::cast_slice(words));
    let (chunks, _) = hash.as_bytes().as_chunks();
    [u64::from_le_bytes(chunks[0]), u64::from_le_bytes(chunks[1])]
}

/// Compares whole tags: how long it takes does not tell how far a guess was right.
const fn is_same(one: [u64; TAG_WORDS], other: [u64; TAG_WORDS]) -> bool {
    (one[0] ^ other[0]) | (one[1] ^ other[1]) == 0
}

const fn join(words: [u64; TAG_WORDS]) -> u128 {
    words[0] as u128 | (words[1] as u128) << 64
}

const fn split(number: u128) -> [u64; TAG_WORDS] {
    [number as u64, (number >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Seq, Slot};
    use crate::promise::Ballot;
    use crate::test_records::inline_header;
    use std::sync::atomic::Ordering::Relaxed;

    const CLUSTER: u64 = 0xC1;
    const OWNER: ReplicaId = ReplicaId(1);

    fn sealings() -> [Sealing; 2] {
        [Sealing::Checksum, Sealing::Mac(RecordSecret::new([7; 32]))]
    }

    /// A header and its payload, sealed in a cell; the inline line ends with what an earlier record left there.
    fn sealed(seal: &Seal, flags: Flags, payload: &[u64]) -> (Header, Cell) {
        let cell: Vec<AtomicU64> = (0..CELL_WORDS).map(|_| AtomicU64::new(u64::MAX)).collect();
        let mut header = Header { flags, ..inline_header(5, 6, payload.len() as u32 * 8) };
        header.payload_hash = seal.payload_hash(flags, payload);
        if !flags.has(Flags::ARENA) {
            copy_in(payload, &cell[LINE_WORDS..]);
        }
        seal.close(&header, payload, &cell, 0);
        assert_eq!(seal.open_at(&cell, 0), Some(header));
        let mut copy = Cell([0; CELL_WORDS]);
        copy_out(&cell, &mut copy.0);
        (header, copy)
    }

    #[test]
    fn records_come_back_as_they_were_with_their_payload() {
        for sealing in sealings() {
            let seal = sealing.lane(CLUSTER, OWNER);
            for (flags, words) in [(Flags::default(), 8), (Flags::default(), 3), (Flags::NOOP, 0), (Flags::ARENA, 40)] {
                let payload: Vec<u64> = (0..words).collect();
                let (header, cell) = sealed(&seal, flags, &payload);
                assert_eq!(seal.open(&cell), Some(header));
                assert!(seal.matches(&header, &payload));
            }
        }
    }

    #[test]
    fn every_bit_under_a_tag_counts_and_none_behind_the_payload() {
        let seal = sealings()[1].lane(CLUSTER, OWNER);
        for (flags, words, covered) in [(Flags::default(), 3, 8 + 3), (Flags::ARENA, 40, 8 + 2)] {
            let payload: Vec<u64> = (0..words).collect();
            let (header, cell) = sealed(&seal, flags, &payload);
            for bit in 0..CELL_WORDS * 64 {
                let mut damaged = cell;
                damaged.0[bit / 64] ^= 1 << (bit % 64);
                let expected = (bit / 64 >= covered).then_some(header);
                assert_eq!(seal.open(&damaged), expected, "{flags:?}, bit {bit}");
            }
        }
        let payload: Vec<u64> = (0..40).collect();
        let (header, _) = sealed(&seal, Flags::ARENA, &payload);
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 1 << 63;
            assert!(!seal.matches(&header, &damaged), "word {at}");
        }
    }

    #[test]
    fn a_seal_is_of_one_secret_one_cluster_and_one_lane() {
        let all = [
            Sealing::Mac(RecordSecret::new([7; 32])).lane(CLUSTER, OWNER),
            Sealing::Mac(RecordSecret::new([8; 32])).lane(CLUSTER, OWNER),
            Sealing::Mac(RecordSecret::new([7; 32])).lane(CLUSTER + 1, OWNER),
            Sealing::Mac(RecordSecret::new([7; 32])).lane(CLUSTER, ReplicaId(2)),
            Sealing::Checksum.lane(CLUSTER, OWNER),
        ];
        let head = Head { ballot: Ballot(9), ..Head::default() };
        for (writer, by) in all.iter().enumerate() {
            let (header, cell) = sealed(by, Flags::default(), &[1, 2]);
            for (reader, seal) in all.iter().enumerate() {
                assert_eq!(seal.open(&cell), (reader == writer).then_some(header), "{writer} read by {reader}");
                let found = seal.open_head(&by.close_head(&head));
                assert_eq!(found, (reader == writer).then_some(head), "head of {writer} read by {reader}");
            }
        }
    }

    #[test]
    fn heads_come_back_as_they_were_and_every_bit_counts() {
        let head = Head {
            ballot: Ballot(3),
            commit: Slot(9),
            live: Seq(4),
            covered: Slot(5),
            closed_by: Ballot(2),
            closed_at: Slot(1),
            scattered: true,
        };
        for sealing in sealings() {
            let seal = sealing.lane(CLUSTER, OWNER);
            for head in [head, Head { scattered: false, ..head }, Head { live: Seq(1), ..Head::default() }] {
                let line = seal.close_head(&head);
                assert_eq!(seal.open_head(&line), Some(head));
                for bit in 0..LINE_WORDS * 64 {
                    let mut damaged = line;
                    damaged[bit / 64] ^= 1 << (bit % 64);
                    assert_eq!(seal.open_head(&damaged), None, "{sealing:?}, bit {bit}");
                }
            }
            assert_eq!(seal.open_head(&[0; LINE_WORDS]), Some(Head::default()), "nothing was ever written");
        }
    }

    #[test]
    fn a_mark_tells_secrets_apart_and_names_none() {
        let mark = |byte| Sealing::Mac(RecordSecret::new([byte; 32])).mark(CLUSTER);
        assert_eq!(mark(1), mark(1));
        assert_ne!(mark(1), mark(2));
        assert!((0..=255).all(|byte| mark(byte) != SealMark::CHECKSUM));
        assert_eq!(Sealing::default().mark(CLUSTER), SealMark::CHECKSUM);
        let shown = format!("{:?} {:?}", sealings()[1], sealings()[1].lane(CLUSTER, OWNER));
        assert!(!shown.contains('7'), "{shown}");
    }

    #[test]
    fn a_cell_of_zeros_is_no_record() {
        let cell: Vec<AtomicU64> = (0..CELL_WORDS).map(|_| AtomicU64::new(0)).collect();
        for sealing in sealings() {
            assert_eq!(sealing.lane(CLUSTER, OWNER).open_at(&cell, 0), None);
        }
        assert!(cell.iter().all(|word| word.load(Relaxed) == 0));
    }
}
