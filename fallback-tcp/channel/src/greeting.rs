//! What the acceptor says to a hello: a welcome, or a refusal with the numbers that explain it.
//!
//! ```text
//!   0       8         12     16                  48      56     64
//!   │ magic │ version │ code │ numbers: 4 words  │ 0     │ xxh3 │
//! ```
//! Code 0 is the welcome. A later version keeps the first twelve bytes, so that an older dialler can say why it was
//! refused.

use crate::hello::{Purpose, replica};
use crate::roster::Security;
use crate::wire::{DecodeError, Reader, Writer, check_prefix};
use paxon_fastpath::{Layout, ReplicaId};
use std::fmt;

/// Bytes of an encoded greeting.
pub const GREETING_BYTES: usize = 64;
/// `PAXONGRT`. Like the hello's it cannot be the beginning of a TLS record.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"PAXONGRT");
/// A client where a replica could stand.
const NO_REPLICA: u64 = u64::MAX;

/// The first message to the side that dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Frames may follow.
    Welcome(Welcome),
    /// The connection ends here.
    Refused(Refusal),
}

/// What the dialler needs to know before it sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The life of the acceptor's memory.
    pub incarnation: u64,
    /// Bytes of the largest frame that it takes.
    pub frame_bytes_max: u32,
    /// Frames that may be unanswered at a time.
    pub outstanding_max: u32,
}

/// Why an acceptor does not take a connection. `here` is what the acceptor has, `yours` what the hello said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another version of the protocol.
    #[error("it speaks version {here} of the protocol and we version {yours}: upgrade the older side")]
    Version {
        /// The acceptor's version.
        here: u32,
        /// The hello's version.
        yours: u32,
    },
    /// Another cluster.
    #[error(
        "it belongs to cluster {here:#018x} and we to {yours:#018x}: compare the names and session limits in the two files"
    )]
    Cluster {
        /// The acceptor's cluster.
        here: u64,
        /// The hello's cluster.
        yours: u64,
    },
    /// The hello was meant for another replica.
    #[error("it is {here} and we look for {yours}: correct the addresses of the two in the roster")]
    Recipient {
        /// The acceptor.
        here: ReplicaId,
        /// Whom the hello was for.
        yours: ReplicaId,
    },
    /// The hello came from somebody else than it said.
    #[error("our key is that of {} and our hello says {}: use each member's own key and id", Who(*.here), Who(*.yours))]
    Impostor {
        /// Whose key it was; `None` for a client's.
        here: Option<ReplicaId>,
        /// Who the hello said it was from.
        yours: Option<ReplicaId>,
    },
    /// The hello is from no other member of the acceptor's cluster.
    #[error("{yours} is no other member of its cluster: compare the rosters")]
    NoPeer {
        /// Who the hello said it was from.
        yours: ReplicaId,
    },
    /// The purpose is not for this party: operations are for replicas.
    #[error("{yours:?} is for replicas only and we are a client")]
    Purpose {
        /// What the hello asked for.
        yours: Purpose,
    },
    /// The members' memory has different sizes.
    #[error("it has {here} {field} and we {yours}: the sizes must be the same at every member")]
    Layout {
        /// The first size that differs.
        field: LayoutField,
        /// The acceptor's.
        here: u64,
        /// The hello's.
        yours: u64,
    },
    /// One side speaks TLS and the other does not.
    #[error("it speaks {here}, we do not: set the same security at both")]
    Security {
        /// What the acceptor speaks.
        here: Security,
    },
    /// The hello was damaged, or made by a program that does not keep to the protocol.
    #[error("our hello arrived damaged")]
    Damaged,
    /// The acceptor does not serve this purpose.
    #[error("it does not serve {yours:?}")]
    NotServed {
        /// What the hello asked for.
        yours: Purpose,
    },
    /// No room at the moment.
    #[error("it serves {most} connections already: try again in {retry_ms} ms")]
    Busy {
        /// Connections that it serves at most.
        most: u64,
        /// When to try again, in milliseconds.
        retry_ms: u64,
    },
    /// A later hello of the same process has been welcomed.
    #[error("it has welcomed a later connection of ours")]
    Stale,
}

impl Refusal {
    /// Whether the same hello may be welcomed later although nobody has changed a configuration.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Stale | Self::Damaged)
    }
}

/// A number of [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutField {
    /// [`Layout::replicas`].
    Replicas,
    /// [`Layout::cells`].
    Cells,
    /// [`Layout::arena_words`].
    ArenaWords,
    /// [`Layout::snapshot_words`].
    SnapshotWords,
}

impl LayoutField {
    const ALL: [Self; 4] = [Self::Replicas, Self::Cells, Self::ArenaWords, Self::SnapshotWords];

    fn of(self, layout: &Layout) -> u64 {
        let value = match self {
            Self::Replicas => layout.replicas,
            Self::Cells => layout.cells,
            Self::ArenaWords => layout.arena_words,
            Self::SnapshotWords => layout.snapshot_words,
        };
        value as u64
    }

    /// The refusal that names the first number in which `yours` differs, if any does.
    pub(crate) fn difference(here: &Layout, yours: &Layout) -> Option<Refusal> {
        let differs = Self::ALL.into_iter().find(|field| field.of(here) != field.of(yours))?;
        Some(Refusal::Layout { field: differs, here: differs.of(here), yours: differs.of(yours) })
    }
}

