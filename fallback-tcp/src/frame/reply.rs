//! Replies: what came of a chain.

use super::{FRAME_BYTES_MIN, HEADER_WORDS, Header, Kind, Seed, Violation, body};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of the reply to a chain that reads `words`.
pub const fn reply_bytes(words: usize) -> usize {
    FRAME_BYTES_MIN + 8 + words * 8
}

/// Puts replies into frames, one behind the other, so that those of one turn leave together. Keeps its buffer.
#[derive(Debug, Default)]
pub struct ReplyEncoder {
    words: Vec<u64>,
    /// Where the reply under way begins.
    start: usize,
}

impl ReplyEncoder {
    /// Begins a reply behind those that are there.
    #[inline]
    pub fn begin(&mut self) {
        self.start = self.words.len();
        self.words.extend([0; HEADER_WORDS + 1]);
    }

    /// Adds the words of a read.
    #[inline]
    pub fn read(&mut self, from: &[AtomicU64]) {
        self.words.extend(from.iter().map(|word| word.load(Relaxed)));
    }

    /// Ends the reply to the chain `number`, whose exchange found `found`.
    #[inline]
    pub fn finish(&mut self, number: u64, found: u64, seed: Seed) {
        let bytes = (self.words.len() + 1 - self.start) * 8;
        let reply = &mut self.words[self.start..];
        let header = Header { bytes, count: 0, kind: Kind::Reply, number };
        reply[..HEADER_WORDS].copy_from_slice(&header.encode(seed));
        reply[HEADER_WORDS] = found;
        let sum = seed.checksum(bytemuck::cast_slice(reply));
        self.words.push(sum);
    }

    /// All replies that were finished.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.words.clear();
    }
}

/// Reads the reply to the chain `number`: what its exchange found, and the words that it read.
///
/// # Errors
/// [`Violation`]: it is not that reply, or damaged.
#[inline]
pub fn decode_reply(frame: &[u8], number: u64, seed: Seed) -> Result<(u64, &[[u8; 8]]), Violation> {
    let header = frame.first_chunk().ok_or(Violation::Length)?;
    let header = Header::decode(header, seed, Kind::Reply, frame.len())?;
    if header.number != number {
        return Err(Violation::Order);
    }
    if header.bytes != frame.len() || header.count != 0 {
        return Err(Violation::Reply);
    }
    let mut body = body(frame, seed)?;
    Ok((body.next()?, body.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: Seed = Seed(3);

    fn reply(number: u64, found: u64, read: &[u64]) -> Vec<u8> {
        let mut encoder = ReplyEncoder::default();
        encoder.begin();
        encoder.read(&read.iter().map(|&word| AtomicU64::new(word)).collect::<Vec<_>>());
        encoder.finish(number, found, SEED);
        encoder.bytes().to_vec()
    }

    #[test]
    fn replies_stand_one_behind_the_other() {
        let mut encoder = ReplyEncoder::default();
        for number in 1..4 {
            encoder.begin();
            encoder.finish(number, number * 10, SEED);
        }
        let one = reply_bytes(0);
        assert_eq!(encoder.bytes().len(), 3 * one);
        for (at, frame) in encoder.bytes().chunks(one).enumerate() {
            let number = at as u64 + 1;
            assert_eq!(decode_reply(frame, number, SEED), Ok((number * 10, &[][..])));
        }
        encoder.clear();
        assert!(encoder.bytes().is_empty());
    }

    proptest! {
        #[test]
        fn a_reply_survives_the_round_trip(number: u64, found: u64, read in prop::collection::vec(any::<u64>(), 0..70)) {
            let frame = reply(number, found, &read);
            prop_assert_eq!(frame.len(), reply_bytes(read.len()));
            let (got, words) = decode_reply(&frame, number, SEED).expect("a good reply");
            prop_assert_eq!(got, found);
            prop_assert!(words.iter().map(|word| u64::from_le_bytes(*word)).eq(read));
        }

        #[test]
        fn a_flipped_bit_or_another_number_is_refused(number: u64, bit in 0usize..8 * 48, other: u64) {
            let mut frame = reply(number, 5, &[1, 2]);
            prop_assert!(number == other || decode_reply(&frame, other, SEED) == Err(Violation::Order));
            frame[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode_reply(&frame, number, SEED).is_err());
        }

        #[test]
        fn no_bytes_panic_the_decoder(frame in prop::collection::vec(any::<u8>(), 0..100), number: u64) {
            let _ = decode_reply(&frame, number, SEED);
        }
    }
}
