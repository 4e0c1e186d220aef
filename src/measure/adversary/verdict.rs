//! What every replica holds in the end.

use super::REPLICAS;
use super::census::Census;
use super::pair::Pair;
use super::report::{Defence, StateReport};
use crate::measure::MeasureError;
use paxon_client::Client;
use paxon_fastpath::{ReplicaId, Slot};
use serde_json::Value;
use std::io;

/// The states of all replicas beside what clients were told.
pub(super) struct Verdict {
    pub(super) states: Vec<StateReport>,
    pub(super) defences: Vec<Defence>,
    /// Honest commands that were answered as applied.
    pub(super) honest_applied: u64,
}

/// Asks every replica, as soon as it holds the last answered command.
pub(super) fn of(office: &Client, pairs: &[Pair]) -> Result<Verdict, MeasureError> {
    let last = pairs.iter().map(|pair| pair.last).max().unwrap_or(Slot::NONE);
    let honest_applied = pairs.iter().map(|pair| pair.applied).sum();
    let sum = pairs.iter().fold(0, |sum: u64, pair| sum.wrapping_add(pair.sum));
    let ids = || (0..REPLICAS).map(ReplicaId);
    let state = |id: ReplicaId| {
        let answer = office.at(id).read(b"", last).wait().map_err(MeasureError::other)?;
        let census = Census::decode(&answer).ok_or_else(|| garbled(id))?;
        let digest = office.at(id).digest(last).wait().map_err(MeasureError::other)?.digest;
        Ok::<_, MeasureError>(StateReport {
            replica: id.0,
            honest: census.honest,
            forged: census.forged,
            // The same commands, each once.
            exact: (census.honest, census.sum) == (honest_applied, sum),
            digest: format!("{digest:016x}"),
        })
    };
    Ok(Verdict {
        states: ids().map(state).collect::<Result<_, _>>()?,
        defences: ids().map(|id| defence(office, id)).collect::<Result<_, _>>()?,
        honest_applied,
    })
}

/// What a replica counted.
fn defence(office: &Client, id: ReplicaId) -> Result<Defence, MeasureError> {
    let status = office.at(id).status().wait().map_err(MeasureError::other)?;
    let status: Value = serde_json::from_str(&status).map_err(MeasureError::other)?;
    let signed = &status["signed"];
    let device = serde_json::from_value(signed["device"].clone()).map_err(MeasureError::other)?;
    Ok(Defence { replica: id.0, decided: signed["decided"].clone(), vetted: signed["vetted"].clone(), device })
}

fn garbled(id: ReplicaId) -> MeasureError {
    MeasureError::other(io::Error::other(format!("replica {} did not answer with a census", id.0)))
}
