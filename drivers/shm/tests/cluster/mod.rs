//! A cluster's directory for the length of a test.
#![allow(dead_code, reason = "each test program uses a part of it")]

use paxon_conformance::Setup;
use paxon_fastpath::{Fabric, FabricEvent, ReplicaId};
use paxon_shm::{Directory, OpenError, ShmFabric};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A test that waits longer than this has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Directories made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A directory of its own, removed on drop.
pub struct Cluster {
    pub directory: Directory,
    pub setup: Setup,
}

impl Cluster {
    /// A small cluster in a fresh directory.
    pub fn small() -> Self {
        Self::of(&Setup::SMALL)
    }

    /// A cluster in a fresh directory.
    pub fn of(setup: &Setup) -> Self {
        let name = format!("/dev/shm/paxon-test-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        Self::at(PathBuf::from(name), setup)
    }

    /// A cluster in a directory that may exist.
    pub fn at(path: PathBuf, setup: &Setup) -> Self {
        let directory = Directory::open(path, setup.cluster, setup.layout).expect("/dev/shm is a tmpfs");
        Self { directory, setup: *setup }
    }

    /// Joins as `replica`, which must succeed.
    pub fn open(&self, replica: ReplicaId) -> ShmFabric {
        self.try_open(replica).expect("the replica can start")
    }

    /// Joins as `replica`.
    pub fn try_open(&self, replica: ReplicaId) -> Result<ShmFabric, OpenError> {
        ShmFabric::open(&self.directory, replica, self.setup.scratch_words)
    }

    /// A file of the cluster.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes the memory of `replica` count as lost.
    pub fn damage(&self, replica: ReplicaId) {
        std::fs::remove_file(self.file(&format!("replica-{}/snapshot", replica.0))).expect("the memory was created");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.directory.path());
    }
}

/// Polls until an event is the one that is waited for.
pub fn wait_for<T>(fabric: &mut ShmFabric, mut wanted: impl FnMut(FabricEvent) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fabric.poll() {
            Some(event) => {
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
            None => {
                assert!(Instant::now() < deadline, "no such event within {PATIENCE:?}");
                std::thread::yield_now();
            }
        }
    }
}

/// Polls until the links to all members are up.
pub fn wait_for_links(fabric: &mut ShmFabric, replicas: usize) {
    let mut missing: Vec<ReplicaId> = ReplicaId::all(replicas).collect();
    while !missing.is_empty() {
        let up = wait_for(fabric, |event| match event {
            FabricEvent::LinkUp { peer, .. } => Some(peer),
            _ => None,
        });
        missing.retain(|&peer| peer != up);
    }
}

/// Waits until a descriptor of this process refers to process `pid`: a watcher has found it.
pub fn wait_until_watched(pid: i32) {
    let deadline = Instant::now() + PATIENCE;
    let wanted = format!("Pid:\t{pid}\n");
    let watched = || {
        let infos = std::fs::read_dir("/proc/self/fdinfo").expect("Linux").flatten();
        infos.filter_map(|info| std::fs::read_to_string(info.path()).ok()).any(|info| info.contains(&wanted))
    };
    while !watched() {
        assert!(Instant::now() < deadline, "process {pid} is not watched");
        std::thread::yield_now();
    }
}
