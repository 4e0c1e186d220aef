//! The state machine and its clients as the host of the engine.

use crate::bug::{Bug, planted};
use crate::client_table::{Admission, ClientTable, SessionLimits, SessionLimitsError};
use crate::command::{Command, commands};
use crate::host::{Decided, Expected, Host, Notice, SnapshotError};
use crate::ids::Slot;
use crate::promise::Ballot;
use crate::record::Flags;
use crate::state_machine::{Reply, StateMachine};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What came of a command. The same at every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// It was applied, now or before, and this was the reply.
    Applied {
        /// The slot of the first application.
        first: Slot,
        /// The reply of the first application.
        reply: &'a [u8],
    },
    /// It was applied, now or before; its reply was larger than replies may be.
    ReplyTooLarge {
        /// The slot of the first application.
        first: Slot,
    },
    /// It opened this session.
    SessionOpened {
        /// The id of the session.
        session: u64,
    },
    /// It fell out of its session's window; whether it was applied before is forgotten. It was not applied now.
    TooOld,
    /// Its session is not open (any more). It was not applied now.
    SessionExpired,
    /// The state machine's screen refused it. It was not applied now; its number is as free as it was before.
    Refused {
        /// The machine's own code of the reason.
        code: u8,
    },
}

/// The outcome of one decided command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The slot in which it was decided.
    pub slot: Slot,
    /// Its place in the record, from 0.
    pub index: u16,
    /// The ballot of the record here: equal to the ballot that a leader proposed under only if the record is its own.
    pub ballot: Ballot,
    /// The session of the command.
    pub session: u64,
    /// Its number in the session.
    pub sequence: u64,
    /// What came of it.
    pub outcome: Outcome<'a>,
}

/// Takes what the service has to tell. The default is not to care.
pub trait Outcomes {
    /// A slot was decided; its commands are applied next.
    fn slot_decided(&mut self, slot: Slot, ballot: Ballot) {
        let _ = (slot, ballot);
    }

    /// A command was answered.
    fn answered(&mut self, answer: Answer<'_>) {
        let _ = answer;
    }

    /// All commands of the slot have been answered.
    fn slot_applied(&mut self, slot: Slot) {
        let _ = slot;
    }

    /// The engine said something.
    fn notice(&mut self, notice: Notice) {
        let _ = notice;
    }
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unheard;

impl Outcomes for Unheard {}

/// A state machine with exactly-once clients, ready to be the engine's host. Does not allocate between snapshots.
#[derive(Debug)]
pub struct Service<S, O> {
    machine: S,
    outcomes: O,
    clients: ClientTable,
    reply: Reply,
    applied: Slot,
    malformed: u64,
    refused: u64,
}

impl<S: StateMachine, O: Outcomes> Service<S, O> {
    /// A service at slot 0.
    ///
    /// # Errors
    /// [`SessionLimitsError`] if the limits are out of range.
    pub fn new(machine: S, limits: SessionLimits, outcomes: O) -> Result<Self, SessionLimitsError> {
        let clients = ClientTable::new(limits)?;
        let reply = Reply::new(limits.reply_bytes_max);
        Ok(Self { machine, outcomes, clients, reply, applied: Slot::NONE, malformed: 0, refused: 0 })
    }

    /// The state machine.
    pub const fn machine(&self) -> &S {
        &self.machine
    }

    /// The receiver of outcomes.
    pub const fn outcomes(&self) -> &O {
        &self.outcomes
    }

    /// The receiver of outcomes.
    pub const fn outcomes_mut(&mut self) -> &mut O {
        &mut self.outcomes
    }

    /// The client sessions.
    pub const fn clients(&self) -> &ClientTable {
        &self.clients
    }

    /// The last slot that was applied.
    pub const fn applied(&self) -> Slot {
        self.applied
    }

    /// Decided records that could not be read to their end. Not zero only if a proposer is broken or hostile.
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Asks the machine about a command that this replica is about to propose: [`StateMachine::vet`]. Commands that open sessions pass.
    #[inline]
    pub fn vet(&mut self, command: &Command<'_>) -> Option<Result<(), u8>> {
        if command.opens_session() { Some(Ok(())) } else { self.machine.vet(self.applied.next(), command) }
    }

    /// Commands that the machine's screen has refused here.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// A hash of machine and sessions: equal at replicas that have applied the same slots. Takes memory and time like a snapshot.
    pub fn digest(&self) -> u64 {
        let mut clients = Vec::new();
        self.clients.encode(&mut clients);
        xxh3_64_with_seed(&clients, self.machine.digest())
    }

