//! Random transfers to the model and the RTL at once.

use crate::common::{Case, cases};
use crate::pair::Pair;
use paxon_fpga::{Bus, Slot, WINDOW_BYTES, registers};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The words of a slot: mostly a request, of either rule, sometimes none.
fn slot(rng: &mut SmallRng, cases: &[Case], cookie: u64) -> Vec<u32> {
    let mut cases = cases.iter().filter(|case| Slot::fits(&case.key, &case.signature, &case.message));
    let at = rng.random_range(0..cases.clone().count());
    let case = cases.nth(at).expect("below the count");
    let slot = Slot::verify(cookie, &case.key, &case.signature, &case.message).expect("it fits");
    let mut words: Vec<_> = slot.words().collect();
    words[0] |= if rng.random() { registers::RULESET_PLAIN << 8 } else { 0 };
    match rng.random_range(0..20) {
        0 => words[0] ^= 1 << rng.random_range(0..32),
        // Longer than any device's memory port takes.
        1 => words[1] = rng.random_range(1 << 24..=u32::MAX),
        2 => words[rng.random_range(8..32)] ^= 1 << rng.random_range(0..32),
        _ => {}
    }
    words
}

struct Play {
    pair: Pair,
    rng: SmallRng,
    cases: Vec<Case>,
    cookie: u64,
    /// The doorbell as it was rung last with effect.
    tail: u16,
}

impl Play {
    fn new(name: &str, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let cases = cases(&mut rng, 200);
        Self { pair: Pair::new(name), rng, cases, cookie: 1, tail: 0 }
    }

    /// Fills some of the slots that are free, and rings.
    fn submit(&mut self, most: u16) {
        let head = self.pair.read(registers::SUBMIT_HEAD) as u16;
        let free = 64 - self.tail.wrapping_sub(head);
        for _ in 0..self.rng.random_range(0..=free.min(most)) {
            let words = slot(&mut self.rng, &self.cases, self.cookie << 20 | self.cookie);
            self.cookie += 1;
            let address = registers::SLOTS + registers::SLOT_BYTES * u32::from(self.tail % 64);
            for (at, word) in (0..).step_by(4).zip(words) {
                self.pair.write(address + at, word);
            }
            self.tail = self.tail.wrapping_add(1);
        }
        self.pair.write(registers::SUBMIT_TAIL, self.tail.into());
    }

    fn consume(&mut self) {
        let [head, tail] =
            [registers::COMPLETE_HEAD, registers::COMPLETE_TAIL].map(|register| self.pair.read(register) as u16);
        let more = self.rng.random_range(0..=tail.wrapping_sub(head));
        self.pair.write(registers::COMPLETE_HEAD, head.wrapping_add(more).into());
    }

    /// A transfer that changes nothing, or flags an error, on a device that rests.
    fn odd_transfer(&mut self) {
        let rng = &mut self.rng;
        let (any, half): (u32, u32) = (rng.random(), rng.random_range(0..=0xffff));
        match rng.random_range(0..10) {
            0 => self.pair.write(registers::ERROR, any),
            1 => self.pair.write(registers::WATCHDOG, any | 1 << 30),
            2 => self.pair.write(registers::COMPLETE_HEAD, half),
            // Beyond the queue by anything up to its whole range; those that are not are left out.
            3 => {
                let head = self.pair.read(registers::SUBMIT_HEAD) as u16;
                let tail = head.wrapping_add(self.rng.random_range(65..=u16::MAX));
                self.pair.write(registers::SUBMIT_TAIL, u32::from(tail) | (any << 16));
            }
            4 => self
                .pair
                .write([registers::MAGIC, registers::STATUS, registers::COMPLETE_TAIL, 0x1000][any as usize % 4], any),
            5 => self.pair.write(registers::COMPLETIONS + (half & 0x7fc), any),
            6 => self.pair.write(registers::CONTROL, any & registers::CONTROL_ENABLE),
            7 => self.pair.write(registers::CONTROL, any & 3),
            8 => {
                // Neither registers nor completions: unmapped, or slots, which do not read.
                let address = rng.random_range(0x100..registers::COMPLETIONS) & !3;
                assert_eq!(self.pair.read(address), registers::UNMAPPED_VALUE);
            }
            _ => {
                let address = rng.random_range(registers::COMPLETIONS + 0x800..WINDOW_BYTES) & !3;
                self.pair.write(address, any);
                assert_eq!(self.pair.read(address), registers::UNMAPPED_VALUE);
            }
        }
    }
}

