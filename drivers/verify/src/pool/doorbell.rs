//! Wakes workers that sleep.
//!
//! The one hazard is a worker that looks, finds nothing and falls asleep while somebody adds work. Both sides therefore put a
//! fence between what they write and what they read: the worker says that it sleeps and then looks for work once more, the
//! other adds work and then looks for sleepers. One of them sees the other.

use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};

/// Which workers sleep, or are about to.
pub(super) struct Doorbell {
    asleep: Box<[CachePadded<AtomicBool>]>,
}

impl Doorbell {
    pub(super) fn new(workers: usize) -> Self {
        Self { asleep: (0..workers).map(|_| CachePadded::new(AtomicBool::new(false))).collect() }
    }

    /// Sleeps until rung, unless there is work after all. May return without reason.
    pub(super) fn sleep(&self, worker: usize, work: impl Fn() -> bool) {
        self.asleep[worker].store(true, Ordering::Relaxed);
        // Partner: the fence in `ring`.
        fence(Ordering::SeqCst);
        if !work() {
            thread::park();
        }
        self.asleep[worker].store(false, Ordering::Relaxed);
    }

    /// Wakes up to `count` sleepers. Called after work was added.
    pub(super) fn ring<'a>(&self, threads: impl Iterator<Item = &'a Thread>, mut count: usize) {
        // Partner: the fence in `sleep`.
        fence(Ordering::SeqCst);
        for (asleep, thread) in self.asleep.iter().zip(threads) {
            if count == 0 {
                return;
            }
            if asleep.load(Ordering::Relaxed) && asleep.swap(false, Ordering::Relaxed) {
                thread.unpark();
                count -= 1;
            }
        }
    }

    /// Whether a worker sleeps, or is about to.
    #[cfg(test)]
    pub(super) fn is_asleep(&self, worker: usize) -> bool {
        self.asleep[worker].load(Ordering::Relaxed)
    }
}
