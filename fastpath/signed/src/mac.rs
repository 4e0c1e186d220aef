//! MAC sessions: one signed handshake, then commands that are authenticated at the speed of a hash.
//!
//! The client signs an ephemeral X25519 key with its registered key. Every replica holds the secret half of the cluster's
//! X25519 key, so each derives the same MAC key from the decided handshake alone, and no secret enters journal or snapshot.
//!
//! Limits: a MAC proves to the replicas, and to nobody else, that the client *or a holder of the cluster's MAC secret* made the
//! command: whoever steals that secret from one replica can forge commands of every MAC session, past ones included.

use crate::envelope::{MAC_BYTES, MESSAGE_BYTES};
use crate::key::KeyId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroize;

const CONTEXT: &str = "paxon 1 key of a MAC session";

/// The secret half of the cluster's X25519 key. The same at every replica; zeroised when dropped.
pub struct MacSecret(StaticSecret);

impl MacSecret {
    /// A secret of 32 random bytes. The caller wipes its own copy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(StaticSecret::from(bytes))
    }

    /// The public half, for the genesis.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    /// What it shares with the owner of an ephemeral key; `None` if that key is of low order, so that anybody could know it.
    fn agree(&self, ephemeral: &[u8; 32]) -> Option<SharedSecret> {
        agree(&self.0, ephemeral)
    }
}

impl fmt::Debug for MacSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacSecret(..)")
    }
}

fn agree(secret: &StaticSecret, public: &[u8; 32]) -> Option<SharedSecret> {
    let shared = secret.diffie_hellman(&PublicKey::from(*public));
    shared.was_contributory().then_some(shared)
}

/// The key of one MAC session. Zeroised when dropped.
#[derive(Clone)]
pub(crate) struct MacKey([u8; 32]);

impl MacKey {
    fn derive(shared: &SharedSecret, ephemeral: &[u8; 32], cluster: u64, key: KeyId, session: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(shared.as_bytes()).update(ephemeral);
        hasher.update(&cluster.to_le_bytes()).update(&key.0.to_le_bytes()).update(&session.to_le_bytes());
        let mut derived = [0; 32];
        hasher.finalize_xof().fill(&mut derived);
        hasher.zeroize();
        Self(derived)
    }

    /// The client's side: it holds the ephemeral secret.
    pub(crate) fn of_client(
        ephemeral: &StaticSecret,
        cluster_key: &[u8; 32],
        cluster: u64,
        key: KeyId,
        session: u64,
    ) -> Option<Self> {
        let shared = agree(ephemeral, cluster_key)?;
        Some(Self::derive(&shared, &PublicKey::from(ephemeral).to_bytes(), cluster, key, session))
    }

    /// The MAC of a message: keyed BLAKE3, cut to 128 bits.
    pub(crate) fn mac(&self, message: &[u8; MESSAGE_BYTES]) -> [u8; MAC_BYTES] {
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&blake3::keyed_hash(&self.0, message).as_bytes()[..MAC_BYTES]);
        mac
    }

    /// Whether `mac` is that of the message. Takes as long whether or not, and wherever they differ.
    pub(crate) fn verify(&self, message: &[u8; MESSAGE_BYTES], mac: &[u8]) -> bool {
        self.mac(message).as_slice().ct_eq(mac).into()
    }
}

impl Drop for MacKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// A MAC session as it is replicated; only the derived key is not.
#[derive(Debug)]
pub(crate) struct MacSession {
    /// The registered key that began it.
    pub(crate) key: KeyId,
    /// The client session that it is for.
    pub(crate) session: u64,
    pub(crate) ephemeral: [u8; 32],
    /// Derived when it is first needed: restoring thousands of sessions must not stop the replica.
    derived: OnceLock<Option<MacKey>>,
}

impl MacSession {
    pub(crate) const fn new(key: KeyId, session: u64, ephemeral: [u8; 32]) -> Self {
        Self { key, session, ephemeral, derived: OnceLock::new() }
    }

    /// The session's key; `None` if the ephemeral key is of low order.
    pub(crate) fn mac_key(&self, secret: &MacSecret, cluster: u64) -> Option<&MacKey> {
        let derive = || {
            let shared = secret.agree(&self.ephemeral)?;
            Some(MacKey::derive(&shared, &self.ephemeral, cluster, self.key, self.session))
        };
        self.derived.get_or_init(derive).as_ref()
    }
}

/// The MAC sessions of a replica. They change only by decided commands, so they are the same everywhere.
#[derive(Debug)]
pub(crate) struct MacSessions {
    /// Invariant: at most `most`.
    sessions: BTreeMap<u32, MacSession>,
    most: usize,
    /// The id of the next session.
    next: u32,
}

