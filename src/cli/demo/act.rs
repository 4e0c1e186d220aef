//! The demo itself: half of the commands, the death of the leader, the other half, and a look at who is left.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::connection::Connection;
use crate::cli::demo::expectation::{Expectation, Survivor};
use crate::cli::demo::failover::Failover;
use crate::cli::demo::logs::{Interval, Intervals};
use crate::cli::demo::replicas::Replicas;
use crate::cli::demo::report::Report;
use crate::cli::demo::spans::Spans;
use crate::cli::demo::workload::Workload;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::machine::{Receipt, receipt_query};
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::protocol::{Bytes, Reply, Request};
use crate::cli::session::{RemoteSession, unexpected};
use crate::cli::table::amount;
use crate::cli::{monotonic, status};
use hdrhistogram::Histogram;
use paxon::ReplicaId;
use std::time::{Duration, Instant, SystemTime};

/// How long anything may take that should take milliseconds, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer latencies are recorded as this: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Name of what the client sees, beside the names of the stages.
const CLIENT: &str = "client";

/// What the demo is played with.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    pub cluster: &'a ClusterFile,
    pub workload: &'a Workload,
    pub interrupt: &'a Interrupt,
    /// Commands under way at once.
    pub outstanding: u64,
}

/// The client, which is this process, and what it has seen.
struct Client {
    session: RemoteSession,
    expectation: Expectation,
    /// The highest slot of a reply.
    last_slot: u64,
    /// From sending commands to their replies, since the last change of the leader.
    latencies: Histogram<u64>,
}

/// The end of the first leader.
struct Death {
    replica: ReplicaId,
    at_ns: u64,
    after: Duration,
    /// What it had recorded by then.
    spans: Spans,
}

impl Act<'_> {
    /// Plays it all and says what was seen.
    pub fn play(&self, replicas: &mut Replicas, output: &mut Output) -> Result<Report, CliError> {
        let (started_at, started) = (SystemTime::now(), Instant::now());
        let mut client = Client::new(RemoteSession::open(self.cluster, PATIENCE, self.interrupt)?)?;
        output.line(&format!("replica {} leads", client.session.asked().0))?;
        let mut progress = Progress::new(self.workload.len(), output);
        let half = self.workload.len() / 2;
        self.replicate(&mut client, half, &mut progress)?;
        let death = self.bereave(&mut client, replicas, started)?;
        let successor = client.session.asked();
        self.replicate(&mut client, self.workload.len(), &mut progress)?;
        drop(progress);
        let elapsed = started.elapsed();
        let killed = death.replica;
        output.line(&format!("killed replica {} with SIGKILL after {}", killed.0, amount(half, "command")))?;
        let failover = self.failover(successor, death.at_ns)?;
        output.line(&format!("replica {} leads; {}", successor.0, failover.describe()))?;
        let survivors = self.survey(killed, client.last_slot)?;
        let mut since = Spans::gather(self.cluster, self.others(killed), self.interrupt)?;
        since.push(CLIENT, client.latencies);
        let first = Interval { from: Duration::ZERO, to: death.after, spans: death.spans };
        let second = Interval { from: death.after, to: elapsed, spans: since };
        Ok(Report {
            killed,
            killed_after: half,
            successor,
            failover,
            verdict: client.expectation.check(&survivors),
            commands: client.expectation.commands(),
            survivors,
            elapsed,
            intervals: Intervals { started_at, list: vec![first, second] },
        })
    }

    /// Has commands applied until so many are.
    fn replicate(&self, client: &mut Client, until: u64, progress: &mut Progress) -> Result<(), CliError> {
        while client.expectation.commands() < until {
            let commands = self.next_commands(client, until);
            client.replicate(&commands, || Ok(()))?;
            progress.show(client.expectation.commands());
        }
        Ok(())
    }

    fn next_commands(&self, client: &Client, until: u64) -> Vec<Vec<u8>> {
        let done = client.expectation.commands();
        let most = self.outstanding.min(client.session.window() as u64);
        (done..until.min(done + most)).map(|at| self.workload.command(at)).collect()
    }

    /// Kills the leader while commands are on their way to it, and has them applied by the next one.
    fn bereave(&self, client: &mut Client, replicas: &mut Replicas, started: Instant) -> Result<Death, CliError> {
        let leader = client.session.asked();
        let mut spans = Spans::gather(self.cluster, [leader], self.interrupt)?;
        spans.push(CLIENT, std::mem::replace(&mut client.latencies, latencies()?));
        let mut at_ns = 0;
        client.replicate(&self.next_commands(client, self.workload.len()), || {
            at_ns = monotonic::now_ns();
            replicas.kill(leader)
        })?;
        // The last replies of the dead may still have come through: the demo goes on when its successor answers.
        while client.session.asked() == leader {
            client.replicate(&self.next_commands(client, self.workload.len()), || Ok(()))?;
        }
        Ok(Death { replica: leader, at_ns, after: started.elapsed(), spans })
    }

    fn failover(&self, successor: ReplicaId, killed_at_ns: u64) -> Result<Failover, CliError> {
        let report = status::ask(self.cluster, successor, self.interrupt)
            .map_err(|what| CliError::Unavailable(format!("replica {}: {what}", successor.0)))?;
        Ok(Failover::read(&report.timeline, killed_at_ns))
    }

    fn others(&self, killed: ReplicaId) -> impl Iterator<Item = ReplicaId> {
        self.cluster.members().filter(move |&member| member != killed)
    }

    /// What each replica that is left holds once it has applied the slot.
    fn survey(&self, killed: ReplicaId, at_least: u64) -> Result<Vec<Survivor>, CliError> {
        self.others(killed).map(|member| self.survivor(member, at_least)).collect()
    }

    fn survivor(&self, member: ReplicaId, at_least: u64) -> Result<Survivor, CliError> {
        let lost = |what: String| CliError::Unavailable(format!("replica {} is lost: {what}", member.0));
        let mut connection =
            Connection::open(&self.cluster.socket(member), self.interrupt).map_err(|error| lost(error.to_string()))?;
        let query = Bytes(receipt_query());
        let ledger = match connection.ask(&Request::Inspect { query, at_least }, PATIENCE)? {
            Reply::Answer { bytes, .. } => Receipt::decode(&bytes.0).ok_or_else(|| lost("it has no ledger".into()))?,
            other => return Err(unexpected(&other)),
        };
        match connection.ask(&Request::Digest { at_least }, PATIENCE)? {
            Reply::Digest { slot, digest } => Ok(Survivor { replica: member.0, slot, digest, ledger }),
            other => Err(unexpected(&other)),
        }
    }
}

impl Client {
    fn new(session: RemoteSession) -> Result<Self, CliError> {
        Ok(Self { session, expectation: Expectation::new(), last_slot: 0, latencies: latencies()? })
    }

    fn replicate(
        &mut self,
        commands: &[Vec<u8>],
        on_sent: impl FnOnce() -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        if commands.is_empty() {
            // There is nothing left to propose; opening a session is committed like a command.
            on_sent()?;
            return self.session.reopen();
        }
        let sent = Instant::now();
        let applied = self.session.propose_all(commands, on_sent)?;
        let latency_ns = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latencies.saturating_record_n(latency_ns, commands.len() as u64);
        for (command, applied) in commands.iter().zip(applied) {
            self.expectation.take(command, &applied.reply).map_err(CliError::Mismatch)?;
            self.last_slot = self.last_slot.max(applied.slot);
        }
        Ok(())
    }
}

fn latencies() -> Result<Histogram<u64>, CliError> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 2).map_err(|error| CliError::failed("no histogram", &error))
}
