//! The keys of a replica, shared between its state machine and whoever screens commands before they are proposed.

use crate::envelope::{Envelope, Kind, MESSAGE_BYTES, Mode, Position};
use crate::genesis::{Genesis, Policy};
use crate::key::{KeyEntry, KeyId, PublicKey, Roles, has_passed};
use crate::mac::{MacSecret, MacSessions};
use crate::refusal::{Counters, Refusal};
use crate::registry::{Registry, RegistryCommand, RegistryError};
use paxon_fastpath::verify::Request;
use paxon_fastpath::{Command, Slot};
use std::cell::OnceCell;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Verifications before proposing that are remembered until the command is applied. More are forgotten, oldest first, and made again.
const KNOWN_MAX: usize = 1 << 16;

/// Why a replica cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A sample found a command whose signature is not valid, which a leader let through that the policy trusts.
    #[error(
        "command {sequence} of session {session:#x} in {slot} carries an invalid signature of {key}, and the leader let it through: the leader is faulty or hostile"
    )]
    ForgedInSample {
        /// Where it was decided.
        slot: Slot,
        /// Its session.
        session: u64,
        /// Its number.
        sequence: u64,
        /// The key in whose name it was signed.
        key: KeyId,
    },
    /// A snapshot was refused for its key registry.
    #[error("a snapshot was refused: {0}")]
    Snapshot(#[from] RegistryError),
}

/// Names a verification: BLAKE3 over the fingerprint of the key, the signature and the message. Whatever is remembered of one
/// cannot outlive the key's bytes.
pub(crate) type VerificationId = [u8; 32];

/// A signature that is left to be verified: all else about the command is in order.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) key: &'a PublicKey,
    pub(crate) envelope: Envelope<'a>,
    pub(crate) message: [u8; MESSAGE_BYTES],
    /// Computed once: it takes longer than everything else about a signature that was verified before.
    id: OnceCell<VerificationId>,
}

impl Signature<'_> {
    pub(crate) fn id(&self) -> VerificationId {
        *self.id.get_or_init(|| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(self.key.fingerprint()).update(self.envelope.proof).update(&self.message);
            *hasher.finalize().as_bytes()
        })
    }

    pub(crate) const fn request(&self, ticket: u64) -> Request<'_> {
        Request {
            ticket,
            scheme: self.key.scheme(),
            key: self.key.bytes(),
            signature: self.envelope.proof,
            message: &self.message,
        }
    }
}

/// What is left to do about a command whose envelope, key and place are in order.
#[derive(Debug)]
pub(crate) enum Checked<'a> {
    /// Nothing: its MAC is right.
    Authentic,
    /// Verify the signature.
    Signature(Signature<'a>),
}

/// The replicated part.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) registry: Registry,
    pub(crate) macs: MacSessions,
}

/// The keys of a replica: written by its [`crate::Authenticated`] machine alone, read by anybody.
#[derive(Debug)]
pub struct Keyring {
    cluster: u64,
    policy: Policy,
    genesis: [u8; 32],
    secret: Option<MacSecret>,
    state: RwLock<State>,
    known: Mutex<Known>,
    counters: Counters,
    vetted: Counters,
    fault: Mutex<Option<Fault>>,
}

/// Signatures that this process has found valid before it proposed the commands.
#[derive(Debug, Default)]
struct Known {
    ids: HashSet<VerificationId>,
    /// In the order in which they came. Invariant: holds every one of `ids`.
    order: VecDeque<VerificationId>,
}

