//! Devices whose queues and messages are in host memory, behind a bus that stalls, delays, fails and falls silent.

use crate::cases;
use crate::device::{ABORTED, VALID, check, requests};
use crate::host::{Host, Request};
use crate::signature::Signed;
use paxon_fpga_sim::{Behaviour, registers};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const ROUGH: Behaviour = Behaviour {
    stall_percent: 40,
    delay_max: 300,
    read_error_in: 0,
    write_error_in: 0,
    mute_reads: false,
    mute_writes: false,
};

/// Every request gets its one right answer.
fn answers(mut host: Host, count: usize, seed: u64) {
    host.enable();
    let requests = requests(&mut SmallRng::seed_from_u64(seed), count, 400);
    let completions = host.run(&requests);
    for (request, completion) in requests.iter().zip(completions) {
        check(request, completion);
    }
    host.device.clock(1_000);
    assert_eq!(host.device.read(registers::STATUS), 0);
    assert_eq!(host.device.read(registers::ERROR), 0);
}

#[test]
fn queues_in_host_memory_answer_every_request_once_and_right() {
    answers(Host::in_memory("zynq7020", (4, 5), ROUGH, 40), 120, 41);
    answers(Host::in_memory("pair", (3, 4), ROUGH, 42), 150, 43);
    answers(Host::in_memory("pair", (8, 8), Behaviour { delay_max: 2_000, ..ROUGH }, 44), 300, 45);
}

#[test]
fn the_smallest_queue_in_host_memory_works() {
    answers(Host::in_memory("pair", (1, 1), ROUGH, 46), 40, 47);
}

#[test]
fn long_messages_are_fetched_from_host_memory_whatever_the_queue() {
    answers(Host::with_messages("pair", ROUGH, 48), 120, 49);
    answers(Host::with_messages("zynq7020", ROUGH, 50), 60, 51);
}

#[test]
fn messages_of_every_length_up_to_the_longest_get_the_verdict_of_software() {
    let mut rng = SmallRng::seed_from_u64(52);
    let mut host = Host::in_memory("pair", (4, 4), Behaviour { stall_percent: 5, delay_max: 50, ..ROUGH }, 53);
    host.enable();
    let lengths = cases::LENGTHS.into_iter().chain([129, 130, 135, 136, 137, 255, 256, 257, 8_192]);
    let requests: Vec<_> = lengths.map(|length| Request::verify(0, cases::valid(&mut rng, length))).collect();
    let completions = host.run(&requests);
    for (request, completion) in requests.iter().zip(&completions) {
        assert_eq!(completion.verdict, VALID, "{} bytes", request.message_bytes);
    }
}

#[test]
fn the_longest_message_is_verified_and_a_longer_one_is_malformed() {
    let mut rng = SmallRng::seed_from_u64(54);
    let mut host = Host::in_memory("pair", (4, 4), Behaviour::default(), 55);
    host.enable();
    // Its place reaches over those of the slots behind it, which are not in use.
    let longest = Request::verify(0, cases::valid(&mut rng, 65_536));
    let mut longer = longest.clone();
    longer.message_bytes += 1;
    let mut wrapping = longest.clone();
    wrapping.message_address = Some(u64::MAX - 7);
    for (request, expected) in [(longest, registers::VERDICT_VALID), (longer, 2), (wrapping, 2)] {
        assert_eq!(u32::from(host.run(&[request])[0].verdict), expected);
    }
}

/// With errors a request is answered right or aborted, and its cookie may be unknown; never lost, never wrong.
fn errors(behaviour: Behaviour, error: u32, seed: u64) -> (usize, usize) {
    let mut host = Host::in_memory("pair", (5, 5), behaviour, seed);
    host.enable();
    let requests = requests(&mut SmallRng::seed_from_u64(seed), 150, 400);
    host.drive(&requests);
    let mut aborted = 0;
    for (cookie, completion) in &host.completions {
        if completion.verdict == ABORTED {
            aborted += 1;
        } else {
            check(&requests[*cookie as usize], *completion);
        }
    }
    assert_eq!(host.completed(), requests.len());
    host.device.clock(5_000);
    assert_eq!(host.device.read(registers::STATUS), 0);
    assert_eq!(host.device.read(registers::ERROR), error);
    (aborted, host.unread)
}

