//! The hot-key table through the registers of whole devices: registered, used, evicted, refused.

use crate::cases;
use crate::device::{ABORTED, VALID, check};
use crate::host::{Host, Request};
use crate::signature::Signed;
use paxon_fpga_gen::comb::comb_of;
use paxon_fpga_sim::registers;
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// The words of a table, as a driver writes them.
fn words(key: &[u8; 32]) -> Vec<u32> {
    let bytes: Vec<u8> = comb_of(key).expect("the key has a comb").into_iter().flatten().collect();
    bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
}

fn command(host: &mut Host, entry: u32, command: u32) {
    host.device.write(registers::HOT_ENTRY, entry);
    host.device.write(registers::HOT_COMMAND, command);
}

fn state(host: &mut Host, entry: u32) -> u32 {
    host.device.write(registers::HOT_ENTRY, entry);
    host.device.read(registers::HOT_STATE)
}

fn fill(host: &mut Host, words: &[u32]) {
    for (at, word) in words.iter().enumerate() {
        host.device.write(registers::HOT_TABLE + 4 * at as u32, *word);
    }
}

/// Evicts what is there, waits until nothing uses it, and writes the table of a key.
pub fn register(host: &mut Host, entry: u32, key: &[u8; 32]) {
    command(host, entry, registers::HOT_EVICT);
    let start = host.device.cycles();
    while state(host, entry) != 0 {
        host.device.clock(100);
        assert!(host.device.cycles() - start < 100_000, "the entry stays in use");
    }
    command(host, entry, registers::HOT_BEGIN);
    assert_eq!(state(host, entry), registers::HOT_STATE_OPEN);
    fill(host, &words(key));
    command(host, entry, registers::HOT_COMMIT);
    assert_eq!(state(host, entry), registers::HOT_STATE_VALID);
}

fn count_hot(host: &mut Host) -> u32 {
    host.device.write(registers::SNAPSHOT, 1);
    host.device.read(registers::COUNT_HOT)
}

fn request((at, signed): (usize, &Signed)) -> Request {
    Request::verify((at % 2) as u8, signed.clone())
}

/// Submits and checks the verdicts; returns how many came from the table.
fn verify(host: &mut Host, cases: &[Signed]) -> u32 {
    let before = count_hot(host);
    let requests: Vec<_> = cases.iter().enumerate().map(request).collect();
    for (request, completion) in requests.iter().zip(host.run(&requests)) {
        check(request, completion);
    }
    count_hot(host) - before
}

fn hot_host(configuration: &str) -> Host {
    let mut host = Host::new(configuration);
    assert_eq!(host.device.read(registers::FEATURES) >> 16, 4);
    host.enable();
    host
}

#[test]
fn registered_keys_are_used_and_change_no_verdict() {
    for configuration in ["zynq7020", "pair"] {
        let mut rng = SmallRng::seed_from_u64(80);
        let cases = cases::of_keys(&mut rng, 6, 90);
        let mut host = hot_host(configuration);
        assert_eq!(verify(&mut host, &cases), 0);
        for entry in 0..4 {
            register(&mut host, entry, &cases[entry as usize].key);
        }
        // Four keys of six; an s that is out of range is refused before any table is looked at.
        let hot = verify(&mut host, &cases);
        assert!((55..=60).contains(&hot), "{hot} hot");
        command(&mut host, 1, registers::HOT_EVICT);
        let less = verify(&mut host, &cases);
        assert!((40..=45).contains(&less), "{less} hot");
        assert_eq!(host.device.read(registers::ERROR), 0);
    }
}