impl fmt::Display for LayoutField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replicas => "replicas",
            Self::Cells => "journal cells",
            Self::ArenaWords => "arena words",
            Self::SnapshotWords => "snapshot words",
        })
    }
}

/// A party in the words of a refusal.
struct Who(Option<ReplicaId>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => id.fmt(f),
            None => f.write_str("a client"),
        }
    }
}

impl Greeting {
    /// The bytes to send.
    pub fn encode(&self) -> [u8; GREETING_BYTES] {
        let (code, numbers) = match self {
            Self::Welcome(welcome) => welcome.numbers(),
            Self::Refused(refusal) => refusal.numbers(),
        };
        let mut writer = Writer::new(MAGIC);
        writer.u32(code);
        for number in numbers {
            writer.u64(number);
        }
        writer.finish()
    }

    /// Reads a greeting. Bytes of any content and length are fine.
    ///
    /// # Errors
    /// [`DecodeError`]: what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, MAGIC, GREETING_BYTES)?;
        let code = reader.u32();
        let numbers = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
        reader.end()?;
        let greeting = match code {
            0 => Self::Welcome(Welcome::from_numbers(numbers)?),
            code => Self::Refused(Refusal::from_numbers(code, numbers)?),
        };
        // One encoding for each greeting: numbers that it does not use are zero.
        if greeting.encode() == bytes {
            Ok(greeting)
        } else {
            Err(DecodeError::Field { field: "unused", value: u64::from(code) })
        }
    }

    /// What is wrong with the first bytes of a greeting, if that can be told already.
    pub(crate) fn check_prefix(bytes: &[u8]) -> Result<(), DecodeError> {
        check_prefix(bytes, MAGIC)
    }
}

impl Welcome {
    fn numbers(&self) -> (u32, [u64; 4]) {
        (0, [self.incarnation, u64::from(self.frame_bytes_max), u64::from(self.outstanding_max), 0])
    }

    fn from_numbers([incarnation, frame, outstanding, _]: [u64; 4]) -> Result<Self, DecodeError> {
        Ok(Self {
            incarnation,
            frame_bytes_max: narrow("largest frame", frame)?,
            outstanding_max: narrow("frames outstanding", outstanding)?,
        })
    }
}

impl Refusal {
    fn numbers(&self) -> (u32, [u64; 4]) {
        let two = |code, here, yours| (code, [here, yours, 0, 0]);
        match *self {
            Self::Version { here, yours } => two(1, u64::from(here), u64::from(yours)),
            Self::Cluster { here, yours } => two(2, here, yours),
            Self::Recipient { here, yours } => two(3, u64::from(here.0), u64::from(yours.0)),
            Self::Impostor { here, yours } => two(4, party(here), party(yours)),
            Self::Purpose { yours } => two(5, 0, yours as u64),
            Self::Layout { field, here, yours } => (6, [here, yours, field as u64, 0]),
            Self::Security { here } => two(7, here as u64, 0),
            Self::Damaged => two(8, 0, 0),
            Self::NotServed { yours } => two(9, 0, yours as u64),
            Self::Busy { most, retry_ms } => two(10, most, retry_ms),
            Self::Stale => two(11, 0, 0),
            Self::NoPeer { yours } => two(12, 0, u64::from(yours.0)),
        }
    }

    fn from_numbers(code: u32, [here, yours, field, _]: [u64; 4]) -> Result<Self, DecodeError> {
        Ok(match code {
            1 => Self::Version { here: narrow("version", here)?, yours: narrow("version", yours)? },
            2 => Self::Cluster { here, yours },
            3 => Self::Recipient { here: replica("recipient", here)?, yours: replica("recipient", yours)? },
            4 => Self::Impostor { here: some_replica(here)?, yours: some_replica(yours)? },
            5 => Self::Purpose { yours: purpose(yours)? },
            6 => Self::Layout { field: layout_field(field)?, here, yours },
            7 => Self::Security { here: security(here)? },
            8 => Self::Damaged,
            9 => Self::NotServed { yours: purpose(yours)? },
            10 => Self::Busy { most: here, retry_ms: yours },
            11 => Self::Stale,
            12 => Self::NoPeer { yours: replica("party", yours)? },
            other => return Err(DecodeError::Field { field: "code", value: u64::from(other) }),
        })
    }
}

fn party(id: Option<ReplicaId>) -> u64 {
    id.map_or(NO_REPLICA, |id| u64::from(id.0))
}

fn some_replica(value: u64) -> Result<Option<ReplicaId>, DecodeError> {
    if value == NO_REPLICA { Ok(None) } else { replica("party", value).map(Some) }
}

fn purpose(value: u64) -> Result<Purpose, DecodeError> {
    narrow("purpose", value).and_then(Purpose::decode)
}

fn security(value: u64) -> Result<Security, DecodeError> {
    [Security::Tls, Security::Plaintext]
        .into_iter()
        .find(|security| *security as u64 == value)
        .ok_or(DecodeError::Field { field: "security", value })
}

fn layout_field(value: u64) -> Result<LayoutField, DecodeError> {
    LayoutField::ALL
        .into_iter()
        .find(|field| *field as u64 == value)
        .ok_or(DecodeError::Field { field: "layout field", value })
}

fn narrow(field: &'static str, value: u64) -> Result<u32, DecodeError> {
    u32::try_from(value).map_err(|_| DecodeError::Field { field, value })
}
