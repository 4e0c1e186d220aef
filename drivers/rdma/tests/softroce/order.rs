//! What holds between operations, and between them and a processor that looks on.

use crate::lab::{Pair, WORDS};
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// Words of a record: a journal cell.
const RECORD: usize = 16;
const ROUNDS: u64 = 4_000;
/// Of the race that the safety of the protocol rests on.
const RACES: u64 = 20_000;

/// The order that votes rest on: whoever sees the exchanged word sees the record that was written before it.
#[test]
fn a_write_is_there_before_the_exchange_that_follows_it() {
    let mut pair = Pair::connected();
    let stop = AtomicBool::new(false);
    let (record, word) = (0, 64);
    std::thread::scope(|scope| {
        let (memory, stop_seen) = (pair.b.memory.words(), &stop);
        let watcher = scope.spawn(move || {
            let (mut seen, mut late) = (0u64, 0u64);
            while !stop_seen.load(Relaxed) {
                // Partner: the device's own order of a write and the atomic behind it.
                let round = memory[word].load(Acquire);
                let oldest = memory[record..][..RECORD].iter().map(|word| word.load(Relaxed)).min().unwrap_or(0);
                late += u64::from(oldest < round);
                seen += u64::from(round > 0);
                std::thread::yield_now();
            }
            (seen, late)
        });
        for round in 1..=ROUNDS {
            for own in &pair.a.memory.words()[..RECORD] {
                own.store(round, Relaxed);
            }
            let chain = pair.a.queue_pair.chain(round);
            let chain = chain.write(pair.a.memory.span(0, RECORD), pair.there.span(record, RECORD));
            let found = pair.a.memory.span(WORDS - 1, 1);
            chain.compare_exchange(pair.there.span(word, 1), round - 1, round, found).post().expect("room");
            assert_eq!(pair.a.finish(), Ok(round));
            assert_eq!(pair.a.load(WORDS - 1, 1), [round - 1]);
        }
        stop.store(true, Release);
        let (seen, late) = watcher.join().expect("the watcher ends");
        println!("{ROUNDS} rounds, {seen} looks, {late} records later than their exchange");
        assert!(seen > 0);
        assert_eq!(late, 0);
    });
}

/// The promise and check race, decided by the device: a leader writes a record and checks the promise, a candidate raises the
/// promise and reads the record, both at the same time. If the check held, the candidate has the record.
#[test]
fn a_vote_is_seen_or_refused() {
    let mut leader = Pair::connected();
    let mut candidate = Pair::connected();
    // The candidate's connection ends at the leader's acceptor: the memory is registered once more in its domain.
    candidate.reach(&leader);
    let (record, promise) = (0, 64);
    let meeting = std::sync::Barrier::new(2);
    let (mut voted, mut seen) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let meeting = &meeting;
        let voted = &mut voted;
        scope.spawn(move || {
            for round in 1..=RACES {
                leader.a.store(0, &[round; RECORD]);
                meeting.wait();
                let chain = leader.a.queue_pair.chain(round);
                let chain = chain.write(leader.a.memory.span(0, RECORD), leader.there.span(record, RECORD));
                let ballot = 2 * (round - 1);
                let found = leader.a.memory.span(WORDS - 1, 1);
                chain.compare_exchange(leader.there.span(promise, 1), ballot, ballot, found).post().expect("room");
                assert_eq!(leader.a.finish(), Ok(round));
                voted.push(leader.a.load(WORDS - 1, 1)[0] == ballot);
                meeting.wait();
            }
        });
        for round in 1..=RACES {
            meeting.wait();
            // Now and then later, so that both orders happen however fast the two sides are.
            for _ in 0..(round % 8) * 2_000 {
                std::hint::spin_loop();
            }
            let chain = candidate.a.queue_pair.chain(round);
            let found = candidate.a.memory.span(WORDS - 1, 1);
            let chain = chain.compare_exchange(candidate.there.span(promise, 1), 2 * (round - 1), 2 * round, found);
            chain.read(candidate.there.span(record, RECORD), candidate.a.memory.span(0, RECORD)).post().expect("room");
            assert_eq!(candidate.a.finish(), Ok(round));
            assert_eq!(candidate.a.load(WORDS - 1, 1), [2 * (round - 1)], "nobody else raises the promise");
            seen.push(candidate.a.load(0, RECORD).iter().all(|&word| word == round));
            meeting.wait();
        }
    });
    let missed = voted.iter().zip(&seen).filter(|&(&voted, &seen)| voted && !seen).count();
    let held = voted.iter().filter(|&&voted| voted).count();
    println!("{RACES} rounds, {held} checks held, {missed} records missed");
    assert_eq!(missed, 0);
    assert!(held > 0 && held < RACES as usize, "both orders must happen: {held} of {RACES} checks held");
}

/// An aligned word that only atomics change is never seen torn, by a processor of the owner. A word that a plain WRITE changes
/// may be, on SoftRoCE: that is counted and shown, and nothing relies on it.
#[test]
fn a_word_changed_by_exchanges_is_never_seen_torn() {
    const BOTH: [u64; 2] = [0x1111_1111_1111_1111, 0x2222_2222_2222_2222];
    let mut pair = Pair::connected();
    let stop = AtomicBool::new(false);
    pair.b.store(0, &[BOTH[0], BOTH[0]]);
    std::thread::scope(|scope| {
        let (memory, stop_seen) = (pair.b.memory.words(), &stop);
        let watcher = scope.spawn(move || {
            let (mut looks, mut torn) = (0u64, [0u64; 2]);
            while !stop_seen.load(Relaxed) {
                for (word, torn) in memory.iter().zip(&mut torn) {
                    *torn += u64::from(!BOTH.contains(&word.load(Relaxed)));
                }
                looks += 1;
                if looks.is_multiple_of(64) {
                    std::thread::yield_now();
                }
            }
            (looks, torn)
        });
        for round in 0..ROUNDS as usize {
            let (old, new) = (BOTH[round % 2], BOTH[(round + 1) % 2]);
            pair.a.store(1, &[new]);
            let chain = pair.a.queue_pair.chain(round as u64);
            let chain = chain.write(pair.a.memory.span(1, 1), pair.there.span(1, 1));
            let found = pair.a.memory.span(WORDS - 1, 1);
            chain.compare_exchange(pair.there.span(0, 1), old, new, found).post().expect("room");
            pair.a.finish().expect("write and exchange");
        }
        stop.store(true, Release);
        let (looks, torn) = watcher.join().expect("the watcher ends");
        println!("{looks} looks: {} torn under exchanges, {} torn under plain writes", torn[0], torn[1]);
        assert_eq!(torn[0], 0);
    });
}