#[test]
fn read_errors_abort_their_request_alone() {
    let behaviour = Behaviour { read_error_in: 200, ..ROUGH };
    let (aborted, unread) = errors(behaviour, registers::ERROR_MEMORY_READ, 56);
    assert!((5..60).contains(&aborted) && unread < 20, "{aborted} aborted, {unread} unread");
    let (_, unread) = errors(Behaviour { read_error_in: 12, ..ROUGH }, registers::ERROR_MEMORY_READ, 57);
    assert!(unread > 0, "an error in the cookie leaves a completion without one");
}

#[test]
fn write_errors_are_flagged_and_hold_nothing_up() {
    let behaviour = Behaviour { write_error_in: 20, ..ROUGH };
    assert_eq!(errors(behaviour, registers::ERROR_MEMORY_WRITE, 58), (0, 0));
}

#[test]
fn slots_outside_the_memory_are_completed_without_a_cookie() {
    let mut rng = SmallRng::seed_from_u64(59);
    let mut host = Host::in_memory("pair", (4, 4), ROUGH, 60);
    host.device.write(registers::SUBMIT_BASE_HIGH, 0x1234);
    host.enable();
    host.drive(&requests(&mut rng, 20, 128));
    assert_eq!((host.unread, host.completions.len()), (20, 0));
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_MEMORY_READ);
}

/// A bus that falls silent for reads after some cycles, and comes back.
fn silence(after: u64, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut host = Host::in_memory("pair", (5, 6), ROUGH, seed);
    host.device.write(registers::MEMORY_TIMEOUT, 2_000);
    host.enable();
    let before = requests(&mut rng, 32, 400);
    for request in &before {
        assert!(host.submit(request));
    }
    host.device.clock(after);
    host.device.memory_mut().behaviour.mute_reads = true;
    // Each unit holds what it read last; the others have timed out.
    host.device.clock(60_000);
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_MEMORY_TIMEOUT);
    assert_eq!(host.device.read(registers::STATUS) & !registers::STATUS_BUSY, registers::STATUS_MEMORY);
    host.poll();
    host.device.memory_mut().behaviour.mute_reads = false;
    host.device.write(registers::ERROR, !0);
    let after = requests(&mut rng, 40, 400);
    host.drive(&after);
    let all: Vec<_> = before.iter().chain(&after).collect();
    let answered = host.completions.iter().filter(|(_, completion)| completion.verdict != ABORTED);
    let answered: Vec<_> = answered.collect();
    for (cookie, completion) in &answered {
        check(all[**cookie as usize], **completion);
    }
    // Three units gave up one request each.
    assert_eq!(answered.len() + 3, all.len());
    assert_eq!(host.device.read(registers::ERROR), 0);
}

#[test]
fn reads_that_are_never_answered_abort_their_requests_and_late_answers_do_no_harm() {
    silence(0, 61);
    silence(1_500, 62);
    silence(3_000, 63);
}

#[test]
fn writes_that_are_never_answered_are_flagged_and_go_on_when_answers_come() {
    let mut rng = SmallRng::seed_from_u64(64);
    let mut host = Host::in_memory("pair", (5, 6), ROUGH, 65);
    host.device.write(registers::MEMORY_TIMEOUT, 1_000);
    host.enable();
    host.device.memory_mut().behaviour.mute_writes = true;
    let requests = requests(&mut rng, 32, 300);
    for request in &requests {
        assert!(host.submit(request));
    }
    host.device.clock(150_000);
    host.poll();
    assert_eq!(host.completed(), 0, "no phase is seen before its cookie was acknowledged");
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_MEMORY_TIMEOUT);
    assert_eq!(host.device.read(registers::MAGIC), registers::MAGIC_VALUE);
    host.device.memory_mut().behaviour.mute_writes = false;
    host.drive(&[]);
    for (request, cookie) in requests.iter().zip(0..) {
        check(request, host.completions[&cookie]);
    }
}

/// Aborts with reads and writes under way; what was not read is verified afterwards.
fn aborts_after(cycles: u64, seed: u64) -> usize {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut host = Host::in_memory("pair", (6, 6), Behaviour { delay_max: 3_000, ..ROUGH }, seed);
    host.enable();
    let before: Vec<_> = (0..50).map(|at| Request::verify(0, cases::valid(&mut rng, 20 * at))).collect();
    for request in &before {
        assert!(host.submit(request));
    }
    host.device.clock(cycles);
    host.device.write(registers::CONTROL, registers::CONTROL_ENABLE | registers::CONTROL_ABORT);
    let after = requests(&mut rng, 20, 400);
    for (request, completion) in after.iter().zip(host.run(&after)) {
        check(request, completion);
    }
    assert_eq!((host.completions.len(), host.unread), (before.len() + after.len(), 0));
    let verdicts: Vec<_> = (0..before.len() as u64).map(|cookie| host.completions[&cookie].verdict).collect();
    assert!(verdicts.iter().all(|verdict| [VALID, ABORTED].contains(verdict)), "{verdicts:?}");
    verdicts.into_iter().filter(|verdict| *verdict == ABORTED).count()
}

