//! What fails, how it is reported, and what is left behind.

use crate::lab::{ALL, End, Pair, TIMING, WORDS, connect, devices};
use paxon_rdma::{
    ClaimError, CreateError, MemoryRegion, PeerAccess, PostError, QueuePair, QueuePairOptions, RegionClaim,
    RemoteRegion, Source, Status, Timing,
};
use std::time::{Duration, Instant};

#[test]
fn a_wrong_key_is_refused_by_the_peer() {
    let mut pair = Pair::connected();
    let claim = pair.b.memory.claim();
    let guessed = RemoteRegion::of(RegionClaim { key: claim.key ^ 0x100, ..claim }, WORDS).expect("a good form");
    pair.a.store(0, &[1]);
    assert_eq!(pair.failure(0, 1, guessed.span(0, 1)), Status::RemoteAccess);
    assert_eq!(pair.b.load(0, WORDS), [0; WORDS]);
}

#[test]
fn a_place_behind_the_region_is_refused_by_the_peer() {
    let mut pair = Pair::connected();
    let claim = pair.b.memory.claim();
    let longer = RegionClaim { bytes: claim.bytes + 8, ..claim };
    let longer = RemoteRegion::of(longer, WORDS + 1).expect("a good form");
    assert_eq!(pair.failure(0, 2, longer.span(WORDS - 1, 2)), Status::RemoteAccess);
    assert_eq!(pair.b.load(WORDS - 1, 1), [0], "nothing of an operation that leaves the region is executed");
}

#[test]
fn each_right_that_was_not_given_is_refused_by_the_peer() {
    let without = [
        PeerAccess { write: false, ..ALL },
        PeerAccess { read: false, ..ALL },
        PeerAccess { atomic: false, ..ALL },
        PeerAccess::NONE,
    ];
    for access in without {
        for (operation, is_allowed) in [("write", access.write), ("read", access.read), ("exchange", access.atomic)] {
            let mut pair = Pair::with(access, QueuePairOptions::default());
            let (here, there) = (pair.a.memory.span(0, 1), pair.there.span(0, 1));
            let chain = pair.a.queue_pair.chain(1);
            let chain = match operation {
                "write" => chain.write(here, there),
                "read" => chain.read(there, here),
                _ => chain.compare_exchange(there, 0, 1, here),
            };
            chain.post().expect("room");
            let expected = if is_allowed { Ok(1) } else { Err(Status::RemoteAccess) };
            assert_eq!(pair.a.finish(), expected, "{operation} with {access:?}");
        }
    }
}

#[test]
fn a_key_of_another_domain_is_refused_by_the_peer() {
    let mut pair = Pair::connected();
    let stranger = Pair::connected();
    let theirs = RemoteRegion::of(stranger.b.memory.claim(), WORDS).expect("a true claim");
    pair.a.store(0, &[1]);
    assert_eq!(pair.failure(0, 1, theirs.span(0, 1)), Status::RemoteAccess);
    assert_eq!(stranger.b.load(0, 1), [0], "the memory is on the same device, but not for this peer");
}

/// The failed WRITE is not signaled, and still it is what completes; what stands behind it is flushed and not executed.
#[test]
fn what_follows_a_failed_operation_is_not_executed() {
    let mut pair = Pair::with(PeerAccess { write: false, ..ALL }, QueuePairOptions::default());
    let chain = pair.a.queue_pair.chain(1).write(pair.a.memory.span(0, 1), pair.there.span(0, 1));
    chain.compare_exchange(pair.there.span(1, 1), 0, 7, pair.a.memory.span(1, 1)).post().expect("room");
    assert_eq!(pair.a.finish(), Err(Status::RemoteAccess));
    assert_eq!(pair.a.finish(), Err(Status::Flushed));
    assert_eq!(pair.b.load(0, 2), [0, 0]);
    let again = pair.a.queue_pair.chain(2).nothing().post();
    assert!(matches!(again, Err(PostError::Disconnected)), "{again:?}");
}

#[test]
fn no_misaligned_word_can_be_named() {
    let claim = RegionClaim { address: 0x1004, bytes: 64, key: 1 };
    assert_eq!(RemoteRegion::of(claim, 8), Err(ClaimError::Misaligned(0x1004)));
}

#[test]
fn a_dead_peer_is_noticed_within_the_time_that_was_chosen() {
    for timing in [Timing::for_detection(Duration::from_millis(50)), TIMING] {
        let devices = devices();
        let options = QueuePairOptions::default();
        let (mut a, mut b) = (End::on(&devices[0], ALL, options), End::on(&devices[1], ALL, options));
        connect(&mut a.queue_pair, &mut b.queue_pair, timing);
        drop(b);
        let started = Instant::now();
        a.queue_pair.chain(1).nothing().post().expect("room");
        assert_eq!(a.finish(), Err(Status::NoAnswer));
        let (took, nominal) = (started.elapsed(), timing.gives_up_after());
        println!("{timing:?}: {nominal:?} nominal, {took:?} measured");
        // The interface allows four times the nominal time; the rest is for an emulated machine on a busy host.
        assert!(took < 4 * nominal + Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn a_full_send_queue_is_reported_and_recovers() {
    let options = QueuePairOptions { send_depth: 32, ..QueuePairOptions::default() };
    let mut pair = Pair::with(ALL, options);
    for round in 0..3u64 {
        let mut posted = 0;
        let refused = loop {
            let (word, found) = (pair.there.span(0, 1), pair.a.memory.span(0, 1));
            let count = round * 16 + posted;
            let chain = pair.a.queue_pair.chain(posted).nothing();
            match chain.compare_exchange(word, count, count + 1, found).post() {
                Ok(()) => posted += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, PostError::Full { outstanding: 32, depth: 32 }), "{refused:?}");
        assert_eq!(posted, 16, "two work requests a chain");
        for id in 0..posted {
            assert_eq!(pair.a.finish(), Ok(id));
        }
        assert_eq!(pair.a.queue_pair.room(), 32);
        assert_eq!(pair.b.load(0, 1), [16 * (round + 1)], "the refused chain was not executed");
    }
}

#[test]
fn more_than_the_completion_queue_holds_is_refused_at_creation() {
    let devices = devices();
    let end = End::on(&devices[0], ALL, QueuePairOptions::default());
    let source = Source::find(&devices[0], None).expect("an address");
    let create = || QueuePair::create(&end.domain, &end.completions, &source, QueuePairOptions::default());
    let second = create().expect("the queue has room for two");
    assert!(matches!(create(), Err(CreateError::Completions { capacity: 512, reserved: 512, asked: 256 })));
    drop(second);
    let emptied = end.completions.poll(&mut [Default::default()]).expect("a working device");
    assert_eq!(emptied, 0);
    assert!(create().is_ok(), "what a queue pair reserved is free once its completions are gone");
}

#[test]
fn a_deregistered_region_fails_operations_and_keeps_its_bytes() {
    let mut pair = Pair::connected();
    pair.a.store(0, &[1, 2]);
    pair.write(0, 1).expect("a write");
    let replacement = MemoryRegion::register(&pair.b.domain, crate::lab::memory(), ALL).expect("more memory");
    let old = std::mem::replace(&mut pair.b.memory, replacement);
    let to = pair.there.span(1, 1);
    old.deregister().expect("deregistered");
    assert_eq!(pair.failure(1, 1, to), Status::RemoteAccess);
    assert_eq!(pair.b.load(0, WORDS), [0; WORDS]);
}
