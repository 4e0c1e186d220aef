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
    /// RDMA to every peer, also of this host.
    Rdma,
    /// Shared memory if all members are processes of this host; else RDMA to all of them if this host has a device for it; else
    /// for each peer shared memory if its address names the same host, and TCP if not. All hosts must come to the same.
    Auto,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through shared memory.
    Shm,
    /// Over TCP.
    Tcp,
    /// Over RDMA.
    Rdma,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shm => "shm",
            Self::Tcp => "tcp",
            Self::Rdma => "rdma",
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

/// The way to each peer of `me`. Either all lead over RDMA or none does: an adapter exchanges the PROMISE of this replica, or
/// processors do. `preflight` says which device serves, or why none can; it is asked if it matters.
pub(crate) fn routes(
    me: ReplicaId,
    replicas: usize,
    members: &[Member],
    choice: FabricChoice,
    preflight: impl FnOnce() -> Result<String, String>,
) -> Vec<Route> {
    let all = |way: Way, reason: &str| {
        let others = ReplicaId::all(replicas).filter(|&id| id != me);
        others.map(|peer| Route { peer, way, reason: reason.to_owned() }).collect()
    };
    match choice {
        FabricChoice::Shm => all(Way::Shm, "as configured"),
        FabricChoice::Tcp => all(Way::Tcp, "as configured"),
        FabricChoice::Rdma => all(Way::Rdma, "as configured"),
        FabricChoice::Auto => {
            let pairs = by_address(me, replicas, members);
            if pairs.iter().all(|route| route.way == Way::Shm) {
                return pairs;
            }
            match preflight() {
                Ok(device) => all(Way::Rdma, &format!("{device} can be used")),
                Err(why) => pairs.into_iter().map(|route| without_rdma(route, &why)).collect(),
            }
        }
    }
}

/// For each peer shared memory on the same host, else TCP.
fn by_address(me: ReplicaId, replicas: usize, members: &[Member]) -> Vec<Route> {
    let host = |id: ReplicaId| members.iter().find(|member| member.id == id).map(|member| host_of(&member.address));
    let others = ReplicaId::all(replicas).filter(|&id| id != me);
    let route = |peer| {
        let (way, reason) = match (host(me), host(peer)) {
            (Some(mine), Some(its)) if mine == its => (Way::Shm, format!("both are at {mine}")),
            (Some(mine), Some(its)) => (Way::Tcp, format!("{mine} and {its} are different hosts")),
            _ => (Way::Tcp, "its host is not known".to_owned()),
        };
        Route { peer, way, reason }
    };
    others.map(route).collect()
}

fn without_rdma(route: Route, why: &str) -> Route {
    match route.way {
        Way::Tcp => Route { reason: format!("{}; no RDMA here: {why}", route.reason), ..route },
        Way::Shm | Way::Rdma => route,
    }
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

    fn ways(routes: &[Route]) -> Vec<Way> {
        routes.iter().map(|route| route.way).collect()
    }

    fn none() -> Result<String, String> {
        Err("no device".into())
    }

    #[test]
    fn each_pair_gets_shared_memory_on_one_host_and_tcp_between_two() {
        let members = [member(0, "10.0.0.1:1"), member(1, "10.0.0.1:2"), member(2, "10.0.0.2:1")];
        let found = routes(ReplicaId(0), 3, &members, FabricChoice::Auto, none);
        assert_eq!(ways(&found), [Way::Shm, Way::Tcp]);
        assert_eq!(found[0].reason, "both are at 10.0.0.1");
        assert_eq!(found[1].reason, "10.0.0.1 and 10.0.0.2 are different hosts; no RDMA here: no device");
        let from_the_other = routes(ReplicaId(2), 3, &members, FabricChoice::Auto, none);
        assert!(from_the_other.iter().all(|route| route.way == Way::Tcp), "a pair agrees");
    }

    #[test]
    fn a_host_with_a_device_reaches_everybody_over_it_also_its_own() {
        let members = [member(0, "10.0.0.1:1"), member(1, "10.0.0.1:2"), member(2, "10.0.0.2:1")];
        for id in 0..3 {
            let found = routes(ReplicaId(id), 3, &members, FabricChoice::Auto, || Ok("mlx5_0".into()));
            assert_eq!(ways(&found), [Way::Rdma, Way::Rdma]);
            assert_eq!(found[0].reason, "mlx5_0 can be used");
        }
    }

    #[test]
    fn one_host_needs_no_device() {
        let members = [member(0, "10.0.0.1:1"), member(1, "10.0.0.1:2"), member(2, "10.0.0.1:3")];
        let found = routes(ReplicaId(0), 3, &members, FabricChoice::Auto, || panic!("it does not matter"));
        assert_eq!(ways(&found), [Way::Shm, Way::Shm]);
    }

    #[test]
    fn what_is_configured_is_done() {
        for (choice, way) in
            [(FabricChoice::Shm, Way::Shm), (FabricChoice::Tcp, Way::Tcp), (FabricChoice::Rdma, Way::Rdma)]
        {
            let found = routes(ReplicaId(1), 5, &[], choice, || panic!("nobody asked for a choice"));
            assert!(found.len() == 4 && found.iter().all(|route| route.way == way));
        }
    }
}
