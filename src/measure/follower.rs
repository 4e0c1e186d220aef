//! The follower process of a measurement.

use super::board::{Board, Phase};
use super::cluster::{Cluster, Link};
use super::floor::rdma::Bystander;
use super::floor::{Counterpart, shm, tcp};
use super::machine::Tally;
use super::{MeasureError, Options};
use crate::node::Node;
use crate::poll_policy::rest_between_polls;
use core_affinity::CoreId;
use paxon_fastpath::{Fabric, Role, StateMachine, Unheard};
use serde::{Deserialize, Serialize};
use std::thread;
use std::time::Duration;

/// Polls without work before a follower that shares its core lets go of it.
const POLLS_BEFORE_YIELD: u32 = 64;
/// How long a follower sleeps beside a stream of commands that waits for its verifier.
const STREAM_NAP: Duration = Duration::from_micros(100);

/// What a follower process has to know; passed to it by the measuring process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerOptions {
    /// Which replica it is.
    pub replica: u8,
    /// The cluster.
    pub cluster: Cluster,
    /// The core to pin to.
    pub core: Option<usize>,
    /// Whether it has its core for itself.
    pub spin: bool,
    /// Bytes of a bare request and of its reply on TCP.
    pub floor_bytes: (usize, usize),
}

impl FollowerOptions {
    /// The followers of a measurement on these cores.
    pub(super) fn all(options: &Options, cluster: &Cluster, cores: &[CoreId]) -> Vec<Self> {
        let others = cores.len().saturating_sub(1).max(1);
        let follower = |replica: u8| {
            let core = options.affinity.then(|| cores.get(1 + usize::from(replica - 1) % others)).flatten();
            Self {
                replica,
                cluster: cluster.clone(),
                core: core.map(|core| core.id),
                // Followers with a core each need not let go of it.
                spin: options.affinity && cores.len() >= options.replicas,
                floor_bytes: tcp::sizes(options),
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
    let board = Board::open(&options.cluster.directory)?;
    match options.cluster.auth {
        None => follow_as(options, Tally::default(), &board),
        Some(auth) => follow_as(options, auth.machine(), &board),
    }
}

fn follow_as<S: StateMachine>(options: &FollowerOptions, machine: S, board: &Board) -> Result<(), MeasureError> {
    match &options.cluster.link {
        Link::Shm => {
            let node = options.cluster.builder(options.replica).build(machine, Unheard)?;
            follow_with(options, node, shm::Reader::open(&options.cluster, options.replica)?, board)
        }
        Link::Tcp { .. } => {
            let joined = options.cluster.join(options.replica)?;
            let builder = options.cluster.builder(options.replica);
            let node = builder.build_on(joined.fabric, machine, Unheard)?;
            follow_with(options, node, tcp::Echo::listen(options.replica, options.floor_bytes, board)?, board)
        }
        Link::Rdma { .. } => {
            let joined = options.cluster.join(options.replica)?;
            let builder = options.cluster.builder(options.replica);
            let node = builder.build_on(joined.fabric, machine, Unheard)?;
            // The porter makes the connections as long as it is there.
            let followed = follow_with(options, node, Bystander, board);
            drop(joined.porter);
            followed
        }
    }
}

fn follow_with<S: StateMachine, F: Fabric, C: Counterpart>(
    options: &FollowerOptions,
    mut node: Node<S, F, Unheard>,
    mut counterpart: C,
    board: &Board,
) -> Result<(), MeasureError> {
    let (mut idle, mut bare_turns) = (0u32, 0u32);
    loop {
        let phase = board.phase();
        let mut worked = false;
        if phase == Phase::Floor {
            worked = counterpart.poll()?;
            bare_turns = bare_turns.wrapping_add(1);
        }
        if phase != Phase::Floor || bare_turns.is_multiple_of(C::TURNS_PER_ENGINE) {
            let before = node.replica().applied();
            node.poll();
            worked |= node.replica().applied() > before;
            if node.replica().role() == Role::Leader {
                // Whoever is there first may be elected; it is the measuring process that is to lead.
                node.resign();
            }
        }
        if phase == Phase::End && node.replica().applied() >= board.target() {
            break;
        }
        idle = if worked { 0 } else { idle.saturating_add(1) };
        if !options.spin && idle >= POLLS_BEFORE_YIELD {
            let nap = if phase == Phase::Stream { Some(STREAM_NAP) } else { C::NAP };
            nap.map_or_else(thread::yield_now, thread::sleep);
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
