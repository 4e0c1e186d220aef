//! A signature to try, and what others say of it.

use ed25519_dalek::{Signature, VerifyingKey};
use fips204::ml_dsa_44;
use fips204::traits::{SerDes, Verifier as _};
use paxon_fastpath::verify::{Request, Scheme, Verdict};

/// A signature to try. Its lengths may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What a reader should know of it when it fails, behind the name of its family and a colon.
    pub about: String,
    /// How it is signed.
    pub scheme: Scheme,
    /// The public key.
    pub key: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// What is signed.
    pub message: Vec<u8>,
}

impl Case {
    /// The name of the family that it is of.
    pub fn family(&self) -> &str {
        self.about.split(':').next().unwrap_or_default()
    }

    /// The request for this case.
    pub fn request(&self, ticket: u64) -> Request<'_> {
        Request { ticket, scheme: self.scheme, key: &self.key, signature: &self.signature, message: &self.message }
    }
}

/// The verdict of the rule, by implementations that are not the project's own. Messages have any length here.
pub fn oracle(case: &Case) -> Verdict {
    let Case { scheme, key, signature, message, .. } = case;
    if key.len() != scheme.key_bytes() || signature.len() != scheme.signature_bytes() {
        return Verdict::Malformed;
    }
    let valid = match scheme {
        Scheme::Ed25519 => ed25519(key, signature, message),
        Scheme::MlDsa44 => ml_dsa(key, signature, message),
        Scheme::Hybrid => {
            let (classical, lattice) = key.split_at(Scheme::Ed25519.key_bytes());
            let (first, second) = signature.split_at(Scheme::Ed25519.signature_bytes());
            ed25519(classical, first, message) && ml_dsa(lattice, second, message)
        }
        other => panic!("no oracle knows {other}"),
    };
    if valid { Verdict::Valid } else { Verdict::Invalid }
}

fn ed25519(key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    let key = VerifyingKey::from_bytes(key.try_into().expect("the length was checked"));
    let signature = Signature::from_bytes(signature.try_into().expect("the length was checked"));
    key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

fn ml_dsa(key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    let key = ml_dsa_44::PublicKey::try_from_bytes(key.try_into().expect("the length was checked"));
    let signature = signature.try_into().expect("the length was checked");
    key.is_ok_and(|key| key.verify(message, &signature, &[]))
}
