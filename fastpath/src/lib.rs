//! One-sided Multi-Paxos: the protocol of Paxon, without IO, clock or unsafe code.
//!
//! A leader writes its proposals straight into the memory of the acceptors and then, on the same ordered channel, checks
//! that each acceptor's PROMISE word still holds its ballot. No acceptor's processor takes part in a commit.
//! [`Replica`] is the engine: the embedder's thread calls [`Replica::poll`] with the time, a [`Fabric`] that reaches the
//! acceptors' memory, and a [`Host`] that receives what was decided. `DESIGN.md` beside this crate holds the protocol,
//! the memory map, the invariants and the safety argument.
#![forbid(unsafe_code)]

#[cfg(not(target_endian = "little"))]
compile_error!("the memory map is little-endian and shared between machines");

mod bug;
mod checksum;
mod client_table;
mod command;
mod config;
mod fabric;
mod host;
mod ids;
mod layout;
mod line;
mod memory;
mod promise;
mod quorum;
mod record;
mod replica;
mod seal;
mod service;
mod stage;
mod state_machine;
mod status;
#[cfg(test)]
mod test_records;
pub mod verify;

pub use bug::Bug;
#[cfg(feature = "bug-zoo")]
pub use bug::plant;
pub use checksum::lane_seed;
pub use client_table::{Admission, ClientTable, SessionLimits, SessionLimitsError};
pub use command::{BATCH_COMMANDS_MAX, Batch, BatchError, Command, Commands, ENTRY_WORDS, MalformedRecord, commands};
pub use config::{Config, ConfigError, Timing};
pub use fabric::{CHAIN_OPS_MAX, Completion, Fabric, FabricEvent, LinkDown, Op, PostError, Token};
pub use host::{Decided, Expected, Host, Notice, SnapshotError};
pub use ids::{Epoch, Incarnation, Nanos, ReplicaId, Seq, Slot};
pub use layout::{Area, CELL_WORDS, INLINE_BYTES, LINE_WORDS, Layout, PAGE_WORDS, REPLICAS_MAX, Span};
pub use line::Head;
pub use promise::{AcceptorState, Ballot, Promise};
pub use quorum::{QuorumError, QuorumSizes};
pub use record::{Cell, Flags, Header};
pub use replica::{ProposeError, ReadRound, Replica, Role, Submission};
pub use seal::{LaneKeys, RecordSecret, Seal, SealMark, Sealing};
pub use service::{Answer, Outcome, Outcomes, Service, Unheard};
pub use stage::Stage;
pub use state_machine::{Reply, StateMachine};
pub use status::{Configuration, Domain, Identity, IdentityError, Status};
