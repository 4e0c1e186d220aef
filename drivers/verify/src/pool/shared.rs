//! What the owner of a pool and its workers share.

use super::Engine;
use super::doorbell::Doorbell;
use super::job::Job;
use super::options::Idle;
use crate::Limits;
use crate::batch::BATCH_MAX;
use crate::key_book::Entry;
use crossbeam::queue::ArrayQueue;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Requests that a worker has taken.
pub(super) type Jobs = SmallVec<[Job; BATCH_MAX]>;

/// Queues and flags. Each queue has room for all that can be in it.
pub(super) struct Shared {
    submitted: ArrayQueue<Job>,
    finished: ArrayQueue<Job>,
    /// Keys to prepare.
    announced: ArrayQueue<Arc<Entry>>,
    pub(super) doorbell: Doorbell,
    pub(super) idle: Idle,
    pub(super) engine: Engine,
    workers: usize,
    ending: AtomicBool,
    panics: AtomicU64,
}

impl Shared {
    pub(super) fn new(limits: &Limits, workers: usize, idle: Idle, engine: Engine) -> Self {
        Self {
            submitted: ArrayQueue::new(limits.capacity()),
            finished: ArrayQueue::new(limits.capacity()),
            announced: ArrayQueue::new(limits.prepared_keys_max.max(1)),
            doorbell: Doorbell::new(workers),
            idle,
            engine,
            workers,
            ending: AtomicBool::new(false),
            panics: AtomicU64::new(0),
        }
    }

    /// Hands a request to the workers.
    pub(super) fn submit(&self, job: Job) {
        assert!(self.submitted.push(job).is_ok(), "the queue has room for every slot there is");
    }

    /// A request with its verdict.
    pub(super) fn finished(&self) -> Option<Job> {
        self.finished.pop()
    }

    pub(super) fn finish(&self, job: Job) {
        assert!(self.finished.push(job).is_ok(), "the queue has room for every slot there is");
    }

    /// Has a key prepared. Hands it back if too many are waiting.
    pub(super) fn announce(&self, entry: Arc<Entry>) -> Result<(), Arc<Entry>> {
        self.announced.push(entry)
    }

    pub(super) fn announced(&self) -> Option<Arc<Entry>> {
        self.announced.pop()
    }

    /// A worker's share of the requests that wait, at most [`BATCH_MAX`].
    pub(super) fn share(&self) -> Jobs {
        let share = self.submitted.len().div_ceil(self.workers).clamp(1, BATCH_MAX);
        std::iter::from_fn(|| self.submitted.pop()).take(share).collect()
    }

    /// Whether a worker should be awake.
    pub(super) fn stirs(&self) -> bool {
        !self.submitted.is_empty() || !self.announced.is_empty() || self.ending()
    }

    pub(super) fn ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}
