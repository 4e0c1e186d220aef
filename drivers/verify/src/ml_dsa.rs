//! ML-DSA-44 (FIPS 204), pure, with an empty context, by AWS-LC.
//!
//! The library takes a public key as raw bytes or in X.509's wrapping, whichever fits. The 1,312 bytes that callers check for
//! are always the raw key: wrapped, a key of this scheme has 22 bytes more.

use aws_lc_rs::signature::{ML_DSA_44, ParsedPublicKey, UnparsedPublicKey};

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 1312;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 2420;

/// A key that was parsed. It spares an allocation or two; the library expands the key's matrix at each verification.
pub(crate) struct Key(ParsedPublicKey);

impl Key {
    /// Nothing if the library refuses the key, which it does with no 1,312 bytes that are known.
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Option<Self> {
        ParsedPublicKey::new(&ML_DSA_44, key).ok().map(Self)
    }

    pub(crate) fn accepts(&self, signature: &[u8; SIGNATURE_BYTES], message: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// Whether the signature is the key's over the message.
pub(crate) fn accepts(key: &[u8; KEY_BYTES], signature: &[u8; SIGNATURE_BYTES], message: &[u8]) -> bool {
    UnparsedPublicKey::new(&ML_DSA_44, key).verify(message, signature).is_ok()
}
