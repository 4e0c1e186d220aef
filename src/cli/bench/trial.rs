//! Leaders brought down one after the other, and what became of the cluster.

use crate::cli::client::{Client, PATIENCE};
use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::expectation::Survivor;
use crate::cli::failover::Failover;
use crate::cli::hdr::Summary;
use crate::cli::interrupt::Interrupt;
use crate::cli::machine::line_command;
use crate::cli::remote::Remote;
use crate::cli::replicas::Replicas;
use crate::cli::session::AfterSend;
use hdrhistogram::Histogram;
use paxon::ReplicaId;
use paxon::serve::{Event, Moment, monotonic_ns};
use paxon_client::wire::Code;
use paxon_client::{Applied, ClientError};
use rustix::process::Signal;
use std::thread;
use std::time::{Duration, Instant};

/// Commands that are under way when the leader goes down.
const COMMANDS: u64 = 4;
/// How often it is looked whether the old leader is back.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// What the time without a leader is made of, and all of it.
const PARTS: [&str; 4] = ["detection", "takeover", "first commit", "total"];

/// What happens to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    Kill,
    Stop,
}

impl Blow {
    pub const fn signal(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Stop => "SIGSTOP",
        }
    }
}

/// A cluster under trial.
#[derive(Debug)]
pub struct Trials<'a> {
    cluster: &'a ClusterFile,
    interrupt: &'a Interrupt,
    client: Client,
    /// Trials after which the old leader was elected again as soon as it was resumed.
    elected_again: u64,
    /// By [`PARTS`].
    times: [Histogram<u64>; PARTS.len()],
}

impl<'a> Trials<'a> {
    pub fn new(cluster: &'a ClusterFile, interrupt: &'a Interrupt) -> Result<Self, CliError> {
        let none = Histogram::new_with_bounds(1, PATIENCE.as_nanos() as u64, 3)
            .map_err(|error| CliError::failed("no histogram", &error))?;
        let client = Client::open(cluster, interrupt)?;
        Ok(Self { cluster, interrupt, client, elected_again: 0, times: PARTS.map(|_| none.clone()) })
    }

    /// Brings the leader down, measures how long that was felt, and brings it back as a follower.
    pub fn play(&mut self, blow: Blow, replicas: &mut Replicas) -> Result<(), CliError> {
        let leader = self.client.session.asked();
        let mut at_ns = 0;
        self.replicate(|| {
            at_ns = monotonic_ns();
            match blow {
                Blow::Kill => replicas.kill(leader).map(|()| AfterSend::Wait),
                Blow::Stop => replicas.signal(leader, Signal::STOP).map(|()| AfterSend::Shun),
            }
        })?;
        // The last replies of the dead may still have come through: the trial is over when its successor answers.
        while self.client.session.asked() == leader {
            self.replicate(|| Ok(AfterSend::Wait))?;
        }
        let failover = Failover::ask(self.client.session.remote(), self.client.session.asked(), at_ns)?;
        self.record(failover);
        match blow {
            Blow::Kill => replicas.restart(leader, self.interrupt)?,
            Blow::Stop => self.resume(leader, at_ns, replicas)?,
        }
        self.client.session.forgive();
        self.replicate(|| Ok(AfterSend::Wait))?;
        self.wait_until_it_is_back(leader)
    }

    fn replicate(&mut self, on_sent: impl FnOnce() -> Result<AfterSend, CliError>) -> Result<(), CliError> {
        self.client.replicate(&self.next_commands(), on_sent)
    }

    fn next_commands(&self) -> Vec<Vec<u8>> {
        let first = self.client.expectation.commands();
        (first..first + COMMANDS).map(|at| line_command(&at.to_le_bytes())).collect()
    }

    fn record(&mut self, failover: Failover) {
        let Failover { detection_ns, takeover_ns, first_commit_ns, total_ns } = failover;
        for (histogram, part) in self.times.iter_mut().zip([detection_ns, takeover_ns, first_commit_ns, total_ns]) {
            if let Some(part) = part {
                // Longer ones count as the longest.
                histogram.saturating_record(part);
            }
        }
    }

