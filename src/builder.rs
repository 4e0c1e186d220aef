//! Puts a replica together.

use crate::build_error::BuildError;
use crate::clock::Clock;
use crate::cores::CoreClaim;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::node::Node;
use crate::poll_policy::PollPolicy;
use crate::router::{Recorder, Router};
use crate::seats::Seats;
use crate::shared::{Doorbell, Shared};
use crate::stages::StageLatencies;
use crate::status::Board;
use paxon_fastpath::{
    Config, ENTRY_WORDS, Fabric, INLINE_BYTES, Nanos, Outcomes, QuorumError, QuorumSizes, RecordSecret, ReplicaId,
    Sealing, SessionLimits, StateMachine, Timing,
};
use paxon_shm::{Directory, ShmFabric};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A record names at most this many commands, and each request is one.
const REQUESTS_MAX: usize = paxon_fastpath::BATCH_COMMANDS_MAX;

/// Collects what a replica has to be told, then builds it: as a [`Node`] that the caller's thread drives, or running in
/// a thread of its own behind a [`Handle`].
///
/// Cluster, sizes and limits must be the same at every replica; the memory of one built otherwise is refused.
#[derive(Clone, Debug)]
pub struct ReplicaBuilder {
    cluster: String,
    replica: u8,
    quorums: Result<QuorumSizes, QuorumError>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) poll: PollPolicy,
    core: Option<usize>,
    timing: Option<Timing>,
    sessions: SessionLimits,
    requests: usize,
    record_stages: bool,
    window: usize,
    cells: usize,
    payload_bytes_max: usize,
    arena_bytes: usize,
    snapshot_bytes: usize,
    sealing: Sealing,
    /// Of a record secret that this process need not know.
    fingerprint: Option<u64>,
}

impl Default for ReplicaBuilder {
    /// Replica 0 of three, 1 MiB of payload, 1024 sessions, 1024 requests under way, a parking thread.
    fn default() -> Self {
        let majority = QuorumSizes::majority(3);
        let sizes =
            majority.map(|quorums| Config::new(0, ReplicaId(0), quorums)).expect("three is a size of a cluster");
        Self {
            cluster: String::new(),
            replica: 0,
            quorums: majority,
            directory: None,
            poll: PollPolicy::default(),
            core: None,
            timing: None,
            sessions: SessionLimits::default(),
            requests: 1024,
            record_stages: false,
            window: sizes.window,
            cells: sizes.layout.cells,
            payload_bytes_max: sizes.payload_bytes_max,
            arena_bytes: sizes.layout.arena_words * 8,
            snapshot_bytes: sizes.layout.snapshot_words * 8,
            sealing: Sealing::Checksum,
            fingerprint: None,
        }
    }
}

