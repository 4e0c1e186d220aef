//! Ending the wait of a ring from another thread: an eventfd that the ring polls.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Ends a waiting turn from another thread; safe to use after the ring is gone.
#[derive(Debug, Clone)]
pub struct Waker {
    event: Arc<OwnedFd>,
    /// Whether the eventfd was written since the ring last took notice: one write is enough.
    rung: Arc<AtomicBool>,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { event: Arc::new(event), rung: Arc::new(AtomicBool::new(false)) })
    }

    /// Ends the turn under way, or else the next one that waits.
    pub fn wake(&self) {
        // Partner: the swap in `take_notice`; what was done before this call is seen by the turn that it ends.
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _full = rustix::io::write(&*self.event, &1_u64.to_ne_bytes());
        }
    }

    pub(crate) fn event(&self) -> &Arc<OwnedFd> {
        &self.event
    }

    /// Takes back what `wake` did. The eventfd goes first: a wake between the two steps finds the flag set and writes
    /// nothing, but the turn is about to return anyway; the other way round the flag could stay set over an empty eventfd.
    pub(crate) fn take_notice(&self) {
        let _empty = rustix::io::read(&*self.event, &mut [0; 8]);
        // Partner: the swap in `wake`.
        self.rung.swap(false, Ordering::AcqRel);
    }
}
