//! What the watcher thread tells the fabric: rarely anything, and looked for at every poll.

use paxon_acceptor::{Memory, MemoryError};
use paxon_fastpath::{FabricEvent, REPLICAS_MAX, ReplicaId};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An event, and the memory that comes with it if it is a link to a peer.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: FabricEvent,
    pub(crate) memory: Option<Box<Memory>>,
}

/// The mailbox between the watcher thread and the thread that polls.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether there may be items. Set and cleared under the lock; read without it, so a poll may see an item one turn late.
    /// Relaxed: it only says that taking the lock is worth while, and the lock orders what it guards.
    pending: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    /// Memory that the fabric has let go of: unmapping takes long enough to leave it to the watcher.
    retired: Vec<Memory>,
    /// Why a peer's memory cannot be mapped, indexed by peer.
    problems: [Option<MemoryError>; REPLICAS_MAX],
}

impl News {
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Relaxed)
    }

    pub(crate) fn push(&self, event: FabricEvent, memory: Option<Box<Memory>>) {
        let mut inner = self.lock();
        inner.items.push_back(Item { event, memory });
        self.pending.store(true, Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<Item> {
        let mut inner = self.lock();
        let item = inner.items.pop_front();
        self.pending.store(!inner.items.is_empty(), Relaxed);
        item
    }

    pub(crate) fn retire(&self, memory: Memory) {
        self.lock().retired.push(memory);
    }

    /// Unmaps what was retired.
    pub(crate) fn bury(&self) {
        let retired = std::mem::take(&mut self.lock().retired);
        drop(retired);
    }

    pub(crate) fn set_problem(&self, peer: ReplicaId, problem: Option<MemoryError>) {
        self.lock().problems[peer.index()] = problem;
    }

    pub(crate) fn problem(&self, peer: ReplicaId) -> Option<String> {
        let inner = self.lock();
        let problem: &dyn std::error::Error = inner.problems[peer.index()].as_ref()?;
        let causes = std::iter::successors(problem.source(), |cause| cause.source());
        Some(causes.fold(problem.to_string(), |text, cause| format!("{text}: {cause}")))
    }

    /// Nothing here is left half done by a panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
