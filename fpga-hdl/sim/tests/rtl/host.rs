//! A host that drives a simulated device: it fills slots, rings, and takes completions.

use crate::signature::Signed;
use paxon_fpga_sim::{Device, registers};
use std::collections::HashMap;

const SLOTS: u16 = 64;
const COMPLETIONS: u16 = 128;

/// A request as the slot has it.
#[derive(Clone, Debug)]
pub struct Request {
    pub opcode: u8,
    pub ruleset: u8,
    pub flags: u16,
    pub message_bytes: u32,
    pub signed: Signed,
}

impl Request {
    /// A well-formed request.
    pub fn verify(ruleset: u8, signed: Signed) -> Self {
        Self { opcode: 1, ruleset, flags: 0, message_bytes: signed.message.len() as u32, signed }
    }

    fn slot(&self, cookie: u64) -> [u8; 256] {
        let mut slot = [0; 256];
        slot[0] = self.opcode;
        slot[1] = self.ruleset;
        slot[2..4].copy_from_slice(&self.flags.to_le_bytes());
        slot[4..8].copy_from_slice(&self.message_bytes.to_le_bytes());
        slot[8..16].copy_from_slice(&cookie.to_le_bytes());
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
}

/// The host's side of both queues.
pub struct Host {
    pub device: Device,
    submitted: u16,
    consumed: u16,
    next_cookie: u64,
    /// By cookie; a second completion of one is a failure.
    pub completions: HashMap<u64, Completion>,
}

impl Host {
    pub fn new(configuration: &str) -> Self {
        let device = Device::new(configuration).expect("the configuration is in models.txt");
        Self { device, submitted: 0, consumed: 0, next_cookie: 0, completions: HashMap::new() }
    }

    pub fn enable(&mut self) {
        self.device.write(registers::CONTROL, 1);
    }

    /// Fills a slot and rings, if a slot is free.
    pub fn submit(&mut self, request: &Request) -> bool {
        let head = self.device.read(registers::SUBMIT_HEAD) as u16;
        if self.submitted.wrapping_sub(head) == SLOTS {
            return false;
        }
        // Cookies use all 64 bits.
        let cookie = self.next_cookie << 40 | self.next_cookie;
        let base = registers::SLOTS + 256 * u32::from(self.submitted % SLOTS);
        for (at, word) in request.slot(cookie).chunks(4).enumerate() {
            let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
            self.device.write(base + 4 * at as u32, word);
        }
        self.submitted = self.submitted.wrapping_add(1);
        self.next_cookie += 1;
        self.device.write(registers::SUBMIT_TAIL, self.submitted.into());
        true
    }

    /// Takes every completion whose phase says that it is there.
    pub fn poll(&mut self) {
        while let Some((cookie, completion)) = self.next_completion() {
            assert_eq!(cookie >> 40, cookie & 0xff_ffff, "a cookie comes back whole");
            assert!(
                self.completions.insert(cookie & 0xff_ffff, completion).is_none(),
                "{cookie:x} was completed twice"
            );
            self.consumed = self.consumed.wrapping_add(1);
            self.device.write(registers::COMPLETE_HEAD, self.consumed.into());
        }
    }

    fn next_completion(&mut self) -> Option<(u64, Completion)> {
        let base = registers::COMPLETIONS + 16 * u32::from(self.consumed % COMPLETIONS);
        let last = self.device.read(base + 12);
        let phase = u32::from((self.consumed / COMPLETIONS).is_multiple_of(2));
        if last >> 24 != phase {
            return None;
        }
        let [low, high, verdict] = [0, 4, 8].map(|at| self.device.read(base + at));
        let completion = Completion { verdict: verdict as u8, reason: (verdict >> 8) as u8, cycles: last as u16 };
        Some((u64::from(high) << 32 | u64::from(low), completion))
    }

    /// Submits all requests and takes their completions, in order of the requests.
    pub fn run(&mut self, requests: &[Request]) -> Vec<Completion> {
        let first = self.next_cookie;
        let mut waiting = requests.iter();
        let mut next = waiting.next();
        let start = self.device.cycles();
        while self.completions.len() < (first as usize) + requests.len() {
            while let Some(request) = next
                && self.submit(request)
            {
                next = waiting.next();
            }
            self.poll();
            self.device.clock(500);
            assert!(self.device.cycles() - start < 2_000_000 + 60_000 * requests.len() as u64, "a request is lost");
        }
        (first..first + requests.len() as u64).map(|cookie| self.completions[&cookie]).collect()
    }
}
