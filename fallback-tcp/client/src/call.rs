//! A request on its way, shared by whoever waits for it and whoever drives it.

use crate::error::ClientError;
use crate::wire::Request;
use atomic_waker::AtomicWaker;
use paxon_fastpath::{ReplicaId, Slot};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// What is asked for. The bytes that belong to it are the call's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    OpenSession,
    Propose { session: u64, sequence: u64 },
    Read,
    ReadLocal { at_least: Slot },
    Digest { at_least: Slot },
    Status,
    Stages,
}

impl Kind {
    /// Whether asking twice is as good as asking once: after a lost reply it is asked again.
    pub(crate) const fn is_repeatable(self) -> bool {
        !matches!(self, Self::Propose { session: 0, .. })
    }

    /// Its session, 0 if it has none.
    pub(crate) const fn session(self) -> u64 {
        match self {
            Self::Propose { session, .. } => session,
            _ => 0,
        }
    }

    pub(crate) const fn sequence(self) -> u64 {
        match self {
            Self::Propose { sequence, .. } => sequence,
            _ => 0,
        }
    }
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// The leader, whoever that becomes.
    Leader,
    /// This replica and no other.
    Replica(ReplicaId),
}

/// What a replica answered, whatever was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Outcome {
    pub(crate) replica: ReplicaId,
    pub(crate) slot: Slot,
    /// A session's id, or a digest.
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Requests and bytes that a client holds at the moment, and how many it may.
#[derive(Debug)]
pub(crate) struct Quota {
    requests: AtomicUsize,
    bytes: AtomicUsize,
    requests_max: usize,
    bytes_max: usize,
}

impl Quota {
    pub(crate) const fn new(requests_max: usize, bytes_max: usize) -> Self {
        Self { requests: AtomicUsize::new(0), bytes: AtomicUsize::new(0), requests_max, bytes_max }
    }

    /// Takes a place for a call with so many bytes.
    fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, ClientError> {
        // The charge exists before it is looked at, so that several threads cannot pass the bound together.
        let charge = Charge { quota: self.clone(), bytes };
        let requests = self.requests.fetch_add(1, Ordering::Relaxed);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if requests >= self.requests_max || held.saturating_add(bytes) > self.bytes_max {
            return Err(ClientError::QueueFull { requests, bytes: held });
        }
        Ok(charge)
    }
}

/// A place in the quota, given back when dropped.
#[derive(Debug)]
struct Charge {
    quota: Arc<Quota>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quota.requests.fetch_sub(1, Ordering::Relaxed);
        self.quota.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A request and, in the end, its answer.
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) to: To,
    pub(crate) payload: Box<[u8]>,
    pub(crate) patience: Duration,
    pub(crate) deadline: Instant,
    /// Set once, before `over`.
    result: Mutex<Option<Result<Outcome, ClientError>>>,
    /// There is a result, or nobody wants one any more.
    over: AtomicBool,
    /// It has been given to a connection at least once.
    sent: AtomicBool,
    waker: AtomicWaker,
    /// Present unless the call was refused by the quota.
    charge: Option<Charge>,
}

impl Call {
    /// A call that counts in the quota. If there is no room, it is over already.
    pub(crate) fn new(quota: &Arc<Quota>, kind: Kind, to: To, payload: &[u8], patience: Duration) -> Self {
        let charge = quota.charge(payload.len());
        let (charge, refused) = match charge {
            Ok(charge) => (Some(charge), None),
            Err(error) => (None, Some(Err(error))),
        };
        Self {
            kind,
            to,
            // What was refused is not held.
            payload: if charge.is_some() { payload.into() } else { Box::default() },
            patience,
            deadline: Instant::now() + patience,
            over: AtomicBool::new(refused.is_some()),
            result: Mutex::new(refused),
            sent: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            charge,
        }
    }

