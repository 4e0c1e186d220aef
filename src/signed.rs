//! Signed commands: every command that a state machine is given was made by the owner of a registered key.
//!
//! Wrap the machine in [`Authenticated`] and have clients make their commands with a [`Signer`] or a [`MacSigner`]. Each mode
//! guarantees what it says, and no more:
//!
//! | mode of a command | who can make one | proof for third parties | against a quantum computer | cost a command |
//! | --- | --- | --- | --- | --- |
//! | none (no [`Authenticated`]) | whoever reaches the leader | no | no | none |
//! | MAC | the client, and whoever holds the cluster's [`MacSecret`]: every replica does | no | no (X25519 and the signed handshake) | 32 bytes, well below 1 µs |
//! | Ed25519 | the owner of the key | yes: the envelope in the journal | no | 80 bytes, tens of µs at each replica that verifies |
//! | ML-DSA-44 | the owner of the key | yes | yes | 2436 bytes, tens of µs |
//! | hybrid | the owner of both halves | yes, also if one of the schemes falls | yes | 2500 bytes, both |
//!
//! No mode hides anything: commands lie readable in journals. The registry and the MAC sessions are part of the replicated state:
//! they are volatile like it, and begin again from the genesis if all replicas lose theirs. Sessions are opened without a
//! signature, so whoever may reach the leader can have sessions of others evicted; they cannot speak in them.
//!
//! [`Policy`] says which replicas verify. Under [`Policy::All`] no leader, however faulty, gets a forged command applied.

pub use paxon_signed::*;
pub use paxon_verify::{self as verify, InlineVerifier, SigningKey, SoftwareVerifier};

use paxon_fastpath::verify::{Request, Verdict};

/// Verifies on the spot, for [`Setup::software`].
pub fn software(request: &Request<'_>) -> Verdict {
    paxon_verify::verify(request.scheme, request.key, request.signature, request.message)
}

/// The public half of a key, for the registry.
pub fn public_key(key: &SigningKey) -> PublicKey {
    PublicKey::new(key.scheme(), key.public_key()).expect("a signing key knows a public key of its scheme")
}

/// A signer for a key that the registry of `cluster` knows as `id`.
pub fn signer(cluster: u64, id: KeyId, key: SigningKey) -> Signer {
    Signer::new(cluster, id, key.scheme(), move |message| key.sign(message))
}
