//! What bounds a verifier, and what it has counted.

use paxon_fastpath::verify::{Request, Verdict};

/// What bounds a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way, verdicts that were not polled included. 0 counts as 1.
    pub capacity: usize,
    /// The longest message in bytes.
    pub message_bytes_max: usize,
    /// Keys that are prepared at a time, 33 KiB for each of Ed25519. Keys announced beyond stay unprepared.
    pub prepared_keys_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { capacity: 1024, message_bytes_max: 4096, prepared_keys_max: 1024 }
    }
}

impl Limits {
    pub(crate) const fn capacity(&self) -> usize {
        if self.capacity == 0 { 1 } else { self.capacity }
    }

    /// Whether lengths and scheme are such that there is something to compute.
    pub(crate) fn admit(&self, request: &Request<'_>) -> bool {
        request.key.len() == request.scheme.key_bytes()
            && request.signature.len() == request.scheme.signature_bytes()
            && request.message.len() <= self.message_bytes_max
    }
}

/// What a verifier has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Verdicts [`Verdict::Valid`] that were polled.
    pub valid: u64,
    /// Verdicts [`Verdict::Invalid`] that were polled.
    pub invalid: u64,
    /// Verdicts [`Verdict::Malformed`] that were polled.
    pub malformed: u64,
    /// Panics of a worker that were caught. Each request among them was verified again, alone and without tables.
    pub panics: u64,
    /// Keys that are prepared now.
    pub prepared_keys: u64,
    /// Announced keys that stayed unprepared: over [`Limits::prepared_keys_max`].
    pub unprepared_keys: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Valid => self.valid += 1,
            Verdict::Invalid => self.invalid += 1,
            Verdict::Malformed => self.malformed += 1,
        }
    }
}
