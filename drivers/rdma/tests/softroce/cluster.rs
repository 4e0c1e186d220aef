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
    /// Dropped before the directories under them are removed.
    members: Vec<RdmaFabric>,
    /// Removed by drop, and there until then.
    directories: Vec<Directory>,
    exchange: LocalExchange,
    setup: Setup,
}

impl Cluster {
    /// The replicas, for threads of their own. They must be gone before the cluster is.
    pub fn take(&mut self) -> Vec<RdmaFabric> {
        std::mem::take(&mut self.members)
    }

    /// Ends a replica, which has to be restarted before the members are counted again.
    pub fn stop(&mut self, member: ReplicaId) {
        drop(self.members.remove(member.index()));
    }

    /// Starts a replica that was stopped, with the memory that it left.
    pub fn restart(&mut self, member: ReplicaId) {
        let fabric = join(&self.setup, &self.directories[0], &self.exchange, member, Birth::Reattached);
        self.members.insert(member.index(), fabric);
    }

    /// Starts it with another setup and with memory of its own.
    pub fn restart_as(&mut self, member: ReplicaId, setup: &Setup) {
        self.directories.push(directory(setup));
        let fabric = join(setup, &self.directories[1], &self.exchange, member, Birth::First);
        self.members.insert(member.index(), fabric);
    }
}

impl Group for Cluster {
    type Fabric = RdmaFabric;

    fn start(setup: &Setup) -> Self {
        let directory = directory(setup);
        if let Some(member) = setup.recovering {
            drop(AdapterAcceptor::claim(&directory, member).expect("memory"));
            File::create(directory.file(member, Area::Promise)).expect("the promise is lost");
        }
        let exchange = LocalExchange::new();
        let members = ReplicaId::all(setup.layout.replicas).map(|member| {
            let is_lost = setup.recovering == Some(member);
            join(setup, &directory, &exchange, member, if is_lost { Birth::MemoryLost } else { Birth::First })
        });
        Self { members: members.collect(), directories: vec![directory], exchange, setup: *setup }
    }

    fn members(&mut self) -> &mut [RdmaFabric] {
        &mut self.members
    }

    /// The member's process ends, its memory is found damaged by the next one, which makes new memory.
    fn replace_memory(&mut self, member: ReplicaId) -> bool {
        self.stop(member);
        let directory = &self.directories[0];
        File::create(directory.file(member, Area::Promise)).expect("the promise is lost");
        let fabric = join(&self.setup, directory, &self.exchange, member, Birth::MemoryLost);
        self.members.insert(member.index(), fabric);
        true
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.members.clear();
        for directory in self.directories.drain(..).filter(|_| !std::thread::panicking()) {
            directory.remove().expect("fabrics that are gone hold no memory");
        }
    }
}

fn directory(setup: &Setup) -> Directory {
    let number = CLUSTERS.fetch_add(1, Relaxed);
    let path = format!("/dev/shm/paxon-rdma-test-{}-{number}", std::process::id());
    Directory::open(path, setup.cluster, setup.layout).expect("a directory on tmpfs")
}

fn join(setup: &Setup, directory: &Directory, exchange: &LocalExchange, member: ReplicaId, birth: Birth) -> RdmaFabric {
    let own = Arc::new(AdapterAcceptor::claim(directory, member).expect("memory"));
    assert_eq!(own.birth(), birth);
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
