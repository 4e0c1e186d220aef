//! What a run of many seeds found, for people and for programs.

use crate::run::Outcome;
use crate::tally::{Count, Kind, Tally};
use std::fmt;
use std::time::Duration;

/// The sum of many outcomes.
#[derive(Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Seeds that broke something, and what.
    pub failures: Vec<(u64, String)>,
    /// All counts.
    pub tally: Tally,
    /// Virtual time of all seeds.
    pub virtual_ns: u128,
    /// Real time.
    pub elapsed: Duration,
}

impl Summary {
    /// Adds an outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.tally.add(&outcome.tally);
        self.virtual_ns += u128::from(outcome.virtual_ns);
        if let Some(violation) = &outcome.violation {
            self.failures.push((outcome.seed, violation.to_string()));
        }
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        let section = |kind| -> serde_json::Map<String, serde_json::Value> {
            let counts = Count::ALL.iter().filter(|count| count.kind() == kind);
            counts.map(|&count| (count.name().into(), self.tally.get(count).into())).collect()
        };
        serde_json::json!({
            "seeds": self.seeds,
            "seconds": self.elapsed.as_secs_f64(),
            "events_per_second": self.per_second(self.tally.get(Count::Event)),
            "faults": section(Kind::Fault),
            "wildness": section(Kind::Wild),
            "work": section(Kind::Work),
            "failures": self.failures.iter().map(|(seed, what)| serde_json::json!({"seed": seed, "what": what})).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, title) in
            [(Kind::Fault, "faults injected"), (Kind::Wild, "how wild it became"), (Kind::Work, "work")]
        {
            writeln!(f, "{title}")?;
            for &count in Count::ALL.iter().filter(|count| count.kind() == kind) {
                writeln!(f, "  {:<44} {:>14}", count.name(), self.tally.get(count))?;
            }
        }
        writeln!(
            f,
            "{} seeds in {:.1} s: {:.0} seeds/s, {:.2} M events/s, {:.1} s of virtual time; {} failed",
            self.seeds,
            self.elapsed.as_secs_f64(),
            self.per_second(self.seeds),
            self.per_second(self.tally.get(Count::Event)) / 1e6,
            self.virtual_ns as f64 / 1e9,
            self.failures.len(),
        )?;
        self.failures
            .iter()
            .try_for_each(|(seed, what)| writeln!(f, "seed {seed}: {what}\n  replay: paxon-sim replay {seed}"))
    }
}