impl ReplicaBuilder {
    /// Names the cluster: replicas of other names are never mistaken for members.
    #[must_use]
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = name.into();
        self
    }

    /// Says which member this is, from 0.
    #[must_use]
    pub const fn replica(mut self, id: u8) -> Self {
        self.replica = id;
        self
    }

    /// Sets the size of the cluster: 1, 3, 5 or 7. Majorities decide.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.quorums = QuorumSizes::majority(replicas);
        self
    }

    /// Sets the size of the cluster and how many votes commit (`accept`) and elect (`prepare`); together more than `replicas`.
    #[must_use]
    pub fn quorums(mut self, replicas: usize, accept: usize, prepare: usize) -> Self {
        self.quorums = QuorumSizes::flexible(replicas, accept, prepare);
        self
    }

    /// Replicates between processes of this host, through files of a directory on tmpfs (below `/dev/shm`).
    #[must_use]
    pub fn shm(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Says what the engine's thread does when there is nothing to do; the times of failure detection follow it unless set.
    #[must_use]
    pub const fn poll(mut self, policy: PollPolicy) -> Self {
        self.poll = policy;
        self
    }

    /// Pins the engine's thread to a core, which no other replica of this process may have.
    #[must_use]
    pub const fn core(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// Sets the times of heartbeats, failure detection and flushing.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = Some(timing);
        self
    }

    /// Limits the client sessions and their kept replies.
    #[must_use]
    pub const fn sessions(mut self, limits: SessionLimits) -> Self {
        self.sessions = limits;
        self
    }

    /// Limits the requests that clients may have under way at this replica, 1 to 65535.
    #[must_use]
    pub const fn requests(mut self, most: usize) -> Self {
        self.requests = most;
        self
    }

    /// Records how long commands take from stage to stage. Costs some clock readings a command.
    #[must_use]
    pub const fn record_stages(mut self, record: bool) -> Self {
        self.record_stages = record;
        self
    }

    /// Sets the most records that a leader has in flight; a power of two.
    #[must_use]
    pub const fn window(mut self, records: usize) -> Self {
        self.window = records;
        self
    }

    /// Sets the cells of each journal; a power of two, at least eight windows.
    #[must_use]
    pub const fn cells(mut self, cells: usize) -> Self {
        self.cells = cells;
        self
    }

    /// Limits the payload of a record: a batch, or one command and 24 bytes.
    #[must_use]
    pub const fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.payload_bytes_max = bytes;
        self
    }

    /// Sets the bytes of each proposer's arena; a power of two, at least four of the largest payloads.
    #[must_use]
    pub const fn arena_bytes(mut self, bytes: usize) -> Self {
        self.arena_bytes = bytes;
        self
    }

    /// Sets the bytes of the area through which a member that fell behind is helped; the state must fit.
    #[must_use]
    pub const fn snapshot_bytes(mut self, bytes: usize) -> Self {
        self.snapshot_bytes = bytes;
        self
    }

    /// Authenticates every record with a 128-bit code under keys from `secret`, for fabrics that others can write to; without
    /// it, records carry checksums. It must be the same at every replica: those with another one count as another cluster.
    #[must_use]
    pub const fn record_secret(mut self, secret: RecordSecret) -> Self {
        self.sealing = Sealing::Mac(secret);
        self
    }

    /// Names the record secret of the cluster by its fingerprint ([`Sealing::fingerprint`] of 0). A replica needs the secret
    /// too; clients find the cluster without.
    #[must_use]
    pub const fn record_fingerprint(mut self, fingerprint: u64) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// The engine's configuration, checked.
    ///
    /// # Errors
    /// [`BuildError`], naming what is wrong and what would be right.
    pub fn config(&self) -> Result<Config, BuildError> {
        if self.cluster.is_empty() {
            return Err(BuildError::NoCluster);
        }
        self.sessions.validate()?;
        let mut config = Config::new(self.cluster_id(), ReplicaId(self.replica), self.quorums?);
        config.layout.cells = self.cells;
        config.layout.arena_words = self.arena_bytes / 8;
        config.layout.snapshot_words = self.snapshot_bytes / 8;
        config.window = self.window;
        config.payload_bytes_max = self.payload_bytes_max;
        config.sealing = self.sealing;
        config.timing = self.timing.unwrap_or(self.poll.timing());
        config.validate()?;
        self.check_sizes(&config)?;
        Ok(config)
    }

    fn check_sizes(&self, config: &Config) -> Result<(), BuildError> {
        if !(1..=REQUESTS_MAX).contains(&self.requests) {
            return Err(BuildError::Requests { value: self.requests, most: REQUESTS_MAX });
        }
        let sessions_bytes = self.sessions.encoded_bytes_max();
        if sessions_bytes > self.snapshot_bytes {
            return Err(BuildError::SnapshotTooSmall { bytes: self.snapshot_bytes, sessions_bytes });
        }
        let Nanos(beat_ns) = config.timing.beat;
        if let PollPolicy::Park(longest) = self.poll
            && longest.as_nanos() > u128::from(beat_ns)
        {
            let park_ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
            return Err(BuildError::ParksTooLong { park_ns, beat_ns });
        }
        Ok(())
    }

    /// The cluster's name as a number, together with what replicas must agree on: the limits, for their replies to be the same,
    /// and the way to seal records, for each to believe what the others write.
    fn cluster_id(&self) -> u64 {
        let SessionLimits { sessions_max, window, reply_bytes_max } = self.sessions;
        let limits = [sessions_max, window, reply_bytes_max].map(|limit| (limit as u64).to_le_bytes()).concat();
        let number = xxh3_64_with_seed(self.cluster.as_bytes(), xxh3_64_with_seed(&limits, 0));
        match self.fingerprint.unwrap_or(self.sealing.fingerprint(0)) {
            0 => number,
            fingerprint => xxh3_64_with_seed(&fingerprint.to_le_bytes(), number),
        }
    }

    /// A replica of a cluster with a record secret has to have that secret.
    pub(crate) fn check_secret(&self) -> Result<(), BuildError> {
        let held = self.sealing.fingerprint(0);
        match self.fingerprint {
            Some(expected) if expected != held => Err(BuildError::OtherRecordSecret { expected, held }),
            _ => Ok(()),
        }
    }

    fn open_shm(&self, config: &Config) -> Result<ShmFabric, BuildError> {
        self.check_secret()?;
        let path = self.directory.as_ref().ok_or(BuildError::NoFabric)?;
        let directory = Directory::open(path, config.cluster, config.layout)?.sealed(config.seal_mark());
        Ok(ShmFabric::open(&directory, config.replica, config.scratch_words())?)
    }

    /// Builds a node over shared memory for the caller's own thread to drive.
    ///
    /// # Errors
    /// [`BuildError`], naming what is wrong and what would be right.
    pub fn build<S: StateMachine, O: Outcomes>(
        &self,
        machine: S,
        outcomes: O,
    ) -> Result<Node<S, ShmFabric, O>, BuildError> {
        let config = self.config()?;
        let fabric = self.open_shm(&config)?;
        self.build_on(fabric, machine, outcomes)
    }

    /// Builds a node over a fabric of the caller's, for the caller's own thread to drive.
    ///
    /// # Errors
    /// [`BuildError`], naming what is wrong and what would be right.
    pub fn build_on<S: StateMachine, F: Fabric, O: Outcomes>(
        &self,
        fabric: F,
        machine: S,
        outcomes: O,
    ) -> Result<Node<S, F, O>, BuildError> {
        Ok(Node::new(self.config()?, self.sessions, fabric, machine, outcomes, Clock::start())?)
    }

    /// Starts a replica over shared memory in a thread of its own.
    ///
    /// # Errors
    /// [`BuildError`], naming what is wrong and what would be right.
    pub fn start<S: StateMachine + Send + 'static>(&self, machine: S) -> Result<Handle, BuildError> {
        let config = self.config()?;
        let fabric = self.open_shm(&config)?;
        self.start_on(fabric, machine)
    }

    /// Starts a replica over a fabric of the caller's in a thread of its own.
    ///
    /// # Errors
    /// [`BuildError`], naming what is wrong and what would be right.
    pub fn start_on<S, F>(&self, fabric: F, machine: S) -> Result<Handle, BuildError>
    where
        S: StateMachine + Send + 'static,
        F: Fabric + Send + 'static,
    {
        let config = self.config()?;
        let core = self.core.map(CoreClaim::new).transpose()?;
        let clock = Clock::start();
        let shared = Arc::new(self.shared(&config, &clock));
        let recorder = shared.stages.clone().map(|(latencies, clock)| Recorder::new(latencies, clock));
        let router = Router::new(shared.seats.clone(), config.window, recorder);
        let node = Node::new(config, self.sessions, fabric, machine, router, clock)?;
        let engine = Engine::new(node, shared.clone());
        let (ready, is_ready) = sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("paxon-{}", config.replica))
            .spawn(move || {
                let pinned = core.as_ref().is_none_or(CoreClaim::pin_this_thread);
                // The receiver waits below.
                let _ = ready.send(pinned);
                if pinned {
                    engine.run();
                }
                drop(core);
            })
            .map_err(BuildError::Thread)?;
        match is_ready.recv() {
            Ok(true) => Ok(Handle::new(shared, thread)),
            _ => Err(BuildError::NotPinned { core: self.core.unwrap_or_default() }),
        }
    }

    fn shared(&self, config: &Config, clock: &Clock) -> Shared {
        let histograms = || (Arc::new(Mutex::new(StageLatencies::new())), clock.clone());
        Shared {
            seats: Arc::new(Seats::new(self.requests)),
            board: Board::new(config.replica, config.replicas()),
            doorbell: Doorbell::default(),
            policy: self.poll,
            command_bytes_max: command_bytes_max(config),
            shutdown: AtomicBool::new(false),
            resign: AtomicBool::new(false),
            stages: self.record_stages.then(histograms),
        }
    }
}

