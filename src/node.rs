//! A replica that the caller's own thread drives.

use crate::clock::Clock;
use paxon_fastpath::{
    Batch, Command, Config, ConfigError, Fabric, INLINE_BYTES, Nanos, Outcomes, ProposeError, ReadRound, Replica,
    Service, SessionLimits, SessionLimitsError, Slot, StateMachine, Submission, Unheard,
};

/// Why a node could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The engine's configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The limits of the client table were refused.
    #[error(transparent)]
    Sessions(#[from] SessionLimitsError),
}

/// A replica that the caller's own thread drives: the engine, its fabric and the state machine, with nothing in between.
///
/// Nothing happens but in [`Node::poll`]. On a fabric that completes at once (shared memory), a proposal followed by one
/// poll is committed and applied. A node that nobody polls falls silent and is soon taken for dead.
#[derive(Debug)]
pub struct Node<S, F, O = Unheard> {
    replica: Replica,
    fabric: F,
    service: Service<S, O>,
    clock: Clock,
    /// For a single command that does not fit a journal cell.
    large: Batch,
}

impl<S: StateMachine, F: Fabric, O: Outcomes> Node<S, F, O> {
    /// A node over the memory that `fabric` holds for it.
    ///
    /// # Errors
    /// [`NodeError`] if configuration or limits are refused.
    pub fn new(
        config: Config,
        sessions: SessionLimits,
        fabric: F,
        machine: S,
        outcomes: O,
        clock: Clock,
    ) -> Result<Self, NodeError> {
        let replica = Replica::new(config, &fabric)?;
        let service = Service::new(machine, sessions, outcomes)?;
        let large = Batch::new(config.payload_bytes_max, 1);
        Ok(Self { replica, fabric, service, clock, large })
    }

    /// One turn of the engine: commits, applies, keeps the group alive. Never blocks.
    #[inline]
    pub fn poll(&mut self) {
        self.poll_at(self.clock.now());
    }

    /// One turn, for a caller that knows the time (of this node's [`Node::clock`]) already.
    #[inline]
    pub fn poll_at(&mut self, now: Nanos) {
        self.replica.poll(now, &mut self.fabric, &mut self.service);
    }

    /// Proposes a command without a session. The next poll sends it; it is applied when [`Replica::applied`] reaches the slot
    /// under the same ballot.
    ///
    /// # Errors
    /// [`ProposeError`]; the command was not proposed then.
    #[inline]
    pub fn propose(&mut self, payload: &[u8]) -> Result<Slot, ProposeError> {
        self.submit(Command::plain(payload))
    }

    /// Proposes a command, possibly of a session.
    ///
    /// # Errors
    /// [`ProposeError`]; the command was not proposed then.
    #[inline]
    pub fn submit(&mut self, command: Command<'_>) -> Result<Slot, ProposeError> {
        let Command { session, sequence, payload } = command;
        if payload.len() <= INLINE_BYTES {
            return self.replica.propose(&mut self.fabric, Submission::Command { session, sequence, payload });
        }
        self.large.clear();
        if self.large.push(command).is_err() {
            let max = self.replica.config().payload_bytes_max;
            return Err(ProposeError::TooLarge { bytes: command.words() * 8, max });
        }
        self.replica.propose(&mut self.fabric, batch_submission(&self.large))
    }

    /// Proposes a batch of commands as one record.
    ///
    /// # Errors
    /// [`ProposeError`]; no command was proposed then.
    #[inline]
    pub fn submit_batch(&mut self, batch: &Batch) -> Result<Slot, ProposeError> {
        self.replica.propose(&mut self.fabric, batch_submission(batch))
    }

    /// Asks the machine whether a command that is about to be proposed would be refused: [`paxon_fastpath::StateMachine::vet`]. `None` if
    /// that takes longer: poll, and ask again with the same command.
    #[inline]
    pub fn vet(&mut self, command: &Command<'_>) -> Option<Result<(), u8>> {
        self.service.vet(command)
    }

    /// Asks for a linearizable read: once [`paxon_fastpath::Notice::ReadReady`] of this or a later round arrived, the state may be read.
    ///
    /// # Errors
    /// [`ProposeError::NotLeader`] if another replica leads.
    pub fn read(&mut self) -> Result<ReadRound, ProposeError> {
        self.replica.read()
    }

    /// Gives up leadership, if this node has it.
    pub fn resign(&mut self) {
        self.replica.resign(self.clock.now(), &mut self.service);
    }

    /// Leaves a snapshot of the applied state in this replica's own memory, where the next process of this replica finds it and
    /// peers that fell behind may read it. False if it does not fit there.
    pub fn offer_snapshot(&mut self) -> bool {
        self.replica.offer_snapshot(&self.fabric, &mut self.service)
    }

    /// The engine: role, ballot, committed and applied slots.
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The state machine and its client sessions.
    pub const fn service(&self) -> &Service<S, O> {
        &self.service
    }

    /// The receiver of outcomes.
    pub const fn outcomes_mut(&mut self) -> &mut O {
        self.service.outcomes_mut()
    }

    /// The fabric, for what is posted beside the engine. Whoever polls it owes the engine the events of its own chains.
    pub(crate) const fn fabric_mut(&mut self) -> &mut F {
        &mut self.fabric
    }

    /// The clock that the node polls by.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
}

fn batch_submission(batch: &Batch) -> Submission<'_> {
    Submission::Batch { commands: batch.commands(), words: batch.words(), bytes: batch.bytes() }
}
