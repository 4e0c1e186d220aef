//! The part of the cluster file that concerns the network: who listens where, and who may speak.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::cluster_file::records::{parse_fingerprint, read_record_secret, record_secret_file};
use paxon::channel::{ClientKey, Identity, Member, PrivateKey, PublicKey, Roster, Security};
use paxon::fastpath::RecordSecret;
use paxon::{FabricChoice, Network, RdmaOptions, ReplicaId, TcpIo, TcpOptions};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How replicas reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FabricKind {
    /// Shared memory: all replicas are processes of this host
    #[default]
    Shm,
    /// TCP between all replicas, also of one host
    Tcp,
    /// RDMA between all replicas, also of one host
    Rdma,
    /// Shared memory if all replicas are on one host; else RDMA if this host has a device for it; else for each pair shared
    /// memory or TCP
    Auto,
}

impl FabricKind {
    const fn choice(self) -> FabricChoice {
        match self {
            Self::Shm => FabricChoice::Shm,
            Self::Tcp => FabricChoice::Tcp,
            Self::Rdma => FabricChoice::Rdma,
            Self::Auto => FabricChoice::Auto,
        }
    }

    /// The name, as in the cluster file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Tcp => "tcp",
            Self::Rdma => "rdma",
            Self::Auto => "auto",
        }
    }
}

/// Which system calls move the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Io {
    /// io_uring where the kernel allows it, else epoll
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// io_uring or nothing
    #[serde(rename = "io_uring")]
    #[value(name = "io_uring")]
    Uring,
    /// epoll
    #[serde(rename = "epoll")]
    Epoll,
}

impl From<Io> for paxon::measure::Io {
    fn from(io: Io) -> Self {
        match io {
            Io::Auto => Self::Auto,
            Io::Uring => Self::IoUring,
            Io::Epoll => Self::Epoll,
        }
    }
}

impl From<Io> for TcpIo {
    fn from(io: Io) -> Self {
        match io {
            Io::Auto => Self::Auto,
            Io::Uring => Self::IoUring,
            Io::Epoll => Self::Epoll,
        }
    }
}

/// How TCP is spoken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    #[serde(default)]
    pub io: Io,
    #[serde(default)]
    pub plaintext: bool,
    pub busy_poll_us: Option<u64>,
    pub kernel_thread_ms: Option<u64>,
    /// Folder of the private keys, relative to the cluster file.
    pub keys: Option<PathBuf>,
}

/// How RDMA is used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rdma {
    /// Nobody but the members can send to their devices.
    #[serde(default)]
    pub isolated: bool,
}

/// A replica and where it listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    pub address: String,
    pub listen: Option<String>,
    pub key: Option<String>,
    pub expires: Option<toml::value::Datetime>,
    /// The RDMA device of the replica, and the address of it that peers send to.
    pub device: Option<String>,
    pub device_address: Option<IpAddr>,
}

/// A client that may connect from other hosts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    pub name: String,
    pub key: String,
    pub expires: Option<toml::value::Datetime>,
}

/// File of a replica's private key in the folder of keys.
pub fn replica_key_file(folder: &Path, replica: ReplicaId) -> PathBuf {
    folder.join(format!("replica-{}.key", replica.0))
}

/// File of a client's private key in the folder of keys.
pub fn client_key_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("client-{name}.key"))
}

impl ClusterFile {
    /// Whether there is a network to speak of.
    pub fn has_network(&self) -> bool {
        !self.member.is_empty()
    }

    /// Where the replicas serve clients of other hosts, in the order of their ids; nothing if they do not.
    pub fn addresses(&self) -> Vec<String> {
        self.member.iter().map(|member| member.address.clone()).collect()
    }

