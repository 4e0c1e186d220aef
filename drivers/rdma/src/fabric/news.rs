//! What the steward tells the thread that polls: rarely anything, and looked for at every poll.

use crate::fabric::link::Link;
use paxon_fastpath::{Incarnation, REPLICAS_MAX, ReplicaId};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A link that is up, and the life of the memory that it leads to.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) link: Box<Link>,
    pub(crate) incarnation: Incarnation,
}

/// The mailbox between the steward's thread and the one that polls.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether there may be links. Set and cleared under the lock; read without it, so a poll may see one a turn late.
    /// Relaxed: it only says that taking the lock is worth while, and the lock orders what it guards.
    pending: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    connected: VecDeque<Connected>,
    /// Why there is no link, indexed by peer.
    problems: [Option<String>; REPLICAS_MAX],
}

impl News {
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Relaxed)
    }

    pub(crate) fn push(&self, connected: Connected) {
        let mut inner = self.lock();
        inner.problems[connected.link.peer().index()] = None;
        inner.connected.push_back(connected);
        self.pending.store(true, Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<Connected> {
        let mut inner = self.lock();
        let connected = inner.connected.pop_front();
        self.pending.store(!inner.connected.is_empty(), Relaxed);
        connected
    }

    pub(crate) fn set_problem(&self, peer: ReplicaId, problem: String) {
        self.lock().problems[peer.index()] = Some(problem);
    }

    pub(crate) fn problem(&self, peer: ReplicaId) -> Option<String> {
        self.lock().problems.get(peer.index())?.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
