//! The caller's end of a request.

use crate::answers::FromOutcome;
use crate::call::Call;
use crate::core::Core;
use crate::error::ClientError;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often a thread that does not drive looks whether its request was sent.
const SENT_LOOK: Duration = Duration::from_micros(200);

thread_local! {
    /// Wakes this thread; made once per thread.
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A request under way: a future that any executor can poll, and something to wait for without one.
///
/// Dropping it gives the request up. What was not sent yet is not sent any more; a command that was sent may be or become
/// applied, and its number is used.
#[must_use = "dropping it gives the request up"]
pub struct Pending<T> {
    core: Arc<Core>,
    call: Arc<Call>,
    /// The call counts among those that somebody else must drive.
    watched: bool,
    /// The answer was given.
    taken: bool,
    answer: PhantomData<fn() -> T>,
}

impl<T: FromOutcome> Pending<T> {
    pub(crate) const fn new(core: Arc<Core>, call: Arc<Call>) -> Self {
        Self { core, call, watched: false, taken: false, answer: PhantomData }
    }

    /// Waits for the answer, for as long as the request is tried.
    ///
    /// # Errors
    /// [`ClientError`]: why there is no answer, and what that means for a command.
    ///
    /// # Panics
    /// If the answer was taken before.
    pub fn wait(mut self) -> Result<T, ClientError> {
        self.wait_until(None).expect("a request without an answer ends with its patience")
    }

    /// Waits for the answer, at most so long; `None` if there was none by then. It can be waited for again.
    ///
    /// # Panics
    /// If the answer was taken before.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<T, ClientError>> {
        self.wait_until(Some(Instant::now() + timeout))
    }

    fn wait_until(&mut self, until: Option<Instant>) -> Option<Result<T, ClientError>> {
        loop {
            if let Some(answer) = self.take() {
                return Some(answer);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return None;
            }
            if !self.watched && self.core.drive(&self.call, Call::is_over, until) {
                continue;
            }
            self.park_until(until);
        }
    }

    /// Somebody else drives: sleeps until the call is over.
    fn park_until(&mut self, until: Option<Instant>) {
        UNPARK.with(|waker| self.call.register(waker));
        self.watch();
        if self.call.is_over() {
            return;
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) => thread::park_timeout(left),
        }
    }

    /// Counts the call among those that somebody else must drive.
    fn watch(&mut self) {
        if !self.watched {
            self.watched = true;
            self.core.watch();
        }
    }

    fn unwatch(&mut self) {
        if std::mem::take(&mut self.watched) {
            self.core.unwatch();
        }
    }

    fn take(&mut self) -> Option<Result<T, ClientError>> {
        assert!(!self.taken, "the answer of a request is given once");
        let result = self.call.take()?;
        self.taken = true;
        self.unwatch();
        Some(result.map(T::from_outcome))
    }
}

impl<T> Pending<T> {
    /// Waits until it has been handed to the connection of a replica, or is over; at most so long. Whether it was handed over.
    pub fn wait_sent(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let is_done = |call: &Call| call.is_sent() || call.is_over();
        while !is_done(&self.call) && Instant::now() < until {
            if !self.core.drive(&self.call, is_done, Some(until)) {
                // Somebody else drives, and tells only of answers.
                thread::sleep(SENT_LOOK);
            }
        }
        self.is_sent()
    }

    /// Whether it has been handed to the connection of a replica, at least once. A request that has not is certainly not
    /// executed.
    pub fn is_sent(&self) -> bool {
        self.call.is_sent()
    }

    /// Whether there is an answer, or why there is none.
    pub fn is_over(&self) -> bool {
        self.call.is_over()
    }

    /// Of a command in a session its number there; else 0.
    pub fn sequence(&self) -> u64 {
        self.call.kind.sequence()
    }
}

impl<T: FromOutcome> Future for Pending<T> {
    type Output = Result<T, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.call.register(context.waker());
        if let Some(answer) = self.take() {
            return Poll::Ready(answer);
        }
        self.watch();
        // It may have ended before it was watched.
        self.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if !self.taken {
            self.call.forget();
        }
        if self.watched {
            self.core.unwatch();
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("call", &self.call).finish_non_exhaustive()
    }
}
