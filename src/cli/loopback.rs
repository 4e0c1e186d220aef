//! A network of this host for a private cluster: free ports of the loopback interface, and fresh keys.

use crate::cli::cluster_file::{ClientEntry, ClusterFile, MemberEntry, client_key_file, replica_key_file};
use crate::cli::error::CliError;
use paxon::ReplicaId;
use paxon::channel::PrivateKey;
use std::fs::DirBuilder;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Name of the client: this process.
const CLIENT: &str = "main";

/// Private keys that are still to be written, by their files.
#[derive(Debug)]
pub struct Loopback {
    folder: PathBuf,
    keys: Vec<(PathBuf, PrivateKey)>,
}

impl Loopback {
    /// Gives each replica of the cluster a free port and a key, and the cluster a client.
    pub fn join(cluster: &mut ClusterFile) -> Result<Self, CliError> {
        let folder = cluster.directory().join("keys");
        let mut keys = Vec::new();
        let mut public = |file: PathBuf| {
            let key = PrivateKey::generate().map_err(|error| CliError::failed("no key can be made", &error))?;
            let public = key.public().to_string();
            keys.push((file, key));
            Ok::<_, CliError>(public)
        };
        let addresses = free_addresses(cluster.replicas)?;
        for (id, address) in (0..).map(ReplicaId).zip(addresses) {
            let key = public(replica_key_file(&folder, id))?;
            cluster.member.push(MemberEntry {
                address: address.to_string(),
                listen: None,
                key: Some(key),
                expires: None,
                device: None,
                device_address: None,
            });
        }
        let key = public(client_key_file(&folder, CLIENT))?;
        cluster.client.push(ClientEntry { name: CLIENT.into(), key, expires: None });
        cluster.tcp.keys = Some(folder.clone());
        Ok(Self { folder, keys })
    }

    /// Writes the private keys; the directory of the cluster has been made.
    pub fn write_keys(&self) -> Result<(), CliError> {
        let failed = |error: &dyn std::error::Error| CliError::failed("cannot write the private keys", error);
        DirBuilder::new().mode(0o700).create(&self.folder).map_err(|error| failed(&error))?;
        self.keys.iter().try_for_each(|(file, key)| key.write_new(file).map_err(|error| failed(&error)))
    }
}

/// Addresses on which nobody listened a moment ago, all different. Another process can be faster than the replicas; then one
/// of them says that its address is taken.
pub fn free_addresses(count: usize) -> Result<Vec<SocketAddr>, CliError> {
    let bind =
        |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let bound: Result<Vec<_>, _> = (0..count).map(bind).collect();
    let bound = bound.map_err(|error| CliError::failed("no free port on the loopback interface", &error))?;
    Ok(bound.iter().map(|(address, _)| *address).collect())
}
