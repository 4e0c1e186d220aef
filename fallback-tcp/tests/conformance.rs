//! The conformance suite of fabrics, over TCP: both back ends, both kinds of security, both ways to serve.

mod support;

use paxon_channel::Security;
use paxon_conformance::{Group, Setup};
use paxon_fastpath::ReplicaId;
use paxon_tcp::backend::IoKind;
use paxon_tcp::{Serve, TcpOptions};
use std::marker::PhantomData;
use support::{Cluster, Driven, Polite, over, uring_if_there_is_one};

/// How the members of a group talk.
trait Manner {
    const SECURITY: Security;
    fn options() -> TcpOptions;
}

/// Replicas of one process, each with a directory, a porter and a port of its own.
struct TcpGroup<M> {
    /// Dropped before the directories under them are removed.
    members: Vec<Polite>,
    cluster: Cluster,
    manner: PhantomData<M>,
}

fn cluster<M: Manner>(setup: &Setup) -> Cluster {
    let cluster = Cluster::of(setup, M::SECURITY, M::options());
    if let Some(member) = setup.recovering {
        drop(cluster.open(member));
        cluster.damage(member);
    }
    cluster
}

impl<M: Manner> Group for TcpGroup<M> {
    type Fabric = Polite;

    fn start(setup: &Setup) -> Self {
        let cluster = cluster::<M>(setup);
        let members = ReplicaId::all(setup.layout.replicas).map(|member| Polite(cluster.open(member))).collect();
        Self { members, cluster, manner: PhantomData }
    }

    fn members(&mut self) -> &mut [Polite] {
        &mut self.members
    }

    fn replace_memory(&mut self, member: ReplicaId) -> bool {
        drop(self.members.remove(member.index()));
        self.cluster.damage(member);
        self.members.insert(member.index(), Polite(self.cluster.open(member)));
        true
    }
}

/// The same, each driven by a thread of its own from the start: a member that serves inline does so even when its part of a
/// race is over, and an io_uring stays where it is.
struct DrivenGroup<M> {
    members: Vec<Driven>,
    _cluster: Cluster,
    manner: PhantomData<M>,
}

impl<M: Manner> Group for DrivenGroup<M> {
    type Fabric = Driven;

    fn start(setup: &Setup) -> Self {
        let cluster = cluster::<M>(setup);
        let members = ReplicaId::all(setup.layout.replicas).map(|member| cluster.drive(member)).collect();
        Self { members, _cluster: cluster, manner: PhantomData }
    }

    fn members(&mut self) -> &mut [Driven] {
        &mut self.members
    }
}

macro_rules! suite {
    ($name:ident, $security:ident, $io:expr, $serve:ident, $threaded:ident) => {
        mod $name {
            use super::*;

            struct Mode;

            impl Manner for Mode {
                const SECURITY: Security = Security::$security;

                fn options() -> TcpOptions {
                    TcpOptions { serve: Serve::$serve, ..over($io) }
                }
            }

            paxon_conformance::conformance!(TcpGroup<Mode>);
            paxon_conformance::conformance_threaded!($threaded<Mode>);
        }
    };
}

suite!(epoll_plaintext, Plaintext, IoKind::Epoll, Inline, DrivenGroup);
suite!(epoll_tls, Tls, IoKind::Epoll, Inline, DrivenGroup);
suite!(epoll_plaintext_server_thread, Plaintext, IoKind::Epoll, Thread, TcpGroup);
suite!(epoll_tls_server_thread, Tls, IoKind::Epoll, Thread, TcpGroup);
suite!(uring_plaintext, Plaintext, uring_if_there_is_one(), Inline, DrivenGroup);
suite!(uring_tls, Tls, uring_if_there_is_one(), Inline, DrivenGroup);
suite!(uring_plaintext_server_thread, Plaintext, uring_if_there_is_one(), Thread, DrivenGroup);
suite!(uring_tls_server_thread, Tls, uring_if_there_is_one(), Thread, DrivenGroup);
