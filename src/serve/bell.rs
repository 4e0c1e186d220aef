//! Brings word of finished requests to the server's thread.

use crossbeam::queue::ArrayQueue;
use mio::Waker as SocketWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Wake, Waker};

/// See the module.
#[derive(Debug)]
pub(super) struct Bell {
    /// Places whose request may have its answer. As long as the places, and each is in it once at most: never full.
    ready: ArrayQueue<usize>,
    waker: SocketWaker,
    asleep: AtomicBool,
    /// Connections were handed over.
    handed: AtomicBool,
    /// Set once: the server ends.
    stopping: AtomicBool,
}

impl Bell {
    pub(super) fn new(places: usize, waker: SocketWaker) -> Self {
        let ready = ArrayQueue::new(places.max(1));
        let [asleep, handed, stopping] = [const { AtomicBool::new(false) }; 3];
        Self { ready, waker, asleep, handed, stopping }
    }

    /// Wakers for each place.
    pub(super) fn rings(self: &Arc<Self>, places: usize) -> Vec<(Arc<Ring>, Waker)> {
        let ring = |place| Arc::new(Ring { bell: self.clone(), place, rung: AtomicBool::new(false) });
        (0..places).map(ring).map(|ring| (ring.clone(), Waker::from(ring))).collect()
    }

    /// The server's thread has something to do.
    pub(super) fn ring(&self) {
        // Pairs with the fence in `sleep`: either the server sees what was left, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            // A descriptor that cannot be written has been rung already.
            let _ = self.waker.wake();
        }
    }

    /// A connection was handed over.
    pub(super) fn hand(&self) {
        // Release: of the connection (partner: `take_handed`).
        self.handed.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether connections were handed over since this was last asked.
    pub(super) fn take_handed(&self) -> bool {
        // Acquire: of the connections (partner: `hand`).
        self.handed.swap(false, Ordering::AcqRel)
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.ring();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Says that the server's thread sleeps; `true` if it may, since nothing was left for it.
    pub(super) fn sleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.ready.is_empty() && !self.is_stopping() && !self.handed.load(Ordering::Relaxed)
    }

    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    pub(super) fn next(&self) -> Option<usize> {
        self.ready.pop()
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

/// The waker of one place.
#[derive(Debug)]
pub(super) struct Ring {
    bell: Arc<Bell>,
    place: usize,
    /// It stands in the queue.
    rung: AtomicBool,
}

impl Ring {
    /// The place is being looked at: what happens from now on rings again.
    pub(super) fn reset(&self) {
        // Acquire: of what the engine wrote before it rang (partner: `wake_by_ref`).
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: of the answer (partner: `reset`).
        if !self.rung.swap(true, Ordering::AcqRel) {
            // There is room: each place stands in the queue once at most.
            let _ = self.bell.ready.push(self.place);
            self.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Poll, Token};

    #[test]
    fn each_place_stands_in_the_queue_once_until_it_is_looked_at() {
        let poll = Poll::new().expect("a poll");
        let bell = Arc::new(Bell::new(2, SocketWaker::new(poll.registry(), Token(0)).expect("a waker")));
        let rings = bell.rings(2);
        rings[1].1.wake_by_ref();
        rings[1].1.wake_by_ref();
        rings[0].1.wake_by_ref();
        assert!(!bell.sleep());
        assert_eq!([bell.next(), bell.next(), bell.next()], [Some(1), Some(0), None]);
        rings[1].1.wake_by_ref();
        assert_eq!(bell.next(), None, "it was not looked at");
        rings[1].0.reset();
        rings[1].1.wake_by_ref();
        assert_eq!(bell.next(), Some(1));
        assert!(bell.sleep());
        bell.hand();
        assert!(!bell.sleep(), "somebody is at the door");
        assert!(bell.take_handed() && !bell.take_handed() && bell.sleep());
    }
}
