//! What a replica has to be told before it starts.

use crate::ids::{Nanos, ReplicaId};
use crate::layout::{CELL_WORDS, LINE_WORDS, Layout, REPLICAS_MAX};
use crate::memory::words_of;
use crate::quorum::QuorumSizes;
use crate::seal::{SealMark, Sealing};
use crate::status::{Configuration, STATUS_WORDS};

/// Largest payload that a record's header can describe.
const PAYLOAD_BYTES_LIMIT: usize = (1 << 24) - 8;
/// A record names the commit index by its distance, in 16 bits.
const WINDOW_MAX: usize = 1 << 14;
/// Journals hold at least this many windows: a few leaders in a row that die half way must not fill one.
const WINDOWS_PER_JOURNAL: usize = 8;
/// Arenas hold at least this many of the largest payloads: half is kept for the records with which a tenure begins, and a
/// payload that does not fit before the end of the ring leaves a gap there.
const PAYLOADS_PER_ARENA: usize = 4;
/// Words of a snapshot that one read fetches.
pub(crate) const SNAPSHOT_CHUNK_WORDS: usize = 1 << 14;
/// Cells that one read of a new leader fetches.
pub(crate) const SCAN_CELLS: usize = 256;

/// Times of the failure detector and of the leader. All of them concern progress; none concerns safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a replica bumps its heartbeat and pulls its peers' status.
    pub beat: Nanos,
    /// How long a leader may look dead before a follower stands for election.
    pub suspect: Nanos,
    /// How much longer each further follower waits, so that they do not stand at once.
    pub stagger: Nanos,
    /// How long a leader with nothing to propose waits before it writes the commit index out.
    pub flush: Nanos,
}

impl Timing {
    /// For replicas that poll without pause on cores of their own.
    pub const fn spinning() -> Self {
        Self {
            beat: Nanos::from_micros(50),
            suspect: Nanos::from_millis(1),
            stagger: Nanos::from_micros(500),
            flush: Nanos::from_micros(3),
        }
    }

    /// For replicas that share cores with each other or with other programs.
    pub const fn sharing() -> Self {
        Self {
            beat: Nanos::from_micros(500),
            suspect: Nanos::from_millis(50),
            stagger: Nanos::from_millis(2),
            flush: Nanos::from_micros(20),
        }
    }
}

/// The configuration of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Names the cluster; bound into every checksum.
    pub cluster: u64,
    /// Which member this is.
    pub replica: ReplicaId,
    /// How many votes count.
    pub quorums: QuorumSizes,
    /// The memory map, the same at every member.
    pub layout: Layout,
    /// Most slots that a leader has in flight; a power of two, at most an eighth of the cells.
    pub window: usize,
    /// Largest payload of a record, in bytes.
    pub payload_bytes_max: usize,
    /// Times.
    pub timing: Timing,
    /// How records are sealed, the same at every member.
    pub sealing: Sealing,
    /// Seeds the jitter between candidates; any number, different at each replica.
    pub seed: u64,
}

/// Why a configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a member.
    #[error("replica {replica} is not one of the {replicas} replicas (0..{replicas})")]
    UnknownReplica {
        /// The id given.
        replica: u8,
        /// Size of the cluster.
        replicas: usize,
    },
    /// Layout and quorums speak of different clusters.
    #[error("the layout is for {layout} replicas, the quorums for {quorums}")]
    Replicas {
        /// Members in the layout.
        layout: usize,
        /// Members in the quorums.
        quorums: usize,
    },
    /// A size must be a power of two.
    #[error("{name} is {value}; it must be a power of two and at least {least}")]
    Size {
        /// Which size.
        name: &'static str,
        /// What it is.
        value: usize,
        /// The least that is allowed.
        least: usize,
    },
    /// A size is too small.
    #[error("{name} is {value}; it must be at least {least}")]
    TooSmall {
        /// Which size.
        name: &'static str,
        /// What it is.
        value: usize,
        /// The least that is allowed.
        least: usize,
    },
    /// More slots in flight than a record's commit index can reach back.
    #[error("window is {0}; at most {WINDOW_MAX} slots can be in flight")]
    Window(usize),
    /// The payload limit cannot be described by a record.
    #[error("payload_bytes_max is {0}; a record describes at most {PAYLOAD_BYTES_LIMIT} bytes")]
    Payload(usize),
    /// A time is zero or the times are out of order.
    #[error("times must satisfy 0 < beat and 4 x beat <= suspect: beat is {beat_ns} ns, suspect {suspect_ns} ns")]
    Timing {
        /// Heartbeat interval.
        beat_ns: u64,
        /// Suspicion time.
        suspect_ns: u64,
    },
}

