//! Who may speak, and who may not.

use super::{PAIRS, Trust};
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;
use paxon_signed::{Genesis, KeyEntry, KeyId, Policy, PublicKey, Roles, Signer};
use paxon_verify::SigningKey;

pub(super) const ADMINISTRATOR: KeyId = KeyId(1);
/// The key of the first pair; those of the others follow.
const CLIENT: u32 = 10;
/// A key whose last slot has passed when the first session is open.
pub(super) const EXPIRED: KeyId = KeyId(90);
/// A key that is revoked before the attack.
pub(super) const REVOKED: KeyId = KeyId(91);
/// No key of the registry.
pub(super) const UNKNOWN: KeyId = KeyId(92);

pub(super) const fn client(nth: u32) -> KeyId {
    KeyId(CLIENT + nth)
}

pub(super) fn cluster() -> u64 {
    Genesis::cluster_number("paxon adversary")
}

/// A benchmark's key, known to everybody.
pub(super) fn key(id: KeyId) -> SigningKey {
    SigningKey::from_seed(Scheme::Ed25519, &[id.0 as u8; 32])
}

/// Signs as `id`, with whatever key, for whatever cluster.
pub(super) fn signer(cluster: u64, id: KeyId, key: SigningKey) -> Signer {
    Signer::new(cluster, id, key.scheme(), move |message| key.sign(message))
}

pub(super) fn signer_of(id: KeyId) -> Signer {
    signer(cluster(), id, key(id))
}

/// What the cluster is founded with.
pub(super) fn genesis(policy: Trust) -> Genesis {
    let public = |id| PublicKey::new(Scheme::Ed25519, key(id).public_key()).expect("a key of the scheme's length");
    let mut genesis = Genesis::new(cluster()).with_key(ADMINISTRATOR, public(ADMINISTRATOR), Roles::ADMINISTRATOR);
    for id in (0..PAIRS).map(client).chain([REVOKED]) {
        genesis = genesis.with_key(id, public(id), Roles::CLIENT);
    }
    genesis.keys.insert(EXPIRED, KeyEntry::new(public(EXPIRED), Roles::CLIENT, Slot(1)));
    genesis.policy = match policy {
        Trust::All => Policy::All,
        Trust::Leader => Policy::Leader,
    };
    genesis
}
