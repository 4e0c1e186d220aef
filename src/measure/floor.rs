//! The bare cost of a commit on each fabric: what its operations cost with nothing around them.

pub(super) mod rdma;
pub(super) mod shm;
pub(super) mod tcp;

use super::MeasureError;
use std::time::Duration;

/// Bare rounds, made by the leader's thread.
pub(super) trait Floor<F> {
    /// What a commit has to do, bare; on the fabric of the leader where that is shared with it.
    fn round(&mut self, fabric: &mut F) -> Result<(), MeasureError>;
}

/// A follower's side of bare rounds.
pub(super) trait Counterpart {
    /// Turns of bare rounds for one of the engine, which only keeps the cluster alive meanwhile: it must not make the floor
    /// higher than polling for commits does.
    const TURNS_PER_ENGINE: u32;
    /// How long a follower without a core of its own sleeps when there is nothing to do, if it does not only yield.
    const NAP: Option<Duration> = None;

    /// Does what a round asks of a follower; true if there was one.
    fn poll(&mut self) -> Result<bool, MeasureError>;
}
