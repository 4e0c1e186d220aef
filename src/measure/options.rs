//! What to measure.

use crate::build_error::BuildError;
use crate::builder::ReplicaBuilder;
use paxon_fastpath::{BATCH_COMMANDS_MAX, ENTRY_WORDS, Nanos, SessionLimits, Timing};
use std::path::{Path, PathBuf};

/// Nobody may be deposed by a hiccup of the machine while it is measured.
const TIMING: Timing = Timing {
    beat: Nanos::from_micros(200),
    suspect: Nanos::from_millis(10_000),
    stagger: Nanos::from_millis(500),
    flush: Nanos::from_micros(3),
};
/// Bytes of a record and of a group of records; a quarter of the arena, so that a group fits wherever it begins.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Small enough that a cluster of three fits into the 64 MiB that containers give to `/dev/shm`.
const ARENA_BYTES: usize = 4 * GROUP_BYTES_MAX;
/// The state is a number and nobody has a session.
const SNAPSHOT_BYTES: usize = 1 << 16;
const SESSIONS: SessionLimits = SessionLimits { sessions_max: 1, window: 8, reply_bytes_max: 64 };
/// The window is this part of a journal, the most that the engine allows.
const CELLS_PER_WINDOW: usize = 8;
/// Cells for a window of eight.
const CELLS_MIN: usize = 64;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Members of the cluster, the measuring thread included.
    pub replicas: usize,
    /// Bytes of each command.
    pub payload: usize,
    /// Commits to measure; groups of them if `batch` or `outstanding` is above one.
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
    /// A million single commands of 64 bytes in a cluster of three.
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

/// Why something cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Nothing would be measured.
    #[error("{name} is 0; it must be at least 1")]
    Nothing {
        /// Which option.
        name: &'static str,
    },
    /// More commands than a record names.
    #[error("a batch of {batch} commands; a record has at most {BATCH_COMMANDS_MAX}")]
    Batch {
        /// What was asked for.
        batch: usize,
    },
    /// The journal cannot be cut into windows.
    #[error("cells is {0}; it must be a power of two and at least {CELLS_MIN}")]
    Cells(usize),
    /// More records in flight than the window allows.
    #[error("{outstanding} records outstanding; {cells} cells allow {most}, raise cells for more")]
    Outstanding {
        /// What was asked for.
        outstanding: usize,
        /// Cells of the journal.
        cells: usize,
        /// The window.
        most: usize,
    },
    /// Too much memory in one go.
    #[error(
        "{commands} commands of {payload} bytes in one go are {bytes} bytes with their headers; \
         the limit is {GROUP_BYTES_MAX}, lower payload, batch or outstanding"
    )]
    TooLarge {
        /// Commands of a group.
        commands: usize,
        /// Bytes of each.
        payload: usize,
        /// Bytes of all, packed.
        bytes: usize,
    },
    /// The engine refuses the cluster.
    #[error("{0}")]
    Cluster(String),
}

impl Options {
    /// Checks that this can be measured.
    ///
    /// # Errors
    /// [`OptionsError`], naming what is wrong and what would be right.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let counts = [("samples", self.samples as usize), ("batch", self.batch), ("outstanding", self.outstanding)];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(OptionsError::Nothing { name });
        }
        if self.batch > BATCH_COMMANDS_MAX {
            return Err(OptionsError::Batch { batch: self.batch });
        }
        if !self.cells.is_power_of_two() || self.cells < CELLS_MIN {
            return Err(OptionsError::Cells(self.cells));
        }
        let (cells, most, outstanding) = (self.cells, self.cells / CELLS_PER_WINDOW, self.outstanding);
        if outstanding > most {
            return Err(OptionsError::Outstanding { outstanding, cells, most });
        }
        let (commands, payload) = (self.batch * outstanding, self.payload);
        let bytes = self.record_bytes().saturating_mul(outstanding);
        if bytes > GROUP_BYTES_MAX {
            return Err(OptionsError::TooLarge { commands, payload, bytes });
        }
        let config = builder(0, self.replicas, self.cells, &self.directory).config();
        config.map(drop).map_err(|error: BuildError| OptionsError::Cluster(error.to_string()))
    }

    /// Bytes of the commands of a record, packed.
    pub(super) const fn record_bytes(&self) -> usize {
        (ENTRY_WORDS + self.payload.div_ceil(8)).saturating_mul(8 * self.batch)
    }
}

/// The builder that leader and followers agree on.
pub(super) fn builder(replica: u8, replicas: usize, cells: usize, directory: &Path) -> ReplicaBuilder {
    ReplicaBuilder::default()
        .cluster("paxon measure")
        .replica(replica)
        .replicas(replicas)
        .cells(cells)
        .window(cells / CELLS_PER_WINDOW)
        .payload_bytes_max(GROUP_BYTES_MAX)
        .arena_bytes(ARENA_BYTES)
        .snapshot_bytes(SNAPSHOT_BYTES)
        .sessions(SESSIONS)
        .timing(TIMING)
        .shm(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::default();
        change(&mut options);
        options.validate().expect_err("it must be refused").to_string()
    }

    #[test]
    fn the_defaults_and_the_largest_payload_can_be_measured() {
        assert_eq!(Options::default().validate(), Ok(()));
        let payload = GROUP_BYTES_MAX - ENTRY_WORDS * 8;
        assert_eq!(Options { payload, ..Options::default() }.validate(), Ok(()));
        assert!(refusal(|options| options.payload = payload + 1).contains("the limit is 1048576"));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        assert!(refusal(|options| options.samples = 0).contains("samples is 0"));
        assert!(refusal(|options| options.batch = 0).contains("batch is 0"));
        assert!(refusal(|options| options.outstanding = 0).contains("outstanding is 0"));
        assert!(refusal(|options| options.batch = 65_536).contains("at most 65535"));
        assert!(refusal(|options| options.cells = 1000).contains("cells is 1000"));
        assert!(refusal(|options| options.outstanding = 513).contains("4096 cells allow 512"));
        assert!(refusal(|options| options.replicas = 4).contains("1, 3, 5 or 7 replicas, not 4"));
        assert!(refusal(|options| options.payload = usize::MAX).contains("lower payload"));
    }
}
