//! Values by key.

use super::Model;
use serde::{Deserialize, Serialize};

/// A key-value store; each key is a part of its own.
#[derive(Clone, Copy, Debug)]
pub struct Kv;

/// What is asked of the store. A read is a [`KvCommand::Get`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvCommand {
    /// The value of a key.
    Get {
        /// The key.
        key: Vec<u8>,
    },
    /// Sets a value.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value from now on.
        value: Vec<u8>,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Sets a value if the present one is as expected.
    Cas {
        /// The key.
        key: Vec<u8>,
        /// The value it has to have; `None`: it must not exist.
        expected: Option<Vec<u8>>,
        /// Its value from then on.
        value: Vec<u8>,
    },
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvReply {
    /// It is done.
    Done,
    /// This is the value.
    Value(Vec<u8>),
    /// There is no such key.
    Missing,
    /// A compare-and-swap found this value instead.
    Conflict(Vec<u8>),
}

impl Model for Kv {
    type Command = KvCommand;
    type Reply = KvReply;
    type State = Option<Vec<u8>>;
    type Part = Vec<u8>;

    fn part(command: &KvCommand) -> Vec<u8> {
        let (KvCommand::Get { key }
        | KvCommand::Put { key, .. }
        | KvCommand::Delete { key }
        | KvCommand::Cas { key, .. }) = command;
        key.clone()
    }

    fn initial() -> Option<Vec<u8>> {
        None
    }

    fn apply(present: &mut Option<Vec<u8>>, command: &KvCommand) -> KvReply {
        match command {
            KvCommand::Get { .. } => present.clone().map_or(KvReply::Missing, KvReply::Value),
            KvCommand::Put { value, .. } => {
                *present = Some(value.clone());
                KvReply::Done
            }
            KvCommand::Delete { .. } => present.take().map_or(KvReply::Missing, |_| KvReply::Done),
            KvCommand::Cas { expected, value, .. } if present == expected => {
                *present = Some(value.clone());
                KvReply::Done
            }
            KvCommand::Cas { .. } => present.clone().map_or(KvReply::Missing, KvReply::Conflict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_those_of_a_store() {
        let (key, mut state) = (b"k".to_vec(), Kv::initial());
        let mut ask = |command| Kv::apply(&mut state, &command);
        let cas = |expected: Option<&[u8]>, value: &[u8]| KvCommand::Cas {
            key: b"k".to_vec(),
            expected: expected.map(<[u8]>::to_vec),
            value: value.to_vec(),
        };
        assert_eq!(ask(KvCommand::Get { key: key.clone() }), KvReply::Missing);
        assert_eq!(ask(cas(Some(b"a"), b"b")), KvReply::Missing);
        assert_eq!(ask(cas(None, b"a")), KvReply::Done);
        assert_eq!(ask(cas(None, b"b")), KvReply::Conflict(b"a".to_vec()));
        assert_eq!(ask(KvCommand::Put { key: key.clone(), value: b"c".to_vec() }), KvReply::Done);
        assert_eq!(ask(KvCommand::Get { key: key.clone() }), KvReply::Value(b"c".to_vec()));
        assert_eq!(ask(KvCommand::Delete { key: key.clone() }), KvReply::Done);
        assert_eq!(ask(KvCommand::Delete { key }), KvReply::Missing);
    }
}
