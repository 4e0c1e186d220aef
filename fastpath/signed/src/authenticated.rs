//! The state machine that lets nothing through but what is authentic.

use crate::envelope::{Envelope, Kind, MESSAGE_BYTES, Mode};
use crate::genesis::{Genesis, GenesisError, Policy};
use crate::key::{KeyId, PublicKey};
use crate::keyring::{Checked, Fault, Keyring, Signature};
use crate::mac::{MacSecret, MacSession};
use crate::refusal::Refusal;
use crate::registry::{self, RegistryCommand, RegistryReply};
use crate::verdicts::{Software, Verdicts};
use paxon_fastpath::verify::{Ruleset, Verifier};
use paxon_fastpath::{Command, Commands, Reply, Slot, SnapshotError, StateMachine};
use std::sync::Arc;

/// A query that begins with this is about the registry: the answer is [`Keyring::keys`] as saved in snapshots. Others go to
/// the machine inside.
pub const REGISTRY_QUERY: &[u8; 16] = b"paxon registry 1";

/// Commands of a record that are announced to the verifier at a time.
const ANNOUNCED_AT_ONCE: usize = 256;

/// What an authenticated machine is made of, besides the machine inside.
#[derive(Debug)]
pub struct Setup<'a, V> {
    /// What the cluster was founded with.
    pub genesis: &'a Genesis,
    /// The secret half of [`Genesis::mac_key`], if there is one.
    pub mac_secret: Option<MacSecret>,
    /// Verifies signatures ahead of their need.
    pub verifier: V,
    /// Verifies them when the need is there and the verdict is not. The same verdicts as `verifier`.
    pub software: Software,
    /// Under [`Policy::Sampled`], what decides which commands this replica looks at: 32 random bytes that no leader knows.
    pub sample_salt: [u8; 32],
}

/// Why a machine was not made. The replica must not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The genesis was refused.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Genesis and secret do not belong together: this replica would judge MACs otherwise than its peers.
    #[error("the MAC secret does not belong to the genesis: {problem}")]
    MacSecret {
        /// What does not fit.
        problem: &'static str,
    },
    /// The verifier has other rules than the cluster.
    #[error("the verifier follows ruleset {found:?}; replicas must follow {:?}", Ruleset::STRICT)]
    Ruleset {
        /// Its rules.
        found: Ruleset,
    },
    /// The verifier cannot take what is signed.
    #[error("the verifier takes messages of up to {most} bytes; commands need {MESSAGE_BYTES}")]
    MessageTooLong {
        /// The longest message that it takes.
        most: usize,
    },
}

/// A state machine around another: every command that it applies is authentic, whoever proposed it.
///
/// Under [`Policy::All`] its verdicts are a function of the decided commands alone, so replicas with different verifiers, of
/// different speed, agree. Refused commands change nothing, digests included.
#[derive(Debug)]
pub struct Authenticated<S, V> {
    inner: S,
    keyring: Arc<Keyring>,
    genesis: Genesis,
    verdicts: Verdicts<V>,
    sample_salt: [u8; 32],
}

impl<S: StateMachine, V: Verifier> Authenticated<S, V> {
    /// A machine with the keys of the genesis around `inner`.
    ///
    /// # Errors
    /// [`SetupError`], saying what does not fit.
    pub fn new(inner: S, setup: Setup<'_, V>) -> Result<Self, SetupError> {
        let Setup { genesis, mac_secret, mut verifier, software, sample_salt } = setup;
        genesis.validate()?;
        check_secret(genesis, mac_secret.as_ref())?;
        if verifier.ruleset() != Ruleset::STRICT {
            return Err(SetupError::Ruleset { found: verifier.ruleset() });
        }
        if verifier.message_bytes_max() < MESSAGE_BYTES {
            return Err(SetupError::MessageTooLong { most: verifier.message_bytes_max() });
        }
        for entry in genesis.keys.values() {
            verifier.prepare(entry.key.scheme(), entry.key.bytes());
        }
        let keyring = Arc::new(Keyring::new(genesis, mac_secret));
        let verdicts = Verdicts::new(verifier, software);
        Ok(Self { inner, keyring, genesis: genesis.clone(), verdicts, sample_salt })
    }

