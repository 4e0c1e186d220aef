//! Measures this machine: what a commit costs here, and what its bare stores and compare-and-exchanges cost.
//!
//! The calling thread is the leader, embedded; the followers are processes that the caller spawns (they call
//! [`follow`]). Blocks of commits, of bare rounds and of mere clock readings take turns, so that whatever else the
//! machine does falls on all three alike.
//!
//! The **floor** of a commit is what no engine can do without: the words of the record stored into the memory of every
//! acceptor and one compare-and-exchange of each PROMISE, by the same thread, on the same mapped files and PROMISE words
//! (the records go to the journals of a proposer that is silent here), while the same followers poll for them.

mod board;
mod floor;
mod follower;
mod machine;
mod report;

pub use follower::{FollowerOptions, follow};
pub use report::{Percentiles, Report};

use crate::build_error::BuildError;
use crate::builder::ReplicaBuilder;
use crate::clock::Clock;
use crate::node::Node;
use board::{Board, Phase};
use floor::Floor;
use hdrhistogram::Histogram;
use machine::Tally;
use paxon_fastpath::{Batch, Command, Nanos, ReplicaId, Role, Slot, StateMachine, Timing, Unheard};
use paxon_region::RegionError;
use paxon_shm::ShmFabric;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// Samples of each kind between two changes of the kind: short enough that slow drifts of the machine hit all alike.
const BLOCK: u64 = 2_000;
/// Commits before the first one that counts.
const WARM_UP: u64 = 20_000;
/// How long anything that should take microseconds may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest latency that the histograms tell from larger ones.
const LATENCY_MAX_NS: u64 = 10_000_000_000;
/// Nobody may be deposed by a hiccup of the machine while it is measured.
const TIMING: Timing = Timing {
    beat: Nanos::from_micros(200),
    suspect: Nanos::from_millis(10_000),
    stagger: Nanos::from_millis(500),
    flush: Nanos::from_micros(3),
};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Members of the cluster, the measuring thread included.
    pub replicas: usize,
    /// Bytes of each command.
    pub payload: usize,
    /// Commits to measure.
    pub samples: u64,
    /// Commands of one record; 1 for the latency of single commands.
    pub batch: usize,
    /// Records that are proposed before they are sent, behind one check.
    pub outstanding: usize,
    /// Whether to pin the leader to the first core and the followers to the others in turn.
    pub affinity: bool,
    /// Cells of each journal; a power of two.
    pub cells: usize,
    /// Where the memory lies; made and removed.
    pub directory: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replicas: 3,
            payload: 64,
            samples: 1_000_000,
            batch: 1,
            outstanding: 1,
            affinity: false,
            cells: 1 << 12,
            directory: PathBuf::from(format!("/dev/shm/paxon-measure-{}", std::process::id())),
        }
    }
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The replica could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Memory could not be mapped.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// A follower could not be started.
    #[error("cannot start a follower: {0}")]
    Spawn(#[source] io::Error),
    /// Something did not happen in time.
    #[error("waited {} s for {what}", PATIENCE.as_secs())]
    TimedOut {
        /// What was waited for.
        what: &'static str,
    },
    /// Leadership was lost: another process took the followers' or the leader's core for seconds.
    #[error("the measuring replica lost its leadership; is the machine overloaded?")]
    Deposed,
    /// A follower ended with another state than the leader.
    #[error("replica {replica} ended with digest {found:016x}, the leader with {expected:016x}")]
    Diverged {
        /// The follower.
        replica: u8,
        /// Its digest.
        found: u64,
        /// The leader's digest.
        expected: u64,
    },
}

/// Followers, killed and reaped in the end whatever happens.
struct Followers(Vec<Child>);

