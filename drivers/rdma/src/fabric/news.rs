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
    /// Whether there may be links, or ends of links. Set and cleared under the lock; read without it, so a poll may see one a turn late.
    /// Relaxed: it only says that taking the lock is worth while, and the lock orders what it guards.
    pending: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    connected: VecDeque<Connected>,
    /// Numbers of queue pairs whose links are of no use any more.
    broken: Vec<u32>,
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
        self.note_pending(&inner);
        connected
    }

    /// The link over the queue pair `number` is of no use any more, though no completion says so.
    pub(crate) fn break_link(&self, number: u32) {
        let mut inner = self.lock();
        inner.broken.push(number);
        self.note_pending(&inner);
    }

    /// A queue pair of which that was said. Its link was popped before, if it was ever pushed.
    pub(crate) fn pop_broken(&self) -> Option<u32> {
        let mut inner = self.lock();
        let number = inner.broken.pop();
        self.note_pending(&inner);
        number
    }

    fn note_pending(&self, inner: &Inner) {
        self.pending.store(!(inner.connected.is_empty() && inner.broken.is_empty()), Relaxed);
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
