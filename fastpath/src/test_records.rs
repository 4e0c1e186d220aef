//! Records for the unit tests of what is decoded from them.

use crate::command::Batch;
use crate::ids::{Epoch, ReplicaId, Seq, Slot};
use crate::promise::Ballot;
use crate::record::{Flags, Header};

/// The header of an inline record with one command.
pub(crate) fn inline_header(session: u64, sequence: u64, payload_bytes: u32) -> Header {
    Header {
        seq: Seq::first(Epoch::FIRST),
        slot: Slot(1),
        ballot: Ballot::new(Epoch::FIRST, 1, ReplicaId(0)),
        commit_lag: 1,
        commands: 1,
        flags: Flags::default(),
        payload_bytes,
        session_or_arena: session,
        sequence,
        payload_hash: 0,
    }
}

/// The header of a record that holds `batch` in the arena.
pub(crate) fn batch_header(batch: &Batch) -> Header {
    Header {
        commands: batch.commands(),
        flags: Flags::BATCH.with(Flags::ARENA),
        payload_bytes: batch.bytes() as u32,
        ..inline_header(0, 0, 0)
    }
}
