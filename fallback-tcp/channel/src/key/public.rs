//! The public half of a key, as text and in the form that TLS carries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

/// How the text of a key begins.
const PREFIX: &str = "ed25519:";
/// `SubjectPublicKeyInfo` of an Ed25519 key up to the key itself (RFC 8410, section 4): algorithm 1.3.101.112, 32 bytes.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 public key. Its text is `ed25519:` and 44 characters of base64.
///
/// ```
/// let text = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// let key: paxon_channel::PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), paxon_channel::PublicKeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub(crate) [u8; 32]);

/// Why a text is not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// It begins with something else.
    #[error("a public key is written as `{PREFIX}` and 44 characters of base64, not as {text:?}")]
    Prefix {
        /// The text, its first 80 characters.
        text: String,
    },
    /// What follows is not base64 of 32 bytes.
    #[error("what follows `{PREFIX}` is not base64 of 32 bytes: copy the key anew")]
    Base64,
}

impl PublicKey {
    /// The 32 bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as TLS carries it (RFC 7250).
    pub(crate) fn to_spki(self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }

    /// The key that a peer sent, `None` if it is not an Ed25519 key.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(Self)
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(PublicKeyError::Prefix { text: text.chars().take(80).collect() });
        };
        let mut key = [0; 32];
        match STANDARD.decode_slice(encoded, &mut key) {
            Ok(32) => Ok(Self(key)),
            _ => Err(PublicKeyError::Base64),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
