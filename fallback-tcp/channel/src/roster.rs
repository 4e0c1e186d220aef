//! Who belongs to the cluster: the same at every member, from the configuration file.

use crate::address::{Address, AddressError};
use crate::key::PublicKey;
use paxon_fastpath::{Layout, REPLICAS_MAX, ReplicaId};
use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

/// Most client keys of a roster. Each connection of a stranger is compared with all of them.
pub const CLIENTS_MAX: usize = 4096;
/// Longest name of a client in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Whether connections are authenticated and encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Security {
    /// Mutual TLS 1.3 with the keys of the roster.
    Tls = 1,
    /// Neither. The crate's documentation says what that gives up.
    Plaintext = 2,
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS",
            Self::Plaintext => "plaintext",
        })
    }
}

/// A replica of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: ReplicaId,
    /// Where it listens, `host:port`.
    pub address: String,
    /// Its key; [`Security::Tls`] needs it.
    pub key: Option<PublicKey>,
    /// From when on the key is refused; never if `None`.
    pub expires: Option<SystemTime>,
}

/// A client that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// A name for logs and limits, unique in the roster.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// From when on the key is refused; never if `None`.
    pub expires: Option<SystemTime>,
}

/// Members and clients of a cluster.
///
/// Invariants, kept by the constructor: members `0..layout.replicas` in this order; addresses that parse; with
/// [`Security::Tls`] a key for every member; no key and no client's name twice.
#[derive(Clone, Debug)]
pub struct Roster {
    cluster: u64,
    layout: Layout,
    members: Vec<Member>,
    /// The parsed addresses of `members`.
    addresses: Vec<Address>,
    clients: Vec<ClientKey>,
    security: Security,
}

/// What is wrong with a roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// Not one member for each id.
    #[error("{replicas} replicas need the members 0 to {}, each once; the roster has {ids:?}", replicas.saturating_sub(1))]
    Members {
        /// Members that the layout has.
        replicas: usize,
        /// The ids given.
        ids: Vec<u8>,
    },
    /// An address does not parse.
    #[error("the address of {id}: {source}")]
    Address {
        /// The member.
        id: ReplicaId,
        /// What is wrong with it.
        source: AddressError,
    },
    /// TLS needs keys.
    #[error("{id} has no key: make one with `paxon keys`, or choose plaintext and read what that gives up")]
    NoKey {
        /// The member without a key.
        id: ReplicaId,
    },
    /// A key stands for two parties.
    #[error("the key {key} stands in the roster twice: whoever holds it could speak as either")]
    KeyTwice {
        /// The key.
        key: PublicKey,
    },
    /// A client's name is empty, too long or taken.
    #[error("the client name {name:?} is empty, longer than {NAME_BYTES_MAX} bytes or there twice")]
    ClientName {
        /// The name.
        name: String,
    },
    /// Too many clients.
    #[error("{clients} client keys, at most {CLIENTS_MAX} are supported: let clients share keys by service")]
    Clients {
        /// Client keys given.
        clients: usize,
    },
}

impl Roster {
    /// A roster; members may be given in any order.
    ///
    /// # Errors
    /// [`RosterError`]: the first thing that is wrong, and what would be right.
    pub fn new(
        cluster: u64,
        layout: Layout,
        mut members: Vec<Member>,
        clients: Vec<ClientKey>,
        security: Security,
    ) -> Result<Self, RosterError> {
        members.sort_by_key(|member| member.id);
        let ids: Vec<_> = members.iter().map(|member| member.id).collect();
        if layout.replicas > REPLICAS_MAX || !ReplicaId::all(layout.replicas).eq(ids.iter().copied()) {
            return Err(RosterError::Members { replicas: layout.replicas, ids: ids.iter().map(|id| id.0).collect() });
        }
        let addresses = members.iter().map(parsed_address).collect::<Result<_, _>>()?;
        if security == Security::Tls
            && let Some(member) = members.iter().find(|member| member.key.is_none())
        {
            return Err(RosterError::NoKey { id: member.id });
        }
        check_clients(&clients)?;
        check_keys(&members, &clients)?;
        Ok(Self { cluster, layout, members, addresses, clients, security })
    }

    /// The cluster's number.
    pub const fn cluster(&self) -> u64 {
        self.cluster
    }

    /// Sizes of the acceptors' memory.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The replicas, by id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The replica `id`, if the cluster has it.
    pub fn member(&self, id: ReplicaId) -> Option<&Member> {
        self.members.get(id.index())
    }

    /// The clients that may connect.
    pub fn clients(&self) -> &[ClientKey] {
        &self.clients
    }

    /// Whether connections are authenticated and encrypted.
    pub const fn security(&self) -> Security {
        self.security
    }

    /// Where the replica `id` listens, if the cluster has it.
    pub fn address(&self, id: ReplicaId) -> Option<&Address> {
        self.addresses.get(id.index())
    }
}

fn parsed_address(member: &Member) -> Result<Address, RosterError> {
    member.address.parse().map_err(|source| RosterError::Address { id: member.id, source })
}

fn check_clients(clients: &[ClientKey]) -> Result<(), RosterError> {
    if clients.len() > CLIENTS_MAX {
        return Err(RosterError::Clients { clients: clients.len() });
    }
    let mut names = BTreeSet::new();
    let is_wrong = |client: &&ClientKey| {
        let name = client.name.as_str();
        name.is_empty() || name.len() > NAME_BYTES_MAX || !names.insert(name.to_owned())
    };
    match clients.iter().find(is_wrong) {
        Some(client) => Err(RosterError::ClientName { name: client.name.clone() }),
        None => Ok(()),
    }
}

fn check_keys(members: &[Member], clients: &[ClientKey]) -> Result<(), RosterError> {
    let mut seen = BTreeSet::new();
    let mut keys = members.iter().filter_map(|member| member.key).chain(clients.iter().map(|client| client.key));
    keys.find(|key| !seen.insert(*key)).map_or(Ok(()), |key| Err(RosterError::KeyTwice { key }))
}
