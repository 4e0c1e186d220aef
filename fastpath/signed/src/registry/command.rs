//! What administrators ask of the registry, and what they are told.
//!
//! ```text
//! operation:u8 scheme:u8 roles:u8 zero:u8 | id:u32 | expires:u64 | public key
//! ```

use crate::bytes::Reader;
use crate::key::{KeyEntry, KeyId, KeyLengthError, PublicKey, Roles};
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;

const ADD: u8 = 1;
const ROTATE: u8 = 2;
const REVOKE: u8 = 3;

/// A change of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryCommand {
    /// Adds a key under an id that no key ever had.
    Add {
        /// The id.
        id: KeyId,
        /// The key, not revoked and never rotated.
        entry: KeyEntry,
    },
    /// Puts another key, possibly of another scheme, in the place of one that was not revoked. Its roles stay. Commands that were
    /// signed with the old key and are decided later are refused, and its MAC sessions end.
    Rotate {
        /// The id.
        id: KeyId,
        /// The new key.
        key: PublicKey,
        /// The last slot of the new key; [`Slot::NONE`] for any.
        expires: Slot,
    },
    /// Ends a key for ever. Its MAC sessions end.
    Revoke {
        /// The id.
        id: KeyId,
    },
}

/// Why bytes are no registry command. Every command has exactly one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryCommandError {
    /// They end too early, or padding is not zero, or a field that the operation does not use is not zero.
    #[error("the {bytes} bytes are no registry command")]
    Malformed {
        /// Bytes that there are.
        bytes: usize,
    },
    /// The key has the wrong length.
    #[error(transparent)]
    Key(#[from] KeyLengthError),
}

impl RegistryCommand {
    /// The key that it is about.
    pub const fn id(&self) -> KeyId {
        match self {
            Self::Add { id, .. } | Self::Rotate { id, .. } | Self::Revoke { id } => *id,
        }
    }

    /// The command in bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (operation, scheme, roles, expires, key) = match self {
            Self::Add { entry, .. } => {
                (ADD, entry.key.scheme() as u8, entry.roles.bits(), entry.expires, entry.key.bytes())
            }
            Self::Rotate { key, expires, .. } => (ROTATE, key.scheme() as u8, 0, *expires, key.bytes()),
            Self::Revoke { .. } => (REVOKE, 0, 0, Slot::NONE, &[][..]),
        };
        let mut bytes = vec![operation, scheme, roles, 0];
        bytes.extend_from_slice(&self.id().0.to_le_bytes());
        bytes.extend_from_slice(&expires.0.to_le_bytes());
        bytes.extend_from_slice(key);
        bytes
    }

    /// Reads a command. Bytes of any content and length are fine.
    ///
    /// # Errors
    /// [`RegistryCommandError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RegistryCommandError> {
        let malformed = RegistryCommandError::Malformed { bytes: bytes.len() };
        let mut reader = Reader::new(bytes);
        let [operation, scheme, roles, zero] = reader.array().ok_or(malformed)?;
        let id = KeyId(reader.u32().ok_or(malformed)?);
        let expires = Slot(reader.u64().ok_or(malformed)?);
        let key = || -> Result<PublicKey, RegistryCommandError> {
            Ok(PublicKey::new(Scheme::from_number(scheme).ok_or(malformed)?, reader.rest())?)
        };
        match (operation, roles, zero) {
            (ADD, roles, 0) => {
                let roles = Roles::from_bits(roles).ok_or(malformed)?;
                Ok(Self::Add { id, entry: KeyEntry::new(key()?, roles, expires) })
            }
            (ROTATE, 0, 0) => Ok(Self::Rotate { id, key: key()?, expires }),
            (REVOKE, 0, 0) if scheme == 0 && expires == Slot::NONE && reader.is_empty() => Ok(Self::Revoke { id }),
            _ => Err(malformed),
        }
    }
}

/// What an administrator is told: the reply to a registry command is this one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
#[non_exhaustive]
pub enum RegistryReply {
    /// It was done.
    #[error("done")]
    Done = 0,
    /// The id belongs, or belonged, to a key.
    #[error("the id is in use, or was")]
    KeyExists = 1,
    /// No key has the id.
    #[error("no key has this id")]
    NoSuchKey = 2,
    /// The key was revoked, which is final.
    #[error("the key was revoked, which is final")]
    KeyRevoked = 3,
    /// The registry holds as many keys as it may.
    #[error("the registry holds as many keys as it may")]
    RegistryFull = 4,
    /// Nobody could change the registry any more.
    #[error("this is the last administrator key that is active; add another first")]
    LastAdministrator = 5,
}

impl RegistryReply {
    /// Reads the reply to a registry command.
    pub const fn decode(reply: &[u8]) -> Option<Self> {
        match reply {
            [0] => Some(Self::Done),
            [1] => Some(Self::KeyExists),
            [2] => Some(Self::NoSuchKey),
            [3] => Some(Self::KeyRevoked),
            [4] => Some(Self::RegistryFull),
            [5] => Some(Self::LastAdministrator),
            _ => None,
        }
    }
}
