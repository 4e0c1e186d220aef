//! A replica's place among the others: how it reaches them, who may speak to it, and what it opens for that.

mod host_fabric;
mod route;

pub use host_fabric::HostFabric;
pub use route::{FabricChoice, Route, Way};

use crate::build_error::BuildError;
use crate::builder::ReplicaBuilder;
use crate::pair_fabric::PairFabric;
use crate::poll_policy::PollPolicy;
use paxon_acceptor::{Acceptor, Birth, Directory};
use paxon_channel::{Arrival, ClientKey, Identity, Member, Porter, PrivateKey, Purpose, Roster, Security};
use paxon_fastpath::{Config, ReplicaId};
use paxon_shm::ShmFabric;
use paxon_tcp::{Connections, Door, Serve, StatusView, TcpFabric, TcpOptions};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Connections of clients that wait for somebody to serve them; more are closed.
const CLIENTS_WAITING_MAX: usize = 256;

/// Who the members and clients are, and how they reach each other. The same at every replica but for the private key.
#[derive(Debug)]
pub struct Network {
    /// The replicas and where they listen. Empty if there is shared memory alone and no client comes over TCP.
    pub members: Vec<Member>,
    /// Clients that may connect.
    pub clients: Vec<ClientKey>,
    /// Whether connections are authenticated and encrypted.
    pub security: Security,
    /// The private key of this replica; not needed in plaintext.
    pub key: Option<PrivateKey>,
    /// Which fabric reaches which peer.
    pub fabric: FabricChoice,
    /// Where to listen if not at the member's own address: `0.0.0.0:7400` behind address translation.
    pub listen: Option<String>,
    /// How TCP is spoken. `serve` follows the poll policy of the replica.
    pub tcp: TcpOptions,
}

impl Network {
    /// TCP among the members, authenticated and encrypted, with shared memory between those of one host.
    pub fn of(members: Vec<Member>, clients: Vec<ClientKey>, key: PrivateKey) -> Self {
        Self {
            members,
            clients,
            security: Security::Tls,
            key: Some(key),
            fabric: FabricChoice::Auto,
            listen: None,
            tcp: TcpOptions::default(),
        }
    }

    /// Shared memory alone.
    pub fn shm() -> Self {
        Self {
            members: Vec::new(),
            clients: Vec::new(),
            security: Security::Plaintext,
            key: None,
            fabric: FabricChoice::Shm,
            listen: None,
            tcp: TcpOptions::default(),
        }
    }
}

/// What a replica has opened: give `fabric` to [`ReplicaBuilder::start_on`] and keep the rest as long as the replica runs.
#[derive(Debug)]
pub struct Joined {
    /// The way to the peers.
    pub fabric: HostFabric,
    /// How the replica came by its memory.
    pub birth: Birth,
    /// Which fabric reaches which peer, and why.
    pub routes: Vec<Route>,
    /// Connections of clients over TCP, authenticated, their hello read and not answered; `None` without addresses.
    pub clients: Option<Receiver<Arrival>>,
    /// The links over TCP, for an operator.
    pub tcp: Option<StatusView>,
    /// Makes the connections; they are no longer made once it is dropped.
    pub porter: Option<Arc<Porter>>,
}

impl ReplicaBuilder {
    /// Opens the replica's memory and its ways to the others. Nobody votes with the memory before the replica is started.
    ///
    /// # Errors
    /// [`BuildError`], naming what is wrong and what would be right.
    pub fn join(&self, network: Network) -> Result<Joined, BuildError> {
        let config = self.config()?;
        let path = self.directory.as_ref().ok_or(BuildError::NoFabric)?;
        let directory = Directory::open(path, config.cluster, config.layout)?;
        let routes = route::routes(config.replica, config.replicas(), &network.members, network.fabric);
        let tcp = TcpOptions { serve: serve(self.poll), ..network.tcp.clone() };
        // The listener before the memory: whoever cannot be reached has not taken anything.
        let gates = Gates::open(&config, network)?;
        let own = Arc::new(Acceptor::claim(&directory, config.replica)?);
        let birth = own.birth();
        let (fabric, tcp) = join_fabrics(&config, &directory, &own, &routes, gates.as_ref(), &tcp)?;
        let (clients, porter) =
            gates.map_or((None, None), |gates| (Some(gates.clients), Some(gates.connections.porter)));
        Ok(Joined { fabric, birth, routes, clients, tcp, porter })
    }
}

