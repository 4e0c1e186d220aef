//! What to measure.

use super::cluster::{Cluster, Link};
use crate::build_error::BuildError;
use paxon_fastpath::{BATCH_COMMANDS_MAX, ENTRY_WORDS};
use paxon_tcp::backend::IoKind;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Bytes of a record and of a group of records; a quarter of the arena, so that a group fits wherever it begins.
pub(super) const GROUP_BYTES_MAX: usize = 1 << 20;
/// The window is this part of a journal, the most that the engine allows.
pub(super) const CELLS_PER_WINDOW: usize = 8;
/// Cells for a window of eight.
const CELLS_MIN: usize = 64;

/// How the replicas of a measurement reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fabric {
    /// Shared memory.
    #[default]
    Shm,
    /// TCP over the loopback interface.
    Tcp(TcpSettings),
    /// RDMA between the devices of this host.
    Rdma,
}

/// How TCP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSettings {
    /// Which system calls move the bytes.
    pub io: Io,
    /// Neither authentication nor encryption.
    pub plaintext: bool,
}

/// Which system calls move the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Io {
    /// io_uring where the kernel allows it, else epoll.
    #[default]
    Auto,
    /// io_uring.
    IoUring,
    /// epoll.
    Epoll,
}

impl From<Io> for IoKind {
    fn from(io: Io) -> Self {
        match io {
            Io::Auto => Self::Auto,
            Io::IoUring => Self::IoUring,
            Io::Epoll => Self::Epoll,
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the replicas reach each other.
    pub fabric: Fabric,
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
            fabric: Fabric::Shm,
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
        let config = self.cluster(Link::Shm).builder(0).config();
        config.map(drop).map_err(|error: BuildError| OptionsError::Cluster(error.to_string()))
    }

    /// The cluster to measure, whose replicas reach each other by `link`.
    pub(super) fn cluster(&self, link: Link) -> Cluster {
        Cluster { replicas: self.replicas, cells: self.cells, directory: self.directory.clone(), link, auth: None }
    }

    /// Bytes of the commands of a record, packed.
    pub(super) const fn record_bytes(&self) -> usize {
        (ENTRY_WORDS + self.payload.div_ceil(8)).saturating_mul(8 * self.batch)
    }
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
