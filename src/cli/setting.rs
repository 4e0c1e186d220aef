//! The cluster of a demo or a measurement: what fits this machine.

use crate::cli::cluster_file::{ClusterFile, FabricKind, Limits, Poll, Times};
use crate::cli::error::CliError;
use crate::cli::loopback::Loopback;
use std::env;
use std::path::{Path, PathBuf};

/// Small sizes, so that a cluster of three fits into the 64 MiB that containers give to `/dev/shm`.
const LIMITS: Limits = Limits {
    payload_bytes_max: Some(1 << 20),
    window: Some(256),
    cells: Some(4096),
    arena_bytes: Some(4 << 20),
    snapshot_bytes: Some(4 << 20),
    state_bytes_max: Some(2 << 20),
    requests: None,
    sessions_max: Some(64),
    session_window: Some(16),
    reply_bytes_max: Some(64),
};
/// Where the host keeps its tmpfs.
const SHARED_MEMORY: &str = "/dev/shm";

/// What the user wants.
#[derive(Debug)]
pub struct Wishes<'a> {
    /// A word for the name of the cluster.
    pub purpose: &'static str,
    pub replicas: usize,
    pub fabric: FabricKind,
    /// What suits the machine if not given.
    pub poll: Option<Poll>,
    /// Whether each replica gets a core of its own.
    pub affinity: bool,
    /// Whether devices and processors are emulated.
    pub emulated: bool,
    /// Where the private directory is made.
    pub dir: Option<&'a Path>,
}

/// What it runs with.
#[derive(Debug)]
pub struct Setting {
    pub cluster: ClusterFile,
    /// Keys of the network, if there is one.
    pub network: Option<Loopback>,
    /// Cores of this machine.
    pub cores: usize,
}

impl Setting {
    /// Follows the wishes, and where they say nothing the number of cores.
    ///
    /// # Errors
    /// [`CliError::Configuration`] if this machine or no machine can do it.
    pub fn choose(wishes: &Wishes<'_>) -> Result<Self, CliError> {
        let wrong = |what: String| Err(CliError::Configuration(what));
        if wishes.replicas == 1 {
            return wrong("--replicas 1: nobody would be left when the leader is killed; 3, 5 or 7 replicas".into());
        }
        let cores: Vec<_> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
        let roomy = cores.len() > wishes.replicas;
        if wishes.affinity && cores.len() < wishes.replicas {
            return wrong(format!(
                "--affinity: {} cores for {} replicas; each needs its own",
                cores.len(),
                wishes.replicas
            ));
        }
        let usual = match (wishes.emulated, roomy) {
            (true, _) => Poll::Park,
            (false, true) => Poll::Spin,
            (false, false) => Poll::Yield,
        };
        let poll = wishes.poll.unwrap_or(usual);
        // The first core is left to the client and to the system where there is one to spare.
        let spare = usize::from(roomy);
        let pin = wishes.affinity || (roomy && wishes.poll.is_none() && !wishes.emulated);
        let name = format!("{}-{}", wishes.purpose, std::process::id());
        let mut cluster = ClusterFile {
            directory: Some(parent(wishes.dir).join(format!("paxon-{name}"))),
            cluster: name,
            replicas: wishes.replicas,
            fabric: wishes.fabric,
            poll,
            cores: pin.then(|| cores[spare..spare + wishes.replicas].to_vec()),
            limits: LIMITS,
            timing: timing(wishes.emulated, poll == Poll::Spin && !roomy),
            ..ClusterFile::default()
        };
        let network = (wishes.fabric != FabricKind::Shm).then(|| Loopback::join(&mut cluster)).transpose()?;
        if wishes.fabric == FabricKind::Rdma {
            share_devices(&mut cluster)?;
        }
        cluster.check().map_err(CliError::Configuration)?;
        Ok(Self { cluster, network, cores: cores.len() })
    }

    pub fn describe(&self) -> String {
        let ClusterFile { replicas, fabric, poll, cores, .. } = &self.cluster;
        let fabric = match fabric {
            FabricKind::Shm | FabricKind::Auto => "shared memory",
            FabricKind::Tcp => "TCP (TLS, loopback)",
            FabricKind::Rdma => "RDMA (set up over TLS, loopback)",
        };
        let poll = format!("{poll:?}").to_lowercase();
        let pinned = cores.as_ref().map_or_else(String::new, |cores| format!(", pinned to {cores:?}"));
        format!("{replicas} replicas over {fabric} on {} cores ({poll}{pinned})", self.cores)
    }
}

fn parent(chosen: Option<&Path>) -> PathBuf {
    let usual = || if Path::new(SHARED_MEMORY).is_dir() { SHARED_MEMORY.into() } else { env::temp_dir() };
    chosen.map_or_else(usual, Path::to_owned)
}

/// Times of failure detection; the usual ones of the policy unless something is in the way.
const fn timing(emulated: bool, crowded: bool) -> Times {
    match (emulated, crowded) {
        // Emulated processors stand still when the host's are busy, and a READ takes as long as a hundred do elsewhere.
        (true, _) => times(10_000, 400_000, 100_000, 200),
        // Spinning replicas that have to share cores would take each other for dead all the time.
        (false, true) => times(500, 50_000, 5_000, 20),
        (false, false) => Times { beat_us: None, suspect_us: None, stagger_us: None, flush_us: None },
    }
}

const fn times(beat: u64, suspect: u64, stagger: u64, flush: u64) -> Times {
    Times { beat_us: Some(beat), suspect_us: Some(suspect), stagger_us: Some(stagger), flush_us: Some(flush) }
}

/// Gives the replicas the RDMA devices of this host in turn.
fn share_devices(cluster: &mut ClusterFile) -> Result<(), CliError> {
    let without = |why: String| {
        CliError::Failed(format!(
            "no RDMA on this host: {why} (`paxon doctor rdma` says more; `--softroce` runs it in a virtual machine)"
        ))
    };
    let mut names = paxon_rdma::Device::names().map_err(|error| without(error.to_string()))?;
    names.sort();
    if names.is_empty() {
        return Err(without("it has no device".into()));
    }
    // They are all of this host.
    cluster.rdma.isolated = true;
    for (member, device) in cluster.member.iter_mut().zip(names.into_iter().cycle()) {
        member.device = Some(device);
    }
    Ok(())
}
