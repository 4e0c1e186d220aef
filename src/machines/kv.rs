//! A key-value store of bounded size.
//!
//! ```text
//! command   get, delete: [op][key bytes: u16][key]        put: [op][key bytes: u16][key][value]
//!           cas: [op][key bytes: u16][key][expected: 0 absent, 1 present][expected bytes: u32][expected][value]
//! reply     [tag][value, for tags that have one]
//! query     the key; its reply is that of get
//! ```

use paxon_fastpath::{Reply, Slot, SnapshotError, StateMachine};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

/// What an entry costs besides its bytes, so that many empty values are bounded too.
const ENTRY_BYTES: usize = 64;

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvCommand<'a> {
    /// Reads a value, in the order of the commands. Cheaper as a query.
    Get {
        /// The key.
        key: &'a [u8],
    },
    /// Sets a value.
    Put {
        /// The key.
        key: &'a [u8],
        /// Its value from now on.
        value: &'a [u8],
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: &'a [u8],
    },
    /// Sets a value if the present one is as expected.
    Cas {
        /// The key.
        key: &'a [u8],
        /// The value it has to have; `None`: it must not exist.
        expected: Option<&'a [u8]>,
        /// Its value from then on.
        value: &'a [u8],
    },
}

/// What a store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvReply<'a> {
    /// It is done.
    Done,
    /// This is the value.
    Value(&'a [u8]),
    /// There is no such key.
    Missing,
    /// A compare-and-swap found this value instead.
    Conflict(&'a [u8]),
    /// It would go beyond the limits of the store; nothing was changed.
    Full,
    /// The command could not be read; nothing was changed.
    Malformed,
}

/// Why a command cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The key is too long.
    #[error("the key has {0} bytes; at most 65535 can be encoded")]
    Key(usize),
    /// The expected value is too long.
    #[error("the expected value has {0} bytes; less than 4 GiB can be encoded")]
    Expected(usize),
}

