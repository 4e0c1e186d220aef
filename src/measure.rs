//! Measures this machine: what a commit costs here, and what its bare stores and compare-and-exchanges cost.
//!
//! A thread of this process is the leader, embedded; the followers are processes that the caller spawns (they call
//! [`follow`]). Blocks of commits, of bare rounds and of mere clock readings take turns, so that whatever else the
//! machine does falls on all three alike.
//!
//! The **floor** of a commit is what no engine can do without: the words of the record stored into the memory of every
//! acceptor and one compare-and-exchange of each PROMISE, by the same thread, on the same mapped files and PROMISE words
//! (the records go to the journals of a proposer that is silent here), while the same followers poll for them.

mod board;
mod error;
mod floor;
mod follower;
mod load;
mod machine;
mod options;
mod report;
mod run;

pub use error::MeasureError;
pub use follower::{FollowerOptions, follow};
pub use options::{Options, OptionsError};
pub use report::{Percentiles, Report};

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
    mut spawn: impl FnMut(&FollowerOptions) -> io::Result<Child>,
    go_on: impl FnMut(u64) -> bool + Send,
) -> Result<Report, MeasureError> {
    options.validate()?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let workplace = Workplace(options.directory.clone());
    let mut run = Run::start(options)?;
    let mut followers = Followers(Vec::new());
    for follower in FollowerOptions::all(options, &cores) {
        followers.0.push(spawn(&follower).map_err(MeasureError::Spawn)?);
    }
    // In a thread of its own, so that the caller's is not pinned.
    let measured = thread::scope(|scope| {
        let leader = scope.spawn(|| {
            if let Some(first) = cores.first().filter(|_| options.affinity) {
                core_affinity::set_for_current(*first);
            }
            run.measure(options, &mut followers, go_on)
        });
        leader.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    // The followers let go of the memory before its directory is removed.
    drop((followers, workplace));
    measured.map(|()| run.report(options, cores.len()))
}
