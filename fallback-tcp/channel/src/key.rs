//! Ed25519 keys: who a replica or a client is.
//!
//! A private key is a PKCS#8 document in PEM, as `openssl genpkey -algorithm ed25519` writes it too. A public key is one
//! word of text, `ed25519:` and its 32 bytes in base64, and stands in the roster.

mod file;
mod public;

pub use file::KeyError;
pub use public::{PublicKey, PublicKeyError};

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::SigningKey;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The secret by which a replica or a client proves who it is.
///
/// The bytes kept here are overwritten when it is dropped, and so are the buffers through which it was read. What `ring`
/// derives from them to sign is not: a core dump of a running process holds it.
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl PrivateKey {
    /// A new key from the kernel's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Random`] if the kernel gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        Ok(Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec())).expect("ring reads what it has written"))
    }

    /// Reads the key from the file at `path`.
    ///
    /// # Errors
    /// [`KeyError`], naming the file: it cannot be read, others than its owner may read it, or it holds no Ed25519 key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        file::read(path.as_ref())
    }

    /// Writes the key to a new file at `path` that only its owner may read.
    ///
    /// # Errors
    /// [`KeyError`] if the file exists or cannot be written; it is then as it was.
    pub fn write_new(&self, path: impl AsRef<Path>) -> Result<(), KeyError> {
        file::write_new(path.as_ref(), &self.pkcs8)
    }

    /// The public half, for the roster.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The key of a PKCS#8 document of version 1 or 2, `None` if it holds none.
    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pkcs8, public })
    }

    /// The key as rustls signs with it.
    pub(crate) fn signing_key(&self) -> Arc<dyn SigningKey> {
        let document = PrivatePkcs8KeyDer::from(self.pkcs8.as_slice());
        rustls::crypto::ring::sign::any_eddsa_type(&document).expect("the constructor has read this document")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}
