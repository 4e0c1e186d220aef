//! Old connections: what ends them for good, and what takes their place.

use crate::lab::{ALL, Pair, WORDS, memory};
use paxon_rdma::{MemoryRegion, RemoteRegion, WorkCompletion};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const ROUNDS: usize = 60;
/// WRITEs that the stale writer keeps in flight.
const IN_FLIGHT: usize = 16;

/// A writer that hammers a region which its owner deregisters: after that nothing of it lands any more.
#[test]
fn no_write_lands_after_the_region_was_deregistered() {
    let mut pair = Pair::connected();
    let (mut late, mut landed) = (0, 0);
    for _ in 0..ROUNDS {
        let bytes = memory();
        let target = MemoryRegion::register(&pair.b.domain, Arc::clone(&bytes), ALL).expect("registered memory");
        let there = RemoteRegion::of(target.claim(), WORDS).expect("a true claim");
        let stop = AtomicBool::new(false);
        let written = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let (writer, stop_seen, written) = (&mut pair.a, &stop, &written);
            scope.spawn(move || hammer(writer, there, stop_seen, written));
            let deadline = Instant::now() + Duration::from_secs(10);
            while written.load(Relaxed) < 3 * IN_FLIGHT as u64 {
                assert!(Instant::now() < deadline, "the writer does not come off the ground");
                std::thread::yield_now();
            }
            target.deregister().expect("deregistered");
            let before: Vec<u64> = bytes.words().iter().map(|word| word.load(Relaxed)).collect();
            // Time for what may still be under way: ten round trips.
            let settled = Instant::now() + Duration::from_millis(5);
            while Instant::now() < settled {
                std::thread::yield_now();
            }
            late += bytes.words().iter().zip(&before).filter(|(now, then)| now.load(Relaxed) != **then).count();
            landed += usize::from(before[0] != 0);
            stop.store(true, Relaxed);
        });
        pair.reconnect();
    }
    println!("{ROUNDS} rounds, {landed} in which writes had landed, {late} words changed after the barrier");
    assert_eq!(landed, ROUNDS, "the writer was at work in each round");
    assert_eq!(late, 0);
}

/// Keeps writes in flight until one fails or it is stopped; counts those that succeeded.
fn hammer(writer: &mut crate::lab::End, there: RemoteRegion, stop: &AtomicBool, written: &AtomicU64) {
    let mut batch = [WorkCompletion::default(); IN_FLIGHT];
    let (mut value, mut in_flight) = (0, 0);
    while !stop.load(Relaxed) {
        while in_flight < IN_FLIGHT {
            value += 1;
            writer.store(0, &[value; 8]);
            let chain = writer.queue_pair.chain(value).write(writer.memory.span(0, 8), there.span(0, 8));
            if chain.post().is_err() {
                return;
            }
            in_flight += 1;
        }
        let taken = writer.completions.poll(&mut batch).expect("a working device");
        for completion in &batch[..taken] {
            in_flight -= 1;
            if writer.queue_pair.retire(completion).is_err() {
                return;
            }
            written.fetch_add(1, Relaxed);
        }
        std::thread::yield_now();
    }
}

#[test]
fn after_a_failure_a_new_queue_pair_takes_over() {
    let mut pair = Pair::connected();
    let mut seen = vec![pair.a.queue_pair.endpoint()];
    let mut slowest = Duration::ZERO;
    for round in 1..=20 {
        let wrong =
            RemoteRegion::of(paxon_rdma::RegionClaim { key: 1, ..pair.b.memory.claim() }, WORDS).expect("a form");
        pair.failure(0, 1, wrong.span(0, 1));
        let started = Instant::now();
        pair.reconnect();
        pair.a.store(5, &[round]);
        pair.write(5, 1).expect("a write over the new connection");
        slowest = slowest.max(started.elapsed());
        assert_eq!(pair.b.load(5, 1), [round]);
        let endpoint = pair.a.queue_pair.endpoint();
        assert!(seen.iter().all(|old| old.queue_pair != endpoint.queue_pair), "a number came back: {endpoint:?}");
        assert!(seen.iter().all(|old| old.packet_sequence != endpoint.packet_sequence), "a count came back");
        seen.push(endpoint);
    }
    println!("20 connections made anew, the slowest took {slowest:?} until its first write was acknowledged");
}
