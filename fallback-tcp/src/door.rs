//! Where the porter leaves connections for the fabric and for its server.

use crate::backend::Waker;
use paxon_channel::{Arrival, Hello, Purpose, Secured, Welcome};
use paxon_fastpath::{REPLICAS_MAX, ReplicaId};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Passes connections from the porter's thread to the threads that use them.
///
/// It holds at most one of each kind for each replica: a newer connection of a peer takes the place of one that nobody has
/// fetched.
#[derive(Clone, Debug, Default)]
pub struct Door(Arc<Sides>);

#[derive(Debug, Default)]
struct Sides {
    inbound: Side<Caller>,
    outbound: Side<Dialled>,
}

/// A proposer that asks to be served.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) hello: Hello,
    pub(crate) connection: Secured,
}

/// How a dial goes.
#[derive(Debug)]
pub(crate) enum Dialled {
    Connected { welcome: Welcome, connection: Secured, round_trip: Duration },
    Failed(String),
}

impl Door {
    /// A door with nobody at it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves an arrival, if it is for the fabric; gives it back if it is of another purpose.
    pub fn put(&self, arrival: Arrival) -> Option<Arrival> {
        match arrival {
            Arrival::Inbound { hello, party, connection } if hello.purpose == Purpose::Operations => {
                // The porter has compared the two; a caller that is no replica is turned away with the others.
                if let Some(proposer) = party.replica().filter(|&id| hello.from == Some(id)) {
                    let is_newer = |there: &Caller| !hello.is_older_than(&there.hello);
                    self.0.inbound.put(proposer, is_newer, || Caller { hello, connection });
                }
            }
            Arrival::Outbound { peer, welcome, connection, round_trip } => {
                self.0.outbound.put(peer, |_| true, || Dialled::Connected { welcome, connection, round_trip });
            }
            Arrival::DialFailed { peer, reason } => {
                let is_news = |there: &Dialled| matches!(there, Dialled::Failed(_));
                self.0.outbound.put(peer, is_news, || Dialled::Failed(reason.to_string()));
            }
            other => return Some(other),
        }
        None
    }

    /// Proposers that ask to be served.
    pub(crate) fn callers(&self) -> &Side<Caller> {
        &self.0.inbound
    }

    /// How dials go.
    pub(crate) fn dialled(&self) -> &Side<Dialled> {
        &self.0.outbound
    }
}

/// One kind of arrivals and who takes them.
pub(crate) struct Side<T> {
    /// Whether there may be arrivals. Set and cleared under the lock; read without it, so that a poll may see an arrival one
    /// turn late. Relaxed: it only says that taking the lock is worth while, and the lock orders what it guards.
    pending: AtomicBool,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    /// Indexed by replica.
    arrivals: [Option<T>; REPLICAS_MAX],
    /// Ends the wait of the thread that takes them.
    waker: Option<Waker>,
}

impl<T> Side<T> {
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Relaxed)
    }

    /// Puts an arrival to the place of `replica`, unless one is there that `may_replace` wants to keep.
    fn put(&self, replica: ReplicaId, may_replace: impl FnOnce(&T) -> bool, arrival: impl FnOnce() -> T) {
        let mut inner = self.lock();
        let Some(place) = inner.arrivals.get_mut(replica.index()) else { return };
        if place.as_ref().is_some_and(|there| !may_replace(there)) {
            return;
        }
        *place = Some(arrival());
        self.pending.store(true, Relaxed);
        let waker = inner.waker.clone();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn take(&self) -> Option<(ReplicaId, T)> {
        let mut inner = self.lock();
        let mut arrivals = inner.arrivals.iter_mut().enumerate();
        let found = arrivals.find_map(|(at, place)| Some((ReplicaId(at as u8), place.take()?)));
        self.pending.store(inner.arrivals.iter().any(Option::is_some), Relaxed);
        found
    }

    /// From now on an arrival ends the wait of whoever `waker` wakes.
    pub(crate) fn wake(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    /// Nothing here is left half done by a panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Side<T> {
    fn default() -> Self {
        let inner = Inner { arrivals: [const { None }; REPLICAS_MAX], waker: None };
        Self { pending: AtomicBool::new(false), inner: Mutex::new(inner) }
    }
}

impl<T> fmt::Debug for Side<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("pending", &self.pending).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_arrival_of_each_replica_waits_and_the_newer_takes_its_place() {
        let side = Side::default();
        assert!(!side.is_pending());
        for value in 0..10 {
            side.put(ReplicaId(value % 3), |_| true, || value);
        }
        side.put(ReplicaId(1), |_| false, || 99);
        side.put(ReplicaId(200), |_| true, || 99);
        assert!(side.is_pending());
        assert_eq!([side.take(), side.take()], [Some((ReplicaId(0), 9)), Some((ReplicaId(1), 7))]);
        assert!(side.is_pending());
        assert_eq!(side.take(), Some((ReplicaId(2), 8)));
        assert!(!side.is_pending());
        assert_eq!(side.take(), None);
    }
}
