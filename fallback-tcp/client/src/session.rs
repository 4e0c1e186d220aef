//! Exactly-once commands.

use crate::answers::{Applied, Opened};
use crate::client::Client;
use crate::pending::Pending;
use paxon_fastpath::ReplicaId;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A client session: numbers its commands, so that each is applied exactly once however often it has to be sent.
///
/// - A command that was answered was applied exactly once, and the answer is that of its application.
/// - Commands are applied in the order in which they were proposed. Many may be proposed without waiting: as many as the cluster's
///   window allows are under way, the others follow.
/// - A command that was given up (it timed out, or its future was dropped) is applied once or not at all, perhaps later than
///   commands that were proposed after it. [`Session::resubmit`] tells.
/// - A cluster keeps as many sessions as it was told to; the one that was used least recently makes room for a new one, and
///   then its commands end in [`crate::ClientError::SessionExpired`].
#[derive(Debug)]
pub struct Session {
    client: Client,
    id: u64,
    /// The number of the next command. Held while a command is submitted, so that they arrive in order.
    next: Mutex<u64>,
    opened_by: Option<ReplicaId>,
}

impl Session {
    pub(crate) const fn new(client: Client, id: u64, next: u64) -> Self {
        Self { client, id, next: Mutex::new(next), opened_by: None }
    }

    pub(crate) const fn opened(client: Client, Opened { id, replica }: Opened) -> Self {
        Self { client, id, next: Mutex::new(1), opened_by: Some(replica) }
    }

    /// The id of the session.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The number of the next command.
    pub fn next_sequence(&self) -> u64 {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The replica that led when the session was opened; `None` of a session that was resumed.
    pub const fn opened_by(&self) -> Option<ReplicaId> {
        self.opened_by
    }

    /// The client that the session belongs to.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Has a command applied exactly once.
    pub fn propose(&self, payload: &[u8]) -> Pending<Applied> {
        self.propose_within(payload, self.client.patience())
    }

    /// The same with another patience.
    pub fn propose_within(&self, payload: &[u8], patience: Duration) -> Pending<Applied> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = self.client.propose_in(self.id, *next, payload, patience);
        *next += 1;
        pending
    }

    /// The same for a command whose bytes depend on its number (because they are signed together): `payload` is given the number
    /// and runs while other callers of this session wait, so that numbers are used in their order.
    pub fn propose_with(&self, payload: impl FnOnce(u64) -> Vec<u8>) -> Pending<Applied> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let payload = payload(*next);
        let pending = self.client.propose_in(self.id, *next, &payload, self.client.patience());
        *next += 1;
        pending
    }

    /// Sends a command again under the number that it had, to learn what became of it: if it was applied, this is the reply of
    /// that time. Not for commands that are still under way.
    pub fn resubmit(&self, sequence: u64, payload: &[u8]) -> Pending<Applied> {
        let _in_order = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.client.propose_in(self.id, sequence, payload, self.client.patience())
    }
}