    /// The machine inside.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// The keys, to be shared with a [`crate::Screen`] and with whoever shows counters.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.clone()
    }

    fn encode_registry(&self, into: &mut Vec<u8>) {
        let state = self.keyring.read();
        registry::encode(self.keyring.genesis(), &state.registry, &state.macs, into);
    }

    /// Whether the command may be applied.
    fn judge(&mut self, slot: Slot, command: &Command<'_>) -> Result<(), Refusal> {
        let Self { keyring, verdicts, sample_salt, .. } = self;
        let state = keyring.read();
        let signature = match keyring.check(&state, slot, command)? {
            Checked::Authentic => return Ok(()),
            Checked::Signature(signature) => signature,
        };
        let Some(duty) = duty(keyring.policy(), &signature, sample_salt) else { return Ok(()) };
        if keyring.knows(&signature.id()) {
            keyring.counters().note_known();
        } else if !verdicts.settle(&signature, keyring.counters()) {
            if duty == Duty::Sample {
                stop(keyring, slot, command, KeyId(signature.envelope.key));
            }
            return Err(Refusal::BadSignature);
        }
        if signature.envelope.kind == Kind::Handshake {
            check_handshake(keyring, &signature)?;
        }
        Ok(())
    }

    /// Whether the command would be applied if it were decided now; `None` if its verdict is still out.
    fn vet_envelope(&mut self, next: Slot, command: &Command<'_>) -> Option<Result<(), Refusal>> {
        let Self { keyring, verdicts, .. } = self;
        let state = keyring.read();
        let signature = match keyring.check(&state, next, command) {
            Err(refusal) => return Some(Err(refusal)),
            Ok(Checked::Authentic) => return Some(Ok(())),
            Ok(Checked::Signature(signature)) => signature,
        };
        let valid = keyring.knows(&signature.id()) || verdicts.ask(&signature, keyring.vetted())?;
        Some(if valid { Ok(()) } else { Err(Refusal::BadSignature) })
    }

    fn change_registry(&mut self, slot: Slot, payload: &[u8]) -> RegistryReply {
        let command = RegistryCommand::decode(payload).expect("screened: only well-formed commands come here");
        let mut guard = self.keyring.write();
        let state = &mut *guard;
        let before = state.registry.get(command.id()).map(|entry| entry.key.clone());
        let reply = state.registry.execute(slot, &command);
        if reply == RegistryReply::Done {
            state.macs.end(command.id());
            let after = state.registry.get(command.id()).filter(|entry| !entry.revoked).map(|entry| &entry.key);
            turn_to(self.verdicts.verifier_mut(), before.as_ref(), after);
        }
        reply
    }

    fn begin_mac_session(&mut self, session: u64, envelope: &Envelope<'_>) -> u32 {
        let ephemeral = *envelope.payload.first_chunk().expect("screened: a handshake has 32 bytes");
        self.keyring.write().macs.begin(MacSession::new(KeyId(envelope.key), session, ephemeral))
    }
}

/// The command as the machine inside knows it; `None` if it is not for that one.
fn inside<'a>(command: &Command<'a>) -> Option<Command<'a>> {
    let envelope = Envelope::parse(command.payload).ok()?;
    (envelope.kind == Kind::Command).then_some(Command { payload: envelope.payload, ..*command })
}

/// Why a signature is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Every replica does, so every replica refuses alike.
    Everybody,
    /// Only this replica may have looked.
    Sample,
}

/// Why this replica verifies the signature; `None` if it leaves that to the leader.
fn duty(policy: Policy, signature: &Signature<'_>, salt: &[u8; 32]) -> Option<Duty> {
    match policy {
        _ if signature.envelope.kind != Kind::Command => Some(Duty::Everybody),
        Policy::All => Some(Duty::Everybody),
        Policy::Leader => None,
        Policy::Sampled { per_mille } => {
            let drawn = blake3::keyed_hash(salt, &signature.id());
            let [low, high, ..] = *drawn.as_bytes();
            // Of 16 random bits, 64,536 to 65,535 are one short of fair: a thousandth of a thousandth.
            (u16::from_le_bytes([low, high]) % 1000 < per_mille).then_some(Duty::Sample)
        }
    }
}

/// Ends this replica. It cannot refuse the command, since its peers have applied it, and it must not apply it; any softer way
/// would go on to announce the slot as applied. Nothing is lost: its peers have the state, and it can come back to it.
fn stop(keyring: &Keyring, slot: Slot, command: &Command<'_>, key: KeyId) -> ! {
    let fault = Fault::ForgedInSample { slot, session: command.session, sequence: command.sequence, key };
    keyring.report(fault.clone());
    panic!("{fault}");
}

fn check_handshake(keyring: &Keyring, signature: &Signature<'_>) -> Result<(), Refusal> {
    let secret = keyring.secret().ok_or(Refusal::MacDisabled)?;
    let ephemeral = signature.envelope.payload.first_chunk().ok_or(Refusal::Malformed)?;
    let session = MacSession::new(KeyId(signature.envelope.key), 0, *ephemeral);
    session.mac_key(secret, keyring.cluster()).map(|_| ()).ok_or(Refusal::BadHandshake)
}

fn check_secret(genesis: &Genesis, secret: Option<&MacSecret>) -> Result<(), SetupError> {
    let problem = match (genesis.mac_key, secret.map(MacSecret::public)) {
        (Some(_), None) => "the genesis offers MAC sessions and there is no secret",
        (None, Some(_)) => "the genesis offers no MAC sessions and there is a secret",
        (Some(key), Some(public)) if key != public => "it is the secret of another key",
        _ => return Ok(()),
    };
    Err(SetupError::MacSecret { problem })
}

/// Tells the verifier which key signs from now on.
fn turn_to<V: Verifier>(verifier: &mut V, before: Option<&PublicKey>, after: Option<&PublicKey>) {
    if let Some(key) = before {
        verifier.forget(key.scheme(), key.bytes());
    }
    if let Some(key) = after {
        verifier.prepare(key.scheme(), key.bytes());
    }
}

