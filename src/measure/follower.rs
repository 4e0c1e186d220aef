//! The follower process of a measurement.

use super::board::{Board, Phase};
use super::floor::{Reader, lane};
use super::machine::Tally;
use super::options::builder;
use super::{MeasureError, Options};
use crate::poll_policy::rest_between_polls;
use core_affinity::CoreId;
use paxon_fastpath::{StateMachine, Unheard};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::thread;

/// Polls without work before a follower that shares its core lets go of it.
const POLLS_BEFORE_YIELD: u32 = 64;

/// What a follower process has to know; passed to it by the measuring process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerOptions {
    /// Which replica it is.
    pub replica: u8,
    /// Members of the cluster.
    pub replicas: usize,
    /// Cells of each journal.
    pub cells: usize,
    /// Where the memory lies.
    pub directory: PathBuf,
    /// The core to pin to.
    pub core: Option<usize>,
    /// Whether it has its core for itself.
    pub spin: bool,
}

impl FollowerOptions {
    /// The followers of a measurement on these cores.
    pub(super) fn all(options: &Options, cores: &[CoreId]) -> Vec<Self> {
        let others = cores.len().saturating_sub(1).max(1);
        let follower = |replica: u8| {
            let core = options.affinity.then(|| cores.get(1 + usize::from(replica - 1) % others)).flatten();
            Self {
                replica,
                replicas: options.replicas,
                cells: options.cells,
                directory: options.directory.clone(),
                core: core.map(|core| core.id),
                // Followers with a core each need not let go of it.
                spin: options.affinity && cores.len() >= options.replicas,
            }
        };
        (1..options.replicas as u8).map(follower).collect()
    }
}

/// Follows until the measuring process ends the run. For the process that the measuring process spawned.
///
/// # Errors
/// [`MeasureError`].
pub fn follow(options: &FollowerOptions) -> Result<(), MeasureError> {
    if let Some(id) = options.core {
        core_affinity::set_for_current(CoreId { id });
    }
    let replica = builder(options.replica, options.replicas, options.cells, &options.directory);
    let mut node = replica.build(Tally::default(), Unheard)?;
    let (lane, layout) = lane(&options.directory, options.replicas, options.cells, options.replica)?;
    let mut reader = Reader::new(lane, layout);
    let board = Board::open(&options.directory)?;
    let mut idle = 0u32;
    loop {
        let before = node.replica().applied();
        node.poll();
        let mut worked = node.replica().applied() > before;
        match board.phase() {
            Phase::Commits => {}
            // Once a turn, as it polls for the engine's records: the floor must not be made higher by more polling.
            Phase::Floor => worked |= reader.poll(),
            Phase::End if node.replica().applied() >= board.target() => break,
            Phase::End => {}
        }
        idle = if worked { 0 } else { idle.saturating_add(1) };
        if !options.spin && idle >= POLLS_BEFORE_YIELD {
            thread::yield_now();
        } else if !worked {
            // As the engine's own thread does.
            rest_between_polls();
        }
    }
    board.done(options.replica, node.service().machine().digest());
    // The leader may still need this replica's heartbeat while it compares digests; it ends us.
    loop {
        node.poll();
        thread::yield_now();
    }
}
