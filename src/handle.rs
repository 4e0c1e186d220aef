//! A client's handle to a replica that runs in a thread of its own.

use crate::failure::ProposeError;
use crate::seats::{Kind, NoSeat};
use crate::session::{Session, SessionError};
use crate::shared::Shared;
use crate::stages::StageLatencies;
use crate::status::{Leadership, LeadershipEvent, ReplicaStatus};
use crate::ticket::Ticket;
use paxon_fastpath::{Command, Nanos, ReplicaId, Slot};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The running replica: it ends with its last handle.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    fn shutdown(&self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        self.shared.doorbell.ring();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic of the state machine has been reported by that thread; here it only means that the replica has ended.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// A client's handle to a running replica. Clones are cheap and may go to other threads.
#[derive(Clone, Debug)]
pub struct Handle {
    running: Arc<Running>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>, thread: JoinHandle<()>) -> Self {
        Self { running: Arc::new(Running { shared, thread: Mutex::new(Some(thread)) }) }
    }

    fn shared(&self) -> &Shared {
        &self.running.shared
    }

    /// Proposes a command without a session and returns at once. The command is applied as often as it is proposed.
    ///
    /// # Errors
    /// [`ProposeError`]; the command was not and will not be proposed then.
    pub fn propose(&self, command: &[u8]) -> Result<Ticket, ProposeError> {
        self.propose_command(Command::plain(command))
    }

    /// Proposes a command, possibly of a session, and returns at once. [`Handle::session`] numbers commands by itself.
    ///
    /// # Errors
    /// [`ProposeError`]; the command was not and will not be proposed then.
    pub fn propose_command(&self, command: Command<'_>) -> Result<Ticket, ProposeError> {
        let Command { session, sequence, payload } = command;
        self.check_leadership()?;
        let max = self.shared().command_bytes_max;
        if payload.len() > max {
            return Err(ProposeError::TooLarge { bytes: payload.len(), max });
        }
        self.request(Kind::Command { session, sequence }, payload)
    }

    /// Answers a query from a state that holds every command that was answered before this call (linearizable). Reads that
    /// wait at the same time share one round to a majority.
    ///
    /// # Errors
    /// [`ProposeError`]; only the leader answers.
    pub fn read(&self, query: &[u8]) -> Result<Ticket, ProposeError> {
        self.check_leadership()?;
        self.request(Kind::Read, query)
    }

    /// Answers a query from the state of this replica, leader or not, once it has applied the slot. With the slot of an
    /// earlier reply a client reads its own writes; with [`Slot::NONE`] it may read the past.
    ///
    /// # Errors
    /// [`ProposeError::Busy`] or [`ProposeError::Stopped`].
    pub fn read_local(&self, query: &[u8], at_least: Slot) -> Result<Ticket, ProposeError> {
        self.request(Kind::ReadLocal { at_least }, query)
    }

    /// The digest of this replica's state once it has applied the slot, as the little-endian bytes of a `u64`. Replicas
    /// whose replies carry the same slot have equal digests. Stops the replica for as long as a snapshot takes.
    ///
    /// # Errors
    /// [`ProposeError::Busy`] or [`ProposeError::Stopped`].
    pub fn digest(&self, at_least: Slot) -> Result<Ticket, ProposeError> {
        self.request(Kind::Digest { at_least }, &[])
    }

    fn check_leadership(&self) -> Result<(), ProposeError> {
        let board = &self.shared().board;
        match board.is_leader() {
            true => Ok(()),
            false if self.is_stopped() => Err(ProposeError::Stopped),
            false => Err(ProposeError::NotLeader { leader: board.leader() }),
        }
    }

    fn request(&self, kind: Kind, payload: &[u8]) -> Result<Ticket, ProposeError> {
        let shared = self.shared();
        let received = shared.stages.as_ref().map_or(Nanos(0), |(_, clock)| clock.now());
        let seat = shared.seats.claim(kind, payload, received).map_err(|none| match none {
            NoSeat::Full => ProposeError::Busy { retry_after: shared.policy.retry_after() },
            NoSeat::Stopped => ProposeError::Stopped,
        })?;
        shared.doorbell.ring();
        Ok(Ticket::new(shared.seats.clone(), seat, shared.policy.client_spins()))
    }

    /// Opens a session over this replica: its commands are applied exactly once however often they are sent.
    ///
    /// # Errors
    /// [`SessionError`] if the replica does not come to lead in time, or has stopped.
    pub fn session(&self) -> Result<Session, SessionError> {
        Session::open(std::slice::from_ref(self))
    }

    /// The present leadership, and then every change of it as this replica sees it.
    pub fn leadership(&self) -> Receiver<LeadershipEvent> {
        self.shared().board.subscribe()
    }

    /// Waits until this replica knows a leader; `None` if it did not in time or has stopped.
    pub fn wait_for_leader(&self, timeout: Duration) -> Option<ReplicaId> {
        let changes = self.leadership();
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match changes.recv_timeout(left).ok()?.leadership {
                Leadership::Leader { .. } => return Some(self.replica()),
                Leadership::Follower { leader: Some(leader) } => return Some(leader),
                Leadership::Stopped => return None,
                Leadership::Follower { leader: None } | Leadership::Candidate | Leadership::Recovering => {}
            }
        }
    }

    /// Whether this replica leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.shared().board.is_leader()
    }

    /// Which replica this is.
    pub fn replica(&self) -> ReplicaId {
        self.shared().board.replica()
    }

    /// The replica at a glance.
    pub fn status(&self) -> ReplicaStatus {
        self.shared().board.status()
    }

    /// Latencies of the commands that this replica has answered as leader; `None` unless it was built to record them.
    pub fn stages(&self) -> Option<StageLatencies> {
        let (latencies, _) = self.shared().stages.as_ref()?;
        Some(latencies.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Asks the replica to give up leadership; without effect on a replica that does not lead. Commands under way end in [`crate::Failure::Unknown`].
    pub fn resign(&self) {
        self.shared().resign.store(true, Ordering::Relaxed);
        self.shared().doorbell.ring();
    }

    /// Whether the replica has stopped.
    pub fn is_stopped(&self) -> bool {
        self.shared().seats.is_stopped()
    }

    /// Stops the replica and waits for its thread to end. Requests under way end in [`crate::Failure::Stopped`].
    pub fn shutdown(&self) {
        self.running.shutdown();
    }
}
