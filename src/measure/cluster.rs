//! The cluster that is measured, as its leader and its followers know it.

use super::MeasureError;
use super::auth::Auth;
use super::options::{CELLS_PER_WINDOW, Fabric, GROUP_BYTES_MAX, TcpSettings};
use crate::build_error::BuildError;
use crate::builder::ReplicaBuilder;
use crate::network::{FabricChoice, Joined, Network, RdmaOptions};
use crate::poll_policy::PollPolicy;
use paxon_channel::{Member, PrivateKey, Security};
use paxon_fastpath::{Nanos, ReplicaId, SessionLimits, Timing};
use paxon_tcp::TcpOptions;
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Nobody may be deposed by a hiccup of the machine while it is measured.
const TIMING: Timing = Timing {
    beat: Nanos::from_micros(200),
    suspect: Nanos::from_millis(10_000),
    stagger: Nanos::from_millis(500),
    flush: Nanos::from_micros(3),
};
/// Over RDMA a beat is a READ of each follower, which takes the adapter's time from the commits.
const BEAT_OVER_RDMA: Nanos = Nanos::from_millis(20);
/// Small enough that a cluster of three fits into the 64 MiB that containers give to `/dev/shm`.
const ARENA_BYTES: usize = 4 * GROUP_BYTES_MAX;
/// The state is a number and nobody has a session.
const SNAPSHOT_BYTES: usize = 1 << 16;
/// With the sessions and keys of authentic commands.
const SNAPSHOT_BYTES_OF_SIGNERS: usize = 1 << 20;
const SESSIONS: SessionLimits = SessionLimits { sessions_max: 1, window: 8, reply_bytes_max: 64 };
/// Authentic commands have sessions: that of the single commands, and those of the stream.
const SESSIONS_OF_SIGNERS: SessionLimits = SessionLimits { sessions_max: 32, window: 64, reply_bytes_max: 64 };

/// What leader and followers agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Members of the cluster.
    pub replicas: usize,
    /// Cells of each journal.
    pub cells: usize,
    /// Where the memory lies.
    pub directory: PathBuf,
    /// How the replicas reach each other.
    pub link: Link,
    /// How commands are authenticated, if they are.
    pub auth: Option<Auth>,
}

/// How the replicas reach each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// Shared memory.
    Shm,
    /// TCP over the loopback interface. The private keys lie in the directory.
    Tcp {
        /// How it is spoken.
        settings: TcpSettings,
        /// Where each replica listens, and its public key.
        members: Vec<(String, String)>,
    },
    /// RDMA. The private keys lie in the directory.
    Rdma {
        /// Where each replica listens for set-up, and its public key.
        members: Vec<(String, String)>,
        /// The devices of this host, which the replicas use in turn.
        devices: Vec<String>,
    },
}

impl Link {
    /// Makes what the fabric needs of the cluster in `directory`: for a network free ports and keys.
    pub(super) fn prepare(fabric: Fabric, replicas: usize, directory: &Path) -> Result<Self, MeasureError> {
        match fabric {
            Fabric::Shm => Ok(Self::Shm),
            Fabric::Tcp(settings) => Ok(Self::Tcp { settings, members: members(replicas, directory)? }),
            Fabric::Rdma => {
                let devices = devices().map_err(BuildError::NoRdma)?;
                Ok(Self::Rdma { members: members(replicas, directory)?, devices })
            }
        }
    }
}

/// Free ports of the loopback interface, and the keys that go with them, whose private halves are written.
fn members(replicas: usize, directory: &Path) -> Result<Vec<(String, String)>, MeasureError> {
    DirBuilder::new().mode(0o700).create(directory)?;
    let mut bound = Vec::new();
    let mut members = Vec::new();
    for replica in 0..replicas as u8 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let key = PrivateKey::generate().map_err(key_error)?;
        key.write_new(key_file(directory, replica)).map_err(key_error)?;
        members.push((listener.local_addr()?.to_string(), key.public().to_string()));
        // Held until all are bound, so that no port is given twice.
        bound.push(listener);
    }
    Ok(members)
}

/// The RDMA devices of this host, in the order of their names.
fn devices() -> Result<Vec<String>, String> {
    let mut names = paxon_rdma::Device::names().map_err(|error| error.to_string())?;
    names.sort();
    if names.is_empty() { Err("it has no device".to_owned()) } else { Ok(names) }
}

fn key_file(directory: &Path, replica: u8) -> PathBuf {
    directory.join(format!("replica-{replica}.key"))
}

fn key_error(error: impl std::error::Error + Send + Sync + 'static) -> MeasureError {
    MeasureError::Socket(io::Error::other(error))
}

impl Cluster {
    /// Opens the memory of a replica and its ways to the others.
    pub(super) fn join(&self, replica: u8) -> Result<Joined, MeasureError> {
        // Both leader and followers poll by themselves.
        let builder = self.builder(replica).poll(PollPolicy::Spin);
        Ok(builder.join(self.network(replica)?)?)
    }

    fn network(&self, replica: u8) -> Result<Network, MeasureError> {
        let (Link::Tcp { members, .. } | Link::Rdma { members, .. }) = &self.link else { return Ok(Network::shm()) };
        let member = |(id, (address, key)): (u8, &(String, String))| {
            let key = key.parse().map_err(key_error)?;
            Ok(Member { id: ReplicaId(id), address: address.clone(), key: Some(key), expires: None })
        };
        let key = PrivateKey::read(key_file(&self.directory, replica)).map_err(key_error)?;
        let network =
            Network::of((0..).zip(members).map(member).collect::<Result<_, MeasureError>>()?, Vec::new(), key);
        Ok(match &self.link {
            Link::Tcp { settings, .. } => {
                let security = if settings.plaintext { Security::Plaintext } else { Security::Tls };
                let tcp = TcpOptions { io: settings.io.into(), ..TcpOptions::default() };
                Network { security, fabric: FabricChoice::Tcp, tcp, ..network }
            }
            Link::Rdma { devices, .. } => {
                let device = devices.get(usize::from(replica) % devices.len().max(1)).cloned();
                let rdma = RdmaOptions { device, address: None, isolated: true };
                Network { fabric: FabricChoice::Rdma, rdma, ..network }
            }
            Link::Shm => network,
        })
    }

    /// The RDMA devices that it uses.
    pub(super) fn devices(&self) -> Option<Vec<String>> {
        if let Link::Rdma { devices, .. } = &self.link { Some(devices.clone()) } else { None }
    }

    const fn timing(&self) -> Timing {
        match self.link {
            Link::Rdma { .. } => Timing { beat: BEAT_OVER_RDMA, ..TIMING },
            Link::Shm | Link::Tcp { .. } => TIMING,
        }
    }

    /// The builder of a replica.
    pub(super) fn builder(&self, replica: u8) -> ReplicaBuilder {
        let (sessions, snapshot_bytes) = match self.auth {
            None => (SESSIONS, SNAPSHOT_BYTES),
            Some(_) => (SESSIONS_OF_SIGNERS, SNAPSHOT_BYTES_OF_SIGNERS),
        };
        ReplicaBuilder::default()
            .cluster("paxon measure")
            .replica(replica)
            .replicas(self.replicas)
            .cells(self.cells)
            .window(self.cells / CELLS_PER_WINDOW)
            .payload_bytes_max(GROUP_BYTES_MAX)
            .arena_bytes(ARENA_BYTES)
            .snapshot_bytes(snapshot_bytes)
            .sessions(sessions)
            .timing(self.timing())
            .shm(&self.directory)
    }
}
