//! How long the cluster had no leader, and what it did in that time.

use crate::cli::error::CliError;
use crate::cli::remote::Remote;
use crate::cli::table::nanos;
use paxon::ReplicaId;
use paxon::serve::{Event, Moment};
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

/// What a timeline does not show after this time it does not know.
const TIMELINE_WITHIN: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The time from a leader's death to the first command that its successor answered, on the monotonic clock of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// From the signal until the successor stood for election.
    pub detection_ns: Option<u64>,
    /// From there until it led: promises gathered, records adopted.
    pub takeover_ns: Option<u64>,
    /// From there until it answered its first command, which the client had to send again.
    pub first_commit_ns: Option<u64>,
    /// From the signal until then.
    pub total_ns: Option<u64>,
}

impl Failover {
    /// Asks the successor. What it shows may be a moment behind the reply that the client has seen.
    pub fn ask(remote: &Remote, successor: ReplicaId, killed_at_ns: u64) -> Result<Self, CliError> {
        let deadline = Instant::now() + TIMELINE_WITHIN;
        loop {
            let report = remote
                .status(successor)
                .map_err(|what| CliError::Unavailable(format!("replica {}: {what}", successor.0)))?;
            let failover = Self::read(&report.timeline, killed_at_ns);
            if failover.detection_ns.is_some() || Instant::now() >= deadline {
                return Ok(failover);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Reads the successor's timeline.
    pub fn read(timeline: &[Moment], killed_at_ns: u64) -> Self {
        let last = |what: Event, before: u64| {
            let fits = |moment: &&Moment| moment.what == what && (killed_at_ns..=before).contains(&moment.at_ns);
            timeline.iter().rev().find(fits).map(|moment| moment.at_ns)
        };
        let fits = |moment: &&Moment| moment.what == Event::FirstReply && moment.at_ns >= killed_at_ns;
        let replied = timeline.iter().find(fits).map(|moment| moment.at_ns);
        let led = replied.and_then(|replied| last(Event::Leader, replied));
        let stood = led.and_then(|led| last(Event::Candidate, led));
        let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        Self {
            detection_ns: between(Some(killed_at_ns), stood),
            takeover_ns: between(stood, led),
            first_commit_ns: between(led, replied),
            total_ns: between(Some(killed_at_ns), replied),
        }
    }

    pub fn describe(&self) -> String {
        let part = |part: Option<u64>| part.map_or_else(|| "an unknown time".into(), nanos);
        format!(
            "the next command was committed {} after SIGKILL: detection {}, takeover {}, first commit {}",
            part(self.total_ns),
            part(self.detection_ns),
            part(self.takeover_ns),
            part(self.first_commit_ns)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(moments: &[(u64, Event)]) -> Vec<Moment> {
        moments.iter().map(|&(at_ns, what)| Moment { at_ns, what }).collect()
    }

    #[test]
    fn the_parts_add_up_to_the_whole() {
        use Event::{Candidate, FirstReply, Follower, Leader};
        let moments = timeline(&[(1, Candidate), (2, Follower), (120, Candidate), (150, Leader), (170, FirstReply)]);
        let parts = [20, 30, 20, 70].map(Some);
        let found = Failover::read(&moments, 100);
        assert_eq!([found.detection_ns, found.takeover_ns, found.first_commit_ns, found.total_ns], parts);
    }

    #[test]
    fn the_last_candidacy_is_the_one_that_led() {
        use Event::{Candidate, FirstReply, Follower, Leader};
        let moments = timeline(&[(10, Candidate), (20, Follower), (30, Candidate), (40, Leader), (50, FirstReply)]);
        assert_eq!(Failover::read(&moments, 5).detection_ns, Some(25));
    }

    #[test]
    fn what_was_not_seen_is_not_made_up() {
        assert_eq!(Failover::read(&[], 5), Failover::default());
        let moments = timeline(&[(30, Event::Leader), (40, Event::FirstReply)]);
        let found = Failover::read(&moments, 5);
        assert_eq!((found.detection_ns, found.first_commit_ns, found.total_ns), (None, Some(10), Some(35)));
    }
}