    /// The request as it is sent. `silence` is how long its replica may say nothing.
    pub(crate) fn request(&self, round: u64, silence: Duration, now: Instant) -> Request<'_> {
        // The replica answers before it is given up for its silence, and not after nobody waits any more.
        let wait = (silence * 3 / 4).min(self.deadline.saturating_duration_since(now));
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1);
        let payload = &*self.payload;
        match self.kind {
            Kind::OpenSession => Request::OpenSession { wait_ms },
            Kind::Propose { session, sequence } => Request::Propose { session, sequence, round, wait_ms, payload },
            Kind::Read => Request::Read { wait_ms, query: payload },
            Kind::ReadLocal { at_least: Slot(at_least) } => Request::ReadLocal { at_least, wait_ms, query: payload },
            Kind::Digest { at_least: Slot(at_least) } => Request::Digest { at_least, wait_ms },
            Kind::Status => Request::Status,
            Kind::Stages => Request::Stages,
        }
    }

    /// Ends the call, unless it is over already.
    pub(crate) fn end(&self, result: Result<Outcome, ClientError>) {
        let mut place = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        *place = Some(result);
        // Release: whoever sees it finds the result (partner: `is_over`).
        self.over.store(true, Ordering::Release);
        drop(place);
        self.waker.wake();
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// There is a result, or nobody wants one any more.
    pub(crate) fn is_over(&self) -> bool {
        // Acquire: of the result (partner: `end`).
        self.over.load(Ordering::Acquire)
    }

    /// The result, once.
    pub(crate) fn take(&self) -> Option<Result<Outcome, ClientError>> {
        if self.is_over() { self.result.lock().unwrap_or_else(PoisonError::into_inner).take() } else { None }
    }

    /// Whom to wake when it is over. The caller looks again afterwards.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(crate) fn note_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, to, payload, charge, .. } = self;
        let (bytes, charged) = (payload.len(), charge.is_some());
        f.debug_struct("Call")
            .field("kind", kind)
            .field("to", to)
            .field("bytes", &bytes)
            .field("charged", &charged)
            .field("over", &self.is_over())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(quota: &Arc<Quota>, payload: &[u8]) -> Call {
        Call::new(quota, Kind::Read, To::Leader, payload, Duration::from_secs(1))
    }

    #[test]
    fn the_quota_is_given_back_with_the_call() {
        let quota = Arc::new(Quota::new(2, 10));
        let (one, two) = (call(&quota, b"12345"), call(&quota, b"12345"));
        let third = call(&quota, b"");
        assert_eq!(third.take(), Some(Err(ClientError::QueueFull { requests: 2, bytes: 10 })));
        drop((one, two, third));
        assert_eq!(call(&quota, b"12345678901").take(), Some(Err(ClientError::QueueFull { requests: 0, bytes: 0 })));
        assert!(!call(&quota, b"1234567890").is_over());
    }

    #[test]
    fn the_first_result_counts_and_a_forgotten_call_takes_none() {
        let quota = Arc::new(Quota::new(2, 10));
        let one = call(&quota, b"");
        one.end(Err(ClientError::TooOld));
        one.end(Err(ClientError::SessionExpired));
        assert_eq!((one.take(), one.take()), (Some(Err(ClientError::TooOld)), None));
        let other = call(&quota, b"");
        other.forget();
        other.end(Err(ClientError::TooOld));
        assert_eq!((other.is_over(), other.take()), (true, None));
    }

    #[test]
    fn a_replica_is_told_to_answer_before_it_would_be_given_up() {
        let quota = Arc::new(Quota::new(2, 10));
        let call = call(&quota, b"");
        let now = call.deadline - Duration::from_secs(1);
        let wait = |silence_ms, now| match call.request(0, Duration::from_millis(silence_ms), now) {
            Request::Read { wait_ms, .. } => wait_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!((wait(400, now), wait(2000, now), wait(2000, call.deadline)), (300, 1000, 1));
    }
}
