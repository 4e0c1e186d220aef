//! One server of an acceptor at a time.

use crate::own::Acceptor;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};

/// The right to execute on an acceptor's memory what proposers of other hosts ask for, until drop.
///
/// A server ends the old session of a proposer before it begins a new one. Two servers could not: each would know of its
/// own sessions only, and a write of one could land after the proposer has gone on with the other.
#[derive(Debug)]
pub struct Serving(Arc<Acceptor>);

impl Acceptor {
    /// Begins to serve the acceptor; `None` while somebody does.
    pub fn begin_serving(self: &Arc<Self>) -> Option<Serving> {
        // Partner: the release of the server before, whose last operation comes before the first of this one.
        let was_served = self.is_served.swap(true, Acquire);
        (!was_served).then(|| Serving(self.clone()))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Partner: the acquire of the next server.
        self.0.is_served.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Directory;
    use paxon_fastpath::{Layout, ReplicaId};

    #[test]
    fn an_acceptor_has_one_server_at_a_time() {
        let layout = Layout { replicas: 1, cells: 64, arena_words: 256, snapshot_words: 512 };
        let path = format!("/dev/shm/paxon-serving-{}", std::process::id());
        let directory = Directory::open(path, 1, layout).expect("/dev/shm is a tmpfs");
        let acceptor = Arc::new(Acceptor::claim(&directory, ReplicaId(0)).expect("a new directory"));
        let serving = acceptor.begin_serving().expect("nobody serves it");
        assert!(acceptor.begin_serving().is_none());
        drop(serving);
        assert!(acceptor.begin_serving().is_some());
        drop(acceptor);
        directory.remove().expect("nobody uses it");
    }
}
