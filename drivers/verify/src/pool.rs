//! A verifier with a pool of worker threads.

mod doorbell;
mod job;
mod options;
mod shared;
mod worker;

pub use options::{Idle, PoolOptions, StartError};

use crate::batch::{BATCH_MAX, Check, verify_batch};
use crate::key_book::KeyBook;
use crate::{Counters, Limits};
use job::Job;
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified, Verifier};
use shared::Shared;
use std::collections::VecDeque;
use std::sync::Arc;
use worker::Workers;

/// What workers verify with: [`verify_batch`], but in tests.
type Engine = fn(&[Check<'_>]) -> [Verdict; BATCH_MAX];

/// Verifies on worker threads.
///
/// All that a request needs is copied into a slot that was allocated at the start; slots travel through lock-free bounded
/// queues, so that in steady state Ed25519 allocates nothing and no thread waits for another. A worker takes several requests
/// at a time, but never more than its share of those that wait: few requests spread over the cores, many share inversions.
/// A panic in a worker is caught, and the requests at hand are verified again one by one.
///
/// One thread owns it, submits and polls. Dropping it ends the workers; requests under way are dropped with it.
///
/// ```
/// use paxon_fastpath::verify::{Request, Scheme, Verdict, Verifier};
/// use paxon_verify::{PoolOptions, SigningKey, SoftwareVerifier};
///
/// let mut verifier = SoftwareVerifier::start(PoolOptions { workers: 2, ..PoolOptions::default() })?;
/// let key = SigningKey::from_seed(Scheme::Ed25519, &[1; 32]);
/// let signature = key.sign(b"hello");
/// let request = Request {
///     ticket: 1, scheme: Scheme::Ed25519, key: key.public_key(), signature: &signature, message: b"hello",
/// };
/// assert_eq!(verifier.submit(&[request; 3]), 3);
/// let mut verdicts = Vec::new();
/// while verdicts.len() < 3 {
///     verifier.poll(&mut verdicts);
/// }
/// assert!(verdicts.iter().all(|verified| verified.verdict == Verdict::Valid));
/// # Ok::<(), paxon_verify::StartError>(())
/// ```
pub struct SoftwareVerifier {
    limits: Limits,
    keys: KeyBook,
    /// Slots that carry no request. With those under way they are as many as the capacity.
    free: Vec<Job>,
    /// Malformed requests that were not polled; with requests under way and verdicts at most the capacity.
    refused: VecDeque<u64>,
    /// Requests taken and verdicts not polled.
    under_way: usize,
    counters: Counters,
    shared: Arc<Shared>,
    workers: Workers,
}

impl SoftwareVerifier {
    /// Starts the workers and waits until each is pinned and ready.
    ///
    /// # Errors
    /// If a core does not exist or refuses a thread, or a thread cannot be started. Workers that were started are ended.
    pub fn start(options: PoolOptions) -> Result<Self, StartError> {
        Self::start_with(options, verify_batch)
    }

    fn start_with(options: PoolOptions, engine: Engine) -> Result<Self, StartError> {
        let limits = options.limits;
        let workers = options.workers.max(1);
        let shared = Arc::new(Shared::new(&limits, workers, options.idle, engine));
        let workers = Workers::start(&shared, workers, &options.cores)?;
        Ok(Self {
            limits,
            keys: KeyBook::new(limits.prepared_keys_max),
            free: (0..limits.capacity()).map(|_| Job::new(limits.message_bytes_max)).collect(),
            refused: VecDeque::with_capacity(limits.capacity()),
            under_way: 0,
            counters: Counters::default(),
            shared,
            workers,
        })
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            panics: self.shared.panics(),
            prepared_keys: self.keys.prepared(),
            unprepared_keys: self.keys.unprepared(),
            ..self.counters
        }
    }

    /// Worker threads.
    pub const fn workers(&self) -> usize {
        self.workers.count()
    }

    /// Hands a request to the workers. Returns whether it took one of their slots.
    fn take(&mut self, request: &Request<'_>) -> bool {
        self.under_way += 1;
        if !self.limits.admit(request) {
            self.refused.push_back(request.ticket);
            return false;
        }
        let mut job = self.free.pop().expect("fewer requests are under way than there are slots");
        job.fill(request, self.keys.find(request.scheme, request.key));
        self.shared.submit(job);
        true
    }

    fn report(&mut self, verified: Verified, verdicts: &mut Vec<Verified>) {
        self.under_way -= 1;
        self.counters.count(verified.verdict);
        verdicts.push(verified);
    }
}

impl Verifier for SoftwareVerifier {
    fn supports(&self, scheme: Scheme) -> bool {
        Scheme::ALL.contains(&scheme)
    }

    fn capacity(&self) -> usize {
        self.limits.capacity()
    }

    fn message_bytes_max(&self) -> usize {
        self.limits.message_bytes_max
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        let taken = requests.len().min(self.capacity() - self.under_way);
        let jobs = requests[..taken].iter().filter(|request| self.take(request)).count();
        self.workers.wake(&self.shared, jobs);
        taken
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        let before = self.under_way;
        while let Some(ticket) = self.refused.pop_front() {
            self.report(Verified { ticket, verdict: Verdict::Malformed }, verdicts);
        }
        // No more than were under way when it began: what is submitted later is polled later.
        for _ in 0..self.under_way {
            let Some(mut job) = self.shared.finished() else { break };
            self.report(job.clear(), verdicts);
            self.free.push(job);
        }
        before - self.under_way
    }

    fn prepare(&mut self, scheme: Scheme, key: &[u8]) {
        if let Some(entry) = self.keys.enter(scheme, key) {
            match self.shared.announce(entry) {
                Ok(()) => self.workers.wake(&self.shared, 1),
                Err(entry) => self.keys.give_up(&entry),
            }
        }
    }

    fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        self.keys.forget(scheme, key);
    }
}

impl Drop for SoftwareVerifier {
    fn drop(&mut self) {
        self.workers.end(&self.shared);
    }
}

#[cfg(test)]
mod tests;
