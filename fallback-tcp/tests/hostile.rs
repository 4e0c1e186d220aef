//! What a peer that is who it says can do with bytes: end its own session, and nothing else.

mod support;

use paxon_channel::Security;
use paxon_fastpath::{Area, Epoch, Fabric, Promise, ReplicaId, Span};
use paxon_tcp::frame::{
    ChainEncoder, HEADER_BYTES, Header, Kind, Seed, Violation, decode_reply, frame_bytes_max, reply_bytes,
};
use paxon_tcp::{Serve, TcpFabric, TcpOptions};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use support::{A, B, C, Cluster, PATIENCE, Speaker};

const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const OWN: Area = Area::Lane(A);

/// Everything that B votes with.
fn memory(b: &TcpFabric, cluster: &Cluster) -> Vec<u64> {
    let areas = cluster.setup.layout.areas();
    areas.flat_map(|area| b.local(area).iter().map(|word| word.load(Relaxed)).collect::<Vec<_>>()).collect()
}

fn words(n: usize) -> Vec<AtomicU64> {
    (0..n).map(|_| AtomicU64::new(0xBAD)).collect()
}

/// A frame of `count` operations, which the closure adds.
fn frame(seed: Seed, number: u64, count: usize, add: impl FnOnce(&mut ChainEncoder)) -> Vec<u8> {
    let mut encoder = ChainEncoder::default();
    encoder.begin();
    add(&mut encoder);
    encoder.finish(count, number, seed).to_vec()
}

fn span(area: Area, start: usize, words: usize) -> Span {
    Span { area, start, words }
}

/// A write and an exchange that the server would execute.
fn good(seed: Seed, number: u64) -> Vec<u8> {
    frame(seed, number, 2, |encoder| {
        encoder.write(span(OWN, 512, 2), &words(2));
        encoder.cas(FRESH, FRESH + 1);
    })
}

/// Says `bytes` in a session of its own; the session must end, and the memory be as it was. Returns what it was ended for.
fn ends_the_session(b: &mut TcpFabric, cluster: &Cluster, bytes: impl FnOnce(Seed) -> Vec<u8>) -> Vec<Violation> {
    let (before, counted) = (memory(b, cluster), b.status().read().violations);
    let mut speaker = Speaker::dial(cluster, A, B, b);
    let bytes = bytes(speaker.seed);
    speaker.say(&bytes);
    speaker.hear_the_end(b);
    assert_eq!(memory(b, cluster), before, "memory was changed");
    let count_before = |violation| counted.iter().find(|(other, _)| *other == violation).map_or(0, |(_, count)| *count);
    let now = b.status().read().violations;
    now.into_iter()
        .filter(|(violation, count)| *count > count_before(*violation))
        .map(|(violation, _)| violation)
        .collect()
}

#[test]
fn a_flipped_bit_anywhere_ends_the_session_and_changes_nothing() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let mut b = cluster.open(B);
    for bit in 0..good(Seed::default(), 1).len() * 8 {
        let why = ends_the_session(&mut b, &cluster, |seed| {
            let mut bytes = good(seed, 1);
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        let expected = if bit < HEADER_BYTES * 8 { Violation::Header } else { Violation::Checksum };
        assert_eq!(why, [expected], "bit {bit}");
    }
}

#[test]
fn what_a_proposer_may_not_ask_for_ends_its_session_and_changes_nothing() {
    let cluster = Cluster::small(Security::Tls, TcpOptions { serve: Serve::Thread, ..TcpOptions::default() });
    let mut b = cluster.open(B);
    let lane_words = cluster.setup.layout.words(OWN);
    let mut refused = |why: Violation, count: usize, add: &dyn Fn(&mut ChainEncoder)| {
        // A write that would be fine stands before: of a chain with a bad operation nothing is executed.
        let found = ends_the_session(&mut b, &cluster, |seed| {
            frame(seed, 1, count + 1, |encoder| {
                encoder.write(span(OWN, 512, 2), &words(2));
                add(encoder);
            })
        });
        assert_eq!(found, [why]);
    };
    for area in [Area::Promise, Area::Status, Area::Snapshot, Area::Lane(B), Area::Lane(C)] {
        refused(Violation::Foreign, 1, &|encoder| encoder.write(span(area, 0, 1), &words(1)));
    }
    refused(Violation::Area, 1, &|encoder| encoder.read(span(Area::Lane(ReplicaId(3)), 0, 1)));
    for (start, n) in [(lane_words, 1), (lane_words - 1, 2), (usize::MAX, 1), (1 << 60, 0)] {
        refused(Violation::Span, 1, &|encoder| encoder.write(span(OWN, start, n), &words(n)));
        refused(Violation::Span, 1, &|encoder| encoder.read(span(OWN, start, n)));
    }
    refused(Violation::Span, 1, &|encoder| encoder.read(span(Area::Snapshot, 0, u32::MAX as usize)));
    refused(Violation::Reads, 2, &|encoder| (0..2).for_each(|_| encoder.read(span(OWN, 0, lane_words))));
    refused(Violation::Exchanges, 2, &|encoder| (0..2).for_each(|_| encoder.cas(FRESH, FRESH + 1)));
    refused(Violation::Operations, 16, &|encoder| (0..16).for_each(|_| encoder.read(span(OWN, 0, 1))));
    refused(Violation::Body, 3, &|encoder| encoder.cas(FRESH, FRESH + 1));
    refused(Violation::Body, 0, &|encoder| encoder.cas(FRESH, FRESH + 1));
}

#[test]
fn frames_out_of_turn_or_of_another_session_end_the_session() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let mut b = cluster.open(B);
    for number in [0, 2, u64::MAX] {
        assert_eq!(ends_the_session(&mut b, &cluster, |seed| good(seed, number)), [Violation::Order], "chain {number}");
    }
    let other = Speaker::dial(&cluster, A, B, &mut b).seed;
    assert_eq!(ends_the_session(&mut b, &cluster, |_| good(other, 1)), [Violation::Header], "of an earlier session");
    let header =
        |bytes, kind, seed| bytemuck::bytes_of(&Header { bytes, count: 0, kind, number: 1 }.encode(seed)).to_vec();
    let most = frame_bytes_max(&cluster.setup.layout);
    for bytes in [0, 8, 16, 23, most + 8, u32::MAX as usize] {
        let why = ends_the_session(&mut b, &cluster, |seed| header(bytes, Kind::Chain, seed));
        assert_eq!(why, [Violation::Length], "{bytes} bytes");
    }
    for kind in [Kind::Reply, Kind::Opening] {
        assert_eq!(ends_the_session(&mut b, &cluster, |seed| header(24, kind, seed)), [Violation::Kind]);
    }
}

