//! How a client is made.

use crate::comparison::Plan;
use serde::Serialize;
use std::fmt;

/// Threads and connections of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClientSetting {
    /// Threads of the client: 1 runs everything on the calling thread, more are workers beside it.
    pub threads: usize,
    /// TCP connections to the leader, which concurrent requests share evenly.
    pub connections: usize,
}

/// What is tried: one thread costs no hand-over between threads, a second one helps where cores are free; requests on one
/// connection are packed into few segments, more connections are read by more of etcd's threads.
pub const CANDIDATES: [ClientSetting; 6] = [
    ClientSetting { threads: 1, connections: 1 },
    ClientSetting { threads: 1, connections: 4 },
    ClientSetting { threads: 1, connections: 16 },
    ClientSetting { threads: 2, connections: 1 },
    ClientSetting { threads: 2, connections: 4 },
    ClientSetting { threads: 2, connections: 16 },
];

/// How often each candidate is tried; the rounds follow each other, so that one disturbance does not decide.
pub(super) const ROUNDS: u64 = 2;

/// Puts of each trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// One at a time; as many again warm etcd up before the first trial.
    pub one_at_a_time: u64,
    /// With many outstanding.
    pub outstanding: u64,
}

impl Effort {
    /// A second or so for each trial, or less if the plan itself is small.
    pub fn of(plan: Plan) -> Self {
        Self { one_at_a_time: plan.samples.min(2000), outstanding: plan.operations.min(6000) }
    }

    /// Puts of all trials and before them.
    pub const fn puts(self) -> u64 {
        self.one_at_a_time + ROUNDS * CANDIDATES.len() as u64 * (self.one_at_a_time + self.outstanding)
    }
}

impl fmt::Display for ClientSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, connections } = *self;
        let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        write!(f, "{}, {}", plural(threads, "thread"), plural(connections, "connection"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_are_bounded_and_no_larger_than_the_plan() {
        let large = Effort::of(Plan { samples: 1_000_000, operations: 1_000_000, blocks: 5 });
        assert_eq!((large.one_at_a_time, large.outstanding, large.puts()), (2000, 6000, 98_000));
        let small = Effort::of(Plan { samples: 10, operations: 20, blocks: 1 });
        assert_eq!(small.puts(), 10 + 2 * 6 * 30);
    }

    #[test]
    fn a_setting_reads_as_english() {
        let texts = CANDIDATES.map(|setting| setting.to_string());
        assert_eq!((texts[0].as_str(), texts[4].as_str()), ("1 thread, 1 connection", "2 threads, 4 connections"));
    }
}
