//! Seeds of what clients and replicas say to each other.

use super::{Seed, seed};
use crate::client_frames::BODY_BYTES_MAX;
use paxon_client::wire::{Code, LeaderHint, Limits, Message, Refusal, Reply, Request, VERSION, append};

/// Checks are made right again; the stream is whole.
const REPAIRED: [u8; 2] = [1, 0];
/// Taken as they are, cut in pieces.
const RAW: [u8; 2] = [0, 11];

fn requests() -> Vec<u8> {
    stream(&[
        Request::Hello { version: VERSION },
        Request::OpenSession { wait_ms: 100 },
        Request::Propose { session: 7, sequence: 300, round: 1, wait_ms: 1500, payload: b"command" },
        Request::Read { wait_ms: 10, query: b"key" },
        Request::ReadLocal { at_least: 9, wait_ms: 10, query: b"" },
        Request::Digest { at_least: 1, wait_ms: 1 },
        Request::Status,
        Request::Stages,
    ])
}

fn replies() -> Vec<u8> {
    let limits = Limits { session_window: 16, command_bytes_max: 1 << 20, body_bytes_max: 1 << 21, in_flight_max: 64 };
    let leader = Some(LeaderHint { replica: 2, address: "127.0.0.1:7001" });
    stream(&[
        Reply::Welcome { version: VERSION, replica: 1, leader, limits },
        Reply::Opened { session: 5, slot: 6 },
        Reply::Applied { slot: 7, reply: b"reply" },
        Reply::Answer { slot: 8, bytes: b"answer" },
        Reply::Digest { slot: 9, digest: u64::MAX },
        Reply::Document { json: "{}" },
        Reply::Refused(Refusal { code: Code::NotLeader, message: "ask the leader", leader, retry_after_us: 200 }),
    ])
}

fn stream<M: Message>(messages: &[M]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, message) in messages.iter().enumerate() {
        append(&mut bytes, id as u64, message, BODY_BYTES_MAX).expect("it is short");
    }
    bytes
}

pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, recipe) in [("repaired", REPAIRED), ("raw", RAW)] {
        seeds.push(seed("client_requests", name, &[&recipe, &requests()]));
        seeds.push(seed("client_replies", name, &[&recipe, &replies()]));
    }
    seeds
}
