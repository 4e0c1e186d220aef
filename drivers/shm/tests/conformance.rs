//! The conformance suite of fabrics, on shared memory.

mod cluster;

use cluster::Cluster;
use paxon_conformance::{Group, Setup};
use paxon_fastpath::ReplicaId;
use paxon_shm::ShmFabric;

/// Replicas of one process over one directory.
struct ShmGroup {
    /// Dropped before the directory under it is removed.
    members: Vec<ShmFabric>,
    cluster: Cluster,
}

impl Group for ShmGroup {
    type Fabric = ShmFabric;

    fn start(setup: &Setup) -> Self {
        let cluster = Cluster::of(setup);
        if let Some(member) = setup.recovering {
            drop(cluster.open(member));
            cluster.damage(member);
        }
        let members = ReplicaId::all(setup.layout.replicas).map(|member| cluster.open(member)).collect();
        Self { members, cluster }
    }

    fn members(&mut self) -> &mut [ShmFabric] {
        &mut self.members
    }

    fn replace_memory(&mut self, member: ReplicaId) -> bool {
        drop(self.members.remove(member.index()));
        self.cluster.damage(member);
        self.members.insert(member.index(), self.cluster.open(member));
        true
    }
}

paxon_conformance::conformance!(ShmGroup);
paxon_conformance::conformance_threaded!(ShmGroup);
