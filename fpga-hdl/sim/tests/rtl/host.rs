//! A host that drives a simulated device: it fills slots, rings, and takes completions.

use crate::signature::Signed;
use paxon_fpga_sim::{Behaviour, Device, HostMemory, registers};
use std::collections::HashMap;

/// An address that uses all of its bits.
const MEMORY_BASE: u64 = 0xfedc_ba98_7600_0000;
/// A place for a message of every slot, in the memory after the queues.
const MESSAGE_PLACE: usize = 8 * 1024;

/// A request as the slot has it.
#[derive(Clone, Debug)]
pub struct Request {
    pub opcode: u8,
    pub ruleset: u8,
    pub flags: u16,
    pub message_bytes: u32,
    /// Where the slot says that the message is, instead of where it is.
    pub message_address: Option<u64>,
    pub signed: Signed,
}

impl Request {
    /// A well-formed request.
    pub fn verify(ruleset: u8, signed: Signed) -> Self {
        Self { opcode: 1, ruleset, flags: 0, message_bytes: signed.message.len() as u32, message_address: None, signed }
    }

    fn slot(&self, cookie: u64, message_address: u64) -> [u8; 256] {
        let mut slot = [0; 256];
        slot[0] = self.opcode;
        slot[1] = self.ruleset;
        slot[2..4].copy_from_slice(&self.flags.to_le_bytes());
        slot[4..8].copy_from_slice(&self.message_bytes.to_le_bytes());
        slot[8..16].copy_from_slice(&cookie.to_le_bytes());
        slot[16..24].copy_from_slice(&self.message_address.unwrap_or(message_address).to_le_bytes());
        slot[32..64].copy_from_slice(&self.signed.r);
        slot[64..96].copy_from_slice(&self.signed.s);
        slot[96..128].copy_from_slice(&self.signed.key);
        let length = self.signed.message.len().min(128);
        slot[128..128 + length].copy_from_slice(&self.signed.message[..length]);
        slot
    }
}

/// What a completion says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    pub verdict: u8,
    pub reason: u8,
    pub cycles: u16,
    /// From the doorbell until the host saw it; 0 without a cookie.
    pub waited: u64,
}

/// Where the queues are.
#[derive(Clone, Copy, Debug)]
enum Place {
    Device,
    /// Offset of the completions in host memory; the slots are at its start.
    Memory(usize),
}

/// The host's side of both queues.
pub struct Host {
    pub device: Device,
    place: Place,
    slots: u16,
    completions_max: u16,
    /// Offset of the messages in host memory.
    messages: usize,
    submitted: u16,
    consumed: u16,
    next_cookie: u64,
    /// When each request was announced, by cookie.
    rung_at: Vec<u64>,
    /// By cookie; a second completion of one is a failure.
    pub completions: HashMap<u64, Completion>,
    /// Completions of slots that the device could not read.
    pub unread: usize,
}

impl Host {
    /// A device with its queue in its own memory.
    pub fn new(configuration: &str) -> Self {
        let device = Device::new(configuration).expect("the configuration is in models.txt");
        Self {
            device,
            place: Place::Device,
            slots: 64,
            completions_max: 128,
            messages: 0,
            submitted: 0,
            consumed: 0,
            next_cookie: 0,
            rung_at: Vec::new(),
            completions: HashMap::new(),
            unread: 0,
        }
    }

    /// The same, with host memory for messages.
    pub fn with_messages(configuration: &str, behaviour: Behaviour, seed: u64) -> Self {
        let mut host = Self::new(configuration);
        host.device.attach(HostMemory::new(MEMORY_BASE, 64 * MESSAGE_PLACE, behaviour, seed));
        host
    }

    /// A device with its queue in host memory, of 2^`slot_bits` slots and 2^`completion_bits` completions.
    pub fn in_memory(configuration: &str, sizes: (u32, u32), behaviour: Behaviour, seed: u64) -> Self {
        let mut host = Self::new(configuration);
        let (slots, completions) = (1 << sizes.0, 1 << sizes.1);
        let completions_at = 256 * slots;
        host.messages = completions_at + 16 * completions;
        let length = host.messages + slots * MESSAGE_PLACE;
        host.place = Place::Memory(completions_at);
        (host.slots, host.completions_max) = (slots as u16, completions as u16);
        host.device.attach(HostMemory::new(MEMORY_BASE, length, behaviour, seed));
        let completions_base = MEMORY_BASE + completions_at as u64;
        for (register, value) in [
            (registers::SUBMIT_BASE_LOW, MEMORY_BASE as u32),
            (registers::SUBMIT_BASE_HIGH, (MEMORY_BASE >> 32) as u32),
            (registers::COMPLETE_BASE_LOW, completions_base as u32),
            (registers::COMPLETE_BASE_HIGH, (completions_base >> 32) as u32),
            (registers::QUEUE, registers::QUEUE_HOST | sizes.0 << 8 | sizes.1 << 16),
        ] {
            host.device.write(register, value);
        }
        assert_eq!(host.device.read(registers::QUEUE_SIZES), (completions as u32) << 16 | slots as u32);
        host
    }

