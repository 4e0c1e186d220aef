//! What an engine thread and its clients share.

use crate::clock::Clock;
use crate::poll_policy::PollPolicy;
use crate::seats::Seats;
use crate::stages::StageLatencies;
use crate::status::Board;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// What an engine thread and its clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seats: Arc<Seats>,
    pub(crate) board: Board,
    pub(crate) doorbell: Doorbell,
    pub(crate) policy: PollPolicy,
    /// Longest command in bytes.
    pub(crate) command_bytes_max: usize,
    /// Set once: the engine thread ends.
    pub(crate) shutdown: AtomicBool,
    /// Set by a client, cleared by the engine: leadership is to be given up.
    pub(crate) resign: AtomicBool,
    /// Recorded only if the replica was built to do so.
    pub(crate) stages: Option<(Arc<Mutex<StageLatencies>>, Clock)>,
}

/// Wakes an engine thread that has parked.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    parked: AtomicBool,
    engine: OnceLock<Thread>,
}

impl Doorbell {
    /// Says that the calling thread is the engine's.
    pub(crate) fn install(&self) {
        self.engine.get_or_init(thread::current);
    }

    /// A client has left something to do.
    pub(crate) fn ring(&self) {
        // Pairs with the fence in `park`: either the engine sees what was left, or we see that it parks.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed)
            && let Some(engine) = self.engine.get()
        {
            engine.unpark();
        }
    }

    /// The engine sleeps until it is rung for, at most for `longest`, and not at all if there is something to do.
    pub(crate) fn park(&self, longest: Duration, has_work: impl FnOnce() -> bool) {
        self.parked.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            thread::park_timeout(longest);
        }
        self.parked.store(false, Ordering::Relaxed);
    }
}