impl Config {
    /// A configuration with the default sizes: 16 Ki cells and 8 MiB of arena a proposer, payloads up to 1 MiB, 256 slots in flight.
    pub fn new(cluster: u64, replica: ReplicaId, quorums: QuorumSizes) -> Self {
        Self {
            cluster,
            replica,
            quorums,
            layout: Layout {
                replicas: quorums.replicas(),
                cells: 1 << 14,
                arena_words: 1 << 20,
                snapshot_words: 1 << 21,
            },
            window: 256,
            payload_bytes_max: 1 << 20,
            timing: Timing::sharing(),
            sealing: Sealing::Checksum,
            seed: u64::from(replica.0) + 1,
        }
    }

    /// Members of the cluster.
    pub const fn replicas(&self) -> usize {
        self.layout.replicas
    }

    /// What other members have to show of their way to seal records.
    pub fn seal_mark(&self) -> SealMark {
        self.sealing.mark(self.cluster)
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong and what would be right.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let replicas = self.replicas();
        if self.replica.index() >= replicas {
            return Err(ConfigError::UnknownReplica { replica: self.replica.0, replicas });
        }
        if replicas != self.quorums.replicas() {
            return Err(ConfigError::Replicas { layout: replicas, quorums: self.quorums.replicas() });
        }
        if self.payload_bytes_max > PAYLOAD_BYTES_LIMIT {
            return Err(ConfigError::Payload(self.payload_bytes_max));
        }
        let power_of_two = |name, value: usize, least: usize| {
            (value.is_power_of_two() && value >= least).then_some(()).ok_or(ConfigError::Size { name, value, least })
        };
        power_of_two("window", self.window, 1)?;
        if self.window > WINDOW_MAX {
            return Err(ConfigError::Window(self.window));
        }
        power_of_two("cells", self.layout.cells, WINDOWS_PER_JOURNAL * self.window.max(8))?;
        let payloads = PAYLOADS_PER_ARENA * words_of(self.payload_bytes_max);
        let least = payloads.max(2 * Configuration::WORDS).next_power_of_two();
        power_of_two("arena_words", self.layout.arena_words, least)?;
        if self.layout.snapshot_words < 2 * LINE_WORDS {
            let (name, value) = ("snapshot_words", self.layout.snapshot_words);
            return Err(ConfigError::TooSmall { name, value, least: 2 * LINE_WORDS });
        }
        let Timing { beat, suspect, .. } = self.timing;
        if beat.0 == 0 || suspect.0 < 4 * beat.0 {
            return Err(ConfigError::Timing { beat_ns: beat.0, suspect_ns: suspect.0 });
        }
        Ok(())
    }

    /// Words of the longest payload of any record: the embedder's, or a configuration.
    pub(crate) fn record_words_max(&self) -> usize {
        words_of(self.payload_bytes_max).max(Configuration::WORDS)
    }

    /// Words of scratch that the engine needs for the reads from each peer.
    pub fn scratch_words(&self) -> usize {
        self.scratch_snapshot() + SNAPSHOT_CHUNK_WORDS
    }

    /// Where in the scratch heads and PROMISE land when a new leader reads an acceptor (the periodic status pull lies before).
    pub(crate) const fn scratch_heads(&self) -> usize {
        STATUS_WORDS
    }

    /// Where chunks of snapshots land: a candidate may still be reading the same acceptor.
    pub(crate) fn scratch_snapshot(&self) -> usize {
        self.scratch_bulk() + (SCAN_CELLS * CELL_WORDS).max(self.record_words_max())
    }

    /// Where cells and payloads land.
    pub(crate) const fn scratch_bulk(&self) -> usize {
        STATUS_WORDS + STATUS_WORDS + (REPLICAS_MAX + 1) * LINE_WORDS
    }
}