impl<'a> KvCommand<'a> {
    /// Appends the command's bytes.
    ///
    /// # Errors
    /// [`KvError`] if a part is too long for its length field.
    pub fn encode(&self, into: &mut Vec<u8>) -> Result<(), KvError> {
        let (op, key) = match *self {
            Self::Get { key } => (0, key),
            Self::Put { key, .. } => (1, key),
            Self::Delete { key } => (2, key),
            Self::Cas { key, .. } => (3, key),
        };
        let key_bytes = u16::try_from(key.len()).map_err(|_| KvError::Key(key.len()))?;
        into.push(op);
        into.extend_from_slice(&key_bytes.to_le_bytes());
        into.extend_from_slice(key);
        match *self {
            Self::Get { .. } | Self::Delete { .. } => {}
            Self::Put { value, .. } => into.extend_from_slice(value),
            Self::Cas { expected, value, .. } => {
                let bytes = expected.map_or(0, <[u8]>::len);
                into.push(expected.is_some().into());
                into.extend_from_slice(&u32::try_from(bytes).map_err(|_| KvError::Expected(bytes))?.to_le_bytes());
                into.extend_from_slice(expected.unwrap_or_default());
                into.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// Reads a command.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&op, rest) = bytes.split_first()?;
        let (key_bytes, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key_bytes).into())?;
        match op {
            0 => rest.is_empty().then_some(Self::Get { key }),
            1 => Some(Self::Put { key, value: rest }),
            2 => rest.is_empty().then_some(Self::Delete { key }),
            3 => {
                let (&present, rest) = rest.split_first()?;
                let (bytes, rest) = rest.split_first_chunk()?;
                let (expected, value) = rest.split_at_checked(u32::from_le_bytes(*bytes).try_into().ok()?)?;
                match present {
                    0 if expected.is_empty() => Some(Self::Cas { key, expected: None, value }),
                    1 => Some(Self::Cas { key, expected: Some(expected), value }),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl<'a> KvReply<'a> {
    const fn tag(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Value(_) => 1,
            Self::Missing => 2,
            Self::Conflict(_) => 3,
            Self::Full => 4,
            Self::Malformed => 5,
        }
    }

    const fn value(&self) -> &'a [u8] {
        match self {
            Self::Value(value) | Self::Conflict(value) => value,
            Self::Done | Self::Missing | Self::Full | Self::Malformed => &[],
        }
    }

    /// Reads a reply; `None` if the bytes are none.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&tag, value) = bytes.split_first()?;
        match tag {
            1 => Some(Self::Value(value)),
            3 => Some(Self::Conflict(value)),
            _ if !value.is_empty() => None,
            0 => Some(Self::Done),
            2 => Some(Self::Missing),
            4 => Some(Self::Full),
            5 => Some(Self::Malformed),
            _ => None,
        }
    }
}

/// Sizes of a store; the same at every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLimits {
    /// Most bytes of all keys and values, with 64 bytes for each entry.
    pub bytes_max: usize,
}

impl Default for KvLimits {
    /// 8 MiB: fits the default snapshot area.
    fn default() -> Self {
        Self { bytes_max: 8 << 20 }
    }
}

/// A key-value store. Its replies hold values, so `reply_bytes_max` bounds what a get or a failed compare-and-swap can
/// return; a query returns values of any size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvStore {
    limits: KvLimits,
    /// Ordered, so that snapshots and digests are the same everywhere.
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Invariant: [`cost`] of all entries, at most the limit.
    bytes: usize,
}

const fn cost(key: &[u8], value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

impl KvStore {
    /// An empty store.
    pub const fn new(limits: KvLimits) -> Self {
        Self { limits, entries: BTreeMap::new(), bytes: 0 }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn found(&self, key: &[u8]) -> KvReply<'_> {
        self.get(key).map_or(KvReply::Missing, KvReply::Value)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> KvReply<'_> {
        let replaced = self.get(key).map_or(0, |old| cost(key, old));
        let bytes = self.bytes - replaced + cost(key, value);
        if bytes > self.limits.bytes_max {
            return KvReply::Full;
        }
        self.bytes = bytes;
        match self.entries.get_mut(key) {
            Some(old) => {
                old.clear();
                old.extend_from_slice(value);
            }
            None => {
                self.entries.insert(key.to_vec(), value.to_vec());
            }
        }
        KvReply::Done
    }

    fn delete(&mut self, key: &[u8]) -> KvReply<'_> {
        match self.entries.remove(key) {
            Some(value) => {
                self.bytes -= cost(key, &value);
                KvReply::Done
            }
            None => KvReply::Missing,
        }
    }

    fn execute(&mut self, command: &[u8]) -> KvReply<'_> {
        match KvCommand::decode(command) {
            None => KvReply::Malformed,
            Some(KvCommand::Get { key }) => self.found(key),
            Some(KvCommand::Put { key, value }) => self.put(key, value),
            Some(KvCommand::Delete { key }) => self.delete(key),
            Some(KvCommand::Cas { key, expected, value }) if self.get(key) == expected => self.put(key, value),
            Some(KvCommand::Cas { key, .. }) => match self.found(key) {
                KvReply::Value(value) => KvReply::Conflict(value),
                other => other,
            },
        }
    }

    fn decode(limits: KvLimits, mut bytes: &[u8]) -> Option<Self> {
        let mut store = Self::new(limits);
        while !bytes.is_empty() {
            let (lengths, rest) = bytes.split_first_chunk::<8>()?;
            let lengths = u64::from_le_bytes(*lengths);
            let (key, rest) = rest.split_at_checked(lengths as u32 as usize)?;
            let (value, rest) = rest.split_at_checked((lengths >> 32) as usize)?;
            let in_order = store.entries.last_key_value().is_none_or(|(last, _)| last.as_slice() < key);
            (in_order && store.put(key, value) == KvReply::Done).then_some(())?;
            bytes = rest;
        }
        Some(store)
    }
}

