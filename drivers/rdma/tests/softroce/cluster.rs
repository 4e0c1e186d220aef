//! Replicas of one process, each on a device of its own.

use crate::lab::{TIMING, devices};
use paxon_acceptor::{AdapterAcceptor, Birth, Directory};
use paxon_conformance::{Group, Setup};
use paxon_fastpath::{Area, ReplicaId};
use paxon_rdma::{FabricOptions, LocalExchange, QueuePairOptions, RdmaFabric, Source};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Clusters made by this process so far: each has a directory of its own.
static CLUSTERS: AtomicU64 = AtomicU64::new(0);

/// A group of replicas whose memory is removed at the end.
pub struct Cluster {
    /// Dropped before the directory under it is removed.
    pub members: Vec<RdmaFabric>,
    directory: Option<Directory>,
}

impl Group for Cluster {
    type Fabric = RdmaFabric;

    fn start(setup: &Setup) -> Self {
        let number = CLUSTERS.fetch_add(1, Relaxed);
        let path = format!("/dev/shm/paxon-rdma-test-{}-{number}", std::process::id());
        let directory = Directory::open(path, setup.cluster, setup.layout).expect("a directory on tmpfs");
        if let Some(member) = setup.recovering {
            drop(AdapterAcceptor::claim(&directory, member).expect("memory"));
            File::create(directory.file(member, Area::Promise)).expect("the promise is lost");
        }
        let exchange = LocalExchange::new();
        let members = ReplicaId::all(setup.layout.replicas).map(|member| join(setup, &directory, &exchange, member));
        Self { members: members.collect(), directory: Some(directory) }
    }

    fn members(&mut self) -> &mut [RdmaFabric] {
        &mut self.members
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.members.clear();
        let directory = self.directory.take().expect("taken here alone");
        if !std::thread::panicking() {
            directory.remove().expect("fabrics that are gone hold no memory");
        }
    }
}

fn join(setup: &Setup, directory: &Directory, exchange: &LocalExchange, member: ReplicaId) -> RdmaFabric {
    let own = Arc::new(AdapterAcceptor::claim(directory, member).expect("memory"));
    let expected = if setup.recovering == Some(member) { Birth::MemoryLost } else { Birth::First };
    assert_eq!(own.birth(), expected);
    let (devices, peers) = (devices(), ReplicaId::all(setup.layout.replicas).collect::<Vec<_>>());
    let device = &devices[member.index() % devices.len()];
    let options = FabricOptions {
        cluster: setup.cluster,
        scratch_words: setup.scratch_words,
        timing: TIMING,
        queue_pair: QueuePairOptions::default(),
    };
    let source = Source::find(device, None).expect("an address");
    RdmaFabric::join(own, device, &source, &peers, options, |mailbox| exchange.join(member, mailbox))
        .expect("a replica joins")
}