impl<S: StateMachine, V: Verifier> StateMachine for Authenticated<S, V> {
    /// Does nothing: a command without a place cannot be authentic. The service calls [`Self::apply_command`].
    fn apply(&mut self, _: Slot, _: &[u8], _: &mut Reply) {}

    fn expects(&self) -> bool {
        self.keyring.policy() != Policy::Leader
    }

    fn expect(&mut self, slot: Slot, commands: Commands<'_>) {
        let Self { keyring, verdicts, sample_salt, .. } = self;
        verdicts.poll();
        let state = keyring.read();
        let mut signatures = Vec::new();
        for command in commands.flatten() {
            // MACs take as long as their announcement would.
            let is_signed = Envelope::parse(command.payload).is_ok_and(|envelope| envelope.mode != Mode::Mac);
            if let (true, Ok(Checked::Signature(signature))) = (is_signed, keyring.check(&state, slot, &command))
                && duty(keyring.policy(), &signature, sample_salt).is_some()
                && !keyring.knows(&signature.id())
            {
                signatures.push(signature);
            }
            if signatures.len() == ANNOUNCED_AT_ONCE {
                verdicts.announce(&signatures);
                signatures.clear();
            }
        }
        verdicts.announce(&signatures);
    }

    /// Under every policy: what the leader does before it proposes. A signature that is found valid here is not verified again
    /// when the command is applied.
    fn vet(&mut self, next: Slot, command: &Command<'_>) -> Option<Result<(), u8>> {
        let vetted = self.vet_envelope(next, command)?;
        self.keyring.vetted().note(vetted);
        match (vetted, inside(command)) {
            (Err(refusal), _) => Some(Err(refusal.code())),
            (Ok(()), Some(inside)) => self.inner.vet(next, &inside),
            (Ok(()), None) => Some(Ok(())),
        }
    }

    fn screen(&mut self, slot: Slot, command: &Command<'_>) -> Result<(), u8> {
        let judged = self.judge(slot, command);
        self.keyring.counters().note(judged);
        judged.map_err(Refusal::code)?;
        inside(command).map_or(Ok(()), |inside| self.inner.screen(slot, &inside))
    }

    fn apply_command(&mut self, slot: Slot, command: &Command<'_>, reply: &mut Reply) {
        let envelope = Envelope::parse(command.payload).expect("screened: only envelopes come here");
        match envelope.kind {
            Kind::Command => {
                self.inner.apply_command(slot, &Command { payload: envelope.payload, ..*command }, reply);
            }
            Kind::Registry => reply.write(&[self.change_registry(slot, envelope.payload) as u8]),
            Kind::Handshake => reply.write(&self.begin_mac_session(command.session, &envelope).to_le_bytes()),
        }
    }

    /// Appends `[bytes of the registry: u64][registry][machine inside]`.
    fn snapshot(&self, into: &mut Vec<u8>) {
        let length_at = into.len();
        into.extend_from_slice(&[0; 8]);
        self.encode_registry(into);
        let bytes = (into.len() - length_at - 8) as u64;
        into[length_at..length_at + 8].copy_from_slice(&bytes.to_le_bytes());
        self.inner.snapshot(into);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (length, rest) = bytes.split_first_chunk().ok_or(SnapshotError)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SnapshotError)?;
        let (saved, inner) = rest.split_at_checked(length).ok_or(SnapshotError)?;
        let saved = registry::decode(&self.genesis, saved).map_err(|error| {
            self.keyring.report(error.into());
            SnapshotError
        })?;
        self.inner.restore(inner)?;
        for (_, entry) in saved.registry.entries().filter(|(_, entry)| !entry.revoked) {
            self.verdicts.verifier_mut().prepare(entry.key.scheme(), entry.key.bytes());
        }
        let mut state = self.keyring.write();
        (state.registry, state.macs) = (saved.registry, saved.macs);
        Ok(())
    }

    fn digest(&self) -> u64 {
        let mut registry = Vec::new();
        self.encode_registry(&mut registry);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&registry).update(&self.inner.digest().to_le_bytes());
        hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        if query == REGISTRY_QUERY { self.encode_registry(reply) } else { self.inner.query(query, reply) }
    }
}

/// Reads the answer to [`REGISTRY_QUERY`], as far as it is about keys.
///
/// # Errors
/// [`registry::RegistryError`], saying what is wrong.
pub fn decode_registry(genesis: &Genesis, answer: &[u8]) -> Result<registry::Registry, registry::RegistryError> {
    registry::decode(genesis, answer).map(|saved| saved.registry)
}

/// Looks at the registry in a snapshot of an [`Authenticated`] machine, without restoring it.
///
/// # Errors
/// [`registry::RegistryError`], saying what is wrong.
pub fn check_snapshot(genesis: &Genesis, bytes: &[u8]) -> Result<(), registry::RegistryError> {
    let truncated = registry::RegistryError::Malformed { what: "its length" };
    let (length, rest) = bytes.split_first_chunk().ok_or(truncated)?;
    let saved = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| rest.get(..length));
    registry::decode(genesis, saved.ok_or(truncated)?).map(|_| ())
}
