//! A whole cluster in one process, for examples, tests and first steps.

use crate::build_error::BuildError;
use crate::builder::ReplicaBuilder;
use crate::failure::Failure;
use crate::handle::Handle;
use paxon_fastpath::{Nanos, ReplicaId, Slot, StateMachine, Timing};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

/// Where the files of local clusters lie: a tmpfs on every Linux.
const DIRECTORY: &str = "/dev/shm";
/// The replicas of one process compete for its cores: one that is slow for a while is not dead. One that is shut down says so.
const PATIENT: Timing = Timing { suspect: Nanos::from_millis(2000), ..Timing::sharing() };
/// How long to wait before asking other replicas who leads.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// All replicas of a cluster, each in a thread of this process, over shared memory in a directory of their own that is
/// removed in the end. It tolerates the loss of threads, not of the process: for examples, tests and first steps.
#[derive(Debug)]
pub struct LocalCluster {
    handles: Vec<Handle>,
    builder: ReplicaBuilder,
    /// Dropped last: the replicas have stopped by then.
    directory: PrivateDirectory,
}

#[derive(Debug)]
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// A name that no other cluster of this or another process has.
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(Path::new(DIRECTORY).join(format!("paxon-local-{}-{count}", process::id())))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.0) {
            // Nothing was created, or there is nobody left to tell.
            Ok(()) | Err(_) => {}
        }
    }
}

impl LocalCluster {
    /// Starts `replicas` replicas of what `machine` makes for each. They suspect a silent leader only after two seconds.
    ///
    /// # Errors
    /// [`BuildError`] of the first replica that could not be started.
    pub fn start<S: StateMachine + Send + 'static>(
        replicas: usize,
        machine: impl FnMut(ReplicaId) -> S,
    ) -> Result<Self, BuildError> {
        Self::start_with(ReplicaBuilder::default().replicas(replicas).timing(PATIENT), machine)
    }

    /// Starts the replicas that `builder` describes; cluster name, id and directory are filled in.
    ///
    /// # Errors
    /// [`BuildError`] of the first replica that could not be started.
    pub fn start_with<S: StateMachine + Send + 'static>(
        builder: ReplicaBuilder,
        mut machine: impl FnMut(ReplicaId) -> S,
    ) -> Result<Self, BuildError> {
        let directory = PrivateDirectory::new();
        let builder = builder.cluster("local").shm(&directory.0);
        let replicas = builder.config()?.replicas();
        let handles = ReplicaId::all(replicas)
            .map(|id| builder.clone().replica(id.0).start(machine(id)))
            .collect::<Result<_, _>>()?;
        Ok(Self { handles, builder, directory })
    }

    /// The replicas, by id.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// The directory of the cluster's memory.
    pub fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// Stops a replica, if it runs, and starts it again over the memory that it left behind.
    ///
    /// # Errors
    /// [`BuildError`] if it could not be started; it stays stopped then.
    ///
    /// # Panics
    /// If there is no such replica.
    pub fn restart<S: StateMachine + Send + 'static>(&mut self, id: ReplicaId, machine: S) -> Result<(), BuildError> {
        let handle = &mut self.handles[id.index()];
        handle.shutdown();
        *handle = self.builder.clone().replica(id.0).start(machine)?;
        Ok(())
    }

    /// Waits for a replica that leads; `None` if there was none in time.
    pub fn leader(&self, timeout: Duration) -> Option<&Handle> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(leader) = self.handles.iter().find(|handle| handle.leads()) {
                return Some(leader);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::park_timeout(LOOK_AGAIN);
        }
    }

    /// Waits until every running replica has applied the slot, then returns their digests.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] naming the replica that did not get there in time.
    pub fn digests(&self, at_least: Slot, timeout: Duration) -> io::Result<Vec<(Slot, u64)>> {
        let deadline = Instant::now() + timeout;
        self.handles
            .iter()
            .filter(|handle| !handle.is_stopped())
            .map(|handle| digest(handle, at_least, deadline.saturating_duration_since(Instant::now())))
            .collect()
    }
}

fn digest(handle: &Handle, at_least: Slot, timeout: Duration) -> io::Result<(Slot, u64)> {
    let answer = handle.digest(at_least).ok().and_then(|mut ticket| ticket.wait_timeout(timeout));
    let reply = answer.unwrap_or(Err(Failure::Unknown)).ok();
    let digest = reply.and_then(|reply| Some((reply.slot(), u64::from_le_bytes(*reply.first_chunk()?))));
    digest.ok_or_else(|| {
        let text = format!("{} has applied {}, not {at_least}", handle.replica(), handle.status().applied);
        io::Error::new(io::ErrorKind::TimedOut, text)
    })
}
