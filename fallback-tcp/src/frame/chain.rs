//! Chains: what a proposer asks a server to execute.

use super::{HEADER_BYTES, HEADER_WORDS, Header, Kind, Seed, Violation, Words, area_code, area_of, body};
use paxon_acceptor::Acceptor;
use paxon_fastpath::{Area, CHAIN_OPS_MAX, Layout, Op, ReplicaId, Span};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const TAG_WRITE: u64 = 1;
const TAG_READ: u64 = 2;
const TAG_CAS: u64 = 3;
const TAG_BITS: u64 = 0xFF;
const AREA_SHIFT: u32 = 8;
const WORDS_SHIFT: u32 = 32;
/// Bits of an operation's first word that mean nothing yet and are zero.
const UNUSED_BITS: u64 = 0xFFFF_0000;

/// Puts chains into frames. Keeps its buffer, so that nothing is allocated once it has had a frame of the usual size.
#[derive(Debug, Default)]
pub struct ChainEncoder {
    words: Vec<u64>,
}

impl ChainEncoder {
    /// Begins a chain; what came before is forgotten.
    #[inline]
    pub fn begin(&mut self) {
        self.words.clear();
        self.words.extend([0; HEADER_WORDS]);
    }

    /// Adds a write of the words of `span`, which `from` holds.
    #[inline]
    pub fn write(&mut self, span: Span, from: &[AtomicU64]) {
        self.words.extend([operation(TAG_WRITE, span), span.start as u64]);
        self.words.extend(from.iter().map(|word| word.load(Relaxed)));
    }

    /// Adds a read.
    #[inline]
    pub fn read(&mut self, span: Span) {
        self.words.extend([operation(TAG_READ, span), span.start as u64]);
    }

    /// Adds a compare-and-exchange of PROMISE.
    #[inline]
    pub fn cas(&mut self, expected: u64, new: u64) {
        self.words.extend([TAG_CAS, expected, new]);
    }

    /// Ends the chain, which has `count` operations, and returns its frame.
    #[inline]
    pub fn finish(&mut self, count: usize, number: u64, seed: Seed) -> &[u8] {
        let bytes = (self.words.len() + 1) * 8;
        let header = Header { bytes, count, kind: Kind::Chain, number };
        self.words[..HEADER_WORDS].copy_from_slice(&header.encode(seed));
        let sum = seed.checksum(bytemuck::cast_slice(&self.words));
        self.words.push(sum);
        bytemuck::cast_slice(&self.words)
    }

    /// Puts a chain of `own`'s replica into a frame; returns it with the words that it will read.
    ///
    /// The memory of every acceptor is laid out alike, so a span that the own memory does not have, none has.
    ///
    /// # Panics
    /// If the caller breaks the contract of [`Fabric::post`](paxon_fastpath::Fabric::post).
    pub fn chain(&mut self, own: &Acceptor, chain: &[Op], number: u64, seed: Seed) -> (&[u8], usize) {
        assert!(chain.len() <= CHAIN_OPS_MAX, "a chain of {} operations, {CHAIN_OPS_MAX} are allowed", chain.len());
        let replica = own.replica();
        let (mut exchanges, mut reads) = (0, 0usize);
        self.begin();
        for op in chain {
            match *op {
                Op::Write(span) => {
                    assert!(span.area == Area::Lane(replica), "{replica} writes to {span:?}, which is not its own");
                    self.write(span, own.span(span));
                }
                Op::Read { span, .. } => {
                    reads += own.span(span).len();
                    self.read(span);
                }
                Op::Cas { expected, new } => {
                    exchanges += 1;
                    assert!(exchanges == 1, "a chain has at most one compare-and-exchange");
                    self.cas(expected, new);
                }
            }
        }
        (self.finish(chain.len(), number, seed), reads)
    }
}

/// Bytes of the frame of a chain.
pub fn chain_bytes(chain: &[Op]) -> usize {
    let words = chain.iter().map(|op| match op {
        Op::Write(span) => 2 + span.words,
        Op::Read { .. } => 2,
        Op::Cas { .. } => 3,
    });
    (HEADER_WORDS + words.sum::<usize>() + 1) * 8
}

