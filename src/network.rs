//! A replica's place among the others: how it reaches them, who may speak to it, and what it opens for that.

mod gates;
mod host_fabric;
mod rdma_setup;
mod route;
mod verbs;

pub use host_fabric::HostFabric;
pub use route::{FabricChoice, Route, Way};
pub use verbs::{RdmaLink, RdmaOptions, RdmaStatus, VerbsFabric};

use crate::build_error::BuildError;
use crate::builder::ReplicaBuilder;
use crate::pair_fabric::PairFabric;
use crate::poll_policy::PollPolicy;
use gates::{Gates, Peers};
use paxon_acceptor::{Acceptor, AdapterAcceptor, Birth, Directory};
use paxon_channel::{Arrival, ClientKey, Member, Porter, PrivateKey, Security};
use paxon_fastpath::{Config, ReplicaId, Sealing};
use paxon_shm::ShmFabric;
use paxon_tcp::{Connections, Door, Serve, StatusView, TcpFabric, TcpOptions};
use rdma_setup::SetupDesk;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use verbs::Adapter;

/// Why RDMA is not chosen although there may be a device.
const NOT_ISOLATED: &str = "records carry no authentication code, and the network is not declared isolated";

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
    /// Which device serves RDMA.
    pub rdma: RdmaOptions,
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
            rdma: RdmaOptions::default(),
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
            rdma: RdmaOptions::default(),
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
    /// The links over RDMA, for an operator.
    pub rdma: Option<RdmaStatus>,
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
        self.check_secret()?;
        let directory = Directory::open(path, config.cluster, config.layout)?.sealed(config.seal_mark());
        let (replica, replicas, mut found) = (config.replica, config.replicas(), None);
        let is_safe = network.rdma.isolated || config.sealing != Sealing::Checksum;
        let find = || Adapter::find(&network.rdma, needed_bytes(&config));
        let find_safe = || if is_safe { find() } else { Err(NOT_ISOLATED.to_owned()) };
        let preflight = || find_safe().map(|adapter| found.insert(adapter).describe());
        let routes = route::routes(replica, replicas, &network.members, network.fabric, preflight);
        if network.fabric == FabricChoice::Rdma || routes.iter().any(|route| route.way == Way::Rdma) {
            if !is_safe {
                return Err(BuildError::NotIsolated);
            }
            let adapter = found.map_or_else(find, Ok).map_err(BuildError::NoRdma)?;
            return join_rdma(&config, &directory, &adapter, routes, network);
        }
        let tcp = TcpOptions { serve: serve(self.poll), ..network.tcp.clone() };
        join_processors(&config, &directory, routes, network, &tcp)
    }
}

/// Bytes that an adapter has to lock: each peer's registration of all areas counts for itself, and so does the own one.
fn needed_bytes(config: &Config) -> u64 {
    let words: usize = config.layout.areas().map(|area| config.layout.words(area)).sum();
    let scratch = config.replicas() * config.scratch_words();
    8 * (config.replicas() * words + scratch) as u64
}

/// A thread that polls without pause serves its peers itself; one that sleeps has it done.
const fn serve(policy: PollPolicy) -> Serve {
    match policy {
        PollPolicy::Spin | PollPolicy::Yield => Serve::Inline,
        PollPolicy::Park(_) => Serve::Thread,
    }
}

/// Over RDMA: the memory belongs to the adapter, which exchanges its PROMISE. No processor has a way to it.
fn join_rdma(
    config: &Config,
    directory: &Directory,
    adapter: &Adapter,
    routes: Vec<Route>,
    network: Network,
) -> Result<Joined, BuildError> {
    let desk = SetupDesk::default();
    // The listener before the memory: whoever cannot be reached has not taken anything.
    let gates = Gates::open(config, network, &Peers::Setup(desk.clone()))?.ok_or(BuildError::NoAddresses)?;
    let own = Arc::new(AdapterAcceptor::claim(directory, config.replica)?);
    let birth = own.birth();
    let fabric = VerbsFabric::join(config, own, adapter, &desk, &gates.porter)?;
    let rdma = Some(fabric.status());
    let fabric = HostFabric::Rdma(Box::new(fabric));
    Ok(Joined { fabric, birth, routes, clients: Some(gates.clients), tcp: None, rdma, porter: Some(gates.porter) })
}

/// Over shared memory and TCP: processors of this host exchange the PROMISE, for peers of this host and for those of others.
fn join_processors(
    config: &Config,
    directory: &Directory,
    routes: Vec<Route>,
    network: Network,
    tcp: &TcpOptions,
) -> Result<Joined, BuildError> {
    let door = Door::new();
    // The listener before the memory, as above.
    let gates = Gates::open(config, network, &Peers::Operations(door.clone()))?;
    let own = Arc::new(Acceptor::claim(directory, config.replica)?);
    let birth = own.birth();
    let connections = gates.as_ref().map(|gates| Connections { porter: gates.porter.clone(), door });
    let (fabric, tcp) = join_fabrics(config, directory, &own, &routes, (connections, tcp))?;
    let (clients, porter) = gates.map_or((None, None), |gates| (Some(gates.clients), Some(gates.porter)));
    Ok(Joined { fabric, birth, routes, clients, tcp, rdma: None, porter })
}

fn join_fabrics(
    config: &Config,
    directory: &Directory,
    own: &Arc<Acceptor>,
    routes: &[Route],
    (connections, options): (Option<Connections>, &TcpOptions),
) -> Result<(HostFabric, Option<StatusView>), BuildError> {
    let by = |way| routes.iter().filter(|route| route.way == way).map(|route| route.peer).collect::<Vec<ReplicaId>>();
    let (near, far) = (by(Way::Shm), by(Way::Tcp));
    let words = config.scratch_words();
    let shm = || ShmFabric::join(directory, own.clone(), &near, words);
    if far.is_empty() {
        return Ok((HostFabric::Shm(shm()?), None));
    }
    let connections = connections.ok_or(BuildError::NoAddresses)?;
    let tcp = TcpFabric::join(directory, own.clone(), &far, connections, words, options)?;
    let status = Some(tcp.status());
    if near.is_empty() {
        return Ok((HostFabric::Tcp(Box::new(tcp)), status));
    }
    Ok((HostFabric::Pair(Box::new(PairFabric::new(config.replica, shm()?, tcp, &far))), status))
}
