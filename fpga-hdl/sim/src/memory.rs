//! Host memory behind the AXI4 port of a simulated device, as unfriendly as the protocol allows.
//!
//! Every channel stalls at random; reads answer late, in pieces and interleaved; writes reach the memory in any order before their answers,
//! which come in order; answers carry errors or do not come. Breaches of the protocol by the device panic, since they are bugs.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;

const RESPONSE_OKAY: u8 = 0;
const RESPONSE_SLAVE_ERROR: u8 = 2;
const RESPONSE_DECODE_ERROR: u8 = 3;
/// The device promises to cross no multiple of this many bytes within a burst, which is stricter than the 4,096 of AXI4.
const BOUNDARY: u64 = 128;

/// How the memory treats the device; may change at any time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// Of 100 cycles, those in which a channel stands still; below 100.
    pub stall_percent: u32,
    /// Cycles that an answer takes at most, besides stalls.
    pub delay_max: u64,
    /// One beat of so many has an error, in the mean; 0 none.
    pub read_error_in: u32,
    /// One answer to a write of so many has an error, in the mean; 0 none. The write takes place all the same.
    pub write_error_in: u32,
    /// No beat comes; those that are due come when this ends.
    pub mute_reads: bool,
    /// No answer to a write comes; those that are due come when this ends.
    pub mute_writes: bool,
}

/// A read that the device asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadBurst {
    pub id: u64,
    pub address: u64,
    pub words: u64,
}

/// What the device offers in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offers {
    pub read: Option<ReadBurst>,
    pub write_address: Option<u64>,
    pub write_word: Option<u64>,
}

/// A word on its way to the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    pub id: u64,
    pub word: u64,
    pub response: u8,
    pub last: bool,
}

/// What the memory does in a cycle. The device takes beats and answers at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    pub read_ready: bool,
    pub address_ready: bool,
    pub word_ready: bool,
    pub beat: Option<Beat>,
    pub written: Option<u8>,
}

struct Reading {
    burst: ReadBurst,
    done: u64,
    from: u64,
}

struct Write {
    address: u64,
    word: u64,
    applied_at: u64,
    answered_at: u64,
    applied: bool,
    response: u8,
}

/// Bytes at an address, and the transfers under way.
pub struct HostMemory {
    base: u64,
    bytes: Vec<u8>,
    /// How the device is treated.
    pub behaviour: Behaviour,
    rng: SmallRng,
    readings: Vec<Reading>,
    addresses: VecDeque<u64>,
    words: VecDeque<u64>,
    writes: VecDeque<Write>,
    refused: Option<Offers>,
}

impl HostMemory {
    /// Memory of that many zero bytes from `base` on; everything else answers with a decode error.
    pub fn new(base: u64, length: usize, behaviour: Behaviour, seed: u64) -> Self {
        Self {
            base,
            bytes: vec![0; length],
            behaviour,
            rng: SmallRng::seed_from_u64(seed),
            readings: Vec::new(),
            addresses: VecDeque::new(),
            words: VecDeque::new(),
            writes: VecDeque::new(),
            refused: None,
        }
    }

    /// The first address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The bytes from `offset` on, which counts from the base.
    pub fn bytes_mut(&mut self, offset: usize) -> &mut [u8] {
        &mut self.bytes[offset..]
    }

    fn place(&self, address: u64) -> Option<usize> {
        let offset = usize::try_from(address.checked_sub(self.base)?).ok()?;
        (offset + 8 <= self.bytes.len()).then_some(offset)
    }

    fn goes(&mut self) -> bool {
        !self.rng.random_ratio(self.behaviour.stall_percent, 100)
    }

    fn fails(&mut self, one_in: u32) -> bool {
        one_in != 0 && self.rng.random_ratio(1, one_in)
    }

