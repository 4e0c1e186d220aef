//! What clients, tests and benchmarks sign with.

use crate::{ed25519, ml_dsa};
use aws_lc_rs::signature::{KeyPair, ML_DSA_44_SIGNING, PqdsaKeyPair};
use ed25519_dalek::Signer;
use paxon_fastpath::verify::Scheme;
use sha2::{Digest, Sha512};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of the seed that a key is made of, in each scheme.
const SEED_BYTES: usize = 32;
/// Keeps the halves of a hybrid key apart from keys that were made of the same seed.
const HYBRID_SEED: &[u8] = b"paxon hybrid key 1";

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[error("no random bytes for a signing key: the operating system refused {SEED_BYTES} of them; try again")]
pub struct EntropyError;

/// A private key. Its secret is overwritten when it is dropped.
pub struct SigningKey {
    secret: Secret,
    public: Box<[u8]>,
}

enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa44(PqdsaKeyPair),
    Hybrid(Box<ed25519_dalek::SigningKey>, PqdsaKeyPair),
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn generate(scheme: Scheme) -> Result<Self, EntropyError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        aws_lc_rs::rand::fill(&mut seed[..]).map_err(|_| EntropyError)?;
        Ok(Self::from_seed(scheme, &seed))
    }

    /// The key of a seed: the private key of RFC 8032 for Ed25519, the seed of FIPS 204 for ML-DSA-44, and for a hybrid key
    /// what both halves are derived from.
    ///
    /// # Panics
    /// For a scheme that is not one of [`Scheme::ALL`].
    pub fn from_seed(scheme: Scheme, seed: &[u8; SEED_BYTES]) -> Self {
        let secret = match scheme {
            Scheme::Ed25519 => Secret::Ed25519(classical(seed)),
            Scheme::MlDsa44 => Secret::MlDsa44(lattice(seed)),
            Scheme::Hybrid => {
                let hash = Sha512::new().chain_update(HYBRID_SEED).chain_update(seed).finalize();
                let seeds = Zeroizing::new(<[u8; 2 * SEED_BYTES]>::from(hash));
                let (first, second) = seeds.split_first_chunk().expect("64 bytes are 32 and some");
                let second = second.first_chunk().expect("64 bytes less 32 are 32");
                Secret::Hybrid(classical(first), lattice(second))
            }
            other => panic!("there are no keys for {other}"),
        };
        Self { public: secret.public(), secret }
    }

    /// How it signs.
    pub const fn scheme(&self) -> Scheme {
        match self.secret {
            Secret::Ed25519(_) => Scheme::Ed25519,
            Secret::MlDsa44(_) => Scheme::MlDsa44,
            Secret::Hybrid(..) => Scheme::Hybrid,
        }
    }

    /// The public key, [`Scheme::key_bytes`] long.
    pub const fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// The signature over the message, [`Scheme::signature_bytes`] long. ML-DSA-44 mixes in random bytes, so that two
    /// signatures of one message differ.
    ///
    /// # Panics
    /// If the operating system gives no random bytes to ML-DSA-44.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Secret::MlDsa44(key) => sign_lattice(key, message).to_vec(),
            Secret::Hybrid(first, second) => {
                [&first.sign(message).to_bytes()[..], &sign_lattice(second, message)].concat()
            }
        }
    }
}

impl Secret {
    fn public(&self) -> Box<[u8]> {
        match self {
            Self::Ed25519(key) => Box::new(key.verifying_key().to_bytes()),
            Self::MlDsa44(key) => key.public_key().as_ref().into(),
            Self::Hybrid(first, second) => {
                let classical: [u8; ed25519::KEY_BYTES] = first.verifying_key().to_bytes();
                [&classical[..], second.public_key().as_ref()].concat().into()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret)", self.scheme())
    }
}

fn classical(seed: &[u8; SEED_BYTES]) -> Box<ed25519_dalek::SigningKey> {
    Box::new(ed25519_dalek::SigningKey::from_bytes(seed))
}

fn lattice(seed: &[u8; SEED_BYTES]) -> PqdsaKeyPair {
    PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed).expect("every 32 bytes are a seed of ML-DSA-44")
}

fn sign_lattice(key: &PqdsaKeyPair, message: &[u8]) -> [u8; ml_dsa::SIGNATURE_BYTES] {
    let mut signature = [0; ml_dsa::SIGNATURE_BYTES];
    let length = key.sign(message, &mut signature).expect("signing fails only without random bytes");
    assert_eq!(length, signature.len(), "a signature of ML-DSA-44 has one length");
    signature
}
