//! Whole devices through their registers, as a driver sees them.

use crate::cases;
use crate::host::{Completion, Host, Request};
use crate::signature::Signed;
use paxon_fpga_sim::registers;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

pub const INVALID: u8 = 0;
pub const VALID: u8 = 1;
pub const MALFORMED: u8 = 2;
pub const ABORTED: u8 = 3;

const UNMAPPED: u32 = 0xdead_beef;

/// Requests of both rules, with every length of message up to `longest` and some that are malformed.
pub fn requests(rng: &mut SmallRng, count: usize, longest: usize) -> Vec<Request> {
    let edges = cases::edges(rng, 1);
    let mut request = |at: usize| {
        let signed = match at % 3 {
            0 => edges[rng.random_range(0..edges.len())].clone(),
            1 => cases::valid(rng, at % (longest + 1)),
            _ => cases::random(rng, 1).remove(0),
        };
        let message = signed.message[..signed.message.len().min(longest)].to_vec();
        let mut request = Request::verify(rng.random_range(0..2), Signed { message, ..signed });
        match rng.random_range(0..40) {
            0 => request.opcode = rng.random_range(2..=255),
            1 => request.ruleset = rng.random_range(2..=255),
            2 => request.flags = 1 << rng.random_range(0..16),
            3 => request.message_bytes = [0x1_0001, 0x100_0000, u32::MAX][rng.random_range(0..3)],
            4 if longest > 128 => {
                (request.message_bytes, request.message_address) = (200, Some(rng.random::<u64>() >> 1 | 1));
            }
            _ => {}
        }
        request
    };
    (0..count).map(&mut request).collect()
}

fn malformed(request: &Request) -> bool {
    request.opcode != 1
        || request.ruleset > 1
        || request.flags != 0
        || request.message_bytes > 65_536
        || (request.message_bytes > 128 && request.message_address.is_some_and(|address| address % 8 != 0))
}

pub fn check(request: &Request, completion: Completion) {
    let signed = &request.signed;
    let valid = if request.ruleset == 0 { signed.strict() } else { signed.plain() };
    let (verdict, reason) = match (malformed(request), valid) {
        (true, _) => (MALFORMED, 0),
        (false, true) => (VALID, signed.reason() as u8),
        (false, false) => (INVALID, signed.reason() as u8),
    };
    assert_eq!((completion.verdict, completion.reason), (verdict, reason), "{request:02x?}");
}

/// Everything that a device has to do, on one configuration.
fn answers(configuration: &str, count: usize) {
    let mut rng = SmallRng::seed_from_u64(20);
    let mut host = Host::new(configuration);
    let mut pauses = SmallRng::seed_from_u64(21);
    host.device.pause(move || if pauses.random_ratio(1, 16) { pauses.random_range(1..20) } else { 0 });
    host.enable();
    let requests = requests(&mut rng, count, 128);
    let completions = host.run(&requests);
    for (request, completion) in requests.iter().zip(&completions) {
        check(request, *completion);
    }
    host.device.write(registers::SNAPSHOT, 1);
    let counts =
        [registers::COUNT_INVALID, registers::COUNT_VALID, registers::COUNT_MALFORMED, registers::COUNT_ABORTED];
    for (verdict, register) in counts.into_iter().enumerate() {
        let expected = completions.iter().filter(|completion| usize::from(completion.verdict) == verdict).count();
        assert_eq!(host.device.read(register) as usize, expected);
    }
    assert_eq!(host.device.read(registers::STATUS), 0);
    assert_eq!(host.device.read(registers::ERROR), 0);
}

#[test]
fn the_compact_device_answers_every_request_once_and_right() {
    answers("compact", 40);
}

#[test]
fn the_zynq7020_device_answers_every_request_once_and_right() {
    answers("zynq7020", 200);
}

#[test]
fn two_engines_answer_every_request_once_and_right() {
    answers("pair", 300);
}

#[test]
fn registers_say_what_the_device_is_and_unmapped_addresses_answer() {
    let mut host = Host::new("pair");
    let device = &mut host.device;
    assert_eq!(device.read(registers::MAGIC), u32::from_be_bytes(*b"PXVF"));
    assert_eq!(device.read(registers::VERSION), registers::VERSION_VALUE);
    assert_eq!(device.read(registers::FEATURES), 4 << 16 | 3 << 8 | registers::FEATURE_MEMORY);
    assert_eq!(device.read(registers::MESSAGE_BYTES_MAX), 65_536);
    assert_eq!(device.read(registers::CAPABILITIES), 7 << 24 | 16 << 16 | 11 << 8 | 2);
    assert_eq!(device.read(registers::QUEUE_SIZES), 128 << 16 | 64);
    for address in [registers::UNMAPPED, 0x100, 0xfffc, 0x1_0000, 0x1_4000, 0x2_0800, 0x3_fffc] {
        assert_eq!(device.read(address), UNMAPPED, "{address:x}");
    }
}

