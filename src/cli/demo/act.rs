//! The demo itself: half of the commands, the death of the leader, the other half, and a look at who is left.

use crate::cli::client::Client;
use crate::cli::cluster_file::ClusterFile;
use crate::cli::demo::logs::{Interval, Intervals};
use crate::cli::demo::report::Report;
use crate::cli::demo::spans::Spans;
use crate::cli::demo::workload::Workload;
use crate::cli::error::CliError;
use crate::cli::expectation::Survivor;
use crate::cli::failover::Failover;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::progress::Progress;
use crate::cli::replicas::Replicas;
use crate::cli::session::AfterSend;
use crate::cli::table::amount;
use paxon::ReplicaId;
use paxon::serve::monotonic_ns;
use std::time::{Duration, Instant, SystemTime};

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
        let mut client = Client::open(self.cluster, self.interrupt)?;
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
        let failover = Failover::ask(client.session.remote(), successor, death.at_ns)?;
        output.line(&format!("replica {} leads; {}", successor.0, failover.describe()))?;
        let survivors = self.survey(killed, &client)?;
        let mut since = Spans::gather(client.session.remote(), self.others(killed))?;
        since.push(CLIENT, client.take_latencies());
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
            client.replicate(&commands, || Ok(AfterSend::Wait))?;
            progress.show(client.expectation.commands());
        }
        Ok(())
    }

    fn next_commands(&self, client: &Client, until: u64) -> Vec<Vec<u8>> {
        let done = client.expectation.commands();
        let most = self.outstanding.min(self.cluster.session_window() as u64);
        (done..until.min(done + most)).map(|at| self.workload.command(at)).collect()
    }

    /// Kills the leader while commands are on their way to it, and has them applied by the next one.
    fn bereave(&self, client: &mut Client, replicas: &mut Replicas, started: Instant) -> Result<Death, CliError> {
        let leader = client.session.asked();
        let mut spans = Spans::gather(client.session.remote(), [leader])?;
        spans.push(CLIENT, client.take_latencies());
        let mut at_ns = 0;
        client.replicate(&self.next_commands(client, self.workload.len()), || {
            at_ns = monotonic_ns();
            replicas.kill(leader)?;
            Ok(AfterSend::Wait)
        })?;
        // The last replies of the dead may still have come through: the demo goes on when its successor answers.
        while client.session.asked() == leader {
            client.replicate(&self.next_commands(client, self.workload.len()), || Ok(AfterSend::Wait))?;
        }
        Ok(Death { replica: leader, at_ns, after: started.elapsed(), spans })
    }

    fn others(&self, killed: ReplicaId) -> impl Iterator<Item = ReplicaId> {
        self.cluster.members().filter(move |&member| member != killed)
    }

    /// What each replica that is left holds once it has applied the slot.
    fn survey(&self, killed: ReplicaId, client: &Client) -> Result<Vec<Survivor>, CliError> {
        let settled = client.settled_slot();
        let ask = |member| Survivor::ask(client.session.remote(), member, settled);
        self.others(killed).map(ask).collect()
    }
}