/// `rounds` times: some odd transfers, some slots, rest, some completions consumed.
fn play(name: &str, seed: u64, rounds: usize, most: u16) {
    let mut play = Play::new(name, seed);
    for _ in 0..rounds {
        for _ in 0..play.rng.random_range(0..8) {
            play.odd_transfer();
            play.pair.rest();
        }
        play.submit(most);
        play.pair.rest();
        if play.rng.random_ratio(2, 3) {
            play.consume();
        }
    }
    play.pair.write(registers::CONTROL, registers::CONTROL_ENABLE);
    play.pair.rest();
    assert!(play.cookie > rounds as u64, "{} requests", play.cookie);
}

#[test]
fn two_engines_and_the_model_read_the_same_after_the_same_transfers() {
    play("pair", 60, 60, 64);
}

#[test]
fn one_engine_and_the_model_read_the_same_after_the_same_transfers() {
    play("zynq7020", 61, 25, 24);
}

#[test]
fn one_row_and_the_model_read_the_same_after_the_same_transfers() {
    play("compact", 62, 8, 4);
}

#[test]
fn both_complete_everything_once_when_aborts_come_in_between() {
    let mut play = Play::new("pair", 63);
    play.pair.write(registers::CONTROL, registers::CONTROL_ENABLE);
    for _ in 0..30 {
        play.submit(64);
        let cycles = play.rng.random_range(0..60_000);
        play.pair.abort_after(cycles);
        play.pair.rest();
        let tail = play.pair.read(registers::COMPLETE_TAIL);
        play.pair.write(registers::COMPLETE_HEAD, tail);
    }
    assert!(play.pair.read(registers::COMPLETE_TAIL) > 500);
}

#[test]
fn both_stop_when_no_completion_has_a_place_and_go_on_when_one_has() {
    let mut play = Play::new("pair", 64);
    play.pair.write(registers::CONTROL, registers::CONTROL_ENABLE);
    while play.tail.wrapping_sub(play.pair.read(registers::SUBMIT_HEAD) as u16) < 64 {
        play.submit(64);
        play.pair.rest();
    }
    assert_eq!(play.pair.read(registers::COMPLETE_TAIL), 128);
    for consumed in [1, 7, 40] {
        play.pair.write(registers::COMPLETE_HEAD, consumed);
        play.pair.rest();
        assert_eq!(play.pair.read(registers::COMPLETE_TAIL), 128 + consumed);
    }
}

#[test]
fn both_watchdogs_abort_and_say_so() {
    let mut play = Play::new("pair", 65);
    play.pair.write(registers::WATCHDOG, 5_000);
    play.pair.write(registers::CONTROL, registers::CONTROL_ENABLE);
    let valid = crate::common::valid(&mut play.rng, 40);
    let slot = Slot::verify(5, &valid.key, &valid.signature, &valid.message).expect("it fits");
    for (at, word) in (0..).step_by(4).zip(slot.words()) {
        play.pair.write(registers::SLOTS + at, word);
    }
    play.pair.write(registers::SUBMIT_TAIL, 1);
    play.pair.rest();
    assert_eq!(play.pair.read(registers::ERROR), registers::ERROR_WATCHDOG);
    assert_eq!(play.pair.rtl.read(registers::COUNT_ABORTED), 1);
}
