//! What the demo has to tell.

use crate::cli::demo::logs::Intervals;
use crate::cli::demo::spans::Spans;
use crate::cli::demo::workload::Workload;
use crate::cli::error::{CliError, MISMATCH};
use crate::cli::expectation::Survivor;
use crate::cli::failover::Failover;
use crate::cli::hdr::{self, Summary};
use crate::cli::output::{Colour, Output};
use crate::cli::setting::Setting;
use crate::cli::table::{amount, count};
use paxon::ReplicaId;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Everything that was seen.
#[derive(Debug)]
pub struct Report {
    pub killed: ReplicaId,
    pub killed_after: u64,
    pub successor: ReplicaId,
    pub failover: Failover,
    pub survivors: Vec<Survivor>,
    /// What is wrong with them, if anything.
    pub verdict: Result<(), String>,
    pub commands: u64,
    pub elapsed: Duration,
    pub intervals: Intervals,
}

impl Report {
    /// Prints it.
    ///
    /// # Errors
    /// [`CliError::Mismatch`] if the replicas hold something else than they should.
    pub fn print(
        &self,
        setting: &Setting,
        workload: &Workload,
        log_dir: &Path,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let summaries = self.summaries()?;
        let mut object = self.object(setting, workload, &summaries);
        object["logs"] = json!(log_dir);
        output.object(&object)?;
        self.print_text(&summaries, log_dir, output)?;
        match &self.verdict {
            Err(_) if output.is_json() => Err(CliError::Reported(MISMATCH)),
            verdict => verdict.clone().map_err(CliError::Mismatch),
        }
    }

    fn summaries(&self) -> Result<Vec<Summary>, CliError> {
        let mut sum = Spans::default();
        for interval in &self.intervals.list {
            sum = sum.merged_with(&interval.spans)?;
        }
        Ok(sum.iter().map(|(name, histogram)| Summary::of(name, histogram)).collect())
    }

    fn commands_per_s(&self) -> u64 {
        (self.commands as f64 / self.elapsed.as_secs_f64()) as u64
    }

    fn object(&self, setting: &Setting, workload: &Workload, summaries: &[Summary]) -> serde_json::Value {
        let digests = |survivor: &Survivor| {
            let digest = format!("{:016x}", survivor.digest);
            json!({ "replica": survivor.replica, "applied": survivor.slot, "digest": digest })
        };
        json!({
            "ok": self.verdict.is_ok(),
            "problem": self.verdict.as_ref().err(),
            "replicas": setting.cluster.replicas,
            "fabric": setting.cluster.fabric,
            "poll": setting.cluster.poll,
            "cores": setting.cluster.cores,
            "workload": workload.describe(),
            "commands": self.commands,
            "elapsed_ns": self.elapsed.as_nanos() as u64,
            "commands_per_s": self.commands_per_s(),
            "killed": { "replica": self.killed.0, "after_commands": self.killed_after },
            "leader": self.successor.0,
            "failover": self.failover,
            "survivors": self.survivors.iter().map(digests).collect::<Vec<_>>(),
            "latencies": summaries,
        })
    }

    fn print_text(&self, summaries: &[Summary], log_dir: &Path, output: &mut Output) -> Result<(), CliError> {
        let commands = amount(self.commands, "command");
        if let (Ok(()), Some(first)) = (&self.verdict, self.survivors.first()) {
            let ids: Vec<_> = self.survivors.iter().map(|survivor| survivor.replica.to_string()).collect();
            let agreement = format!(
                "replicas {} agree: {commands}, each applied exactly once and in order, digest {:016x}",
                ids.join(" and "),
                first.digest
            );
            output.line(&output.paint(Colour::Good, &agreement))?;
        }
        let seconds = self.elapsed.as_secs_f64();
        output.line(&format!("{commands} in {seconds:.2} s, {} a second\n", count(self.commands_per_s())))?;
        let lines = hdr::table("latency", summaries);
        for (at, line) in lines.iter().enumerate() {
            output.line(&if at == 0 { output.paint(Colour::Heading, line) } else { line.clone() })?;
        }
        output.line(&format!("\nHdrHistogram logs: {}", log_dir.display()))
    }
}
