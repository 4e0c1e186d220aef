//! The bug zoo: each known mistake is planted in turn, and the simulator has to find it.

use crate::lab::Violation;
use crate::run::run_seeds;
use crate::stopwatch::Stopwatch;
use paxon_fastpath::{Bug, plant};
use std::time::Duration;

/// How a planted bug was found.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The first seed that broke something.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The planted bug; `None` is the control without a bug, which must not be caught.
    pub bug: Option<Bug>,
    /// How it was found, if it was.
    pub caught: Option<Caught>,
    /// Seeds that were run.
    pub seeds: u64,
    /// Real time.
    pub elapsed: Duration,
}

impl Hunt {
    /// Whether the simulator did what it should: a bug is caught, the control is not.
    pub const fn is_as_it_should_be(&self) -> bool {
        self.bug.is_some() == self.caught.is_some()
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "bug": self.bug.map(|bug| format!("{bug:?}")),
            "caught_by": self.caught.as_ref().map(|caught| caught.violation.check.to_string()),
            "seed": self.caught.as_ref().map(|caught| caught.seed),
            "seeds": self.seeds,
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

impl std::fmt::Display for Hunt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bug = self.bug.map_or_else(|| "(none)".into(), |bug| format!("{bug:?}"));
        let check = self.caught.as_ref().map_or_else(|| "-".into(), |caught| caught.violation.check.to_string());
        write!(f, "{bug:<24} {check:<16} {:>8} seeds {:>8.2} s", self.seeds, self.elapsed.as_secs_f64())
    }
}

/// Plants `bug` in every replica of this process and runs seeds until one breaks something, at most `seeds_max`.
///
/// The bug is removed again at the end. Only one hunt may run at a time: the plant is global.
pub fn find(bug: Option<Bug>, seeds_max: u64, jobs: usize) -> Hunt {
    let began = Stopwatch::start();
    plant(bug);
    let mut caught: Option<Caught> = None;
    let mut seeds = 0;
    run_seeds(0, seeds_max, jobs, |outcome| {
        seeds += 1;
        let earlier = caught.as_ref().is_none_or(|caught| outcome.seed < caught.seed);
        if let (Some(violation), true) = (outcome.violation, earlier) {
            caught = Some(Caught { seed: outcome.seed, violation });
        }
        caught.is_none()
    });
    plant(None);
    Hunt { bug, caught, seeds, elapsed: began.elapsed() }
}