impl Drop for Followers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The directory of the measured cluster, removed in the end.
struct Workplace(PathBuf);

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing was made, or nobody is left to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Measures. `spawn` starts a process that calls [`follow`] with the given options.
///
/// # Errors
/// [`MeasureError`].
pub fn commits(
    options: &Options,
    mut spawn: impl FnMut(&FollowerOptions) -> io::Result<Child>,
) -> Result<Report, MeasureError> {
    let _workplace = Workplace(options.directory.clone());
    let mut run = Run::start(options)?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut followers = Followers(Vec::new());
    for replica in 1..options.replicas as u8 {
        let others = cores.len().saturating_sub(1).max(1);
        let core = options.affinity.then(|| cores.get(1 + usize::from(replica - 1) % others)).flatten();
        let follower = FollowerOptions {
            replica,
            replicas: options.replicas,
            cells: options.cells,
            directory: options.directory.clone(),
            core: core.map(|core| core.id),
            // Followers with a core each need not let go of it.
            spin: options.affinity && cores.len() >= options.replicas,
        };
        followers.0.push(spawn(&follower).map_err(MeasureError::Spawn)?);
    }
    if let Some(first) = cores.first().filter(|_| options.affinity) {
        core_affinity::set_for_current(*first);
    }
    run.measure(options)
}

/// The builder that leader and followers agree on.
fn builder(replica: u8, replicas: usize, cells: usize, directory: &Path) -> ReplicaBuilder {
    let builder = ReplicaBuilder::default().cluster("paxon measure").replica(replica).replicas(replicas);
    builder.cells(cells).window(cells / 8).timing(TIMING).shm(directory)
}

/// A run in progress.
struct Run {
    node: Node<Tally, ShmFabric, Unheard>,
    clock: Clock,
    board: Board,
    commits: Histogram<u64>,
    floors: Histogram<u64>,
    hiccups: Histogram<u64>,
}

impl Run {
    fn start(options: &Options) -> Result<Self, MeasureError> {
        let node = builder(0, options.replicas, options.cells, &options.directory).build(Tally::default(), Unheard)?;
        let histogram = || Histogram::new_with_max(LATENCY_MAX_NS, 3).expect("three digits up to ten seconds");
        Ok(Self {
            clock: node.clock().clone(),
            node,
            board: Board::create(&options.directory)?,
            commits: histogram(),
            floors: histogram(),
            hiccups: histogram(),
        })
    }

    fn measure(&mut self, options: &Options) -> Result<Report, MeasureError> {
        self.wait_for("leadership and followers", |run| {
            let replica = run.node.replica();
            let all_here = ReplicaId::all(options.replicas).all(|peer| replica.peer_applied(peer).is_some());
            replica.role() == Role::Leader && all_here
        })?;
        let mut floor = Floor::open(options)?;
        let mut load = Load::new(options);
        self.commit_block(&mut load, WARM_UP.min(options.samples), false)?;
        let mut rates = Vec::new();
        let mut left = options.samples;
        while left > 0 {
            let block = left.min(BLOCK);
            rates.push(self.commit_block(&mut load, block, true)?);
            self.floor_block(&mut floor, block)?;
            self.hiccup_block(block);
            left -= block;
        }
        self.compare_digests(options)?;
        Ok(Report::new(options, self, rates))
    }

