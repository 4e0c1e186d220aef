//! Exactly-once clients: what is sent again keeps its number.

use crate::failure::{Failure, ProposeError};
use crate::handle::Handle;
use crate::ticket::Reply;
use paxon_fastpath::{Command, ReplicaId};
use std::thread;
use std::time::{Duration, Instant};

/// How long a session tries before it gives up, unless told otherwise: far longer than an election takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// A replica that has not answered for this part of the patience may be cut off: another is tried.
const TRIES_PER_PATIENCE: u32 = 8;
/// How long to wait for an election to make progress before asking again.
const ELECTION_PAUSE: Duration = Duration::from_micros(500);

/// Why a session got no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No replica answered in time. The command may be or become applied; [`Session::resubmit`] it under this sequence to find out.
    #[error("no replica answered within {patience:?}; resubmit sequence {sequence} to learn the outcome")]
    Timeout {
        /// The sequence of the command.
        sequence: u64,
        /// How long the session tried.
        patience: Duration,
    },
    /// All replicas of the session have stopped. The command may be or become applied.
    #[error("all replicas of the session have stopped; resubmit sequence {sequence} at another to learn the outcome")]
    Stopped {
        /// The sequence of the command.
        sequence: u64,
    },
    /// The session was evicted by newer ones: whether its last command was applied cannot be learned any more.
    #[error("the session has expired")]
    Expired,
    /// The sequence fell out of the session's window: whether it was applied is forgotten.
    #[error("the sequence is older than the session's window")]
    TooOld,
    /// The command was applied; its reply was larger than replies may be.
    #[error("the command was applied but its reply is larger than reply_bytes_max")]
    ReplyTooLarge,
    /// The state machine's screen refused the command, which was not applied now. Its number is free: [`Session::resubmit`] may use it
    /// for another command.
    #[error("the state machine refused sequence {sequence}, with its code {code}")]
    Refused {
        /// The sequence of the command.
        sequence: u64,
        /// The machine's own code of the reason.
        code: u8,
    },
    /// The command is over the limit that the replica was built with. It was not applied.
    #[error("the command has {bytes} bytes; the limit is {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

/// A client session: a blocking client whose commands are applied exactly once, across lost replies and leader changes.
#[derive(Debug)]
pub struct Session {
    /// The replicas that can be asked. Never empty.
    handles: Vec<Handle>,
    /// The replica to ask first.
    preferred: usize,
    id: u64,
    next: u64,
    patience: Duration,
}

/// What to do after a try that gave no reply.
enum Next {
    GiveUp(SessionError),
    Ask(Option<ReplicaId>),
    Again(Duration),
}

impl Session {
    /// Opens a session over some replicas of one cluster; commands go to whichever of them leads.
    ///
    /// # Errors
    /// [`SessionError::Timeout`] if none of them comes to lead, [`SessionError::Stopped`] if all have stopped.
    ///
    /// # Panics
    /// If there is no replica.
    pub fn open(handles: &[Handle]) -> Result<Self, SessionError> {
        let mut session = Self::resume(handles, 0, 0);
        // Sent again after an unknown outcome, this may open a second session: nobody uses it and it is evicted in time.
        let reply = session.send(Command::open_session())?;
        let id = reply.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        (session.id, session.next) = (id, 1);
        Ok(session)
    }

    /// Continues the session `id`, whose next command is number `next`: for a client that was restarted.
    ///
    /// # Panics
    /// If there is no replica.
    pub fn resume(handles: &[Handle], id: u64, next: u64) -> Self {
        assert!(!handles.is_empty(), "a session needs a replica");
        Self { handles: handles.to_vec(), preferred: 0, id, next, patience: PATIENCE }
    }

    /// The id of the session.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The sequence of the next command.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Sets how long a command is tried for.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Has a command applied exactly once and returns its reply. Follows the leader and sends again as needed.
    ///
    /// # Errors
    /// [`SessionError`]; after [`SessionError::Timeout`] the command may be resubmitted under the sequence that it names.
    pub fn propose(&mut self, payload: &[u8]) -> Result<Reply, SessionError> {
        let sequence = self.next;
        self.next += 1;
        self.resubmit(sequence, payload)
    }

    /// Sends a command again under the sequence that it had. If it was applied, this returns the reply of that time.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn resubmit(&mut self, sequence: u64, payload: &[u8]) -> Result<Reply, SessionError> {
        self.send(Command { session: self.id, sequence, payload })
    }

    fn send(&mut self, command: Command<'_>) -> Result<Reply, SessionError> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            match self.try_once(command) {
                Ok(reply) => return Ok(reply),
                Err(Next::GiveUp(error)) => return Err(error),
                Err(Next::Again(after)) => thread::park_timeout(after),
                Err(Next::Ask(leader)) => self.turn_to(leader),
            }
        }
        Err(SessionError::Timeout { sequence: command.sequence, patience: self.patience })
    }

    fn try_once(&self, command: Command<'_>) -> Result<Reply, Next> {
        let mut ticket = self.handles[self.preferred]
            .propose_command(command)
            .map_err(|error| self.after_refusal(error, command.sequence))?;
        match ticket.wait_timeout(self.patience / TRIES_PER_PATIENCE) {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(failure)) => Err(self.after_failure(failure, command.sequence)),
            None => Err(Next::Ask(None)),
        }
    }

    fn after_refusal(&self, error: ProposeError, sequence: u64) -> Next {
        match error {
            ProposeError::NotLeader { leader } => Next::Ask(leader),
            ProposeError::Busy { retry_after } => Next::Again(retry_after),
            ProposeError::TooLarge { bytes, max } => Next::GiveUp(SessionError::TooLarge { bytes, max }),
            ProposeError::Stopped => self.after_stop(sequence),
        }
    }

    fn after_failure(&self, failure: Failure, sequence: u64) -> Next {
        match failure {
            Failure::NotLeader { leader } => Next::Ask(leader),
            Failure::Unknown => Next::Ask(None),
            Failure::TooOld => Next::GiveUp(SessionError::TooOld),
            Failure::SessionExpired => Next::GiveUp(SessionError::Expired),
            Failure::ReplyTooLarge => Next::GiveUp(SessionError::ReplyTooLarge),
            Failure::Refused { code } => Next::GiveUp(SessionError::Refused { sequence, code }),
            Failure::Stopped => self.after_stop(sequence),
        }
    }

    fn after_stop(&self, sequence: u64) -> Next {
        let all = self.handles.iter().all(Handle::is_stopped);
        if all { Next::GiveUp(SessionError::Stopped { sequence }) } else { Next::Ask(None) }
    }

    /// Turns to the leader if it is one of ours and known, else to the next replica, after a moment for the election.
    fn turn_to(&mut self, leader: Option<ReplicaId>) {
        let known = leader.and_then(|leader| self.handles.iter().position(|handle| handle.replica() == leader));
        match known {
            Some(at) if at != self.preferred => self.preferred = at,
            _ => {
                self.preferred = (self.preferred + 1) % self.handles.len();
                thread::park_timeout(ELECTION_PAUSE);
            }
        }
    }
}