#[test]
fn garbage_in_place_of_tls_records_ends_the_session() {
    let cluster = Cluster::small(Security::Tls, TcpOptions::default());
    let mut b = cluster.open(B);
    for garbage in [&[0u8; 100][..], &[23, 3, 3, 0, 40], &[0xFF; 20_000], &[21, 3, 3, 0, 2, 2, 0]] {
        let mut speaker = Speaker::dial(&cluster, A, B, &mut b);
        let mut bytes = garbage.to_vec();
        bytes.resize(garbage.len().max(64), 0x5A);
        speaker.say_raw(&bytes);
        speaker.hear_the_end(&mut b);
    }
    assert!(b.local(OWN).iter().all(|word| word.load(Relaxed) == 0));
    assert!(
        b.status().read().violations.iter().any(|(violation, count)| *violation == Violation::Cipher && *count == 4)
    );
}

#[test]
fn frames_that_arrive_byte_by_byte_or_all_at_once_are_executed_once_each() {
    for security in [Security::Plaintext, Security::Tls] {
        let cluster = Cluster::small(security, TcpOptions::default());
        let mut b = cluster.open(B);
        let mut speaker = Speaker::dial(&cluster, A, B, &mut b);
        let seed = speaker.seed;
        let count_up = |n: u64| frame(seed, n, 1, |encoder| encoder.cas(FRESH + n - 1, FRESH + n));
        for byte in (1..=3).flat_map(count_up) {
            assert!(speaker.say(&[byte]));
            b.poll();
        }
        assert!(speaker.say(&(4..=200).flat_map(count_up).collect::<Vec<_>>()));
        for number in 1..=200 {
            let reply = speaker.hear(reply_bytes(0), &mut b).expect("a reply");
            assert_eq!(decode_reply(&reply, number, seed), Ok((FRESH + number - 1, &[][..])), "{security}");
        }
    }
}

#[test]
fn a_proposer_that_does_not_read_its_replies_is_cut_off_before_they_fill_the_memory() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let mut b = cluster.open(B);
    let mut speaker = Speaker::dial(&cluster, A, B, &mut b);
    let (seed, lane_words) = (speaker.seed, cluster.setup.layout.words(OWN));
    let deadline = Instant::now() + PATIENCE;
    let (mut number, mut unsaid) = (0, Vec::new());
    // The kernels of both ends buffer some megabytes; after that the bound of the server is all there is.
    loop {
        assert!(Instant::now() < deadline, "{number} reads of {lane_words} words were taken");
        if unsaid.is_empty() {
            number += 1;
            unsaid = frame(seed, number, 1, |encoder| encoder.read(span(OWN, 0, lane_words)));
        }
        let Some(said) = speaker.say_some(&unsaid) else { break };
        unsaid.drain(..said);
        b.poll();
    }
    let status = b.status().read();
    assert_eq!(status.violations, [(Violation::Unread, 1)]);
    let session = status.sessions.iter().find(|session| session.proposer == A).expect("a peer");
    assert!(!session.up && session.problem.as_deref() == Some("the peer does not read its replies"), "{session:?}");
}
