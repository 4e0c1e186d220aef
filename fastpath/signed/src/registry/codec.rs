//! Registry and MAC sessions in a snapshot.
//!
//! ```text
//! "PXNKEYS1" | digest of the genesis:32 | keys:u32 | key* | next MAC session:u32 | MAC sessions:u32 | MAC session* | BLAKE3:32
//! key          id:u32 | scheme:u8 roles:u8 revoked:u8 zero:u8 | expires:u64 | rotations:u32 | public key
//! MAC session  id:u32 | key id:u32 | session:u64 | ephemeral key:32
//! ```
//! Ids grow in both lists, so every state has exactly one encoding.

use super::Registry;
use crate::bytes::{Reader, seal, unseal};
use crate::genesis::Genesis;
use crate::key::{KeyEntry, KeyId, PublicKey, Roles};
use crate::mac::{MacSession, MacSessions};
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;
use std::collections::BTreeMap;

const MAGIC: &[u8; 8] = b"PXNKEYS1";

/// Why a saved registry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The checksum does not match.
    #[error("the key registry of {bytes} bytes is damaged: its checksum does not match")]
    Checksum {
        /// Bytes that there are.
        bytes: usize,
    },
    /// It is not a registry, or one of another version.
    #[error("this is not a key registry of version 1")]
    Magic,
    /// It belongs to a cluster that was founded otherwise.
    #[error("the key registry belongs to another genesis: check that all replicas were given the same genesis file")]
    OtherGenesis,
    /// The checksum matches and the content is impossible: whoever wrote it is broken or hostile.
    #[error("the key registry is not well-formed at {what}")]
    Malformed {
        /// What could not be read.
        what: &'static str,
    },
    /// More keys than the genesis allows.
    #[error("the key registry holds {keys} keys; the genesis allows {most}")]
    TooManyKeys {
        /// Keys that it holds.
        keys: usize,
        /// Keys that are allowed.
        most: usize,
    },
}

/// What is saved.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) registry: Registry,
    pub(crate) macs: MacSessions,
}

/// Appends registry and MAC sessions.
pub(crate) fn encode(genesis: &[u8; 32], registry: &Registry, macs: &MacSessions, into: &mut Vec<u8>) {
    let from = into.len();
    into.extend_from_slice(MAGIC);
    into.extend_from_slice(genesis);
    into.extend_from_slice(&(registry.keys.len() as u32).to_le_bytes());
    for (id, entry) in registry.entries() {
        into.extend_from_slice(&id.0.to_le_bytes());
        into.extend_from_slice(&[entry.key.scheme() as u8, entry.roles.bits(), u8::from(entry.revoked), 0]);
        into.extend_from_slice(&entry.expires.0.to_le_bytes());
        into.extend_from_slice(&entry.rotations.to_le_bytes());
        into.extend_from_slice(entry.key.bytes());
    }
    into.extend_from_slice(&macs.next().to_le_bytes());
    into.extend_from_slice(&(macs.len() as u32).to_le_bytes());
    for (id, session) in macs.iter() {
        into.extend_from_slice(&id.to_le_bytes());
        into.extend_from_slice(&session.key.0.to_le_bytes());
        into.extend_from_slice(&session.session.to_le_bytes());
        into.extend_from_slice(&session.ephemeral);
    }
    seal(into, from);
}

/// Reads what [`encode`] wrote for a cluster of this genesis.
pub(crate) fn decode(genesis: &Genesis, bytes: &[u8]) -> Result<Saved, RegistryError> {
    let body = unseal(bytes).ok_or(RegistryError::Checksum { bytes: bytes.len() })?;
    let mut reader = Reader::new(body);
    if reader.array() != Some(*MAGIC) {
        return Err(RegistryError::Magic);
    }
    if reader.array() != Some(genesis.digest()) {
        return Err(RegistryError::OtherGenesis);
    }
    let registry = decode_keys(genesis, &mut reader)?;
    let macs = decode_macs(genesis, &mut reader).ok_or(RegistryError::Malformed { what: "the MAC sessions" })?;
    reader.is_empty().then_some(Saved { registry, macs }).ok_or(RegistryError::Malformed { what: "the end" })
}

fn decode_keys(genesis: &Genesis, reader: &mut Reader<'_>) -> Result<Registry, RegistryError> {
    let malformed = |what| RegistryError::Malformed { what };
    let (keys, most) = (reader.u32().ok_or(malformed("the number of keys"))? as usize, genesis.keys_max as usize);
    if keys > most {
        return Err(RegistryError::TooManyKeys { keys, most });
    }
    let mut entries = BTreeMap::new();
    for _ in 0..keys {
        let (id, entry) = decode_key(reader).ok_or(malformed("a key"))?;
        if entries.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return Err(malformed("the order of the keys"));
        }
        entries.insert(id, entry);
    }
    Ok(Registry::new(entries, most))
}

fn decode_key(reader: &mut Reader<'_>) -> Option<(KeyId, KeyEntry)> {
    let id = KeyId(reader.u32()?);
    let [scheme, roles, revoked @ 0..=1, 0] = reader.array()? else { return None };
    let expires = Slot(reader.u64()?);
    let rotations = reader.u32()?;
    let scheme = Scheme::from_number(scheme)?;
    let key = PublicKey::new(scheme, reader.take(scheme.key_bytes())?).ok()?;
    Some((id, KeyEntry { key, roles: Roles::from_bits(roles)?, expires, revoked: revoked == 1, rotations }))
}

fn decode_macs(genesis: &Genesis, reader: &mut Reader<'_>) -> Option<MacSessions> {
    let next = reader.u32()?;
    let count = reader.u32()?;
    if count > genesis.mac_sessions_max {
        return None;
    }
    let mut macs = MacSessions::new(genesis.mac_sessions_max as usize, next);
    let mut last = None;
    for _ in 0..count {
        let id = reader.u32()?;
        let session = MacSession::new(KeyId(reader.u32()?), reader.u64()?, reader.array()?);
        if last.is_some_and(|last| last >= id) {
            return None;
        }
        last = Some(id);
        macs.insert(id, session);
    }
    Some(macs)
}