impl Known {
    fn insert(&mut self, id: VerificationId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

impl Keyring {
    pub(crate) fn new(genesis: &Genesis, secret: Option<MacSecret>) -> Self {
        let macs = MacSessions::new(genesis.mac_sessions_max as usize, 1);
        Self {
            cluster: genesis.cluster,
            policy: genesis.policy,
            genesis: genesis.digest(),
            secret,
            state: RwLock::new(State { registry: genesis.registry(), macs }),
            known: Mutex::default(),
            counters: Counters::default(),
            vetted: Counters::default(),
            fault: Mutex::default(),
        }
    }

    /// The cluster's number.
    pub const fn cluster(&self) -> u64 {
        self.cluster
    }

    /// Which replicas verify.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// The digest of the genesis: equal at replicas that were founded alike.
    pub const fn genesis(&self) -> &[u8; 32] {
        &self.genesis
    }

    /// What came of the commands that this replica has applied or refused.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What came of the commands that this replica was about to propose as leader.
    pub const fn vetted(&self) -> &Counters {
        &self.vetted
    }

    /// What keeps, or kept, this replica from going on.
    pub fn fault(&self) -> Option<Fault> {
        lock(&self.fault).clone()
    }

    pub(crate) fn report(&self, fault: Fault) {
        *lock(&self.fault) = Some(fault);
    }

    /// The entry of a key.
    pub fn key(&self, id: KeyId) -> Option<KeyEntry> {
        self.read().registry.get(id).cloned()
    }

    /// All keys, revoked ones included, by their ids.
    pub fn keys(&self) -> Vec<(KeyId, KeyEntry)> {
        self.read().registry.entries().map(|(id, entry)| (id, entry.clone())).collect()
    }

    /// MAC sessions that there are.
    pub fn mac_sessions(&self) -> usize {
        self.read().macs.len()
    }

    pub(crate) const fn secret(&self) -> Option<&MacSecret> {
        self.secret.as_ref()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a signature as valid.
    pub(crate) fn remember(&self, id: VerificationId) {
        lock(&self.known).insert(id);
    }

    /// Whether the signature was found valid before, by this process.
    pub(crate) fn knows(&self, id: &VerificationId) -> bool {
        lock(&self.known).ids.contains(id)
    }

    /// Everything about a command that does not take long: form, key, role, expiry, MAC.
    pub(crate) fn check<'a>(
        &self,
        state: &'a State,
        slot: Slot,
        command: &Command<'a>,
    ) -> Result<Checked<'a>, Refusal> {
        let Command { session, sequence, payload } = *command;
        let envelope = Envelope::parse(payload).map_err(|_| Refusal::Malformed)?;
        if session == 0 {
            return Err(Refusal::NoSession);
        }
        let message = envelope.message(self.cluster, Position { session, sequence });
        let checked = match envelope.mode {
            Mode::Mac => self.check_mac(state, slot, session, &envelope, &message).map(|()| Checked::Authentic),
            Mode::Signed(scheme) => {
                let key = state.registry.signer(KeyId(envelope.key), scheme, role_for(envelope.kind), slot)?;
                check_content(&envelope)?;
                Ok(Checked::Signature(Signature { key, envelope, message, id: OnceCell::new() }))
            }
        }?;
        if has_passed(envelope.expires, slot) { Err(Refusal::ExpiredCommand) } else { Ok(checked) }
    }

    fn check_mac(
        &self,
        state: &State,
        slot: Slot,
        session: u64,
        envelope: &Envelope<'_>,
        message: &[u8; MESSAGE_BYTES],
    ) -> Result<(), Refusal> {
        let secret = self.secret().ok_or(Refusal::MacDisabled)?;
        let mac_session =
            state.macs.get(envelope.key).filter(|mac| mac.session == session).ok_or(Refusal::UnknownMacSession)?;
        state.registry.active(mac_session.key, Roles::CLIENT, slot)?;
        let key = mac_session.mac_key(secret, self.cluster).ok_or(Refusal::BadHandshake)?;
        key.verify(message, envelope.proof).then_some(()).ok_or(Refusal::BadMac)
    }
}

const fn role_for(kind: Kind) -> Roles {
    match kind {
        Kind::Registry => Roles::ADMINISTRATOR,
        Kind::Command | Kind::Handshake => Roles::CLIENT,
    }
}

/// Whether the payload is one of its kind.
fn check_content(envelope: &Envelope<'_>) -> Result<(), Refusal> {
    let well_formed = match envelope.kind {
        Kind::Command => true,
        Kind::Registry => RegistryCommand::decode(envelope.payload).is_ok(),
        Kind::Handshake => envelope.payload.len() == 32,
    };
    well_formed.then_some(()).ok_or(Refusal::Malformed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_forgets_the_oldest() {
        let mut known = Known::default();
        let id = |number: u64| *blake3::hash(&number.to_le_bytes()).as_bytes();
        for number in 0..KNOWN_MAX as u64 + 2 {
            known.insert(id(number));
            known.insert(id(number));
        }
        assert_eq!((known.ids.len(), known.order.len()), (KNOWN_MAX, KNOWN_MAX));
        assert!(!known.ids.contains(&id(1)) && known.ids.contains(&id(2)));
    }
}