    fn execute(&mut self, at: Place, command: Command<'_>) {
        let Command { session, sequence, .. } = command;
        let outcome = if command.opens_session() {
            // Ids that have run out are as good as a session that is gone.
            self.clients.open().map_or(Outcome::SessionExpired, |session| Outcome::SessionOpened { session })
        } else if let Err(code) = self.screen(at, &command) {
            self.refused += 1;
            Outcome::Refused { code }
        } else if session == 0 {
            self.reply.clear();
            self.machine.apply_command(at.slot, &command, &mut self.reply);
            outcome_of(at.slot, self.reply.bytes())
        } else {
            match self.clients.admit(session, sequence) {
                Admission::New => {
                    self.reply.clear();
                    self.machine.apply_command(at.slot, &command, &mut self.reply);
                    self.clients.keep(session, sequence, at.slot, &self.reply);
                    outcome_of(at.slot, self.reply.bytes())
                }
                Admission::Duplicate { slot, reply } => outcome_of(slot, reply),
                Admission::TooOld => Outcome::TooOld,
                Admission::Expired => Outcome::SessionExpired,
            }
        };
        let Place { slot, index, ballot, .. } = at;
        self.outcomes.answered(Answer { slot, index, ballot, session, sequence, outcome });
    }

    /// Asks the machine whether the command may be applied. Before the client table hears of it: what is refused must not use
    /// up a number that an honest client is going to use.
    #[inline]
    fn screen(&mut self, at: Place, command: &Command<'_>) -> Result<(), u8> {
        if planted(Bug::AdoptedUnscreened) && at.adopted {
            return Ok(());
        }
        let screened = self.machine.screen(at.slot, command);
        if screened.is_err()
            && planted(Bug::RefusedBurnsSequence)
            && self.clients.admit(command.session, command.sequence) == Admission::New
        {
            self.reply.clear();
            self.clients.keep(command.session, command.sequence, at.slot, &self.reply);
        }
        screened
    }
}

/// Where a command stands.
#[derive(Clone, Copy)]
struct Place {
    slot: Slot,
    index: u16,
    ballot: Ballot,
    /// The record was proposed again by a new leader.
    adopted: bool,
}

const fn outcome_of(first: Slot, reply: Option<&[u8]>) -> Outcome<'_> {
    match reply {
        Some(reply) => Outcome::Applied { first, reply },
        None => Outcome::ReplyTooLarge { first },
    }
}

impl<S: StateMachine, O: Outcomes> Host for Service<S, O> {
    #[inline]
    fn expects(&self) -> bool {
        self.machine.expects()
    }

    fn expected(&mut self, expected: Expected<'_>) {
        self.machine.expect(expected.slot, commands(expected.header, expected.payload));
    }

    fn decided(&mut self, decided: Decided<'_>) {
        let Decided { slot, header, payload } = decided;
        let ballot = header.ballot;
        let adopted = header.flags.has(Flags::ADOPTED);
        self.outcomes.slot_decided(slot, ballot);
        // A leader's own records, and those that came together with their decision, were not announced. A single command is
        // screened at once.
        if header.commands > 1 && self.machine.expects() {
            self.machine.expect(slot, commands(header, payload));
        }
        for (command, index) in commands(header, payload).zip(0..=u16::MAX) {
            match command {
                Ok(command) => self.execute(Place { slot, index, ballot, adopted }, command),
                Err(_) => self.malformed += 1,
            }
        }
        self.applied = slot;
        self.outcomes.slot_applied(slot);
    }

    /// Appends `[bytes of the client table: u64][client table][state machine]`.
    fn snapshot(&mut self, into: &mut Vec<u8>) {
        let length_at = into.len();
        into.extend_from_slice(&[0; 8]);
        self.clients.encode(into);
        let bytes = (into.len() - length_at - 8) as u64;
        into[length_at..length_at + 8].copy_from_slice(&bytes.to_le_bytes());
        self.machine.snapshot(into);
    }

    fn restore(&mut self, upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (length, rest) = bytes.split_first_chunk().ok_or(SnapshotError)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SnapshotError)?;
        let (clients, machine) = rest.split_at_checked(length).ok_or(SnapshotError)?;
        let clients = ClientTable::decode(self.clients.limits(), clients)?;
        self.machine.restore(machine)?;
        self.clients = clients;
        self.applied = upto;
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        self.outcomes.notice(notice);
    }
}

#[cfg(test)]
mod tests;
