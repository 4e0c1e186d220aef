//! What WRITE, READ and compare-and-exchange do.

use crate::lab::{ALL, Pair, WORDS};
use paxon_rdma::{CHAIN_REQUESTS_MAX, QueuePairOptions};

#[test]
fn a_write_copies_its_words_and_no_others() {
    let mut pair = Pair::connected();
    for (start, words) in [(0, 1), (7, 16), (100, 64), (200, 500)] {
        let values: Vec<u64> = (0..words as u64).map(|i| (start as u64) << 32 | i).collect();
        let mut expected = pair.b.load(0, WORDS);
        expected[start..][..words].copy_from_slice(&values);
        pair.a.store(start, &values);
        pair.write(start, words).expect("a write");
        assert_eq!(pair.b.load(0, WORDS), expected, "{words} words at {start}");
    }
}

#[test]
fn writes_are_the_same_with_and_without_inline_data() {
    for inline_bytes in [0, 128, 100_000] {
        let options = QueuePairOptions { inline_bytes, ..QueuePairOptions::default() };
        let mut pair = Pair::with(ALL, options);
        let granted = pair.a.queue_pair.inline_bytes();
        assert!(granted <= inline_bytes);
        println!("inline: {inline_bytes} bytes asked for, {granted} granted");
        pair.a.store(0, &[3; 512]);
        for words in [1, 16, 32, 512] {
            pair.write(0, words).expect("a write");
            assert_eq!(pair.b.load(0, 513).iter().filter(|&&word| word == 3).count(), words);
        }
    }
}

#[test]
fn a_read_copies_from_the_peer() {
    let mut pair = Pair::connected();
    pair.b.store(64, &[5, 6, 7]);
    let (from, into) = (pair.there.span(64, 3), pair.a.memory.span(10, 3));
    pair.a.queue_pair.chain(1).read(from, into).post().expect("room");
    assert_eq!(pair.a.finish(), Ok(1));
    assert_eq!(pair.a.load(9, 5), [0, 5, 6, 7, 0]);
}

#[test]
fn an_exchange_finds_the_word_and_replaces_it_only_if_it_is_as_expected() {
    let mut pair = Pair::connected();
    assert_eq!(pair.exchange(40, 0, 11), Ok(0));
    assert_eq!(pair.exchange(40, 0, 12), Ok(11), "a mismatch tells what it found");
    assert_eq!(pair.exchange(40, 11, 11), Ok(11), "a check");
    assert_eq!(pair.exchange(40, 11, u64::MAX), Ok(11));
    assert_eq!(pair.exchange(40, u64::MAX, 1), Ok(u64::MAX), "all 64 bits count");
    assert_eq!(pair.b.load(39, 3), [0, 1, 0]);
}

#[test]
fn the_longest_chain_has_one_completion() {
    let mut pair = Pair::connected();
    let mut chain = pair.a.queue_pair.chain(9);
    for index in 0..CHAIN_REQUESTS_MAX {
        pair.a.memory.words()[index].store(index as u64 + 1, std::sync::atomic::Ordering::Relaxed);
        chain = chain.write(pair.a.memory.span(index, 1), pair.there.span(2 * index, 1));
    }
    chain.post().expect("room");
    assert_eq!(pair.a.finish(), Ok(9));
    let expected: Vec<u64> =
        (0..2 * CHAIN_REQUESTS_MAX as u64).map(|i| if i % 2 == 0 { i / 2 + 1 } else { 0 }).collect();
    assert_eq!(pair.b.load(0, 2 * CHAIN_REQUESTS_MAX), expected);
    assert_eq!(pair.a.queue_pair.room(), QueuePairOptions::default().send_depth);
}

#[test]
fn nothing_completes_in_its_turn() {
    let mut pair = Pair::connected();
    let word = pair.there.span(0, 1);
    pair.a.queue_pair.chain(1).compare_exchange(word, 0, 1, pair.a.memory.span(0, 1)).post().expect("room");
    pair.a.queue_pair.chain(2).nothing().post().expect("room");
    pair.a.queue_pair.chain(3).compare_exchange(word, 1, 2, pair.a.memory.span(1, 1)).post().expect("room");
    assert_eq!([pair.a.finish(), pair.a.finish(), pair.a.finish()], [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(pair.b.load(0, 1), [2]);
}

#[test]
fn a_queue_pair_can_be_its_own_peer() {
    let mut pair = Pair::connected();
    pair.a.renew();
    let own = pair.a.queue_pair.endpoint();
    pair.a.queue_pair.connect(&own, crate::lab::TIMING).expect("a loopback");
    pair.there = paxon_rdma::RemoteRegion::of(pair.a.memory.claim(), WORDS).expect("a true claim");
    assert_eq!(pair.exchange(3, 0, 8), Ok(0));
    assert_eq!(pair.a.load(3, 1), [8]);
}