#[inline]
fn operation(tag: u64, span: Span) -> u64 {
    tag | u64::from(area_code(span.area)) << AREA_SHIFT | (span.words as u64) << WORDS_SHIFT
}

/// What a server expects of the proposer at the other end.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// The layout of the memory that it serves.
    pub layout: Layout,
    /// Whose lane may be written: the proposer that has proven, or in plaintext claimed, who it is.
    pub proposer: ReplicaId,
    /// Bytes of the largest frame.
    pub frame_bytes_max: usize,
    /// Words that one chain may read.
    pub read_words_max: usize,
}

/// A chain that may be executed: every operation was checked.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// Its number.
    pub number: u64,
    /// Words that it reads.
    pub read_words: usize,
    count: usize,
    replicas: usize,
    body: Words<'a>,
}

/// One operation of a chain.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// Stores `words`, little-endian, to `span`, which lies in the proposer's lane.
    Write {
        /// Where.
        span: Span,
        /// What; as many as the span has.
        words: &'a [[u8; 8]],
    },
    /// Appends the words of the span to the reply.
    Read(Span),
    /// Compares and exchanges PROMISE.
    Cas {
        /// The value to find.
        expected: u64,
        /// The value to leave.
        new: u64,
    },
}

impl<'a> Chain<'a> {
    /// The length of the frame that begins with `header`.
    ///
    /// # Errors
    /// [`Violation`] if no chain may have it.
    #[inline]
    pub fn length(header: &[u8; HEADER_BYTES], seed: Seed, limits: &ServerLimits) -> Result<usize, Violation> {
        Header::decode(header, seed, Kind::Chain, limits.frame_bytes_max).map(|header| header.bytes)
    }

    /// Reads a whole frame and checks all that it asks for: a chain with one bad operation is not executed at all.
    ///
    /// # Errors
    /// [`Violation`]: the first thing that is wrong with it.
    pub fn decode(frame: &'a [u8], seed: Seed, limits: &ServerLimits) -> Result<Self, Violation> {
        let header = frame.first_chunk().ok_or(Violation::Length)?;
        let header = Header::decode(header, seed, Kind::Chain, limits.frame_bytes_max)?;
        if header.bytes != frame.len() {
            return Err(Violation::Length);
        }
        let body = body(frame, seed)?;
        if header.count > CHAIN_OPS_MAX {
            return Err(Violation::Operations);
        }
        let replicas = limits.layout.replicas;
        let mut chain = Self { number: header.number, read_words: 0, count: header.count, replicas, body };
        chain.check(limits)?;
        Ok(chain)
    }

    fn check(&mut self, limits: &ServerLimits) -> Result<(), Violation> {
        let mut rest = self.body;
        let mut exchanges = 0;
        for _ in 0..self.count {
            match request(&mut rest, self.replicas)? {
                Request::Write { span, .. } if span.area != Area::Lane(limits.proposer) => {
                    return Err(Violation::Foreign);
                }
                Request::Write { span, .. } => check_span(span, &limits.layout)?,
                Request::Read(span) => {
                    check_span(span, &limits.layout)?;
                    // Neither sum overflows: sixteen times the words of an area.
                    self.read_words += span.words;
                }
                Request::Cas { .. } => exchanges += 1,
            }
        }
        if exchanges > 1 {
            return Err(Violation::Exchanges);
        }
        if self.read_words > limits.read_words_max {
            return Err(Violation::Reads);
        }
        if rest.is_empty() { Ok(()) } else { Err(Violation::Body) }
    }

    /// The operations in their order.
    #[inline]
    pub fn requests(&self) -> impl Iterator<Item = Request<'a>> + use<'a> {
        let (mut rest, replicas) = (self.body, self.replicas);
        // None of them fails: `check` has read the same bytes.
        (0..self.count).map_while(move |_| request(&mut rest, replicas).ok())
    }
}

