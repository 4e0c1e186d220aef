//! Measures this machine: what a commit costs here, and what its bare stores and compare-and-exchanges cost.
//!
//! A thread of this process is the leader, embedded; the followers are processes that the caller spawns (they call
//! [`follow`]). Blocks of commits, of bare rounds and of mere clock readings take turns, so that whatever else the
//! machine does falls on all three alike.
//!
//! The **floor** of a commit is what no engine can do without: the words of the record stored into the memory of every
//! acceptor and one compare-and-exchange of each PROMISE, by the same thread, on the same mapped files and PROMISE words
//! (the records go to the journals of a proposer that is silent here), while the same followers poll for them.

mod adversary;
mod auth;
mod board;
mod cluster;
mod error;
mod floor;
mod follower;
mod load;
mod machine;
mod options;
mod rates;
mod report;
mod run;
mod verifier;
mod verify;

pub use adversary::{
    AdversaryOptions, AdversaryReport, Defence, DefenderOptions, LoadReport, StateReport, Trust, attack_while, defend,
};
pub use auth::{Auth, AuthReport, AuthStages, Throughput, authentic_while};
pub use cluster::{Cluster, Link};
pub use error::MeasureError;
pub use follower::{FollowerOptions, follow};
pub use options::{Fabric, Io, Options, OptionsError, TcpSettings};
pub use report::{Percentiles, Report};
pub use verifier::{DeviceReport, VerifierKind};
pub use verify::{OUTSTANDING_MAX, VerifyOptions, VerifyReport, verifications_while};

use crate::node::Node;
use board::Board;
use floor::Floor;
use floor::rdma::{RdmaFloor, Tapped};
use floor::shm::ShmFloor;
use floor::tcp::TcpFloor;
use machine::Tally;
use paxon_fastpath::Unheard;
use run::Run;
use std::io;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::Child;
use std::thread;

/// Followers, killed and reaped in the end whatever happens.
struct Followers(Vec<Child>);

impl Followers {
    /// Which follower has ended, and how. None should as long as it is measured.
    fn fallen(&mut self) -> Option<MeasureError> {
        (1..).zip(&mut self.0).find_map(|(replica, child)| {
            let status = child.try_wait().ok().flatten()?;
            Some(MeasureError::FollowerEnded { replica, status })
        })
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The directory of the measured cluster, removed in the end.
struct Workplace(PathBuf);

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing was made, or nobody is left to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Measures. `spawn` starts a process that calls [`follow`] with the given options.
///
/// # Errors
/// [`MeasureError`].
pub fn commits(
    options: &Options,
    spawn: impl FnMut(&FollowerOptions) -> io::Result<Child>,
) -> Result<Report, MeasureError> {
    commits_while(options, spawn, |_| true)
}

/// Measures like [`commits`], and asks `go_on` every few milliseconds, with the samples taken so far, whether to.
///
/// # Errors
/// [`MeasureError`]; [`MeasureError::Interrupted`] if `go_on` said no.
pub fn commits_while(
    options: &Options,
    spawn: impl FnMut(&FollowerOptions) -> io::Result<Child>,
    go_on: impl FnMut(u64) -> bool + Send,
) -> Result<Report, MeasureError> {
    options.validate()?;
    let workplace = Workplace(options.directory.clone());
    let cluster = options.cluster(Link::prepare(options.fabric, options.replicas, &options.directory)?);
    let report = match options.fabric {
        Fabric::Shm => {
            let node = cluster.builder(0).build(Tally::default(), Unheard)?;
            let open_floor = |_: &Board| ShmFloor::open(options, &cluster);
            measure_with(options, &cluster, node, open_floor, spawn, go_on)
        }
        Fabric::Tcp(_) => {
            let joined = cluster.join(0)?;
            let node = cluster.builder(0).build_on(joined.fabric, Tally::default(), Unheard)?;
            let open_floor = |board: &Board| TcpFloor::open(options, board);
            measure_with(options, &cluster, node, open_floor, spawn, go_on)
        }
        Fabric::Rdma => {
            let joined = cluster.join(0)?;
            let node = cluster.builder(0).build_on(Tapped::new(joined.fabric), Tally::default(), Unheard)?;
            let open_floor = |_: &Board| RdmaFloor::new(options, &cluster);
            let report = measure_with(options, &cluster, node, open_floor, spawn, go_on);
            // The porter makes the connections as long as it is there.
            drop(joined.porter);
            report.map(|report| Report { devices: cluster.devices(), ..report })
        }
    };
    drop(workplace);
    report
}

fn measure_with<F: paxon_fastpath::Fabric + Send, L: Floor<F>>(
    options: &Options,
    cluster: &Cluster,
    node: Node<Tally, F, Unheard>,
    open_floor: impl FnOnce(&Board) -> Result<L, MeasureError> + Send,
    mut spawn: impl FnMut(&FollowerOptions) -> io::Result<Child>,
    go_on: impl FnMut(u64) -> bool + Send,
) -> Result<Report, MeasureError> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut run = Run::start(node, options)?;
    let mut followers = Followers(Vec::new());
    for follower in FollowerOptions::all(options, cluster, &cores) {
        followers.0.push(spawn(&follower).map_err(MeasureError::Spawn)?);
    }
    // In a thread of its own, so that the caller's is not pinned.
    thread::scope(|scope| {
        let leader = scope.spawn(move || {
            if let Some(first) = cores.first().filter(|_| options.affinity) {
                core_affinity::set_for_current(*first);
            }
            run.measure(options, &mut followers, open_floor, go_on)?;
            // The followers let go of the memory before its directory is removed. The node is dropped here too: a fabric may be
            // bound to the thread that polls it.
            drop(followers);
            Ok(run.report(options, cores.len()))
        });
        leader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