/// A thread that polls without pause serves its peers itself; one that sleeps has it done.
const fn serve(policy: PollPolicy) -> Serve {
    match policy {
        PollPolicy::Spin | PollPolicy::Yield => Serve::Inline,
        PollPolicy::Park(_) => Serve::Thread,
    }
}

fn join_fabrics(
    config: &Config,
    directory: &Directory,
    own: &Arc<Acceptor>,
    routes: &[Route],
    gates: Option<&Gates>,
    options: &TcpOptions,
) -> Result<(HostFabric, Option<StatusView>), BuildError> {
    let by = |way| routes.iter().filter(|route| route.way == way).map(|route| route.peer).collect::<Vec<ReplicaId>>();
    let (near, far) = (by(Way::Shm), by(Way::Tcp));
    let words = config.scratch_words();
    let shm = || ShmFabric::join(directory, own.clone(), &near, words);
    let tcp = |gates: &Gates| TcpFabric::join(directory, own.clone(), &far, gates.connections.clone(), words, options);
    let Some(gates) = gates.filter(|_| !far.is_empty()) else {
        return if far.is_empty() { Ok((HostFabric::Shm(shm()?), None)) } else { Err(BuildError::NoAddresses) };
    };
    let tcp = tcp(gates)?;
    let status = Some(tcp.status());
    if near.is_empty() {
        return Ok((HostFabric::Tcp(Box::new(tcp)), status));
    }
    Ok((HostFabric::Pair(Box::new(PairFabric::new(config.replica, shm()?, tcp, &far))), status))
}

/// The replica's door to the network.
struct Gates {
    connections: Connections,
    clients: Receiver<Arrival>,
}

impl Gates {
    /// Listens and starts the porter; `None` if there are no addresses.
    fn open(config: &Config, network: Network) -> Result<Option<Self>, BuildError> {
        if network.members.is_empty() {
            return Ok(None);
        }
        let roster = Roster::new(config.cluster, config.layout, network.members, network.clients, network.security)?;
        let roster = Arc::new(roster);
        let identity = Identity::replica(roster.clone(), config.replica, network.key)?;
        let listener = listen(&roster, config.replica, network.listen)?;
        let (door, (waiting, clients)) = (Door::new(), sync_channel(CLIENTS_WAITING_MAX));
        let left = door.clone();
        let porter = Porter::start(identity, Some(listener), move |arrival| sort(arrival, &left, &waiting));
        let porter = Arc::new(porter.map_err(BuildError::Thread)?);
        Ok(Some(Self { connections: Connections { porter, door }, clients }))
    }
}

/// Passes an arrival on to who has to do with it; a connection that nobody can take is closed.
fn sort(arrival: Arrival, door: &Door, clients: &SyncSender<Arrival>) {
    if let Some(Arrival::Inbound { hello, party, connection }) = door.put(arrival)
        && hello.purpose == Purpose::Client
        && clients.try_send(Arrival::Inbound { hello, party, connection }).is_err()
    {
        log::warn!(
            "a client's connection was closed: {CLIENTS_WAITING_MAX} others wait to be served, or nobody serves"
        );
    }
}

fn listen(roster: &Roster, me: ReplicaId, elsewhere: Option<String>) -> Result<TcpListener, BuildError> {
    let failed = |address: String| move |source| BuildError::Listen { address, source };
    if let Some(address) = elsewhere {
        return TcpListener::bind(&address).map_err(failed(address));
    }
    let address = roster.address(me).map(|address| address.resolve()).transpose();
    let name = roster.member(me).map_or_else(String::new, |member| member.address.clone());
    let resolved = address.map_err(failed(name.clone()))?.unwrap_or_default();
    TcpListener::bind(&resolved[..]).map_err(failed(name))
}
