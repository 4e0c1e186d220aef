//! Keys as the registry holds them.

use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;

/// The name of a key in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key {}", self.0)
    }
}

/// Key bytes of a length that is not the scheme's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key of {scheme} has {expected} bytes, not {bytes}")]
pub struct KeyLengthError {
    scheme: Scheme,
    expected: usize,
    bytes: usize,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    scheme: Scheme,
    /// Invariant: as long as the scheme says.
    bytes: Box<[u8]>,
    /// BLAKE3 of scheme and bytes: stands for the key where results about it are remembered.
    fingerprint: [u8; 32],
}

impl PublicKey {
    /// A key of the scheme. Bytes of the right length that are no key are taken, too: nothing verifies under them.
    ///
    /// # Errors
    /// [`KeyLengthError`] if the length is wrong.
    pub fn new(scheme: Scheme, bytes: &[u8]) -> Result<Self, KeyLengthError> {
        let expected = scheme.key_bytes();
        if bytes.len() != expected {
            return Err(KeyLengthError { scheme, expected, bytes: bytes.len() });
        }
        let fingerprint = *blake3::Hasher::new().update(&[scheme as u8]).update(bytes).finalize().as_bytes();
        Ok(Self { scheme, bytes: bytes.into(), fingerprint })
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// BLAKE3 of the scheme's number and the bytes.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// Sign commands, and begin MAC sessions.
    pub const CLIENT: Self = Self(1);
    /// Change the registry.
    pub const ADMINISTRATOR: Self = Self(2);

    /// Roles of their bits; `None` if there is none or an unknown one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits == 0 || bits & !3 != 0 { None } else { Some(Self(bits)) }
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether these include `other`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A key with what it may do and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub roles: Roles,
    /// The last slot in which it is valid; [`Slot::NONE`] for any.
    pub expires: Slot,
    /// It was revoked: its id is used up.
    pub revoked: bool,
    /// How often it was rotated.
    pub rotations: u32,
}

/// What a key is good for in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Its signatures count.
    Active,
    /// Its last slot has passed; it can be rotated.
    Expired,
    /// It was revoked for ever.
    Revoked,
}

impl KeyEntry {
    /// An active key.
    pub const fn new(key: PublicKey, roles: Roles, expires: Slot) -> Self {
        Self { key, roles, expires, revoked: false, rotations: 0 }
    }

    /// What it is good for in a slot.
    pub const fn state(&self, slot: Slot) -> KeyState {
        if self.revoked {
            KeyState::Revoked
        } else if has_passed(self.expires, slot) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}

/// Whether the last slot of something is over.
pub(crate) const fn has_passed(expires: Slot, slot: Slot) -> bool {
    expires.0 != Slot::NONE.0 && slot.0 > expires.0
}
