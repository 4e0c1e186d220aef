//! The threads of a pool.

use super::job::Job;
use super::options::{Idle, StartError};
use super::shared::{Jobs, Shared};
use crate::batch::{Checks, verify_batch};
use paxon_fastpath::verify::Verdict;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Looks for work between two looks at the clock.
const LOOKS: usize = 64;

/// Running workers.
pub(super) struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// Starts them and waits until each is ready. Ends those that were started if one does not start.
    pub(super) fn start(shared: &Arc<Shared>, count: usize, cores: &[usize]) -> Result<Self, StartError> {
        let mut workers = Self(Vec::with_capacity(count));
        let started = workers.try_start(shared, count, cores);
        if started.is_err() {
            workers.end(shared);
        }
        started.map(|()| workers)
    }

    fn try_start(&mut self, shared: &Arc<Shared>, count: usize, cores: &[usize]) -> Result<(), StartError> {
        let (ready, readies) = channel();
        for worker in 0..count {
            let core = (!cores.is_empty()).then(|| cores[worker % cores.len()]);
            let (theirs, ready) = (Arc::clone(shared), ready.clone());
            let body = move || {
                let pinned = pin(worker, core);
                let go = pinned.is_ok();
                // Nobody listens any more if another worker failed to start: then the pool is ending, too.
                let _ = ready.send(pinned);
                // The one who starts listens until nobody is left to speak.
                drop(ready);
                if go {
                    work(worker, &theirs);
                }
            };
            let thread = thread::Builder::new().name(format!("paxon-verify-{worker}")).spawn(body);
            self.0.push(thread.map_err(|source| StartError::Spawn { worker, source })?);
        }
        drop(ready);
        readies.iter().collect()
    }

    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    /// Wakes workers for so many requests.
    pub(super) fn wake(&self, shared: &Shared, requests: usize) {
        // Without work there is no fence to pay for.
        if requests > 0 {
            shared.doorbell.ring(self.0.iter().map(JoinHandle::thread), requests);
        }
    }

    /// Ends them and waits until they have ended.
    pub(super) fn end(&mut self, shared: &Shared) {
        shared.end();
        for thread in &self.0 {
            // A token that is left for a worker on its way to sleep keeps it awake.
            thread.thread().unpark();
        }
        for thread in self.0.drain(..) {
            // A worker that panicked outside of its guard has no more to say, and this may run while unwinding.
            let _ = thread.join();
        }
    }
}

fn pin(worker: usize, core: Option<usize>) -> Result<(), StartError> {
    let Some(core) = core else { return Ok(()) };
    let allowed: Vec<_> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    let pinned = allowed.contains(&core) && core_affinity::set_for_current(core_affinity::CoreId { id: core });
    if pinned { Ok(()) } else { Err(StartError::Pin { worker, core, allowed }) }
}

/// Verifies until the pool ends.
fn work(worker: usize, shared: &Shared) {
    while !shared.ending() {
        let announced = shared.announced();
        // One key between two batches: preparing takes as long as a few verifications.
        if let Some(entry) = &announced {
            guarded(shared, || entry.prepare());
        }
        let jobs = shared.share();
        if announced.is_none() && jobs.is_empty() {
            rest(worker, shared);
        } else {
            verify(shared, jobs);
        }
    }
}

/// Returns when there may be work.
fn rest(worker: usize, shared: &Shared) {
    let began = Instant::now();
    loop {
        for _ in 0..LOOKS {
            if shared.stirs() {
                return;
            }
            std::hint::spin_loop();
        }
        if let Idle::Park { after } = shared.idle
            && began.elapsed() >= after
        {
            return shared.doorbell.sleep(worker, || shared.stirs());
        }
    }
}

fn verify(shared: &Shared, mut jobs: Jobs) {
    let verdicts = guarded(shared, || {
        let checks: Checks<'_> = jobs.iter().map(|job| job.check()).collect();
        (shared.engine)(&checks)
    });
    match verdicts {
        Some(verdicts) => jobs.iter_mut().zip(verdicts).for_each(|(job, verdict)| job.verdict = verdict),
        None => jobs.iter_mut().for_each(|job| job.verdict = verify_alone(shared, job)),
    }
    jobs.into_iter().for_each(|job| shared.finish(job));
}

/// The verdict by the shortest way there is: no tables, no company.
fn verify_alone(shared: &Shared, job: &Job) -> Verdict {
    let verdict = guarded(shared, || verify_batch(&[job.check_plainly()])[0]);
    // A signature that cannot be verified is not known to be valid.
    verdict.unwrap_or(Verdict::Invalid)
}

/// What `act` returns, unless it panics, which is counted.
fn guarded<T>(shared: &Shared, act: impl FnOnce() -> T) -> Option<T> {
    // Nothing that `act` may have left half done is looked at again: it writes to nothing but what it returns, and to cells
    // that are filled once or not at all.
    let result = catch_unwind(AssertUnwindSafe(act));
    if result.is_err() {
        shared.panicked();
    }
    result.ok()
}