    /// What happens in cycle `now`, and the transfers that follow from it.
    pub(crate) fn cycle(&mut self, now: u64, offers: Offers) -> Answers {
        self.stands_by(offers);
        let answers = Answers {
            read_ready: self.goes(),
            address_ready: self.goes(),
            word_ready: self.goes(),
            beat: self.beat(now),
            written: self.written(now),
        };
        if let Some(burst) = offers.read.filter(|_| answers.read_ready) {
            assert!(burst.address.is_multiple_of(8), "{burst:x?} is not aligned");
            assert!(burst.address % BOUNDARY + 8 * burst.words <= BOUNDARY, "{burst:x?} crosses a boundary");
            let from = now + self.delay();
            self.readings.push(Reading { burst, done: 0, from });
        }
        self.addresses.extend(offers.write_address.filter(|_| answers.address_ready));
        self.words.extend(offers.write_word.filter(|_| answers.word_ready));
        while !self.addresses.is_empty() && !self.words.is_empty() {
            self.begin_write(now);
        }
        self.refused = Some(Offers {
            read: offers.read.filter(|_| !answers.read_ready),
            write_address: offers.write_address.filter(|_| !answers.address_ready),
            write_word: offers.write_word.filter(|_| !answers.word_ready),
        });
        answers
    }

    /// What was offered and not taken is offered again, unchanged.
    fn stands_by(&self, offers: Offers) {
        let Some(refused) = self.refused else { return };
        assert!(refused.read.is_none() || refused.read == offers.read, "{refused:x?} became {offers:x?}");
        let address = refused.write_address;
        assert!(address.is_none() || address == offers.write_address, "{refused:x?} became {offers:x?}");
        assert!(refused.write_word.is_none() || refused.write_word == offers.write_word, "{refused:x?}, {offers:x?}");
    }

    fn delay(&mut self) -> u64 {
        self.rng.random_range(0..=self.behaviour.delay_max)
    }

    /// A beat of any burst that is the oldest of its ID.
    fn beat(&mut self, now: u64) -> Option<Beat> {
        if self.behaviour.mute_reads || !self.goes() {
            return None;
        }
        let oldest = |at: &usize| {
            let id = self.readings[*at].burst.id;
            self.readings[*at].from <= now && self.readings[..*at].iter().all(|other| other.burst.id != id)
        };
        let candidates: Vec<_> = (0..self.readings.len()).filter(oldest).collect();
        if candidates.is_empty() {
            return None;
        }
        let at = candidates[self.rng.random_range(0..candidates.len())];
        let failed = self.fails(self.behaviour.read_error_in);
        let reading = &mut self.readings[at];
        let ReadBurst { id, address, words } = reading.burst;
        let address = address + 8 * reading.done;
        reading.done += 1;
        let last = reading.done == words;
        if last {
            self.readings.remove(at);
        }
        let word = |place: usize| u64::from_le_bytes(self.bytes[place..place + 8].try_into().expect("eight bytes"));
        Some(match (self.place(address), failed) {
            (None, _) => Beat { id, word: !0, response: RESPONSE_DECODE_ERROR, last },
            (Some(_), true) => Beat { id, word: !0, response: RESPONSE_SLAVE_ERROR, last },
            (Some(place), false) => Beat { id, word: word(place), response: RESPONSE_OKAY, last },
        })
    }

    fn begin_write(&mut self, now: u64) {
        let (Some(address), Some(word)) = (self.addresses.pop_front(), self.words.pop_front()) else { return };
        let applied_at = now + self.delay();
        let answered_at = applied_at + self.delay();
        let response = match (self.place(address), self.fails(self.behaviour.write_error_in)) {
            (None, _) => RESPONSE_DECODE_ERROR,
            (_, true) => RESPONSE_SLAVE_ERROR,
            _ => RESPONSE_OKAY,
        };
        self.writes.push_back(Write { address, word, applied_at, answered_at, applied: false, response });
    }

    /// Writes take place, each at its own time; answers come in order.
    fn written(&mut self, now: u64) -> Option<u8> {
        for at in 0..self.writes.len() {
            let write = &mut self.writes[at];
            if !write.applied && write.applied_at <= now {
                write.applied = true;
                let (address, word) = (write.address, write.word);
                if let Some(place) = self.place(address) {
                    self.bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        let due = self.writes.front().is_some_and(|write| write.applied && write.answered_at <= now);
        if !due || self.behaviour.mute_writes || !self.goes() {
            return None;
        }
        self.writes.pop_front().map(|write| write.response)
    }
}
