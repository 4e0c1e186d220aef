//! Runs of the checker.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::model::{AGREEMENT, OneSlot, VALIDITY};
use crate::state::State;
use crate::step::Step;

/// How often a state is generated at most, on average over a run; measured means lie between 5 and 9.
pub const GENERATED_PER_STATE_MAX: usize = 12;

/// A path for each property that was discovered.
pub type Discoveries = HashMap<&'static str, Path<State, Step>>;

/// The properties whose discovery is a violation; the checker may stop at one.
const SAFETY: [&str; 2] = [AGREEMENT, VALIDITY];

/// A run of the checker and what it found.
#[derive(Debug)]
pub struct Exploration {
    /// Different states seen.
    pub states: usize,
    /// States generated, those seen before included.
    pub generated: usize,
    /// Steps on the longest path from the initial state.
    pub depth: usize,
    /// Whether every reachable state was seen.
    pub closed: bool,
    /// Wall time.
    pub elapsed: Duration,
    /// A path for each `always` property that fails and for each `sometimes` property that holds.
    pub discoveries: Discoveries,
}

/// When a run ends before it has seen every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Closed,
    /// After this many generated states.
    Generated(usize),
    /// At the first violation, or after this many generated states.
    Violation(usize),
}

impl Until {
    /// Whether a finished run may have left states unseen.
    fn cuts(self, generated: usize, discoveries: &Discoveries) -> bool {
        let at_bound = matches!(self, Self::Generated(bound) | Self::Violation(bound) if generated >= bound);
        at_bound || SAFETY.iter().any(|name| discoveries.contains_key(name))
    }
}

impl Exploration {
    /// Explores breadth first, so that paths are as short as can be, on so many threads.
    pub fn run(model: OneSlot, until: Until, threads: usize) -> Self {
        let started = Instant::now();
        let mut builder = model.checker().threads(threads);
        if let Until::Generated(bound) | Until::Violation(bound) = until {
            builder = builder.target_state_count(bound);
        }
        builder = match until {
            Until::Violation(_) => builder.finish_when(HasDiscoveries::AnyFailures),
            Until::Closed | Until::Generated(_) => builder,
        };
        let checker = builder.spawn_bfs().join();
        let discoveries = checker.discoveries();
        Self {
            states: checker.unique_state_count(),
            generated: checker.state_count(),
            depth: checker.max_depth() - 1,
            closed: checker.is_done() && !until.cuts(checker.state_count(), &discoveries),
            elapsed: started.elapsed(),
            discoveries,
        }
    }

    /// A shortest path to a violation of safety.
    pub fn violation(&self) -> Option<(&'static str, &Path<State, Step>)> {
        SAFETY.into_iter().find_map(|name| Some((name, self.discoveries.get(name)?)))
    }
}