    /// Polls until `done`.
    fn wait_for(&mut self, what: &'static str, done: impl Fn(&Self) -> bool) -> Result<(), MeasureError> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            self.node.poll();
            std::thread::yield_now();
            if Instant::now() > deadline {
                return Err(MeasureError::TimedOut { what });
            }
        }
        Ok(())
    }

    /// Commits `block` groups of records, one group at a time. Returns commands a second.
    fn commit_block(&mut self, load: &mut Load, block: u64, record: bool) -> Result<f64, MeasureError> {
        let begun = self.clock.now();
        let mut commands = 0;
        let mut at = 0;
        while at < block {
            let start = self.clock.now();
            let Some(last) = load.propose(&mut self.node) else {
                // The journal is full: the followers have to apply first. That is their time, not that of a commit.
                self.make_room()?;
                continue;
            };
            self.node.poll_at(start);
            while self.node.replica().applied() < last {
                self.node.poll();
                if self.node.replica().role() != Role::Leader {
                    return Err(MeasureError::Deposed);
                }
            }
            if record {
                // The histogram ends at ten seconds; whatever is longer counts as that.
                self.commits.saturating_record(self.clock.now().since(start).0);
            }
            commands += load.commands_per_group();
            at += 1;
        }
        Ok(commands as f64 * 1e9 / self.clock.now().since(begun).0 as f64)
    }

    fn make_room(&mut self) -> Result<(), MeasureError> {
        if self.node.replica().role() != Role::Leader {
            return Err(MeasureError::Deposed);
        }
        self.node.poll();
        std::thread::yield_now();
        Ok(())
    }

    /// Bare rounds, with the followers polling for them.
    fn floor_block(&mut self, floor: &mut Floor, block: u64) -> Result<(), MeasureError> {
        self.board.set(Phase::Floor);
        for _ in 0..block {
            let start = self.clock.now();
            floor.round();
            self.floors.saturating_record(self.clock.now().since(start).0);
            if floor.rounds() % 64 == 0 {
                self.node.poll();
            }
        }
        self.board.set(Phase::Commits);
        self.node.poll();
        if self.node.replica().role() == Role::Leader { Ok(()) } else { Err(MeasureError::Deposed) }
    }

    /// What the machine itself does to a thread that only reads the clock.
    fn hiccup_block(&mut self, block: u64) {
        let mut last = self.clock.now();
        for _ in 0..block {
            let now = self.clock.now();
            self.hiccups.saturating_record(now.since(last).0);
            last = now;
        }
    }

    /// Ends the run: every follower applies everything and tells its digest.
    fn compare_digests(&mut self, options: &Options) -> Result<(), MeasureError> {
        let target = self.node.replica().applied();
        self.board.end(target);
        let followers = 1..options.replicas as u8;
        self.wait_for("the followers to apply everything", |run| {
            followers.clone().all(|replica| run.board.digest(replica).is_some())
        })?;
        let expected = self.node.service().machine().digest();
        for replica in followers {
            match self.board.digest(replica) {
                Some(found) if found != expected => return Err(MeasureError::Diverged { replica, found, expected }),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What is proposed in one go.
struct Load {
    command: Vec<u8>,
    batch: Batch,
    batch_size: usize,
    outstanding: usize,
    count: u64,
}

impl Load {
    fn new(options: &Options) -> Self {
        let bytes = options.batch * (options.payload + 64);
        Self {
            command: vec![0; options.payload],
            batch: Batch::new(bytes, options.batch),
            batch_size: options.batch,
            outstanding: options.outstanding,
            count: 0,
        }
    }

    const fn commands_per_group(&self) -> u64 {
        (self.batch_size * self.outstanding) as u64
    }

    /// Proposes a group of records; `None` if there is no room for all of it.
    fn propose(&mut self, node: &mut Node<Tally, ShmFabric, Unheard>) -> Option<Slot> {
        if node.replica().room() < self.outstanding {
            // Also tells the engine that room is wanted.
            return if self.outstanding > 1 { None } else { self.propose_record(node) };
        }
        let mut last = None;
        for _ in 0..self.outstanding {
            last = self.propose_record(node);
        }
        last
    }

    fn propose_record(&mut self, node: &mut Node<Tally, ShmFabric, Unheard>) -> Option<Slot> {
        if self.batch_size == 1 {
            self.next_command();
            return node.propose(&self.command).ok();
        }
        self.batch.clear();
        for _ in 0..self.batch_size {
            self.next_command();
            self.batch.push(Command::plain(&self.command)).expect("the batch was sized for it");
        }
        node.submit_batch(&self.batch).ok()
    }

    fn next_command(&mut self) {
        self.count += 1;
        if let Some(number) = self.command.first_chunk_mut() {
            *number = self.count.to_le_bytes();
        }
    }
}
