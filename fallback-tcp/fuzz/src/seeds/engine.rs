//! Seeds of what lies in the memory of peers.

use super::{Seed, seed};
use crate::client_table::LIMITS;
use crate::records::{IDENTITY, SEED};
use paxon::machines::{Counter, KvCommand, KvStore, Ledger};
use paxon_fastpath::{
    Ballot, Batch, ClientTable, Command, Epoch, Flags, Head, Header, LINE_WORDS, ReplicaId, Reply, Seq, Slot,
    StateMachine,
};

fn bytes_of(words: &[u64]) -> Vec<u8> {
    bytemuck::cast_slice(words).to_vec()
}

fn header(flags: Flags, commands: u16, payload_bytes: usize) -> Header {
    Header {
        seq: Seq::first(Epoch::FIRST),
        slot: Slot(3),
        ballot: Ballot::new(Epoch::FIRST, 1, ReplicaId(1)),
        commit_lag: 1,
        commands,
        flags,
        payload_bytes: payload_bytes as u32,
        session_or_arena: 0,
        sequence: 1,
        payload_hash: 0,
    }
}

fn records() -> Vec<Seed> {
    let mut batch = Batch::new(1024, 8);
    for payload in [&b"one"[..], b"", b"the third"] {
        batch.push(Command { session: 5, sequence: 6, payload }).expect("it has room");
    }
    let head = Head { ballot: Ballot::new(Epoch::FIRST, 1, ReplicaId(1)), commit: Slot(3), ..Head::default() };
    let inline = [&header(Flags(0), 1, 5).encode(SEED)[..], &[u64::from_le_bytes(*b"hello\0\0\0")]].concat();
    let batched = header(Flags::BATCH.with(Flags::ARENA), batch.commands(), batch.bytes()).encode(SEED);
    let all = [
        ("identity", IDENTITY.encode().to_vec()),
        ("head", head.encode(SEED).to_vec()),
        ("inline", inline),
        ("batch", [&batched[..], batch.words()].concat()),
        ("status", (1..=8 * LINE_WORDS as u64).collect()),
    ];
    let seeds = all.iter().flat_map(|(name, words)| {
        let bytes = bytes_of(words);
        [seed("records", name, &[&[0], &bytes]), seed("records", &format!("{name}-sealed"), &[&[1], &bytes])]
    });
    seeds.collect()
}

/// A table with two sessions, one of which has had three commands.
fn table() -> Vec<u8> {
    let mut table = ClientTable::new(LIMITS).expect("the limits are in range");
    let (mut reply, mut bytes) = (Reply::new(LIMITS.reply_bytes_max), Vec::new());
    let session = table.open().expect("the first id");
    table.open().expect("the second id");
    for (sequence, answer) in [(1, &b"first"[..]), (3, b"a reply that is too large"), (2, b"")] {
        reply.clear();
        reply.write(answer);
        table.admit(session, sequence);
        table.keep(session, sequence, Slot(sequence), &reply);
    }
    table.encode(&mut bytes);
    bytes
}

fn tables() -> [Seed; 2] {
    let (bytes, fresh) = (table(), [0, 2, 1, 3, 5, b'r', b'e', b'p', b'l', b'y']);
    let length = (bytes.len() as u16).to_le_bytes();
    [
        seed("client_table", "used", &[&[1], &length, &bytes, &fresh]),
        seed("client_table", "fresh", &[&[0, 0, 0], &fresh]),
    ]
}

/// A machine that has applied commands, as a snapshot.
fn snapshot(mut machine: impl StateMachine, commands: &[Vec<u8>]) -> Vec<u8> {
    let (mut reply, mut bytes) = (Reply::new(64), Vec::new());
    for command in commands {
        reply.clear();
        machine.apply(Slot(1), command, &mut reply);
    }
    machine.snapshot(&mut bytes);
    bytes
}

fn machines() -> Vec<Seed> {
    let commands = [
        KvCommand::Put { key: b"a", value: b"1" },
        KvCommand::Put { key: b"b", value: b"" },
        KvCommand::Cas { key: b"a", expected: Some(b"1"), value: b"2" },
        KvCommand::Delete { key: b"b" },
        KvCommand::Get { key: b"a" },
    ]
    .map(|command| {
        let mut bytes = Vec::new();
        command.encode(&mut bytes).expect("it is short");
        bytes
    });
    // Each record: shape, session, sequence, bytes, payload; the second byte of the first opens a session in a batch.
    let record = |command: &Vec<u8>| [&[64, 0, 0, command.len() as u8], &command[..]].concat();
    let records = commands.iter().map(record).collect::<Vec<_>>().concat();
    let snapshots = [
        snapshot(KvStore::default(), &commands[..2]),
        snapshot(Counter::default(), &commands),
        snapshot(Ledger::default(), &commands),
    ];
    let mut seeds: Vec<_> = (0..)
        .zip(["kv", "counter", "ledger"])
        .zip(snapshots)
        // 4 puts an empty client table in front; the remainder by three is the machine.
        .map(|((at, name), bytes)| {
            let choice = [6, 4, 5][at];
            seed("machines", name, &[&[choice], &(bytes.len() as u16).to_le_bytes(), &bytes, &records])
        })
        .collect();
    seeds.push(seed("machines", "batch", &[&[6, 0, 0], &[0xC3, 0, 0, 6], b"abcdef"]));
    seeds.push(seed("machines", "command", &[&commands[2]]));
    seeds
}

/// Deeds of the target `memory`: an election, a proposal, a restart; then those with which peers interfere.
fn deeds() -> [Seed; 3] {
    let time = [10, 63, 0];
    let election = [&time[..]; 8].concat();
    let proposal = [&[8][..], b"a command of 20 byte", &time].concat();
    // What replica 1 leaves at this acceptor when it leads under round 1 and has committed slot 1.
    let ballot = Ballot::new(Epoch::FIRST, 1, ReplicaId(1)).0.to_le_bytes();
    let promise = [&[0, 0, 0, 0, 0, 255][..], &ballot].concat();
    let record = [&[2, 0, 1, 0, 0, 1, 1, 1, 0, 1, 8, 0][..], b"command!"].concat();
    let head = [1, 0, 1, 1, 1, 0, 0, 0, 0, 0];
    let snapshot = [5, 1, 90, 0, 16, 0, 1, 0, 0, 0, b'k', 1, 0, 0, 0, b'v', 1, 2, 3, 4, 5, 6, 10, 60, 0];
    [
        seed("memory", "lead", &[&election, &proposal, &proposal, &[9], &election]),
        seed("memory", "follow", &[&promise, &record, &head, &[10, 8, 0], &election, &record, &head]),
        seed("memory", "lag", &[&snapshot, &election, &[6, 1, 0], &time, &[6, 1, 3, 101], &time, &snapshot]),
    ]
}

pub fn all() -> Vec<Seed> {
    [records(), tables().to_vec(), machines(), deeds().to_vec()].concat()
}