#[test]
fn an_entry_is_evicted_while_it_is_in_use_and_written_anew_when_it_is_not() {
    let mut rng = SmallRng::seed_from_u64(81);
    let cases = cases::of_keys(&mut rng, 2, 60);
    let mut host = hot_host("pair");
    register(&mut host, 2, &cases[0].key);
    let requests: Vec<_> = cases.iter().enumerate().map(request).collect();
    for request in &requests {
        assert!(host.submit(request));
    }
    host.device.clock(2_000);
    assert_eq!(state(&mut host, 2), registers::HOT_STATE_VALID | registers::HOT_STATE_BUSY);
    command(&mut host, 2, registers::HOT_EVICT);
    assert_eq!(state(&mut host, 2), registers::HOT_STATE_BUSY);
    command(&mut host, 2, registers::HOT_BEGIN);
    assert_eq!(state(&mut host, 2), registers::HOT_STATE_BUSY, "no table is opened that is in use");
    assert_eq!(host.device.read(registers::ERROR), registers::ERROR_HOT);
    register(&mut host, 2, &cases[1].key);
    host.drive(&[]);
    for (request, cookie) in requests.iter().zip(0..) {
        check(request, host.completions[&cookie]);
    }
    let hot = verify(&mut host, &cases);
    assert!((26..=30).contains(&hot), "{hot} hot");
}

#[test]
fn a_soft_reset_keeps_the_tables() {
    let mut rng = SmallRng::seed_from_u64(82);
    let cases = cases::valid_of_keys(&mut rng, 1, 50);
    let mut host = hot_host("pair");
    register(&mut host, 0, &cases[0].key);
    let requests: Vec<_> = cases.iter().enumerate().map(request).collect();
    for request in &requests {
        assert!(host.submit(request));
    }
    host.device.clock(3_000);
    host.device.write(registers::CONTROL, registers::CONTROL_ENABLE | registers::CONTROL_ABORT);
    host.drive(&[]);
    let verdicts: Vec<_> = host.completions.values().map(|completion| completion.verdict).collect();
    assert!(verdicts.iter().all(|verdict| [VALID, ABORTED].contains(verdict)) && verdicts.contains(&ABORTED));
    assert_eq!(state(&mut host, 0), registers::HOT_STATE_VALID);
    assert_eq!(verify(&mut host, &cases), 50);
}

#[test]
fn what_is_out_of_order_is_ignored_and_flagged_and_makes_no_table_valid() {
    let mut rng = SmallRng::seed_from_u64(83);
    let cases = cases::valid_of_keys(&mut rng, 1, 4);
    let words = words(&cases[0].key);
    let mut host = hot_host("pair");
    let flagged = |host: &mut Host, what: &str| {
        assert_eq!(host.device.read(registers::ERROR), registers::ERROR_HOT, "{what}");
        host.device.write(registers::ERROR, registers::ERROR_HOT);
    };
    command(&mut host, 4, registers::HOT_BEGIN);
    flagged(&mut host, "no such entry");
    command(&mut host, 0, 4);
    flagged(&mut host, "no such command");
    command(&mut host, 0, registers::HOT_COMMIT);
    flagged(&mut host, "nothing is open");
    fill(&mut host, &words[..1]);
    flagged(&mut host, "nothing is open");
    command(&mut host, 0, registers::HOT_BEGIN);
    fill(&mut host, &words[..words.len() - 1]);
    command(&mut host, 0, registers::HOT_COMMIT);
    flagged(&mut host, "a word is missing");
    command(&mut host, 0, registers::HOT_BEGIN);
    fill(&mut host, &words[..7]);
    host.device.write(registers::HOT_TABLE + 4 * 8, words[8]);
    flagged(&mut host, "a word was left out");
    assert_eq!(state(&mut host, 0), 0);
    command(&mut host, 0, registers::HOT_BEGIN);
    fill(&mut host, &words);
    command(&mut host, 1, registers::HOT_COMMIT);
    flagged(&mut host, "another entry is open");
    assert_eq!(verify(&mut host, &cases), 0);
    command(&mut host, 0, registers::HOT_COMMIT);
    assert_eq!(verify(&mut host, &cases), 4);
    command(&mut host, 0, registers::HOT_BEGIN);
    flagged(&mut host, "the entry is in use");
    assert_eq!(verify(&mut host, &cases), 4);
}

#[test]
fn a_device_without_a_table_says_so() {
    let mut host = Host::new("compact");
    assert_eq!(host.device.read(registers::FEATURES) >> 16, 0);
    command(&mut host, 0, registers::HOT_BEGIN);
    assert_eq!((host.device.read(registers::ERROR), state(&mut host, 0)), (registers::ERROR_HOT, 0));
}
