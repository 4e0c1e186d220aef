//! Keys that were parsed, and tabled where that pays.

use crate::batch::{Check, Key, verify_batch};
use crate::{ed25519, ml_dsa};
use paxon_fastpath::verify::{Scheme, Verdict};
use std::fmt;

/// A public key that signs often. Its verdicts are those of [`verify`](crate::verify).
///
/// An Ed25519 key takes 33 KiB and about as long as two verifications to prepare. The first key of a process also builds the
/// table that all share, 640 KiB.
pub struct PreparedKey(pub(crate) Prepared);

pub(crate) enum Prepared {
    Ed25519(ed25519::Table),
    MlDsa44(ml_dsa::Key),
    Hybrid(ed25519::Table, ml_dsa::Key),
}

impl PreparedKey {
    /// Prepares a key. Nothing for bytes of a wrong length and for a key under which no signature is valid: what
    /// [`verify`](crate::verify) says of those needs no preparation.
    pub fn new(scheme: Scheme, key: &[u8]) -> Option<Self> {
        Some(Self(match scheme {
            Scheme::Ed25519 => Prepared::Ed25519(ed25519::Table::new(key.try_into().ok()?)?),
            Scheme::MlDsa44 => Prepared::MlDsa44(ml_dsa::Key::new(key.try_into().ok()?)?),
            Scheme::Hybrid => {
                let (classical, lattice) = key.split_first_chunk::<{ ed25519::KEY_BYTES }>()?;
                Prepared::Hybrid(ed25519::Table::new(classical)?, ml_dsa::Key::new(lattice.try_into().ok()?)?)
            }
            _ => return None,
        }))
    }

    /// How the key signs.
    pub const fn scheme(&self) -> Scheme {
        match self.0 {
            Prepared::Ed25519(_) => Scheme::Ed25519,
            Prepared::MlDsa44(_) => Scheme::MlDsa44,
            Prepared::Hybrid(..) => Scheme::Hybrid,
        }
    }

    /// Whether the signature is the key's over the message.
    pub fn verify(&self, signature: &[u8], message: &[u8]) -> Verdict {
        verify_batch(&[Check { scheme: self.scheme(), key: Key::Prepared(self), signature, message }])[0]
    }
}

impl fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedKey({})", self.scheme())
    }
}
