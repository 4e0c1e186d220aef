//! What the clients of a test asked and were told, and whether it is right.

use super::replica;
use paxon::fastpath::Slot;
use paxon::machines;
use paxon_client::{Client, ClientError, Session};
use paxon_history::{Kind, Kv, KvCommand, KvReply, Ledger, Outcome, Recorder, check};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Marks commands and queries of the key-value store.
const STORE: u8 = b'K';
/// The query for the receipt of the ledger.
const LEDGER: &[u8] = b"L";
/// Bytes of the receipt that precedes the store's reply.
const RECEIPT_BYTES: usize = 16;

/// The operations of all clients of a test. Every command is recorded twice: as one of the store, with what it answered, and
/// as a line of the ledger, whose receipt tells its number and a hash of all lines before.
#[derive(Clone, Default)]
pub struct History {
    store: Recorder<KvCommand, KvReply>,
    ledger: Recorder<Vec<u8>, (u64, u64)>,
}

/// What was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub commands: usize,
    pub reads: usize,
}

impl History {
    /// Has a command applied and records what came of it; the slot.
    ///
    /// # Errors
    /// The client's; then the outcome is unknown.
    pub fn command(&self, session: &Session, command: &KvCommand) -> Result<Slot, ClientError> {
        let bytes = encode(command);
        let line = self.ledger.begin(session.id(), Kind::Command, bytes.clone());
        let stored = self.store.begin(session.id(), Kind::Command, command.clone());
        let applied = session.propose(&bytes).wait()?;
        let receipt = receipt(&applied.reply);
        stored.replied(applied.slot.0, decode(&applied.reply[RECEIPT_BYTES..]));
        line.replied(applied.slot.0, receipt);
        Ok(applied.slot)
    }

    /// Reads a key linearizably and records what came of it.
    ///
    /// # Errors
    /// The client's.
    pub fn read(&self, client: &Client, reader: u64, key: &[u8]) -> Result<(), ClientError> {
        let pending = self.store.begin(reader, Kind::Read, KvCommand::Get { key: key.to_vec() });
        let answer = client.read(&[&[STORE], key].concat()).wait()?;
        pending.replied(answer.slot.0, decode(&answer.bytes));
        Ok(())
    }

    /// Checks that everything is linearizable, that the first so many replicas agree, and that they hold every command once.
    ///
    /// `watcher` reaches all of them. Nobody may be asking any more. Every command must have been answered, so that their number is known.
    #[track_caller]
    pub fn verify(&self, watcher: &Client, replicas: usize) -> Checked {
        let store = self.store.history();
        let report = check::<Kv>(&store).unwrap_or_else(|error| panic!("not linearizable: {error}"));
        let lines = self.ledger.history();
        check::<Ledger>(&lines).unwrap_or_else(|error| panic!("a command is lost, repeated or moved: {error}"));
        let told = lines.iter().filter_map(|line| match line.outcome {
            Outcome::Replied { slot, reply, .. } => Some((reply, slot)),
            Outcome::Unknown | Outcome::Refused => None,
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), lines.len(), "every command was answered");
        let ((count, head), slot) = told.iter().copied().max().expect("there were commands");
        assert_eq!(count, lines.len() as u64, "as many lines as commands that were answered");
        let expected = (count, xxh3_64_with_seed(&count.to_le_bytes(), head));
        agree(watcher, replicas, Slot(slot), expected);
        Checked { commands: lines.len(), reads: report.operations - lines.len() }
    }
}

/// Each replica has this ledger, and all have the same state.
#[track_caller]
fn agree(watcher: &Client, replicas: usize, slot: Slot, expected: (u64, u64)) {
    let digests = (0..replicas).map(|id| {
        let direct = watcher.at(replica(id));
        let ledger = direct.read(LEDGER, slot).wait().unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(receipt(&ledger), expected, "the ledger of replica {id}");
        direct.digest(slot).wait().unwrap_or_else(|error| panic!("{id}: {error}")).digest
    });
    let digests: Vec<_> = digests.collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "the states differ: {digests:x?}");
}

/// The line's number and the head of the chain.
fn receipt(reply: &[u8]) -> (u64, u64) {
    let word = |at: usize| u64::from_le_bytes(reply[at..at + 8].try_into().expect("eight bytes"));
    (word(0), word(8))
}

fn encode(command: &KvCommand) -> Vec<u8> {
    let mut bytes = vec![STORE];
    let command = match command {
        KvCommand::Get { key } => machines::KvCommand::Get { key },
        KvCommand::Put { key, value } => machines::KvCommand::Put { key, value },
        KvCommand::Delete { key } => machines::KvCommand::Delete { key },
        KvCommand::Cas { key, expected, value } => {
            machines::KvCommand::Cas { key, expected: expected.as_deref(), value }
        }
    };
    command.encode(&mut bytes).expect("keys are short");
    bytes
}

fn decode(reply: &[u8]) -> KvReply {
    match machines::KvReply::decode(reply).expect("a reply of the store") {
        machines::KvReply::Done => KvReply::Done,
        machines::KvReply::Value(value) => KvReply::Value(value.to_vec()),
        machines::KvReply::Missing => KvReply::Missing,
        machines::KvReply::Conflict(value) => KvReply::Conflict(value.to_vec()),
        other => panic!("the store refused a command of a test: {other:?}"),
    }
}
