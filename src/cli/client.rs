//! A client that checks every reply.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::expectation::Expectation;
use crate::cli::interrupt::Interrupt;
use crate::cli::remote::Remote;
use crate::cli::session::{AfterSend, RemoteSession};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// How long anything may take that should take milliseconds, on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longer latencies are recorded as this: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// A client, which is this process, and what it has seen.
#[derive(Debug)]
pub struct Client {
    pub session: RemoteSession,
    pub expectation: Expectation,
    /// The highest slot of a reply.
    pub last_slot: u64,
    /// From sending commands to their replies.
    latencies: Histogram<u64>,
}

impl Client {
    /// Opens a session.
    pub fn open(cluster: &ClusterFile, interrupt: &Interrupt) -> Result<Self, CliError> {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 2)
            .map_err(|error| CliError::failed("no histogram", &error))?;
        let session = RemoteSession::open(Remote::new(cluster, PATIENCE, interrupt)?)?;
        Ok(Self { session, expectation: Expectation::new(), last_slot: 0, latencies })
    }

    /// Has commands applied and checks the replies. `on_sent` is called once they are on their way.
    pub fn replicate(
        &mut self,
        commands: &[Vec<u8>],
        on_sent: impl FnOnce() -> Result<AfterSend, CliError>,
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
            self.last_slot = self.last_slot.max(applied.slot.0);
        }
        Ok(())
    }

    /// A slot that comes after everything that this client has had done. Opening a session takes a slot too, and only the
    /// replies to commands name theirs.
    pub fn settled_slot(&self) -> u64 {
        let leader = self.session.remote().status(self.session.asked());
        leader.map_or(self.last_slot, |report| report.applied.max(self.last_slot))
    }

    /// The latencies since this was last asked for.
    pub fn take_latencies(&mut self) -> Histogram<u64> {
        let none = Histogram::new_from(&self.latencies);
        std::mem::replace(&mut self.latencies, none)
    }
}