    /// Who may speak; `None` if the file names no addresses.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn roster(&self) -> Result<Option<Roster>, String> {
        if !self.has_network() {
            return match self.fabric {
                FabricKind::Shm => Ok(None),
                other => Err(format!(
                    "fabric = {:?} needs the address of each replica: [[member]] address = \"host:port\" (`paxon init --members` writes them)",
                    other.name()
                )),
            };
        }
        let config = self.config(ReplicaId(0))?;
        let roster = Roster::new(
            config.cluster,
            config.layout,
            self.network_members()?,
            self.network_clients()?,
            self.security(),
        );
        roster.map(Some).map_err(|error| error.to_string())
    }

    fn network_members(&self) -> Result<Vec<Member>, String> {
        (0..).map(ReplicaId).zip(&self.member).map(|(id, entry)| entry.member(id)).collect()
    }

    fn network_clients(&self) -> Result<Vec<ClientKey>, String> {
        self.client.iter().map(ClientEntry::client_key).collect()
    }

    const fn security(&self) -> Security {
        if self.tcp.plaintext { Security::Plaintext } else { Security::Tls }
    }

    /// The place of a replica of this host in the network.
    ///
    /// # Errors
    /// What is wrong with it, or which key is missing.
    pub fn network(&self, replica: ReplicaId) -> Result<Network, String> {
        if !self.has_network() {
            return Ok(Network::shm());
        }
        let tcp = TcpOptions {
            io: self.tcp.io.into(),
            busy_poll: self.tcp.busy_poll_us.map(Duration::from_micros),
            kernel_thread: self.tcp.kernel_thread_ms.map(Duration::from_millis),
            ..TcpOptions::default()
        };
        Ok(Network {
            members: self.network_members()?,
            clients: self.network_clients()?,
            security: self.security(),
            key: self.replica_key(replica)?,
            fabric: self.fabric.choice(),
            listen: self.member.get(replica.index()).and_then(|member| member.listen.clone()),
            tcp,
            rdma: self.member.get(replica.index()).map(|member| member.rdma(self.rdma.isolated)).unwrap_or_default(),
        })
    }

    /// Who a client on this host is to replicas on others.
    ///
    /// # Errors
    /// What is wrong with the network, or which key is missing.
    pub fn client_identity(&self) -> Result<Identity, String> {
        let roster = self.roster()?.ok_or("the cluster file names no addresses")?;
        Identity::client(Arc::new(roster), self.client_key()?).map_err(|error| error.to_string())
    }

    /// Where the private keys lie.
    pub fn keys_folder(&self) -> PathBuf {
        self.tcp.keys.clone().unwrap_or_else(|| PathBuf::from("keys"))
    }

    /// The secret under which a replica of this host authenticates records, if the cluster has one.
    ///
    /// # Errors
    /// What is wrong with its file.
    pub fn record_secret(&self) -> Result<Option<RecordSecret>, String> {
        let expected = self.record_fingerprint.as_deref().map(parse_fingerprint).transpose()?;
        expected.map(|expected| read_record_secret(&record_secret_file(&self.keys_folder()), expected)).transpose()
    }

    /// The private key of a replica of this host.
    ///
    /// # Errors
    /// Which file is missing or wrong.
    pub fn replica_key(&self, replica: ReplicaId) -> Result<Option<PrivateKey>, String> {
        if self.tcp.plaintext || !self.has_network() {
            return Ok(None);
        }
        read_key(&replica_key_file(&self.keys_folder(), replica)).map(Some)
    }

    /// The private key of a client: the first one of the file whose key lies in the folder of keys.
    ///
    /// # Errors
    /// What to do about it.
    pub fn client_key(&self) -> Result<Option<PrivateKey>, String> {
        if self.tcp.plaintext {
            return Ok(None);
        }
        let folder = self.keys_folder();
        let files = self.client.iter().map(|client| client_key_file(&folder, &client.name));
        match files.into_iter().find(|file| file.exists()) {
            Some(file) => read_key(&file).map(Some),
            None => Err(format!(
                "no key of a client in {}: this host needs client-NAME.key of a [[client]] of the cluster file (`paxon keys new`)",
                folder.display()
            )),
        }
    }
}

fn read_key(file: &Path) -> Result<PrivateKey, String> {
    PrivateKey::read(file).map_err(|error| crate::cli::error::chain(&error))
}

impl MemberEntry {
    fn rdma(&self, isolated: bool) -> RdmaOptions {
        RdmaOptions { device: self.device.clone(), address: self.device_address, isolated }
    }

    fn member(&self, id: ReplicaId) -> Result<Member, String> {
        let named = |what: String| format!("member {}: {what}", id.0);
        Ok(Member {
            id,
            address: self.address.clone(),
            key: self.key.as_deref().map(parse_key).transpose().map_err(named)?,
            expires: self.expires.as_ref().map(instant).transpose().map_err(named)?,
        })
    }
}

impl ClientEntry {
    fn client_key(&self) -> Result<ClientKey, String> {
        let named = |what: String| format!("client {:?}: {what}", self.name);
        Ok(ClientKey {
            name: self.name.clone(),
            key: parse_key(&self.key).map_err(named)?,
            expires: self.expires.as_ref().map(instant).transpose().map_err(named)?,
        })
    }
}

fn parse_key(text: &str) -> Result<PublicKey, String> {
    text.parse().map_err(|error| format!("key: {error}"))
}

/// The moment that a date means: midnight of it, in universal time.
fn instant(at: &toml::value::Datetime) -> Result<SystemTime, String> {
    let text = match (at.date, at.time) {
        (Some(date), None) => format!("{date}T00:00:00Z"),
        _ => at.to_string(),
    };
    humantime::parse_rfc3339(&text).map_err(|error| {
        format!("expires = {at}: {error}; write a date (2030-01-31) or a time in UTC (2030-01-31T12:00:00Z)")
    })
}