    /// Lets the stopped leader run on with commands waiting for it that it must not commit. They are the client's next, under
    /// their numbers, so that they count once even if it is elected again.
    fn resume(&mut self, leader: ReplicaId, stopped_at_ns: u64, replicas: &Replicas) -> Result<(), CliError> {
        // It is silent until it runs on, and then has better things to do.
        let remote = Remote::enduring(self.cluster, PATIENCE, self.interrupt)?;
        let session = self.client.session.session();
        let commands = (session.next_sequence()..).zip(self.next_commands());
        let late = commands.map(|(number, command)| remote.client().at(leader).propose(session.id(), number, &command));
        let late: Vec<_> = late.collect();
        replicas.signal(leader, Signal::CONT)?;
        let outcomes = late.into_iter().map(|late| remote.outcome(late)).collect::<Result<Vec<_>, _>>()?;
        self.judge(leader, stopped_at_ns, &outcomes)
    }

    /// A leader that was deposed while it was stopped may not know, or not know what became of the commands; nothing else,
    /// unless it was elected again before it looked at them.
    fn judge(
        &mut self,
        leader: ReplicaId,
        stopped_at_ns: u64,
        outcomes: &[Result<Applied, ClientError>],
    ) -> Result<(), CliError> {
        if let Some(Err(ClientError::Refused { code: Code::NotLeader | Code::Unknown, .. })) = outcomes.first() {
            return Ok(());
        }
        let report = self.client.session.remote().status(leader).map_err(CliError::Unavailable)?;
        if elected_since(&report.timeline, stopped_at_ns) {
            self.elected_again += 1;
            return Ok(());
        }
        Err(CliError::Mismatch(format!(
            "replica {} was deposed while it was stopped and answered a command all the same: {outcomes:?}",
            leader.0
        )))
    }

    fn wait_until_it_is_back(&self, old: ReplicaId) -> Result<(), CliError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.interrupt.check()?;
            let seen = self.client.session.remote().status(old);
            match &seen {
                Ok(report)
                    if matches!(&*report.role, "follower" | "leader") && report.applied >= self.client.last_slot =>
                {
                    return Ok(());
                }
                _ if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
                _ => {
                    let what =
                        seen.map_or_else(|what| what, |report| format!("{}, applied {}", report.role, report.applied));
                    return Err(CliError::Failed(format!("replica {} does not come back: {what}", old.0)));
                }
            }
        }
    }

    /// Checks that all replicas hold every command once and in order.
    pub fn check(&self) -> Result<(), CliError> {
        let settled = self.client.settled_slot();
        let ask = |member| Survivor::ask(self.client.session.remote(), member, settled);
        let survivors = self.cluster.members().map(ask).collect::<Result<Vec<_>, _>>()?;
        self.client.expectation.check(&survivors).map_err(CliError::Mismatch)
    }

    /// Trials after which the old leader was elected again as soon as it was resumed.
    pub const fn elected_again(&self) -> u64 {
        self.elected_again
    }

    /// Commands that were applied.
    pub const fn commands(&self) -> u64 {
        self.client.expectation.commands()
    }

    /// The parts and the total.
    pub fn summaries(&self) -> [Summary; PARTS.len()] {
        std::array::from_fn(|part| Summary::of(PARTS[part], &self.times[part]))
    }
}

fn elected_since(timeline: &[Moment], since_ns: u64) -> bool {
    timeline.iter().any(|moment| moment.what == Event::Leader && moment.at_ns > since_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_election_after_the_stop_counts() {
        let moment = |at_ns, what| Moment { at_ns, what };
        let timeline = [moment(1, Event::Leader), moment(5, Event::Follower), moment(7, Event::Candidate)];
        assert!(elected_since(&timeline, 0));
        assert!(!elected_since(&timeline, 1));
    }
}