impl StateMachine for KvStore {
    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut Reply) {
        let answer = self.execute(command);
        reply.write(&[answer.tag()]);
        reply.write(answer.value());
    }

    /// Appends `[key bytes: u32][value bytes: u32][key][value]` for each entry, in the order of the keys.
    fn snapshot(&self, into: &mut Vec<u8>) {
        for (key, value) in &self.entries {
            into.extend_from_slice(&(key.len() as u32).to_le_bytes());
            into.extend_from_slice(&(value.len() as u32).to_le_bytes());
            into.extend_from_slice(key);
            into.extend_from_slice(value);
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::decode(self.limits, bytes).ok_or(SnapshotError)?;
        Ok(())
    }

    fn digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        for (key, value) in &self.entries {
            hash.update(&(key.len() as u64).to_le_bytes());
            hash.update(key);
            hash.update(&(value.len() as u64).to_le_bytes());
            hash.update(value);
        }
        hash.digest()
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        let answer = self.found(query);
        reply.push(answer.tag());
        reply.extend_from_slice(answer.value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(store: &mut KvStore, command: KvCommand<'_>) -> String {
        let (mut bytes, mut reply) = (Vec::new(), Reply::new(64));
        command.encode(&mut bytes).expect("short enough");
        store.apply(Slot(1), &bytes, &mut reply);
        let reply = KvReply::decode(reply.bytes().expect("short enough")).expect("a reply");
        format!("{} {}", reply.tag(), String::from_utf8_lossy(reply.value()))
    }

    #[test]
    fn a_value_is_what_was_put_last() {
        let mut store = KvStore::default();
        assert_eq!(ask(&mut store, KvCommand::Get { key: b"k" }), "2 ");
        assert_eq!(ask(&mut store, KvCommand::Put { key: b"k", value: b"v" }), "0 ");
        assert_eq!(ask(&mut store, KvCommand::Get { key: b"k" }), "1 v");
        assert_eq!(ask(&mut store, KvCommand::Cas { key: b"k", expected: None, value: b"w" }), "3 v");
        assert_eq!(ask(&mut store, KvCommand::Cas { key: b"k", expected: Some(b"v"), value: b"w" }), "0 ");
        assert_eq!(ask(&mut store, KvCommand::Cas { key: b"x", expected: Some(b"v"), value: b"w" }), "2 ");
        assert_eq!(ask(&mut store, KvCommand::Delete { key: b"k" }), "0 ");
        assert_eq!(ask(&mut store, KvCommand::Delete { key: b"k" }), "2 ");
        assert_eq!((store.len(), store.bytes), (0, 0));
    }

    #[test]
    fn a_full_store_refuses_and_changes_nothing() {
        let mut store = KvStore::new(KvLimits { bytes_max: 2 * ENTRY_BYTES });
        assert_eq!(ask(&mut store, KvCommand::Put { key: b"k", value: &[b'v'; 60] }), "0 ");
        assert_eq!(ask(&mut store, KvCommand::Put { key: b"l", value: b"" }), "4 ");
        assert_eq!(ask(&mut store, KvCommand::Put { key: b"k", value: &[b'v'; 128] }), "4 ");
        assert_eq!(store.get(b"k"), Some(&[b'v'; 60][..]));
    }

    #[test]
    fn a_snapshot_restores_the_store_and_a_part_of_it_does_not() {
        let mut store = KvStore::default();
        for key in [&b"b"[..], b"a", b""] {
            ask(&mut store, KvCommand::Put { key, value: b"value" });
        }
        let mut bytes = Vec::new();
        store.snapshot(&mut bytes);
        let mut restored = KvStore::default();
        assert_eq!(restored.restore(&bytes), Ok(()));
        assert_eq!((&restored, restored.digest()), (&store, store.digest()));
        assert_eq!(restored.restore(&bytes[..bytes.len() - 1]), Err(SnapshotError));
        assert_eq!(restored.restore(&[&bytes[..], &bytes[..]].concat()), Err(SnapshotError));
        assert_eq!(restored, store);
    }

    proptest! {
        #[test]
        fn arbitrary_commands_and_replies_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let (mut store, mut reply) = (KvStore::default(), Reply::new(64));
            store.apply(Slot(1), &bytes, &mut reply);
            let _ = KvReply::decode(&bytes);
            let _ = KvStore::decode(KvLimits::default(), &bytes);
            if let Some(command) = KvCommand::decode(&bytes) {
                let mut encoded = Vec::new();
                command.encode(&mut encoded).expect("it came from an encoding");
                prop_assert_eq!(encoded, bytes);
            }
        }
    }
}
