//! A replica's door to the network: its listener, its porter, and who takes what the porter brings.

use super::Network;
use super::rdma_setup::SetupDesk;
use crate::build_error::BuildError;
use paxon_channel::{Arrival, Greeting, Identity, Porter, Purpose, Refusal, Roster, Secured};
use paxon_fastpath::{Config, ReplicaId};
use paxon_tcp::Door;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Connections of clients that wait for somebody to serve them; more are closed.
const CLIENTS_WAITING_MAX: usize = 256;

/// Who takes the connections of peers. One of the two, because one of them serves the memory.
#[derive(Clone, Debug)]
pub(super) enum Peers {
    /// The fabric over TCP, if there is one.
    Operations(Door),
    /// The fabric over RDMA.
    Setup(SetupDesk),
}

impl Peers {
    /// Takes an arrival or gives it back.
    fn put(&self, arrival: Arrival) -> Option<Arrival> {
        match self {
            Self::Operations(door) => door.put(arrival),
            Self::Setup(desk) => desk.put(arrival),
        }
    }
}

/// See the module.
pub(super) struct Gates {
    pub(super) porter: Arc<Porter>,
    pub(super) clients: Receiver<Arrival>,
}

impl Gates {
    /// Listens and starts the porter; `None` if there are no addresses.
    pub(super) fn open(config: &Config, network: Network, peers: &Peers) -> Result<Option<Self>, BuildError> {
        if network.members.is_empty() {
            return Ok(None);
        }
        let roster = Roster::new(config.cluster, config.layout, network.members, network.clients, network.security)?;
        let roster = Arc::new(roster);
        let identity = Identity::replica(roster.clone(), config.replica, network.key)?;
        let listener = listen(&roster, config.replica, network.listen)?;
        let ((waiting, clients), left) = (sync_channel(CLIENTS_WAITING_MAX), peers.clone());
        let porter = Porter::start(identity, Some(listener), move |arrival| sort(arrival, &left, &waiting));
        Ok(Some(Self { porter: Arc::new(porter.map_err(BuildError::Thread)?), clients }))
    }
}

/// Passes an arrival on to who has to do with it; a connection that nobody can take is closed.
fn sort(arrival: Arrival, peers: &Peers, clients: &SyncSender<Arrival>) {
    let Some(Arrival::Inbound { hello, party, connection }) = peers.put(arrival) else { return };
    if hello.purpose != Purpose::Client {
        return refuse(connection, hello.purpose);
    }
    if clients.try_send(Arrival::Inbound { hello, party, connection }).is_err() {
        log::warn!(
            "a client's connection was closed: {CLIENTS_WAITING_MAX} others wait to be served, or nobody serves"
        );
    }
}

/// Tells a peer that wants another fabric than this replica has.
fn refuse(mut connection: Secured, purpose: Purpose) {
    let (greeting, mut wire) = (Greeting::Refused(Refusal::NotServed { yours: purpose }), Vec::new());
    if connection.cipher.seal(&greeting.encode(), &mut wire).is_ok() {
        // A peer that has gone need not be told; the socket's buffer is empty, so the greeting goes out whole.
        let _ = connection.stream.write_all(&wire);
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