    pub fn enable(&mut self) {
        self.device.write(registers::CONTROL, registers::CONTROL_ENABLE);
    }

    /// Fills a slot and rings, if a slot is free.
    pub fn submit(&mut self, request: &Request) -> bool {
        let head = self.device.read(registers::SUBMIT_HEAD) as u16;
        if self.submitted.wrapping_sub(head) == self.slots {
            return false;
        }
        // Cookies use all 64 bits.
        let cookie = self.next_cookie << 40 | self.next_cookie;
        let place = usize::from(self.submitted % self.slots);
        let message_at = self.messages + place * MESSAGE_PLACE;
        let message = &request.signed.message;
        if message.len() > 128 && request.message_address.is_none() {
            self.device.memory_mut().bytes_mut(message_at)[..message.len()].copy_from_slice(message);
        }
        let slot = request.slot(cookie, MEMORY_BASE + message_at as u64);
        self.fill(place, &slot);
        self.submitted = self.submitted.wrapping_add(1);
        self.next_cookie += 1;
        self.device.write(registers::SUBMIT_TAIL, self.submitted.into());
        self.rung_at.push(self.device.cycles());
        true
    }

    fn fill(&mut self, place: usize, slot: &[u8; 256]) {
        if let Place::Memory(_) = self.place {
            return self.device.memory_mut().bytes_mut(256 * place)[..256].copy_from_slice(slot);
        }
        let base = registers::SLOTS + 256 * place as u32;
        for (at, word) in slot.chunks(4).enumerate() {
            let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
            self.device.write(base + 4 * at as u32, word);
        }
    }

    /// Takes every completion whose phase says that it is there.
    pub fn poll(&mut self) {
        while let Some((cookie, completion)) = self.next_completion() {
            if cookie == u64::MAX {
                assert_eq!(u32::from(completion.verdict), registers::VERDICT_ABORTED);
                self.unread += 1;
            } else {
                assert_eq!(cookie >> 40, cookie & 0xff_ffff, "a cookie comes back whole");
                let twice = self.completions.insert(cookie & 0xff_ffff, completion);
                assert!(twice.is_none(), "{cookie:x} was completed twice");
            }
            self.consumed = self.consumed.wrapping_add(1);
            self.device.write(registers::COMPLETE_HEAD, self.consumed.into());
        }
    }

    fn next_completion(&mut self) -> Option<(u64, Completion)> {
        let place = self.consumed % self.completions_max;
        let phase = u8::from((self.consumed / self.completions_max).is_multiple_of(2));
        let bytes = match self.place {
            Place::Device => self.completion_in_device(place, phase)?,
            Place::Memory(at) => self.completion_in_memory(at + 16 * usize::from(place), phase)?,
        };
        let cookie = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        let rung_at = self.rung_at.get((cookie & 0xff_ffff) as usize);
        let completion = Completion {
            verdict: bytes[8],
            reason: bytes[9],
            cycles: u16::from_le_bytes([bytes[12], bytes[13]]),
            waited: rung_at.map_or(0, |rung_at| self.device.cycles() - rung_at),
        };
        Some((cookie, completion))
    }

    fn completion_in_device(&mut self, place: u16, phase: u8) -> Option<[u8; 16]> {
        let base = registers::COMPLETIONS + 16 * u32::from(place);
        let last = self.device.read(base + 12);
        if (last >> 24) as u8 != phase {
            return None;
        }
        let words = [self.device.read(base), self.device.read(base + 4), self.device.read(base + 8), last];
        let mut bytes = [0; 16];
        for (to, word) in bytes.chunks_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Some(bytes)
    }

    /// Leaves a cookie behind that no request has, so that a phase without its cookie shows.
    fn completion_in_memory(&mut self, at: usize, phase: u8) -> Option<[u8; 16]> {
        let completion = &mut self.device.memory_mut().bytes_mut(at)[..16];
        if completion[15] != phase {
            return None;
        }
        let bytes = completion.try_into().expect("sixteen bytes");
        completion[..8].copy_from_slice(&[0xaa; 8]);
        Some(bytes)
    }

    /// Completions so far, those of unread slots included.
    pub fn completed(&self) -> usize {
        self.completions.len() + self.unread
    }

    /// Submits all requests and waits until each has its completion.
    pub fn drive(&mut self, requests: &[Request]) {
        let all = self.next_cookie as usize + requests.len();
        let mut waiting = requests.iter();
        let mut next = waiting.next();
        let start = self.device.cycles();
        while self.completed() < all {
            while let Some(request) = next
                && self.submit(request)
            {
                next = waiting.next();
            }
            self.poll();
            self.device.clock(500);
            assert!(self.device.cycles() - start < 2_000_000 + 60_000 * requests.len() as u64, "a request is lost");
        }
    }

    /// Submits all requests and takes their completions, in order of the requests.
    pub fn run(&mut self, requests: &[Request]) -> Vec<Completion> {
        let first = self.next_cookie;
        self.drive(requests);
        (first..first + requests.len() as u64).map(|cookie| self.completions[&cookie]).collect()
    }
}
