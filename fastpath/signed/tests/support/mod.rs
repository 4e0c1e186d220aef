//! A replica's service around an authenticated log, honest clients, and verifiers of different diligence.
#![allow(dead_code, reason = "each test file uses its own part")]

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified, Verifier};
use paxon_fastpath::{
    Answer, Ballot, Batch, Command, Decided, Epoch, Expected, Flags, Header, Host, Outcome, Outcomes, ReplicaId, Reply,
    Seq, Service, SessionLimits, Slot, SnapshotError, StateMachine,
};
use paxon_signed::{
    Authenticated, Genesis, KeyId, MacSecret, Position, PublicKey, Refusal, RegistryCommand, Roles, Setup, Signer,
};
use std::collections::VecDeque;

pub const CLUSTER: u64 = 0xc1;
/// The first session that a client table with room opens.
pub const SESSION: u64 = 1 << 24;
pub const ADMINISTRATOR: KeyId = KeyId(1);
pub const CLIENT: KeyId = KeyId(7);

/// The rule itself: `verify_strict`, on the spot.
pub fn strict(request: &Request<'_>) -> Verdict {
    if request.scheme != Scheme::Ed25519 {
        return Verdict::Malformed;
    }
    let (Ok(key), Ok(signature)) = (request.key.try_into(), request.signature.try_into()) else {
        return Verdict::Malformed;
    };
    let valid = VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(request.message, &Signature::from_bytes(signature)).is_ok());
    if valid { Verdict::Valid } else { Verdict::Invalid }
}

/// How diligent a verifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diligence {
    /// A verdict at the first poll.
    Prompt,
    /// One verdict at every third poll, the latest request first.
    Slow,
    /// It takes nothing.
    Full,
    /// It takes everything and answers nothing.
    Silent,
}

#[derive(Debug)]
pub struct Worker {
    diligence: Diligence,
    done: VecDeque<Verified>,
    polls: u32,
    pub verified: u64,
}

impl Worker {
    pub fn new(diligence: Diligence) -> Self {
        Self { diligence, done: VecDeque::new(), polls: 0, verified: 0 }
    }
}

impl Verifier for Worker {
    fn supports(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Ed25519
    }

    fn capacity(&self) -> usize {
        64
    }

    fn message_bytes_max(&self) -> usize {
        128
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        let room = if self.diligence == Diligence::Full { 0 } else { 64 - self.done.len() };
        let taken = requests.len().min(room);
        for request in &requests[..taken] {
            self.verified += 1;
            if self.diligence != Diligence::Silent {
                self.done.push_back(Verified { ticket: request.ticket, verdict: strict(request) });
            }
        }
        taken
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        self.polls += 1;
        let before = verdicts.len();
        match self.diligence {
            Diligence::Slow if self.polls.is_multiple_of(3) => verdicts.extend(self.done.pop_back()),
            Diligence::Slow => {}
            _ => verdicts.extend(self.done.drain(..)),
        }
        verdicts.len() - before
    }
}

/// Keeps what it is given.
#[derive(Debug, Default)]
pub struct Log(pub Vec<Vec<u8>>);

/// The one command that the log refuses by itself.
pub const UNWANTED: &[u8] = b"unwanted";

impl StateMachine for Log {
    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut Reply) {
        self.0.push(command.to_vec());
        reply.write(&(self.0.len() as u64).to_le_bytes());
    }

    fn screen(&mut self, _: Slot, command: &Command<'_>) -> Result<(), u8> {
        if command.payload == UNWANTED { Err(99) } else { Ok(()) }
    }

    fn vet(&mut self, next: Slot, command: &Command<'_>) -> Option<Result<(), u8>> {
        Some(self.screen(next, command))
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        for entry in &self.0 {
            into.extend_from_slice(&(entry.len() as u32).to_le_bytes());
            into.extend_from_slice(entry);
        }
    }

    fn restore(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        let mut entries = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let (entry, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(SnapshotError)?;
            entries.push(entry.to_vec());
            bytes = rest;
        }
        self.0 = entries;
        Ok(())
    }

    fn digest(&self) -> u64 {
        let mut bytes = Vec::new();
        self.snapshot(&mut bytes);
        bytes.iter().fold(7, |hash: u64, &byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
    }
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Applied(Vec<u8>),
    Refused(u8),
    Other(String),
}

impl From<Refusal> for Told {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.code())
    }
}

#[derive(Debug, Default)]
pub struct Answers(pub Vec<Told>);

