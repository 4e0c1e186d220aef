//! What a cluster is founded with, the same at every replica.
//!
//! ```text
//! "PXNGENE1" | cluster:u64 | policy:u8 zero:u8 per mille:u16 | keys max:u32 | MAC sessions max:u32 | has MAC key:u32
//! | MAC key:32 | keys:u32 | key* | BLAKE3:32
//! key    id:u32 | scheme:u8 roles:u8 zero:u16 | expires:u64 | public key
//! ```

use crate::bytes::{Reader, seal, unseal};
use crate::key::{KeyEntry, KeyId, PublicKey, Roles};
use crate::registry::Registry;
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;
use std::collections::BTreeMap;

const MAGIC: &[u8; 8] = b"PXNGENE1";
/// A registry of the largest keys then takes 90 MiB.
const KEYS_MAX: u32 = 1 << 16;
/// Each takes 48 bytes of a snapshot.
const MAC_SESSIONS_MAX: u32 = 1 << 16;

/// Which replicas verify the signatures of commands. Changes of the registry, handshakes and MACs are verified by every replica
/// under every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Every replica verifies every command before it applies it: no leader, however faulty, gets a forged one through.
    All,
    /// The leader verifies before it proposes; the others trust it.
    Leader,
    /// Like `Leader`, and every replica verifies so many commands in a thousand, which only it knows in advance. A replica
    /// that finds a forged one stops: it cannot refuse alone what the others have applied.
    Sampled {
        /// Commands in a thousand, 1 to 1000.
        per_mille: u16,
    },
}

impl Policy {
    const fn numbers(self) -> (u8, u16) {
        match self {
            Self::All => (1, 0),
            Self::Leader => (2, 0),
            Self::Sampled { per_mille } => (3, per_mille),
        }
    }

    const fn from_numbers(number: u8, per_mille: u16) -> Option<Self> {
        match (number, per_mille) {
            (1, 0) => Some(Self::All),
            (2, 0) => Some(Self::Leader),
            (3, 1..=1000) => Some(Self::Sampled { per_mille }),
            _ => None,
        }
    }
}

/// What a cluster is founded with. Public: clients need it, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// A number that no other cluster has; it is part of everything that is signed.
    pub cluster: u64,
    /// Which replicas verify.
    pub policy: Policy,
    /// Keys that the registry may hold, revoked ones included.
    pub keys_max: u32,
    /// MAC sessions that there may be at a time.
    pub mac_sessions_max: u32,
    /// The cluster's X25519 key for MAC sessions; `None` if it offers none. All replicas hold the secret half.
    pub mac_key: Option<[u8; 32]>,
    /// The first keys, at least one of an administrator.
    pub keys: BTreeMap<KeyId, KeyEntry>,
}

/// Why a genesis was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// The checksum does not match.
    #[error("the genesis of {bytes} bytes is damaged: its checksum does not match")]
    Checksum {
        /// Bytes that there are.
        bytes: usize,
    },
    /// It is no genesis, or one of another version.
    #[error("this is not a genesis of version 1")]
    Magic,
    /// The content is impossible.
    #[error("the genesis is not well-formed at {what}")]
    Malformed {
        /// What could not be read.
        what: &'static str,
    },
    /// Nobody could ever change the registry.
    #[error("the genesis names no administrator key that never expires")]
    NoAdministrator,
    /// A limit is out of range.
    #[error("{name} is {value}; it must be in {least}..={most}")]
    Limit {
        /// Which limit.
        name: &'static str,
        /// What it is.
        value: u32,
        /// The least that is allowed.
        least: u32,
        /// The most that is allowed.
        most: u32,
    },
}

impl Genesis {
    /// A genesis that verifies everywhere, with room for 4096 keys and MAC sessions, and no key yet.
    pub const fn new(cluster: u64) -> Self {
        Self {
            cluster,
            policy: Policy::All,
            keys_max: 4096,
            mac_sessions_max: 4096,
            mac_key: None,
            keys: BTreeMap::new(),
        }
    }

    /// A cluster's number made of its name.
    pub fn cluster_number(name: &str) -> u64 {
        let mut number = [0; 8];
        blake3::Hasher::new_derive_key("paxon cluster number 1")
            .update(name.as_bytes())
            .finalize_xof()
            .fill(&mut number);
        u64::from_le_bytes(number)
    }

    /// The same with a key that never expires.
    #[must_use]
    pub fn with_key(mut self, id: KeyId, key: PublicKey, roles: Roles) -> Self {
        self.keys.insert(id, KeyEntry::new(key, roles, Slot::NONE));
        self
    }

    /// Checks limits and administrators.
    ///
    /// # Errors
    /// [`GenesisError`], naming what is wrong.
    pub fn validate(&self) -> Result<(), GenesisError> {
        let limit = |name, value: u32, least: u32, most: u32| {
            let error = GenesisError::Limit { name, value, least, most };
            (least..=most).contains(&value).then_some(()).ok_or(error)
        };
        limit("keys_max", self.keys_max, 1, KEYS_MAX)?;
        limit("mac_sessions_max", self.mac_sessions_max, 1, MAC_SESSIONS_MAX)?;
        let keys = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        limit("the number of keys", keys, 0, self.keys_max)?;
        if let Policy::Sampled { per_mille } = self.policy {
            limit("per_mille", per_mille.into(), 1, 1000)?;
        }
        if self.keys.values().any(|entry| entry.revoked || entry.rotations > 0) {
            return Err(GenesisError::Malformed { what: "a key that was revoked or rotated" });
        }
        let rules = |entry: &KeyEntry| entry.roles.has(Roles::ADMINISTRATOR) && entry.expires == Slot::NONE;
        self.keys.values().any(rules).then_some(()).ok_or(GenesisError::NoAdministrator)
    }

