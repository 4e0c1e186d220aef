//! The conformance suite of fabrics, on replicas of which two share a host and the third is reached over TCP.

use paxon::channel::{Identity, Member, Roster, Security};
use paxon::fastpath::ReplicaId;
use paxon::{HostFabric, PairFabric, ShmFabric, TcpIo, TcpOptions};
use paxon_acceptor::{Acceptor, Directory};
use paxon_conformance::{Group, Setup};
use paxon_tcp::{Connections, Serve, TcpFabric};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The one that is on a host of its own.
const FAR: ReplicaId = ReplicaId(2);

/// Groups made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

struct PairGroup {
    /// Dropped before the directories under them are removed.
    members: Vec<HostFabric>,
    setup: Setup,
    path: PathBuf,
    roster: Arc<Roster>,
    /// Kept, so that a member that starts again finds its port.
    listeners: Vec<TcpListener>,
}

impl PairGroup {
    fn directory(&self, member: ReplicaId) -> Directory {
        let host = if member == FAR { "host-b" } else { "host-a" };
        Directory::open(self.path.join(host), self.setup.cluster, self.setup.layout).expect("/dev/shm is a tmpfs")
    }

    fn open(&self, member: ReplicaId) -> HostFabric {
        let directory = self.directory(member);
        let own = Arc::new(Acceptor::claim(&directory, member).expect("the member can start"));
        let identity = Identity::replica(self.roster.clone(), member, None).expect("listed");
        let listener = self.listeners[member.index()].try_clone().expect("a descriptor");
        let connections = Connections::start(identity, Some(listener)).expect("a porter");
        let others = |far: bool| {
            let is_far = move |id: ReplicaId| (id == FAR) != (member == FAR);
            ReplicaId::all(3).filter(move |&id| id != member && is_far(id) == far).collect::<Vec<_>>()
        };
        let (near, far, words) = (others(false), others(true), self.setup.scratch_words);
        // Members of this process take turns: a server of its own answers while another member waits.
        let options = TcpOptions { io: TcpIo::Epoll, serve: Serve::Thread, ..TcpOptions::default() };
        let tcp = TcpFabric::join(&directory, own.clone(), &far, connections, words, &options).expect("TCP");
        if near.is_empty() {
            return HostFabric::Tcp(Box::new(tcp));
        }
        let shm = ShmFabric::join(&directory, own, &near, words).expect("shared memory");
        HostFabric::Pair(Box::new(PairFabric::new(member, shm, tcp, &far)))
    }

    fn damage(&self, member: ReplicaId) {
        let file = self.directory(member).file(member, paxon::fastpath::Area::Snapshot);
        std::fs::remove_file(file).expect("the memory was created");
    }
}

impl Group for PairGroup {
    type Fabric = HostFabric;

    fn start(setup: &Setup) -> Self {
        let path =
            PathBuf::from(format!("/dev/shm/paxon-pair-test-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed)));
        std::fs::create_dir_all(&path).expect("/dev/shm is writable");
        let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let listeners: Vec<_> = (0..3).map(bind).collect();
        let member = |(id, listener): (ReplicaId, &TcpListener)| {
            let address = listener.local_addr().expect("bound").to_string();
            Member { id, address, key: None, expires: None }
        };
        let members = ReplicaId::all(3).zip(&listeners).map(member).collect();
        let roster =
            Roster::new(setup.cluster, setup.layout, members, vec![], Security::Plaintext).expect("a good roster");
        let mut group = Self { members: Vec::new(), setup: *setup, path, roster: Arc::new(roster), listeners };
        if let Some(member) = setup.recovering {
            drop(group.open(member));
            group.damage(member);
        }
        group.members = ReplicaId::all(3).map(|member| group.open(member)).collect();
        group
    }

    fn members(&mut self) -> &mut [HostFabric] {
        &mut self.members
    }

    fn replace_memory(&mut self, member: ReplicaId) -> bool {
        drop(self.members.remove(member.index()));
        self.damage(member);
        let fabric = self.open(member);
        self.members.insert(member.index(), fabric);
        true
    }
}

impl Drop for PairGroup {
    fn drop(&mut self) {
        self.members.clear();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

paxon_conformance::conformance!(PairGroup);
paxon_conformance::conformance_threaded!(PairGroup);
