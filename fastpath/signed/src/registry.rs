//! The key registry: replicated state that moves only by commands of administrators.

mod codec;
mod command;

pub use codec::RegistryError;
pub(crate) use codec::{decode, encode};
pub use command::{RegistryCommand, RegistryCommandError, RegistryReply};

use crate::key::{KeyEntry, KeyId, KeyState, PublicKey, Roles};
use crate::refusal::Refusal;
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;
use std::collections::BTreeMap;

/// The keys of a cluster by their ids. Revoked ones stay, so that an id never means two keys of different owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    keys: BTreeMap<KeyId, KeyEntry>,
    /// Invariant: never fewer than `keys`.
    keys_max: usize,
}

impl Registry {
    /// A registry with these keys.
    pub(crate) const fn new(keys: BTreeMap<KeyId, KeyEntry>, keys_max: usize) -> Self {
        Self { keys, keys_max }
    }

    /// The entry of an id.
    pub fn get(&self, id: KeyId) -> Option<&KeyEntry> {
        self.keys.get(&id)
    }

    /// All entries, revoked ones included, by their ids.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (KeyId, &KeyEntry)> {
        self.keys.iter().map(|(id, entry)| (*id, entry))
    }

    /// The key `id`, if it may do what `role` says in this slot.
    pub(crate) fn active(&self, id: KeyId, role: Roles, slot: Slot) -> Result<&KeyEntry, Refusal> {
        let entry = self.get(id).ok_or(Refusal::UnknownKey)?;
        match entry.state(slot) {
            KeyState::Revoked => Err(Refusal::RevokedKey),
            KeyState::Expired => Err(Refusal::ExpiredKey),
            KeyState::Active if !entry.roles.has(role) => Err(Refusal::WrongRole),
            KeyState::Active => Ok(entry),
        }
    }

    /// The same for a signature of `scheme`.
    pub(crate) fn signer(&self, id: KeyId, scheme: Scheme, role: Roles, slot: Slot) -> Result<&PublicKey, Refusal> {
        let entry = self.active(id, role, slot)?;
        (entry.key.scheme() == scheme).then_some(&entry.key).ok_or(Refusal::WrongScheme)
    }

    /// Does what an administrator asks for, or says why not. Nothing has changed then.
    pub(crate) fn execute(&mut self, slot: Slot, command: &RegistryCommand) -> RegistryReply {
        match command {
            RegistryCommand::Add { id, entry } => self.add(*id, entry),
            RegistryCommand::Rotate { id, key, expires } => self.rotate(*id, key, *expires),
            RegistryCommand::Revoke { id } => self.revoke(*id, slot),
        }
    }

    fn add(&mut self, id: KeyId, entry: &KeyEntry) -> RegistryReply {
        if self.keys.contains_key(&id) {
            RegistryReply::KeyExists
        } else if self.keys.len() >= self.keys_max {
            RegistryReply::RegistryFull
        } else {
            self.keys.insert(id, entry.clone());
            RegistryReply::Done
        }
    }

    fn rotate(&mut self, id: KeyId, key: &PublicKey, expires: Slot) -> RegistryReply {
        match self.keys.get_mut(&id) {
            None => RegistryReply::NoSuchKey,
            Some(entry) if entry.revoked => RegistryReply::KeyRevoked,
            Some(entry) => {
                entry.key = key.clone();
                entry.expires = expires;
                entry.rotations = entry.rotations.saturating_add(1);
                RegistryReply::Done
            }
        }
    }

    fn revoke(&mut self, id: KeyId, slot: Slot) -> RegistryReply {
        let is_administrator =
            |entry: &KeyEntry| entry.state(slot) == KeyState::Active && entry.roles.has(Roles::ADMINISTRATOR);
        let another_administrator = self.keys.iter().any(|(other, entry)| *other != id && is_administrator(entry));
        match self.keys.get_mut(&id) {
            None => RegistryReply::NoSuchKey,
            Some(entry) if entry.revoked => RegistryReply::KeyRevoked,
            Some(entry) if entry.roles.has(Roles::ADMINISTRATOR) && !another_administrator => {
                RegistryReply::LastAdministrator
            }
            Some(entry) => {
                entry.revoked = true;
                RegistryReply::Done
            }
        }
    }
}

#[cfg(test)]
mod tests;
