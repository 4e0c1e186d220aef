//! Which fabric reaches which peer, and why.

use paxon_channel::Member;
use paxon_fastpath::ReplicaId;
use std::fmt;

/// Which fabrics to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FabricChoice {
    /// Shared memory: all replicas are processes of this host.
    #[default]
    Shm,
    /// TCP to every peer, also of this host.
    Tcp,
    /// For each peer: shared memory if its address names the same host, else TCP.
    Auto,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through shared memory.
    Shm,
    /// Over TCP.
    Tcp,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shm => "shm",
            Self::Tcp => "tcp",
        })
    }
}

/// The way to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The peer.
    pub peer: ReplicaId,
    /// The fabric.
    pub way: Way,
    /// Why this one, for an operator.
    pub reason: String,
}

/// The way to each peer of `me`.
pub(crate) fn routes(me: ReplicaId, replicas: usize, members: &[Member], choice: FabricChoice) -> Vec<Route> {
    let host = |id: ReplicaId| members.iter().find(|member| member.id == id).map(|member| host_of(&member.address));
    let others = ReplicaId::all(replicas).filter(|&id| id != me);
    let route = |peer| {
        let (way, reason) = match (choice, host(me), host(peer)) {
            (FabricChoice::Shm, ..) => (Way::Shm, "as configured".to_owned()),
            (FabricChoice::Tcp, ..) => (Way::Tcp, "as configured".to_owned()),
            (FabricChoice::Auto, Some(mine), Some(its)) if mine == its => (Way::Shm, format!("both are at {mine}")),
            (FabricChoice::Auto, Some(mine), Some(its)) => (Way::Tcp, format!("{mine} and {its} are different hosts")),
            (FabricChoice::Auto, ..) => (Way::Tcp, "its host is not known".to_owned()),
        };
        Route { peer, way, reason }
    };
    others.map(route).collect()
}

/// The host of `host:port`.
fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u8, address: &str) -> Member {
        Member { id: ReplicaId(id), address: address.into(), key: None, expires: None }
    }

    #[test]
    fn each_pair_gets_shared_memory_on_one_host_and_tcp_between_two() {
        let members = [member(0, "10.0.0.1:1"), member(1, "10.0.0.1:2"), member(2, "10.0.0.2:1")];
        let found = routes(ReplicaId(0), 3, &members, FabricChoice::Auto);
        assert_eq!(found.iter().map(|route| route.way).collect::<Vec<_>>(), [Way::Shm, Way::Tcp]);
        assert_eq!(found[1].reason, "10.0.0.1 and 10.0.0.2 are different hosts");
        let from_the_other = routes(ReplicaId(2), 3, &members, FabricChoice::Auto);
        assert!(from_the_other.iter().all(|route| route.way == Way::Tcp), "a pair agrees");
    }

    #[test]
    fn what_is_configured_is_done() {
        for (choice, way) in [(FabricChoice::Shm, Way::Shm), (FabricChoice::Tcp, Way::Tcp)] {
            assert!(routes(ReplicaId(1), 5, &[], choice).iter().all(|route| route.way == way));
        }
    }
}
