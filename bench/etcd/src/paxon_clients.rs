//! Paxon from afar as a contender: `paxon bench load`, run as a child process for each block.
//!
//! What it measures is what a client of etcd gets: from sending a put over TCP to its reply, by a client in a process of its
//! own, with three replicas as processes and everything authenticated and encrypted (etcd's side is plaintext).

use crate::contender::{BlockError, Contender, Latencies, PAYLOAD_BYTES};
use crate::paxon_command::{CommandError, PaxonCommand};
use serde::Deserialize;

/// Connections over which many operations are spread.
const CONNECTIONS: usize = 4;
/// Members of its cluster.
const REPLICAS: usize = 3;

/// What of its report is used.
#[derive(Debug, Deserialize)]
struct Report {
    clients_over: String,
    replicas: usize,
    payload: usize,
    connections: usize,
    outstanding: usize,
    ops_per_s: f64,
    latency: Latencies,
}

/// Remote clients of a cluster that is started for each block.
#[derive(Debug)]
pub struct PaxonClients(PaxonCommand);

impl PaxonClients {
    /// Clients started by the command.
    pub const fn new(command: PaxonCommand) -> Self {
        Self(command)
    }

    fn measure(&self, connections: usize, outstanding: usize, operations: u64) -> Result<Report, CommandError> {
        let words = ["load", "--connections", &connections.to_string(), "--outstanding", &outstanding.to_string()];
        let (text, command) = self.0.bench(&words, operations, &[])?;
        let report: Report = serde_json::from_str(&text)
            .map_err(|source| CommandError::NoReport { command: command.clone(), source })?;
        let work = |over: &str, replicas, payload, connections, outstanding| {
            format!(
                "{replicas} replicas, {payload} bytes, {connections} connections over {over} with {outstanding} under way"
            )
        };
        let Report { clients_over, replicas, payload, .. } = &report;
        let found = work(clients_over, *replicas, *payload, report.connections, report.outstanding);
        let over = if self.0.fabric() == "shm" { "unix" } else { "tcp" };
        let wanted = work(over, REPLICAS, PAYLOAD_BYTES, connections, outstanding);
        if found == wanted { Ok(report) } else { Err(CommandError::OtherWork { command, found, wanted }) }
    }
}

impl Contender for PaxonClients {
    fn name(&self) -> String {
        format!("Paxon ({}), remote client", self.0.fabric())
    }

    fn one_at_a_time(&mut self, operations: u64) -> Result<Latencies, BlockError> {
        Ok(self.measure(1, 1, operations)?.latency)
    }

    fn outstanding(&mut self, width: usize, operations: u64) -> Result<f64, BlockError> {
        let connections = CONNECTIONS.min(width.max(1));
        Ok(self.measure(connections, width.div_ceil(connections), operations)?.ops_per_s)
    }
}