/// A command that does not fit a cell is packed with a header, in whole words.
const fn command_bytes_max(config: &Config) -> usize {
    let packed = (config.payload_bytes_max / 8).saturating_sub(ENTRY_WORDS) * 8;
    if packed > INLINE_BYTES { packed } else { INLINE_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn valid() -> ReplicaBuilder {
        ReplicaBuilder::default().cluster("builder test")
    }

    fn refusal(builder: &ReplicaBuilder) -> String {
        builder.config().expect_err("it must be refused").to_string()
    }

    #[test]
    fn the_defaults_and_a_name_are_enough() {
        let config = valid().config().expect("valid");
        assert_eq!((config.replicas(), config.timing), (3, Timing::sharing()));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        assert_eq!(refusal(&valid().replica(3)), "replica 3 is not one of the 3 replicas (0..3)");
        assert!(refusal(&valid().replicas(4)).contains("1, 3, 5 or 7 replicas, not 4"));
        assert!(refusal(&valid().quorums(5, 2, 3)).contains("need not intersect"));
        assert!(refusal(&ReplicaBuilder::default()).contains("no name"));
        assert!(refusal(&valid().cells(64)).contains("cells is 64"));
        assert!(refusal(&valid().snapshot_bytes(1 << 20)).contains("raise snapshot_bytes"));
        assert!(refusal(&valid().requests(0)).contains("1..=65535"));
        assert!(refusal(&valid().poll(PollPolicy::Park(Duration::from_secs(1)))).contains("park shorter"));
    }

    #[test]
    fn a_replica_without_a_fabric_is_refused() {
        let error = valid().start(crate::machines::Counter::default()).expect_err("there is no fabric");
        assert!(matches!(error, BuildError::NoFabric), "{error}");
    }

    #[test]
    fn replicas_with_other_session_limits_belong_to_another_cluster() {
        let other = SessionLimits { window: 8, ..SessionLimits::default() };
        let clusters = [valid(), valid().sessions(other)].map(|builder| builder.config().expect("valid").cluster);
        assert_ne!(clusters[0], clusters[1]);
    }

    #[test]
    fn replicas_with_another_record_secret_belong_to_another_cluster() {
        let secret = |byte| valid().record_secret(RecordSecret::new([byte; 32]));
        let numbers = [valid(), secret(1), secret(2)].map(|builder| builder.config().expect("valid").cluster);
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2], "{numbers:x?}");
        assert_eq!(secret(1).config().expect("valid").cluster, numbers[1]);
        assert!(format!("{:?}", secret(77)).contains("RecordSecret(..)"), "secrets are not shown");
        let fingerprint = Sealing::Mac(RecordSecret::new([1; 32])).fingerprint(0);
        let client = valid().record_fingerprint(fingerprint);
        assert_eq!(client.config().expect("valid").cluster, numbers[1], "a client finds the cluster");
        let error = client.check_secret().expect_err("and is no replica of it");
        assert!(error.to_string().contains(&format!("{fingerprint:016x}")), "{error}");
        assert!(client.record_secret(RecordSecret::new([1; 32])).check_secret().is_ok());
    }
}