#[test]
fn wrong_writes_are_ignored_and_flagged() {
    let mut host = Host::new("pair");
    let device = &mut host.device;
    device.write(registers::WATCHDOG, 5_000_000);
    device.write(registers::CONTROL, 1);
    device.write(registers::WATCHDOG, 1);
    assert_eq!((device.read(registers::WATCHDOG), device.read(registers::ERROR)), (5_000_000, 0b001));
    device.write(registers::SUBMIT_TAIL, 65);
    device.write(registers::COMPLETE_HEAD, 1);
    assert_eq!((device.read(registers::SUBMIT_TAIL), device.read(registers::COMPLETE_HEAD)), (0, 0));
    assert_eq!(device.read(registers::ERROR), 0b101);
    device.write(registers::ERROR, 0b001);
    assert_eq!(device.read(registers::ERROR), 0b100);
    device.write(registers::MAGIC, 0);
    assert_eq!(device.read(registers::MAGIC), u32::from_be_bytes(*b"PXVF"));
}

/// Aborts at a moment and returns how many were aborted; the device works on afterwards.
fn aborts_after(cycles: u64, seed: u64) -> usize {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut host = Host::new("pair");
    host.enable();
    let before: Vec<_> = (0..60).map(|_| Request::verify(0, cases::valid(&mut rng, 40))).collect();
    for request in &before {
        assert!(host.submit(request));
    }
    host.device.clock(cycles);
    host.device.write(registers::CONTROL, 0b11);
    // The rest of the slots is still in the queue and is verified after the abort.
    let after = requests(&mut rng, 30, 128);
    for (request, completion) in after.iter().zip(host.run(&after)) {
        check(request, completion);
    }
    assert_eq!(host.completions.len(), before.len() + after.len());
    let of_before = (0..before.len() as u64).map(|cookie| host.completions[&cookie].verdict);
    let verdicts: Vec<_> = of_before.collect();
    assert!(verdicts.iter().all(|verdict| [VALID, ABORTED].contains(verdict)), "{verdicts:?}");
    verdicts.into_iter().filter(|verdict| *verdict == ABORTED).count()
}

#[test]
fn a_soft_reset_completes_what_is_in_flight_as_aborted_and_loses_nothing() {
    let mut rng = SmallRng::seed_from_u64(22);
    let aborted: Vec<_> = (0..12).map(|seed| aborts_after(rng.random_range(0..60_000), seed)).collect();
    assert!(aborted.iter().any(|aborted| *aborted > 0), "{aborted:?}");
}

#[test]
fn the_watchdog_aborts_what_takes_too_long_and_says_so() {
    let mut rng = SmallRng::seed_from_u64(23);
    let mut host = Host::new("pair");
    host.device.write(registers::WATCHDOG, 10_000);
    host.enable();
    let requests: Vec<_> = (0..5).map(|_| Request::verify(0, cases::valid(&mut rng, 40))).collect();
    let completions = host.run(&requests);
    assert!(completions.iter().all(|completion| completion.verdict == ABORTED && completion.cycles >= 9_000));
    assert_eq!(host.device.read(registers::ERROR), 0b010);
}

#[test]
fn a_loaded_device_is_as_fast_as_its_engines() {
    let mut rng = SmallRng::seed_from_u64(24);
    let mut host = Host::new("pair");
    host.enable();
    let requests: Vec<_> = (0..150).map(|_| Request::verify(0, cases::valid(&mut rng, 64))).collect();
    let (start, clock) = (host.device.cycles(), std::time::Instant::now());
    let completions = host.run(&requests);
    let cycles = (host.device.cycles() - start) / requests.len() as u64;
    assert!(completions.iter().all(|completion| completion.verdict == VALID));
    let rate = requests.len() as f64 / clock.elapsed().as_secs_f64();
    println!(
        "two engines: {cycles} cycles a verification with start and end, {rate:.0} verifications a second simulated"
    );
    assert!(cycles < 2_200, "{cycles} cycles");
}
