//! Who drives: whoever waits.
//!
//! A thread that waits for an answer takes the driver and does the input and output itself, so that nobody has to wake it.
//! Futures, and threads that find the driver taken, are *watched*: while there are any, a background thread drives or
//! stands ready to. With neither, nothing moves; a submitted request is sent at once all the same, by the thread that
//! submits it, if the driver is free.

use crate::call::{Call, Quota};
use crate::driver::{Driver, Order};
use crate::error::{ClientError, StartError};
use mio::Waker;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the background thread keeps the driver, asleep, when nobody needs it to any more. Giving it up at once would
/// cost a wake-up for every answer of a program that awaits one after the other.
const LINGER: Duration = Duration::from_millis(20);

/// Orders on their way to the driver.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<Vec<Order>>);

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        // The lock is never held over anything that panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Moves what there is to the end of `into`.
    pub(crate) fn drain(&self, into: &mut Vec<Order>) {
        into.append(&mut self.lock());
    }
}

/// Wakes the driver where it sleeps.
#[derive(Debug)]
pub(crate) struct Bell {
    asleep: AtomicBool,
    waker: Arc<Waker>,
}

impl Bell {
    /// Something was left for the driver.
    fn ring(&self) {
        // Pairs with the fence in `sleep`: either the driver sees what was left, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            // A descriptor that cannot be written has been rung already.
            let _ = self.waker.wake();
        }
    }

    /// Says that the driver sleeps; `true` if it may, since nothing was left for it.
    pub(crate) fn sleep(&self, inbox: &Inbox) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        inbox.is_empty()
    }

    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// What the threads of a client share.
pub(crate) struct Shared {
    pub(crate) inbox: Inbox,
    pub(crate) bell: Bell,
    driver: Mutex<Driver>,
    /// Calls that are waited for by somebody who does not drive.
    watched: AtomicUsize,
    closing: AtomicBool,
}

impl Shared {
    /// Takes what was left while the driver was held. Whoever releases the driver calls this.
    fn after_release(&self) {
        // A submitter that found the driver taken has put its order in before: this look comes after the release.
        while !self.inbox.is_empty() && self.pass_on() {}
    }

    /// Sends what is in the inbox; `false` if somebody else has the driver, who will.
    fn pass_on(&self) -> bool {
        let Ok(mut driver) = self.driver.try_lock() else { return false };
        driver.pass_on(self);
        true
    }

    fn background(&self) {
        while !self.closing.load(Ordering::SeqCst) {
            if self.watched.load(Ordering::SeqCst) == 0 {
                thread::park();
                continue;
            }
            if catch_unwind(AssertUnwindSafe(|| self.drive_watched())).is_err() {
                log::error!("the driver of a client has panicked: the client answers nothing any more");
            }
        }
    }

    fn drive_watched(&self) {
        let mut driver = match self.driver.lock() {
            Ok(driver) => driver,
            Err(poisoned) => {
                fail_all(&mut poisoned.into_inner(), self);
                // Calls that come later are failed when they are watched.
                return thread::park();
            }
        };
        while self.watched.load(Ordering::SeqCst) > 0 && !self.closing.load(Ordering::SeqCst) {
            driver.turn(self, Some(Instant::now() + LINGER));
        }
        drop(driver);
        self.after_release();
    }
}

/// A driver that has panicked gives up all calls that it has.
fn fail_all(driver: &mut Driver, shared: &Shared) {
    driver.take_orders(&shared.inbox);
    driver.end_all(&ClientError::Failed);
}

/// A client's engine: ends with the last of those who may want something of it.
pub(crate) struct Core {
    shared: Arc<Shared>,
    quota: Arc<Quota>,
    background: Option<JoinHandle<()>>,
}

impl Core {
    pub(crate) fn start(driver: Driver, waker: Arc<Waker>, quota: Quota) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            bell: Bell { asleep: AtomicBool::new(false), waker },
            driver: Mutex::new(driver),
            watched: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        let background = thread::Builder::new().name("paxon-client".into()).spawn(move || theirs.background())?;
        Ok(Self { shared, quota: Arc::new(quota), background: Some(background) })
    }

    pub(crate) const fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// Leaves an order, and has it acted upon at once if nobody drives.
    pub(crate) fn submit(&self, order: Order) {
        self.shared.inbox.lock().push(order);
        match self.shared.pass_on() {
            true => self.shared.after_release(),
            false => self.shared.bell.ring(),
        }
    }

    /// Drives until the call is as wanted, or the time has come; `false` if somebody else drives.
    pub(crate) fn drive(&self, call: &Call, is_done: fn(&Call) -> bool, until: Option<Instant>) -> bool {
        let mut driver = match self.shared.driver.try_lock() {
            Ok(driver) => driver,
            Err(TryLockError::WouldBlock) => return false,
            Err(TryLockError::Poisoned(poisoned)) => {
                fail_all(&mut poisoned.into_inner(), &self.shared);
                call.end(Err(ClientError::Failed));
                return true;
            }
        };
        while !is_done(call) && until.is_none_or(|until| Instant::now() < until) {
            driver.turn(&self.shared, until);
        }
        drop(driver);
        self.shared.after_release();
        true
    }

    /// One more call is waited for by somebody who does not drive.
    pub(crate) fn watch(&self) {
        self.shared.watched.fetch_add(1, Ordering::SeqCst);
        if let Some(background) = &self.background {
            background.thread().unpark();
        }
    }

    pub(crate) fn unwatch(&self) {
        // The background thread sees it when it looks next.
        self.shared.watched.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.bell.ring();
        if let Some(background) = self.background.take() {
            background.thread().unpark();
            // The background thread itself may have dropped the last future, in a waker that it called.
            if background.thread().id() != thread::current().id() {
                // What it has to say about a panic it has said.
                let _ = background.join();
            }
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("watched", &self.shared.watched).finish_non_exhaustive()
    }
}
