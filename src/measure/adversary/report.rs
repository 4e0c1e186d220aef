//! What the attack came to.

use super::pair::Load;
use super::verdict::Verdict;
use super::{AdversaryOptions, Trust};
use crate::measure::report::Percentiles;
use crate::measure::verifier::{DeviceReport, VerifierKind};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread;

/// The state of a replica.
#[derive(Clone, Debug, Serialize)]
pub struct StateReport {
    /// Which replica.
    pub replica: u8,
    /// Honest commands that it has applied.
    pub honest: u64,
    /// Other commands that it has applied.
    pub forged: u64,
    /// Whether the honest ones are those that clients were told of, each once.
    pub exact: bool,
    /// Of the whole state, keys included.
    pub digest: String,
}

/// What a replica has counted.
#[derive(Clone, Debug, Serialize)]
pub struct Defence {
    /// Which replica.
    pub replica: u8,
    /// Of decided commands: accepted, refused by kind, known from before, verified on the spot.
    pub decided: Value,
    /// Of commands that it was asked for as leader.
    pub vetted: Value,
    /// Its device, if it has one.
    pub device: Option<DeviceReport>,
}

/// How honest commands fared.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LoadReport {
    /// Honest and forged commands a second.
    pub commands_per_s: f64,
    /// Honest commands a second.
    pub honest_per_s: f64,
    /// Honest commands.
    pub samples: u64,
    /// Of honest commands, from sending to the reply, at a client with many under way.
    pub latency: Percentiles,
    /// The longest time in which no honest command was answered.
    pub longest_gap_ns: u64,
}

impl LoadReport {
    fn of(load: &Load) -> Self {
        let seconds = load.elapsed.as_secs_f64().max(f64::EPSILON);
        Self {
            commands_per_s: (load.honest_sent + load.forged_sent()) as f64 / seconds,
            honest_per_s: load.honest_sent as f64 / seconds,
            samples: load.latencies.len(),
            latency: Percentiles::of(&load.latencies),
            longest_gap_ns: u64::try_from(load.longest_gap.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// What the attack came to. [`AdversaryReport::holds`] says whether nothing forged was applied and nothing honest refused.
#[derive(Clone, Debug, Serialize)]
pub struct AdversaryReport {
    /// What verified.
    pub verifier: VerifierKind,
    /// Which replicas verified.
    pub policy: Trust,
    /// Whether leaders proposed whatever they were given.
    pub careless: bool,
    /// Whether the devices stopped in the middle.
    pub kill_device: bool,
    /// Cores that this process may use.
    pub cores: usize,
    /// Of 1,000 commands of the attack so many were forged.
    pub share_per_mille: u16,
    /// Forged commands sent.
    pub forged_sent: u64,
    /// Forged commands that the replica with most of them has applied, honest ones applied twice included: must be 0.
    pub forged_applied: u64,
    /// Forged commands that were answered as applied, repeated ones aside.
    pub forged_answered: u64,
    /// Repeated honest commands that were answered with the reply of the first time, and not applied again.
    pub repeats_answered: u64,
    /// Honest commands sent.
    pub honest_sent: u64,
    /// Honest commands that clients were told to be applied.
    pub honest_applied: u64,
    /// Honest commands that were refused: must be 0.
    pub honest_refused: u64,
    /// Whether every replica holds exactly the commands that clients were told of, and all the same state.
    pub states_equal: bool,
    /// Forged commands by how they were forged.
    pub forgeries: BTreeMap<&'static str, u64>,
    /// Forged commands by how they were refused.
    pub refusals: BTreeMap<String, u64>,
    /// Without attack, before and after it.
    pub calm: LoadReport,
    /// Under attack.
    pub attack: LoadReport,
    /// The median latency under attack by that without.
    pub p50_ratio: f64,
    /// The states of all replicas.
    pub states: Vec<StateReport>,
    /// What the replicas counted.
    pub defences: Vec<Defence>,
}

impl AdversaryReport {
    pub(super) fn new(options: &AdversaryOptions, calm: &Load, attack: &Load, verdict: Verdict) -> Self {
        let Verdict { states, defences, honest_applied } = verdict;
        let beyond = |state: &super::StateReport| state.forged + state.honest.saturating_sub(honest_applied);
        let (calm_report, attack_report) = (LoadReport::of(calm), LoadReport::of(attack));
        Self {
            verifier: options.verifier,
            policy: options.policy,
            careless: options.careless,
            kill_device: options.kill_device,
            cores: thread::available_parallelism().map_or(1, usize::from),
            share_per_mille: options.share_per_mille,
            forged_sent: attack.forged_sent(),
            forged_applied: states.iter().map(beyond).max().unwrap_or_default(),
            forged_answered: attack.forged_answered,
            repeats_answered: attack.repeats_answered,
            honest_sent: calm.honest_sent + attack.honest_sent,
            honest_applied,
            honest_refused: calm.honest_refused + attack.honest_refused,
            states_equal: states.iter().all(|state| state.exact && state.digest == states[0].digest),
            forgeries: attack.forged.clone(),
            refusals: attack.refusals.clone(),
            p50_ratio: attack_report.latency.p50_ns as f64 / calm_report.latency.p50_ns.max(1) as f64,
            calm: calm_report,
            attack: attack_report,
            states,
            defences,
        }
    }

    /// Whether nothing forged was applied, nothing honest refused or lost, and all replicas hold the same.
    pub fn holds(&self) -> bool {
        self.forged_applied == 0
            && self.forged_answered == 0
            && self.honest_refused == 0
            && self.honest_applied == self.honest_sent
            && self.states_equal
    }
}
