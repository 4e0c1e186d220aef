//! Seeds of the frames of the fabric, and of the tests' wire.

use super::{Seed, seed};
use crate::frames::{LAYOUT, PROPOSER};
use paxon_fastpath::{Area, ReplicaId, Span};
use paxon_tcp::frame::{ChainEncoder, ReplyEncoder, Seed as Sums};
use std::sync::atomic::AtomicU64;

const OWN: Area = Area::Lane(PROPOSER);
/// Frames are made right again, and the stream is whole.
const REPAIRED: [u8; 4] = [1, 0, 0, 0];
/// The same, cut in pieces, with the 300th bit flipped.
const FLIPPED: [u8; 4] = [3, 9, 44, 1];
/// Taken as they are; right only where the seed of the session is that of the fuzzer.
const RAW: [u8; 4] = [0, 77, 0, 0];

fn words(count: u64) -> Vec<AtomicU64> {
    (0..count).map(AtomicU64::new).collect()
}

fn frame(number: u64, count: usize, add: impl FnOnce(&mut ChainEncoder)) -> Vec<u8> {
    let mut encoder = ChainEncoder::default();
    encoder.begin();
    add(&mut encoder);
    encoder.finish(count, number, Sums::default()).to_vec()
}

fn span(area: Area, start: usize, words: usize) -> Span {
    Span { area, start, words }
}

/// Chains as the engine sends them: a record with its check, a candidate's look at everything, nothing at all.
fn chains() -> Vec<u8> {
    let record = frame(1, 3, |encoder| {
        encoder.write(span(OWN, 0, 8), &words(8));
        encoder.write(span(OWN, 512, 16), &words(16));
        encoder.cas(1, 1);
    });
    let look = frame(2, 4, |encoder| {
        encoder.cas(1, 9);
        encoder.read(span(Area::Status, 0, 64));
        encoder.read(span(Area::Lane(ReplicaId(2)), 512, 32));
        encoder.read(span(Area::Snapshot, 0, LAYOUT.snapshot_words));
    });
    [record, look, frame(3, 0, |_| ())].concat()
}

fn replies() -> Vec<u8> {
    let mut encoder = ReplyEncoder::default();
    for (number, read) in [(1, 3), (2, 0), (3, 20)] {
        encoder.begin();
        encoder.read(&words(read));
        encoder.finish(number, 7, Sums::default());
    }
    encoder.bytes().to_vec()
}

/// Frames of the wire: to all, to somebody unknown, to a station of the same port, one that is too short; each behind its
/// length.
fn wire_frames() -> Vec<u8> {
    let [all, one, two] = [[0xFF; 6], [2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
    let mut stream = Vec::new();
    for (to, from) in [(all, one), (two, one), (one, two)] {
        let frame = [&to[..], &from, &[8, 0], b"payload"].concat();
        stream.extend((frame.len() as u32).to_be_bytes());
        stream.extend(frame);
    }
    stream.extend([0, 0, 0, 3, 1, 2, 3]);
    stream
}

pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, recipe) in [("repaired", REPAIRED), ("flipped", FLIPPED), ("raw", RAW)] {
        for target in ["tcp_chains", "tcp_server"] {
            seeds.push(seed(target, name, &[&recipe, &chains()]));
        }
        // Three chains: an exchange and reads of three, none and twenty words.
        seeds.push(seed("tcp_link", name, &[&recipe, &[3, 128 + 3, 128, 20], &replies()]));
    }
    seeds.push(seed("wire_stream", "whole", &[&[0], &wire_frames()]));
    seeds.push(seed("wire_stream", "cut", &[&[5], &wire_frames()]));
    seeds.push(seed("wire_stream", "endless", &[&[0], &wire_frames(), &[0xFF, 0, 0, 0]]));
    seeds
}