#[test]
fn a_soft_reset_with_transfers_under_way_loses_nothing() {
    let mut rng = SmallRng::seed_from_u64(66);
    let aborted: Vec<_> = (0..6).map(|seed| aborts_after(rng.random_range(0..30_000), 70 + seed)).collect();
    assert!(aborted.iter().any(|aborted| *aborted > 0), "{aborted:?}");
}

#[test]
fn the_watchdog_aborts_requests_whose_message_does_not_come() {
    let mut rng = SmallRng::seed_from_u64(76);
    let mut host = Host::with_messages("pair", Behaviour { mute_reads: true, ..ROUGH }, 77);
    host.device.write(registers::WATCHDOG, 100_000);
    host.enable();
    let requests: Vec<_> = (0..3).map(|_| Request::verify(0, cases::valid(&mut rng, 500))).collect();
    let completions = host.run(&requests);
    assert!(completions.iter().all(|completion| completion.verdict == ABORTED && completion.cycles == u16::MAX));
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_WATCHDOG);
    host.device.memory_mut().behaviour.mute_reads = false;
    assert_eq!(host.run(&requests)[0].verdict, VALID);
}

#[test]
fn a_device_without_a_memory_port_says_so() {
    let mut rng = SmallRng::seed_from_u64(78);
    let mut host = Host::new("compact");
    assert_eq!(host.device.read(registers::FEATURES), 1 << 8);
    assert_eq!(host.device.read(registers::MESSAGE_BYTES_MAX), 128);
    let before = host.device.read(registers::QUEUE);
    host.device.write(registers::QUEUE, registers::QUEUE_HOST | 4 << 8 | 4 << 16);
    assert_eq!(host.device.read(registers::QUEUE), before);
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_CONFIGURE);
    host.enable();
    let long = Request { message_bytes: 129, ..Request::verify(0, cases::valid(&mut rng, 128)) };
    assert_eq!(u32::from(host.run(&[long])[0].verdict), registers::VERDICT_MALFORMED);
}

#[test]
fn a_queue_is_configured_only_while_nothing_is_in_flight() {
    let mut rng = SmallRng::seed_from_u64(79);
    let mut host = Host::new("pair");
    for bad in [0x0004_0000, 0x0000_0400, 0x0010_0401, 0x0004_1401, 0x0004_0403] {
        host.device.write(registers::QUEUE, bad);
    }
    assert_eq!(host.device.read(registers::QUEUE), 6 << 8 | 7 << 16);
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_CONFIGURE);
    host.device.write(registers::ERROR, registers::ERROR_CONFIGURE);
    host.enable();
    let signed: Signed = cases::valid(&mut rng, 10);
    assert!(host.submit(&Request::verify(0, signed)));
    host.device.clock(200);
    host.device.write(registers::CONTROL, 0);
    let timeout = registers::MEMORY_TIMEOUT;
    host.device.write(timeout, rng.random());
    assert_eq!(host.device.read(timeout), registers::MEMORY_TIMEOUT_RESET);
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_CONFIGURE);
}

#[test]
fn a_soft_reset_ends_even_when_the_slots_never_come() {
    let mut rng = SmallRng::seed_from_u64(84);
    let mut host = Host::in_memory("pair", (4, 4), Behaviour { mute_reads: true, ..ROUGH }, 85);
    host.device.write(registers::MEMORY_TIMEOUT, 2_000);
    host.enable();
    let requests = requests(&mut rng, 8, 128);
    for request in &requests {
        assert!(host.submit(request));
    }
    host.device.write(registers::CONTROL, registers::CONTROL_ABORT);
    host.device.clock(100);
    assert_eq!(host.device.read(registers::STATUS) & registers::STATUS_ABORTING, registers::STATUS_ABORTING);
    host.device.clock(5_000);
    host.poll();
    // Each of the three units had taken a slot, whose cookie never came.
    assert_eq!((host.unread, host.completions.len()), (3, 0));
    assert_eq!(host.device.read(registers::STATUS), registers::STATUS_MEMORY);
    host.device.memory_mut().behaviour.mute_reads = false;
    host.enable();
    host.drive(&[]);
    assert_eq!(host.completed(), requests.len());
}