impl Outcomes for Answers {
    fn answered(&mut self, answer: Answer<'_>) {
        self.0.push(match answer.outcome {
            Outcome::Applied { reply, .. } => Told::Applied(reply.to_vec()),
            Outcome::Refused { code } => Told::Refused(code),
            other => Told::Other(format!("{other:?}")),
        });
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> PublicKey {
    PublicKey::new(Scheme::Ed25519, key(seed).verifying_key().as_bytes()).expect("32 bytes")
}

pub fn signer_in(cluster: u64, id: KeyId, seed: u8) -> Signer {
    let key = key(seed);
    Signer::new(cluster, id, Scheme::Ed25519, move |message| key.sign(message).to_bytes().to_vec())
}

/// The honest client.
pub fn client() -> Signer {
    signer_in(CLUSTER, CLIENT, 7)
}

pub fn administrator() -> Signer {
    signer_in(CLUSTER, ADMINISTRATOR, 1)
}

pub const fn at(sequence: u64) -> Position {
    Position { session: SESSION, sequence }
}

pub const MAC_SECRET: [u8; 32] = [0x33; 32];

pub fn genesis() -> Genesis {
    let mut genesis = Genesis::new(CLUSTER).with_key(ADMINISTRATOR, public(1), Roles::ADMINISTRATOR).with_key(
        CLIENT,
        public(7),
        Roles::CLIENT,
    );
    genesis.mac_key = Some(MacSecret::from_bytes(MAC_SECRET).public());
    genesis
}

pub fn machine(genesis: &Genesis, diligence: Diligence) -> Authenticated<Log, Worker> {
    let setup = Setup {
        genesis,
        mac_secret: genesis.mac_key.map(|_| MacSecret::from_bytes(MAC_SECRET)),
        verifier: Worker::new(diligence),
        software: strict,
        sample_salt: [5; 32],
    };
    Authenticated::new(Log::default(), setup).expect("the setup is in order")
}

/// One replica without its engine: it is told what is decided.
pub struct Replica {
    pub service: Service<Authenticated<Log, Worker>, Answers>,
    slot: u64,
}

impl Replica {
    pub fn new(genesis: &Genesis, diligence: Diligence) -> Self {
        let limits = SessionLimits { sessions_max: 4, window: 8, reply_bytes_max: 16 };
        let service = Service::new(machine(genesis, diligence), limits, Answers::default()).expect("in range");
        let mut replica = Self { service, slot: 0 };
        // Two sessions, so that a command can be moved from one to the other.
        replica.decide(&[Command::open_session(), Command::open_session()]);
        replica
    }

    pub fn honest() -> Self {
        Self::new(&genesis(), Diligence::Prompt)
    }

    pub const fn slot(&self) -> Slot {
        Slot(self.slot)
    }

    /// Decides one record with these commands, announced beforehand in every other slot.
    pub fn decide(&mut self, commands: &[Command<'_>]) -> Vec<Told> {
        self.slot += 1;
        let mut batch = Batch::new(1 << 20, 1024);
        for command in commands {
            batch.push(*command).expect("room");
        }
        let slot = Slot(self.slot);
        let header = Header {
            seq: Seq::first(Epoch::FIRST),
            slot,
            ballot: Ballot::new(Epoch::FIRST, 1, ReplicaId(0)),
            commit_lag: 1,
            commands: batch.commands(),
            flags: Flags::BATCH.with(Flags::ARENA),
            payload_bytes: batch.bytes() as u32,
            session_or_arena: 0,
            sequence: 0,
            payload_hash: 0,
        };
        if self.slot.is_multiple_of(2) {
            self.service.expected(Expected { slot, header: &header, payload: batch.words() });
        }
        self.service.decided(Decided { slot, header: &header, payload: batch.words() });
        std::mem::take(&mut self.service.outcomes_mut().0)
    }

    pub fn decide_one(&mut self, at: Position, payload: &[u8]) -> Told {
        let Position { session, sequence } = at;
        self.decide(&[Command { session, sequence, payload }]).remove(0)
    }

    /// Becomes what `other` is, by a snapshot.
    pub fn restore_from(&mut self, other: &mut Self) {
        let mut bytes = Vec::new();
        other.service.snapshot(&mut bytes);
        self.service.restore(other.slot(), &bytes).expect("a whole snapshot");
        self.slot = other.slot;
    }

    /// What the replica would say to the command as leader.
    pub fn vet(&mut self, at: Position, payload: &[u8]) -> Result<(), u8> {
        let Position { session, sequence } = at;
        let command = Command { session, sequence, payload };
        let verdict = (0..100_000).find_map(|_| self.service.vet(&command));
        verdict.expect("a verdict, whatever becomes of the verifier")
    }

    /// Lets slots pass.
    pub fn pass_until(&mut self, slot: u64) {
        while self.slot < slot {
            self.decide(&[]);
        }
    }

    pub fn administer(&mut self, sequence: u64, command: &RegistryCommand) -> Told {
        self.decide_one(at(sequence), &administrator().registry(at(sequence), command))
    }

    pub fn log(&self) -> &[Vec<u8>] {
        &self.service.machine().inner().0
    }
}

pub fn is_applied(told: &Told) -> bool {
    matches!(told, Told::Applied(_))
}