    /// A genesis in bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let (policy, per_mille) = self.policy.numbers();
        bytes.extend_from_slice(&self.cluster.to_le_bytes());
        bytes.extend_from_slice(&[policy, 0]);
        bytes.extend_from_slice(&per_mille.to_le_bytes());
        bytes.extend_from_slice(&self.keys_max.to_le_bytes());
        bytes.extend_from_slice(&self.mac_sessions_max.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.mac_key.is_some()).to_le_bytes());
        bytes.extend_from_slice(&self.mac_key.unwrap_or_default());
        bytes.extend_from_slice(&(self.keys.len() as u32).to_le_bytes());
        for (id, entry) in &self.keys {
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.extend_from_slice(&[entry.key.scheme() as u8, entry.roles.bits(), 0, 0]);
            bytes.extend_from_slice(&entry.expires.0.to_le_bytes());
            bytes.extend_from_slice(entry.key.bytes());
        }
        seal(&mut bytes, 0);
        bytes
    }

    /// Reads and checks a genesis. Bytes of any content and length are fine.
    ///
    /// # Errors
    /// [`GenesisError`], saying what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, GenesisError> {
        let body = unseal(bytes).ok_or(GenesisError::Checksum { bytes: bytes.len() })?;
        let mut reader = Reader::new(body);
        if reader.array() != Some(*MAGIC) {
            return Err(GenesisError::Magic);
        }
        let genesis = Self::decode_head(&mut reader).ok_or(GenesisError::Malformed { what: "its head" })?;
        let keys = decode_keys(&mut reader, genesis.keys_max).ok_or(GenesisError::Malformed { what: "its keys" })?;
        if !reader.is_empty() {
            return Err(GenesisError::Malformed { what: "its end" });
        }
        let genesis = Self { keys, ..genesis };
        genesis.validate()?;
        Ok(genesis)
    }

    fn decode_head(reader: &mut Reader<'_>) -> Option<Self> {
        let cluster = reader.u64()?;
        let [policy, 0] = reader.array()? else { return None };
        let policy = Policy::from_numbers(policy, reader.u16()?)?;
        let (keys_max, mac_sessions_max) = (reader.u32()?, reader.u32()?);
        let (has_mac_key, mac_key): (u32, [u8; 32]) = (reader.u32()?, reader.array()?);
        let mac_key = match has_mac_key {
            0 if mac_key == [0; 32] => None,
            1 => Some(mac_key),
            _ => return None,
        };
        Some(Self { cluster, policy, keys_max, mac_sessions_max, mac_key, keys: BTreeMap::new() })
    }

    /// BLAKE3 of the bytes: equal at replicas that were founded alike.
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.encode()).as_bytes()
    }

    /// The registry that the cluster begins with.
    pub(crate) fn registry(&self) -> Registry {
        Registry::new(self.keys.clone(), self.keys_max as usize)
    }
}

fn decode_keys(reader: &mut Reader<'_>, most: u32) -> Option<BTreeMap<KeyId, KeyEntry>> {
    let count = reader.u32().filter(|count| *count <= most.min(KEYS_MAX))?;
    let mut keys = BTreeMap::new();
    for _ in 0..count {
        let id = KeyId(reader.u32()?);
        let [scheme, roles, 0, 0] = reader.array()? else { return None };
        let expires = Slot(reader.u64()?);
        let scheme = Scheme::from_number(scheme)?;
        let key = PublicKey::new(scheme, reader.take(scheme.key_bytes())?).ok()?;
        if keys.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return None;
        }
        keys.insert(id, KeyEntry::new(key, Roles::from_bits(roles)?, expires));
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(fill: u8) -> PublicKey {
        PublicKey::new(Scheme::Ed25519, &[fill; 32]).expect("the length is right")
    }

    fn genesis() -> Genesis {
        let administrator = Roles::ADMINISTRATOR.with(Roles::CLIENT);
        let mut genesis =
            Genesis::new(7).with_key(KeyId(1), key(1), administrator).with_key(KeyId(9), key(2), Roles::CLIENT);
        genesis.mac_key = Some([4; 32]);
        genesis.policy = Policy::Sampled { per_mille: 50 };
        genesis
    }

    #[test]
    fn a_genesis_survives_its_bytes_and_no_flipped_bit_goes_unseen() {
        let bytes = genesis().encode();
        assert_eq!(Genesis::decode(&bytes), Ok(genesis()));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Genesis::decode(&damaged), Err(GenesisError::Checksum { bytes: bytes.len() }));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = |genesis: &Genesis| Genesis::decode(&genesis.encode()).expect_err("refused").to_string();
        let without = Genesis::new(1).with_key(KeyId(1), key(1), Roles::CLIENT);
        assert!(refused(&without).contains("no administrator"));
        assert!(refused(&Genesis { keys_max: 0, ..genesis() }).contains("its keys"));
        assert!(Genesis { keys_max: 1, ..genesis() }.validate().expect_err("two keys").to_string().contains("is 2"));
        let policy = Policy::Sampled { per_mille: 1001 };
        assert!(Genesis { policy, ..genesis() }.validate().expect_err("refused").to_string().contains("1..=1000"));
        assert!(refused(&Genesis { policy, ..genesis() }).contains("its head"));
    }

    #[test]
    fn clusters_of_other_names_have_other_numbers() {
        assert_ne!(Genesis::cluster_number("a"), Genesis::cluster_number("b"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_with_a_checksum_panic_nobody(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut sealed = [MAGIC.to_vec(), bytes].concat();
            seal(&mut sealed, 0);
            if let Ok(genesis) = Genesis::decode(&sealed) {
                prop_assert_eq!(genesis.encode(), sealed);
            }
        }
    }
}
