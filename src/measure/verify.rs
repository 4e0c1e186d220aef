//! Measures a verifier: verifications a second, how long each takes, and whether every verdict is right.
//!
//! Requests are those of commands: 96 bytes signed by one prepared key, a share of them forged. The library's own rate on one
//! thread is measured before and after, in the same run. A latency begins when a request is taken and ends when its verdict is
//! polled, so with many outstanding it is mostly the time in the queue.

mod case;
mod report;
mod run;

pub use report::VerifyReport;

use super::MeasureError;
use super::rates::rates;
use super::verifier::VerifierKind;
use case::Case;
use paxon_fastpath::verify::{Scheme, Verifier};
use paxon_verify::SigningKey;
use run::Run;

/// Most requests under way.
pub const OUTSTANDING_MAX: usize = 4_096;
/// Different requests, which take turns.
const CASES: usize = 1_024;
/// Seed of the key: a benchmark's, known to everybody.
const KEY_SEED: [u8; 32] = [0x33; 32];

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// What verifies.
    pub verifier: VerifierKind,
    /// The scheme of the signatures.
    pub scheme: Scheme,
    /// Threads of the software verifier, at least 1. A device has none.
    pub workers: usize,
    /// Verdicts to wait for.
    pub samples: u64,
    /// Requests kept under way, 1 to [`OUTSTANDING_MAX`].
    pub outstanding: usize,
    /// Of 1,000 requests so many are forged, at most 1,000.
    pub forged_per_mille: u16,
}

/// Measures, and asks `go_on` now and then, with the verdicts so far, whether to.
///
/// # Errors
/// [`MeasureError`]; [`MeasureError::Interrupted`] if `go_on` said no. Wrong verdicts are no error but counted.
pub fn verifications_while(
    options: &VerifyOptions,
    go_on: impl FnMut(u64) -> bool,
) -> Result<VerifyReport, MeasureError> {
    let outstanding = options.outstanding.clamp(1, OUTSTANDING_MAX);
    let (mut verifier, gauge) = options.verifier.start(options.workers.max(1), outstanding, None)?;
    let key = SigningKey::from_seed(options.scheme, &KEY_SEED);
    verifier.prepare(options.scheme, key.public_key());
    let cases = Case::all(&key, CASES, options.forged_per_mille);
    let before = rates(&key);
    let run = Run::new(&cases, outstanding).measure(&mut verifier, options.samples, go_on)?;
    let after = rates(&key);
    drop(verifier);
    Ok(VerifyReport::new(options, run, [before, after], gauge.read()))
}
