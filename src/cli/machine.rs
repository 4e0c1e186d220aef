//! What the replicas of the command replicate: a key-value store, and a ledger of everything that was ever proposed.
//!
//! ```text
//! command   ['L'][line]  or  ['K'][command of the store]
//! reply     [number in the ledger: u64][head of the ledger: u64][reply of the store, after 'K']
//! query     ['K'][key] → reply of the store    ['L'] → [lines of the ledger: u64][digest of the ledger: u64]
//! ```

use paxon::machines::{KvCommand, KvError, KvLimits, KvReply, KvStore, Ledger};
use paxon::{ReplyBuffer, Slot, SnapshotError, StateMachine};

const LINE: u8 = b'L';
const STORE: u8 = b'K';
/// Bytes that a command is longer than the line in it.
pub const LINE_HEADER_BYTES: usize = 1;

/// A key-value store whose commands, and lines that mean nothing to it, are numbered and chained by a ledger.
#[derive(Clone, Debug, Default)]
pub struct AuditedStore {
    ledger: Ledger,
    store: KvStore,
}

/// What a ledger amounts to: equal receipts mean equal commands in equal order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Commands so far.
    pub lines: u64,
    /// Of a reply the ledger's head, of a query its digest: both hash all commands, in order.
    pub hash: u64,
}

impl Receipt {
    /// Reads the start of a reply to a command, or the answer to [`receipt_query`].
    pub fn decode(reply: &[u8]) -> Option<Self> {
        let (lines, rest) = reply.split_first_chunk()?;
        let hash = rest.first_chunk()?;
        Some(Self { lines: u64::from_le_bytes(*lines), hash: u64::from_le_bytes(*hash) })
    }
}

impl AuditedStore {
    pub const fn new(ledger: Ledger, limits: KvLimits) -> Self {
        Self { ledger, store: KvStore::new(limits) }
    }
}

/// The command that carries a line.
pub fn line_command(line: &[u8]) -> Vec<u8> {
    [&[LINE], line].concat()
}

/// The command that sets a value.
pub fn put_command(key: &[u8], value: &[u8]) -> Result<Vec<u8>, KvError> {
    let mut command = vec![STORE];
    KvCommand::Put { key, value }.encode(&mut command)?;
    Ok(command)
}

/// The question for a value.
pub fn get_query(key: &[u8]) -> Vec<u8> {
    [&[STORE], key].concat()
}

/// The question for the ledger's receipt.
pub fn receipt_query() -> Vec<u8> {
    vec![LINE]
}

/// What the store answered, in the reply to a command of the store.
pub fn store_reply(reply: &[u8]) -> Option<KvReply<'_>> {
    KvReply::decode(reply.get(size_of::<Receipt>()..)?)
}

impl StateMachine for AuditedStore {
    fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut ReplyBuffer) {
        self.ledger.apply(slot, command, reply);
        if let Some((&STORE, command)) = command.split_first() {
            self.store.apply(slot, command, reply);
        }
    }

    /// Appends `[bytes of the ledger: u64][ledger][store]`.
    fn snapshot(&self, into: &mut Vec<u8>) {
        let length_at = into.len();
        into.extend_from_slice(&[0; 8]);
        self.ledger.snapshot(into);
        let bytes = (into.len() - length_at - 8) as u64;
        into[length_at..length_at + 8].copy_from_slice(&bytes.to_le_bytes());
        self.store.snapshot(into);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (length, rest) = bytes.split_first_chunk().ok_or(SnapshotError)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SnapshotError)?;
        let (ledger, store) = rest.split_at_checked(length).ok_or(SnapshotError)?;
        let mut restored = self.clone();
        restored.ledger.restore(ledger)?;
        restored.store.restore(store)?;
        *self = restored;
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.ledger.digest() ^ self.store.digest().rotate_left(1)
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        match query.split_first() {
            Some((&STORE, key)) => self.store.query(key, reply),
            Some((&LINE, [])) => {
                reply.extend_from_slice(&self.ledger.lines().to_le_bytes());
                reply.extend_from_slice(&self.ledger.digest().to_le_bytes());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(machine: &mut AuditedStore, command: &[u8]) -> Vec<u8> {
        let mut reply = ReplyBuffer::new(64);
        machine.apply(Slot(1), command, &mut reply);
        reply.bytes().expect("short").to_vec()
    }

    #[test]
    fn lines_and_puts_share_one_ledger() {
        let mut machine = AuditedStore::default();
        let line = apply(&mut machine, &line_command(b"hello"));
        let put = apply(&mut machine, &put_command(b"k", b"v").expect("short"));
        assert_eq!([&line, &put].map(|reply| Receipt::decode(reply).map(|receipt| receipt.lines)), [Some(1), Some(2)]);
        assert_eq!((store_reply(&line), store_reply(&put)), (None, Some(KvReply::Done)));
        let mut answer = Vec::new();
        machine.query(&get_query(b"k"), &mut answer);
        assert_eq!(KvReply::decode(&answer), Some(KvReply::Value(b"v")));
        answer.clear();
        machine.query(&receipt_query(), &mut answer);
        assert_eq!(Receipt::decode(&answer), Some(Receipt { lines: 2, hash: machine.ledger.digest() }));
    }

    #[test]
    fn a_snapshot_restores_both_and_a_part_of_it_changes_nothing() {
        let mut machine = AuditedStore::default();
        for command in [line_command(b""), put_command(b"k", b"v").expect("short")] {
            apply(&mut machine, &command);
        }
        let mut bytes = Vec::new();
        machine.snapshot(&mut bytes);
        let mut restored = AuditedStore::default();
        for cut in 0..bytes.len() {
            // A store cut off at an entry is a smaller store; everything else is refused.
            let whole = bytes.len() - 10;
            assert_eq!(restored.restore(&bytes[..cut]).is_ok(), cut == whole, "{cut} bytes");
        }
        assert_eq!(restored.restore(&bytes), Ok(()));
        assert_eq!(restored.digest(), machine.digest());
    }
}
