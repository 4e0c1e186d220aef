//! How the links over RDMA are, for an operator.

use crate::network::rdma_setup::SetupDesk;
use paxon_fastpath::ReplicaId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The links over RDMA of a replica. Clones show the same.
#[derive(Clone, Debug)]
pub struct RdmaStatus(pub(super) Arc<Board>);

/// A link to a peer's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdmaLink {
    /// The peer.
    pub peer: ReplicaId,
    /// Whether operations can be posted to it.
    pub up: bool,
    /// Since when that is so.
    pub since: Instant,
    /// How often it has come up again after it was down.
    pub reconnects: u64,
    /// Why it is down, or was before; `None` if nothing is known.
    pub problem: Option<String>,
}

impl RdmaStatus {
    /// The device, and the address that peers send to.
    pub fn device(&self) -> &str {
        &self.0.device
    }

    /// The links to the peers as they are now.
    pub fn links(&self) -> Vec<RdmaLink> {
        let links = self.0.lock().clone();
        let told = |link: RdmaLink| {
            // A peer that cannot be told anything cannot be connected with.
            let problem = if link.up { None } else { self.0.desk.problem(link.peer) };
            RdmaLink { problem: problem.or(link.problem), ..link }
        };
        links.into_iter().filter(|link| link.peer != self.0.own).map(told).collect()
    }
}

/// What the thread that polls has seen of its links, which is rarely anything new.
#[derive(Debug)]
pub(super) struct Board {
    own: ReplicaId,
    device: String,
    desk: SetupDesk,
    /// Indexed by replica.
    links: Mutex<Vec<RdmaLink>>,
}

impl Board {
    pub(super) fn new(own: ReplicaId, replicas: usize, desk: SetupDesk, device: String) -> Self {
        let down = |peer| RdmaLink { peer, up: false, since: Instant::now(), reconnects: 0, problem: None };
        Self { own, device, desk, links: Mutex::new(ReplicaId::all(replicas).map(down).collect()) }
    }

    pub(super) fn up(&self, peer: ReplicaId) {
        if let Some(link) = self.lock().get_mut(peer.index()) {
            // A first link has had no problem yet.
            link.reconnects += u64::from(link.problem.is_some());
            (link.up, link.since) = (true, Instant::now());
        }
    }

    pub(super) fn down(&self, peer: ReplicaId, problem: Option<String>) {
        if let Some(link) = self.lock().get_mut(peer.index()) {
            (link.up, link.since) = (false, Instant::now());
            link.problem = Some(problem.unwrap_or_else(|| "it was lost".into()));
        }
    }

    /// Every change is whole when a lock on it is released, also by a panic.
    fn lock(&self) -> MutexGuard<'_, Vec<RdmaLink>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_go_and_come_are_counted_and_their_last_problem_is_kept() {
        let (own, peer) = (ReplicaId(0), ReplicaId(2));
        let status = RdmaStatus(Arc::new(Board::new(own, 3, SetupDesk::default(), "rxe1".into())));
        status.0.up(own);
        status.0.up(peer);
        let links = status.links();
        assert_eq!(
            links.iter().map(|link| (link.peer.0, link.up, link.reconnects)).collect::<Vec<_>>(),
            [(1, false, 0), (2, true, 0)]
        );
        status.0.down(peer, Some("retries exceeded".into()));
        status.0.up(peer);
        let link = &status.links()[1];
        assert_eq!((link.up, link.reconnects, link.problem.as_deref()), (true, 1, Some("retries exceeded")));
    }
}