#[inline]
fn request<'a>(rest: &mut Words<'a>, replicas: usize) -> Result<Request<'a>, Violation> {
    let word = rest.next()?;
    let tag = word & TAG_BITS;
    if tag == TAG_CAS {
        return if word == TAG_CAS {
            Ok(Request::Cas { expected: rest.next()?, new: rest.next()? })
        } else {
            Err(Violation::Operation)
        };
    }
    if (tag != TAG_WRITE && tag != TAG_READ) || word & UNUSED_BITS != 0 {
        return Err(Violation::Operation);
    }
    let area = area_of((word >> AREA_SHIFT) as u8, replicas).ok_or(Violation::Area)?;
    let start = usize::try_from(rest.next()?).map_err(|_| Violation::Span)?;
    let span = Span { area, start, words: (word >> WORDS_SHIFT) as usize };
    if tag == TAG_READ { Ok(Request::Read(span)) } else { Ok(Request::Write { span, words: rest.run(span.words)? }) }
}

#[inline]
fn check_span(span: Span, layout: &Layout) -> Result<(), Violation> {
    let end = span.start.checked_add(span.words).ok_or(Violation::Span)?;
    if end <= layout.words(span.area) { Ok(()) } else { Err(Violation::Span) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{frame_bytes_max, read_words_max};
    use proptest::prelude::*;

    const SEED: Seed = Seed(99);
    const LAYOUT: Layout = Layout { replicas: 3, cells: 64, arena_words: 256, snapshot_words: 512 };
    const ME: ReplicaId = ReplicaId(1);
    const OWN: Area = Area::Lane(ME);

    fn limits() -> ServerLimits {
        ServerLimits {
            layout: LAYOUT,
            proposer: ME,
            frame_bytes_max: frame_bytes_max(&LAYOUT),
            read_words_max: read_words_max(&LAYOUT),
        }
    }

    fn words(n: usize) -> Vec<AtomicU64> {
        (0..n as u64).map(AtomicU64::new).collect()
    }

    /// A frame of one operation, which the closure adds.
    fn frame_of(count: usize, add: impl FnOnce(&mut ChainEncoder)) -> Vec<u8> {
        let mut encoder = ChainEncoder::default();
        encoder.begin();
        add(&mut encoder);
        encoder.finish(count, 7, SEED).to_vec()
    }

    fn refusal(frame: &[u8]) -> Violation {
        Chain::decode(frame, SEED, &limits()).expect_err("it is not to be executed")
    }

    #[test]
    fn a_chain_survives_the_round_trip() {
        let span = Span { area: OWN, start: 512, words: 3 };
        let frame = frame_of(3, |encoder| {
            encoder.write(span, &words(3));
            encoder.read(Span { area: Area::Promise, start: 8, words: 2 });
            encoder.cas(5, 6);
        });
        let chain = Chain::decode(&frame, SEED, &limits()).expect("a good chain");
        assert_eq!((chain.number, chain.read_words), (7, 2));
        let requests: Vec<_> = chain.requests().collect();
        let [Request::Write { span: to, words }, Request::Read(from), Request::Cas { expected: 5, new: 6 }] =
            requests[..]
        else {
            panic!("{requests:?}")
        };
        assert_eq!((to, words), (span, &[0u64.to_le_bytes(), 1u64.to_le_bytes(), 2u64.to_le_bytes()][..]));
        assert_eq!(from, Span { area: Area::Promise, start: 8, words: 2 });
    }

    #[test]
    fn what_a_proposer_may_not_ask_for_is_refused() {
        let lane_words = LAYOUT.words(OWN);
        let write = |area, start, n| frame_of(1, |encoder| encoder.write(Span { area, start, words: n }, &words(n)));
        let read = |area, start, n| frame_of(1, |encoder| encoder.read(Span { area, start, words: n }));
        for area in [Area::Promise, Area::Status, Area::Snapshot, Area::Lane(ReplicaId(0)), Area::Lane(ReplicaId(2))] {
            assert_eq!(refusal(&write(area, 0, 1)), Violation::Foreign, "{area:?}");
        }
        assert_eq!(refusal(&write(Area::Lane(ReplicaId(3)), 0, 1)), Violation::Area);
        for (start, n) in [(lane_words, 1), (lane_words - 1, 2), (usize::MAX, 1), (usize::MAX, 0), (lane_words + 1, 0)]
        {
            assert_eq!(refusal(&write(OWN, start, n)), Violation::Span, "{start} {n}");
            assert_eq!(refusal(&read(OWN, start, n)), Violation::Span, "{start} {n}");
        }
        assert_eq!(refusal(&read(Area::Snapshot, 0, u32::MAX as usize)), Violation::Span);
        let whole = Span { area: OWN, start: 0, words: lane_words };
        let twice = frame_of(2, |encoder| (0..2).for_each(|_| encoder.read(whole)));
        assert_eq!(refusal(&twice), Violation::Reads);
        let two = frame_of(2, |encoder| (0..2).for_each(|_| encoder.cas(1, 1)));
        assert_eq!(refusal(&two), Violation::Exchanges);
        let many = frame_of(17, |encoder| (0..17).for_each(|_| encoder.read(Span::line(OWN, 0))));
        assert_eq!(refusal(&many), Violation::Operations);
        assert_eq!(refusal(&frame_of(2, |encoder| encoder.cas(1, 1))), Violation::Body, "fewer than it says");
        assert_eq!(refusal(&frame_of(0, |encoder| encoder.cas(1, 1))), Violation::Body, "more than it says");
        for word in [0, 4, TAG_CAS | 1 << 8, TAG_READ | 1 << 16, TAG_WRITE | 1 << 31] {
            let frame = frame_of(1, |encoder| encoder.words.extend([word, 0, 0]));
            assert_eq!(refusal(&frame), Violation::Operation, "{word:#x}");
        }
    }

    #[test]
    fn the_largest_chain_of_the_engine_fits_into_the_largest_frame() {
        let lane = words(LAYOUT.words(OWN));
        let half = lane.len() / 2;
        let frame = frame_of(CHAIN_OPS_MAX, |encoder| {
            encoder.write(Span { area: OWN, start: 0, words: half }, &lane[..half]);
            encoder.write(Span { area: OWN, start: half, words: lane.len() - half }, &lane[half..]);
            encoder.cas(1, 1);
            (3..CHAIN_OPS_MAX).for_each(|_| encoder.read(Span::line(OWN, 0)));
        });
        assert!(Chain::decode(&frame, SEED, &limits()).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_decoder(mut frame in prop::collection::vec(any::<u8>(), 0..300), count in 0usize..20) {
            let _ = Chain::decode(&frame, SEED, &limits());
            // Behind a header and a checksum that are right the operations themselves are reached.
            frame.truncate(frame.len() / 8 * 8);
            let frame = frame_of(count, |encoder| {
                encoder.words.extend(frame.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)));
            });
            if let Ok(chain) = Chain::decode(&frame, SEED, &limits()) {
                prop_assert_eq!(chain.requests().count(), count);
            }
        }

        #[test]
        fn operations_of_any_numbers_are_executed_only_within_bounds(
            ops in prop::collection::vec((0u64..5, 0u64..24, 0u64..3000, 0u64..12), 0..18),
        ) {
            let count = ops.len();
            let frame = frame_of(count, |encoder| for (tag, area, start, n) in ops {
                encoder.words.extend([tag | area << AREA_SHIFT | n << WORDS_SHIFT, start]);
                encoder.words.extend((0..if tag == TAG_WRITE { n } else { 0 }).map(|_| 0xAB));
            });
            if let Ok(chain) = Chain::decode(&frame, SEED, &limits()) {
                for request in chain.requests() {
                    match request {
                        Request::Write { span, words } => {
                            prop_assert!(span.area == OWN && words.len() == span.words);
                            prop_assert!(span.start + span.words <= LAYOUT.words(span.area));
                        }
                        Request::Read(span) => prop_assert!(span.start + span.words <= LAYOUT.words(span.area)),
                        Request::Cas { .. } => {}
                    }
                }
            }
        }

        #[test]
        fn a_flipped_bit_is_refused(bit in 0usize..(2 + 5 + 3 + 1) * 64) {
            let mut frame = frame_of(2, |encoder| {
                encoder.write(Span { area: OWN, start: 9, words: 3 }, &words(3));
                encoder.cas(1, 2);
            });
            frame[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Chain::decode(&frame, SEED, &limits()).is_err());
        }
    }
}
