//! SHA-512 with its padding against the `sha2` crate.

use crate::stream::{Handshake, Stalls};
use paxon_fpga_sim::Model;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use sha2::{Digest, Sha512};
use std::collections::VecDeque;

/// Cycles of one block in a long message.
const BLOCK_CYCLES: u64 = 81;

/// A word of a message: its bytes, highest first, how many they are, whether it is the last.
fn words(message: &[u8]) -> VecDeque<(u64, u64, bool)> {
    let mut words: VecDeque<_> = message
        .chunks(8)
        .map(|bytes| {
            (
                bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)) << (64 - 8 * bytes.len()),
                bytes.len() as u64,
                false,
            )
        })
        .collect();
    if words.is_empty() {
        words.push_back((0, 0, true));
    }
    words.back_mut().expect("not empty").2 = true;
    words
}

/// Hashes the messages one behind the other and returns the cycles that it took.
fn hashes(messages: &[Vec<u8>], stall: bool) -> u64 {
    let mut rng = SmallRng::seed_from_u64(6);
    let mut model = Model::new("sha512").expect("the model is in models.txt");
    let port = |name: &str| model.port(name).expect("a port of sha512_message");
    let [data, bytes, last, digest] = ["data_i", "bytes_i", "last_i", "digest_o"].map(port);
    let input = Handshake::new(&model, "valid_i", "ready_o");
    let output = Handshake::new(&model, "digest_valid_o", "digest_ready_i");
    let mut feed: VecDeque<_> = messages.iter().flat_map(|message| words(message)).collect();
    let mut expected: VecDeque<_> = messages.iter().map(Sha512::digest).collect();
    let (mut offering, mut feeding, mut taking) = (false, Stalls::new(), Stalls::new());
    let start = model.cycles();
    while !expected.is_empty() {
        offering = !feed.is_empty() && (offering || !stall || feeding.go(&mut rng));
        if offering {
            let (word, count, end) = feed[0];
            model.set(data, word);
            model.set(bytes, count);
            model.set(last, u64::from(end));
        }
        input.offer(&mut model, offering);
        output.accept(&mut model, !stall || taking.go(&mut rng));
        model.eval();
        if output.moves(&model) {
            let mut found = model.get_bytes(digest);
            found.reverse();
            assert_eq!(found, expected.pop_front().expect("not empty").to_vec(), "{} left", expected.len());
        }
        if input.moves(&model) {
            feed.pop_front();
            offering = false;
        }
        model.clock(1);
    }
    model.cycles() - start
}

fn message(length: usize, rng: &mut SmallRng) -> Vec<u8> {
    let mut message = vec![0; length];
    rng.fill_bytes(&mut message);
    message
}

#[test]
fn messages_of_every_length_hash_right_with_stalls_on_both_sides() {
    let mut rng = SmallRng::seed_from_u64(7);
    let lengths =
        (0..=300).chain([1_023, 1_024, 1_025, 4_096, 65_535]).chain((0..20).map(|_| rng.random_range(0..3_000)));
    let lengths: Vec<_> = lengths.collect();
    let messages: Vec<_> = lengths.into_iter().map(|length| message(length, &mut rng)).collect();
    hashes(&messages, true);
}

#[test]
fn a_long_message_takes_eighty_one_cycles_a_block() {
    let mut rng = SmallRng::seed_from_u64(8);
    let blocks = 100;
    let cycles = hashes(&[message(128 * blocks - 17, &mut rng)], false);
    let ideal = BLOCK_CYCLES * blocks as u64;
    assert!((ideal..ideal + 4).contains(&cycles), "{cycles} cycles for {blocks} blocks");
}
