//! The first message of a connection: who wants what of whom.
//!
//! ```text
//!   0       8         12        16        24     32   36    40                    72            80       88    96
//!   │ magic │ version │ purpose │ cluster │ from │ to │ 0   │ layout: 4 words     │ incarnation │ attempt │ xxh3 │
//! ```
//! `from` is the replica, or all ones for a client. The layout is its four numbers in the order of their declaration.

use crate::wire::{DecodeError, Reader, Writer, check_prefix};
use paxon_fastpath::{Layout, ReplicaId};

/// Bytes of an encoded hello.
pub const HELLO_BYTES: usize = 96;
/// `PAXONHEL`. Its first byte is no content type of TLS (20 to 24), so that either side can tell the other's mistake.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"PAXONHEL");
/// `from` of a client.
const NO_REPLICA: u64 = u64::MAX;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// One-sided operations on the acceptor's memory; replicas only.
    Operations = 1,
    /// Setting up a connection over RDMA; replicas only.
    RdmaSetup = 2,
    /// Commands and reads of a client.
    Client = 3,
    /// A bare echo, the floor of a benchmark.
    Floor = 4,
}

impl Purpose {
    /// Whether only a replica may ask for it, and the layouts must be the same.
    pub const fn is_for_replicas(self) -> bool {
        matches!(self, Self::Operations | Self::RdmaSetup)
    }

    pub(crate) fn decode(value: u32) -> Result<Self, DecodeError> {
        match value {
            1 => Ok(Self::Operations),
            2 => Ok(Self::RdmaSetup),
            3 => Ok(Self::Client),
            4 => Ok(Self::Floor),
            other => Err(DecodeError::Field { field: "purpose", value: u64::from(other) }),
        }
    }
}

/// The first message of a connection, sent by the side that dialled.
///
/// ```
/// use paxon_channel::{Hello, Purpose};
/// use paxon_fastpath::{Layout, ReplicaId};
/// let layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
/// let hello = Hello {
///     purpose: Purpose::Operations,
///     cluster: 7,
///     from: Some(ReplicaId(0)),
///     to: ReplicaId(1),
///     layout,
///     incarnation: 9,
///     attempt: 1,
/// };
/// assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What the connection is for.
    pub purpose: Purpose,
    /// The cluster.
    pub cluster: u64,
    /// The replica that dials, `None` for a client. With TLS it must be the one whose key was used.
    pub from: Option<ReplicaId>,
    /// The replica that the dialler takes the acceptor for.
    pub to: ReplicaId,
    /// Sizes of the acceptors' memory. Compared where [`Purpose::is_for_replicas`].
    pub layout: Layout,
    /// The life of the dialling replica's memory; 0 for a client.
    pub incarnation: u64,
    /// `[process:32 | count:32]`: a random number of the dialling process and a count that grows with every hello it sends.
    /// The porter sets it. See [`Hello::is_older_than`].
    pub attempt: u64,
}

impl Hello {
    /// The bytes to send.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut writer = Writer::new(MAGIC);
        writer.u32(self.purpose as u32).u64(self.cluster);
        writer.u64(self.from.map_or(NO_REPLICA, |id| u64::from(id.0))).u32(u32::from(self.to.0)).u32(0);
        let Layout { replicas, cells, arena_words, snapshot_words } = self.layout;
        for words in [replicas, cells, arena_words, snapshot_words] {
            writer.u64(words as u64);
        }
        writer.u64(self.incarnation).u64(self.attempt);
        writer.finish()
    }

    /// Reads a hello. Bytes of any content and length are fine.
    ///
    /// # Errors
    /// [`DecodeError`]: what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, MAGIC, HELLO_BYTES)?;
        let purpose = Purpose::decode(reader.u32())?;
        let cluster = reader.u64();
        let from = match reader.u64() {
            NO_REPLICA => None,
            id => Some(replica("from", id)?),
        };
        let to = replica("to", u64::from(reader.u32()))?;
        let zero = reader.u32();
        if zero != 0 {
            return Err(DecodeError::Field { field: "reserved", value: u64::from(zero) });
        }
        let mut size = |field| size(field, reader.u64());
        let layout = Layout {
            replicas: size("replicas")?,
            cells: size("cells")?,
            arena_words: size("arena words")?,
            snapshot_words: size("snapshot words")?,
        };
        let hello = Self { purpose, cluster, from, to, layout, incarnation: reader.u64(), attempt: reader.u64() };
        reader.end().map(|()| hello)
    }

    /// Whether the same process sent `other` later. Then this hello belongs to a connection that its sender gave up, and a
    /// session that stands must not end for it: connections can arrive in another order than they were made.
    pub const fn is_older_than(&self, other: &Self) -> bool {
        self.attempt >> 32 == other.attempt >> 32 && self.attempt < other.attempt
    }

    /// What is wrong with the first bytes of a hello, if that can be told already.
    pub(crate) fn check_prefix(bytes: &[u8]) -> Result<(), DecodeError> {
        check_prefix(bytes, MAGIC)
    }
}

/// A replica's id as a field; whether the cluster has such a member is asked later.
pub(crate) fn replica(field: &'static str, value: u64) -> Result<ReplicaId, DecodeError> {
    u8::try_from(value).map(ReplicaId).map_err(|_| DecodeError::Field { field, value })
}

fn size(field: &'static str, value: u64) -> Result<usize, DecodeError> {
    usize::try_from(value).map_err(|_| DecodeError::Field { field, value })
}