impl MacSessions {
    pub(crate) const fn new(most: usize, next: u32) -> Self {
        Self { sessions: BTreeMap::new(), most, next }
    }

    pub(crate) const fn next(&self) -> u32 {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &MacSession)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    pub(crate) fn get(&self, id: u32) -> Option<&MacSession> {
        self.sessions.get(&id)
    }

    /// Puts a session of a snapshot in its place.
    pub(crate) fn insert(&mut self, id: u32, session: MacSession) {
        self.sessions.insert(id, session);
    }

    /// Begins a session and returns its id. It takes the place of one of the same key for the same client session; if the
    /// table is full, of the oldest of the key that has most of them, so that nobody can crowd out the others.
    pub(crate) fn begin(&mut self, session: MacSession) -> u32 {
        self.sessions.retain(|_, other| (other.key, other.session) != (session.key, session.session));
        if self.sessions.len() >= self.most
            && let Some(victim) = self.victim()
        {
            self.sessions.remove(&victim);
        }
        while self.sessions.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.sessions.insert(id, session);
        self.next = self.next.wrapping_add(1);
        id
    }

    fn victim(&self) -> Option<u32> {
        let mut of_keys: BTreeMap<KeyId, (usize, u32)> = BTreeMap::new();
        for (id, session) in self.iter() {
            of_keys.entry(session.key).or_insert((0, id)).0 += 1;
        }
        of_keys
            .into_values()
            .reduce(|most, other| if other.0 > most.0 { other } else { most })
            .map(|(_, oldest)| oldest)
    }

    /// Ends all sessions of a key.
    pub(crate) fn end(&mut self, key: KeyId) {
        self.sessions.retain(|_, session| session.key != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(macs: &mut MacSessions, key: u32, session: u64) -> u32 {
        macs.begin(MacSession::new(KeyId(key), session, [9; 32]))
    }

    #[test]
    fn both_sides_derive_the_same_key_for_one_place_only() {
        let (secret, ephemeral) = (MacSecret::from_bytes([1; 32]), StaticSecret::from([2; 32]));
        let public = PublicKey::from(&ephemeral).to_bytes();
        let message = [7; MESSAGE_BYTES];
        let client = MacKey::of_client(&ephemeral, &secret.public(), 5, KeyId(3), 4).expect("contributory");
        let mac_of = |session: MacSession, cluster| session.mac_key(&secret, cluster).map(|key| key.mac(&message));
        assert_eq!(mac_of(MacSession::new(KeyId(3), 4, public), 5), Some(client.mac(&message)));
        for (key, session, cluster) in [(2, 4, 5), (3, 5, 5), (3, 4, 6)] {
            assert_ne!(mac_of(MacSession::new(KeyId(key), session, public), cluster), Some(client.mac(&message)));
        }
        assert!(client.verify(&message, &client.mac(&message)));
        assert!(!client.verify(&message, &client.mac(&message)[..15]));
    }

    #[test]
    fn keys_of_low_order_agree_on_nothing() {
        let secret = MacSecret::from_bytes([1; 32]);
        let one = {
            let mut point = [0; 32];
            point[0] = 1;
            point
        };
        for point in [[0; 32], one] {
            assert!(MacSession::new(KeyId(1), 1, point).mac_key(&secret, 1).is_none());
        }
    }

    #[test]
    fn whoever_has_most_sessions_makes_room() {
        let mut macs = MacSessions::new(4, 1);
        let quiet = begin(&mut macs, 1, 10);
        let busy: Vec<_> = (0..3).map(|session| begin(&mut macs, 2, session)).collect();
        let new = begin(&mut macs, 3, 10);
        assert_eq!(macs.iter().map(|(id, _)| id).collect::<Vec<_>>(), [quiet, busy[1], busy[2], new]);
        let again = begin(&mut macs, 1, 10);
        assert!(macs.get(quiet).is_none() && macs.get(again).is_some() && macs.len() == 4);
        macs.end(KeyId(2));
        assert_eq!(macs.len(), 2);
    }

    #[test]
    fn ids_that_are_in_use_are_passed_over_when_the_numbers_start_again() {
        let mut macs = MacSessions::new(4, u32::MAX);
        macs.insert(0, MacSession::new(KeyId(1), 1, [0; 32]));
        assert_eq!(begin(&mut macs, 1, 2), u32::MAX);
        assert_eq!(begin(&mut macs, 1, 3), 1);
    }
}
