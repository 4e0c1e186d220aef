//! A verifier on its caller's thread.

use crate::batch::{BATCH_MAX, Check, Checks, Key, verify_batch};
use crate::key_book::KeyBook;
use crate::{Counters, Limits};
use paxon_fastpath::verify::{Request, Scheme, Verified, Verifier};
use std::collections::VecDeque;

/// Verifies on its caller's thread: [`Verifier::submit`] returns when the verdicts are there, and [`Verifier::poll`] hands
/// them out. [`Verifier::prepare`] prepares at once.
///
/// For those who have no core to spare and for tests: there is no thread and nothing to wait for.
///
/// ```
/// use paxon_fastpath::verify::{Request, Scheme, Verdict, Verifier};
///
/// let key = paxon_verify::SigningKey::from_seed(Scheme::Ed25519, &[1; 32]);
/// let signature = key.sign(b"hello");
/// let request = Request {
///     ticket: 9, scheme: Scheme::Ed25519, key: key.public_key(), signature: &signature, message: b"hello",
/// };
/// let mut verifier = paxon_verify::InlineVerifier::default();
/// assert_eq!(verifier.submit(&[request]), 1);
/// let mut verdicts = Vec::new();
/// verifier.poll(&mut verdicts);
/// assert_eq!((verdicts[0].ticket, verdicts[0].verdict), (9, Verdict::Valid));
/// ```
pub struct InlineVerifier {
    limits: Limits,
    keys: KeyBook,
    /// Verdicts that were not polled, at most the capacity.
    ready: VecDeque<Verified>,
    counters: Counters,
}

impl InlineVerifier {
    /// A verifier within these limits.
    pub fn new(limits: Limits) -> Self {
        let ready = VecDeque::with_capacity(limits.capacity());
        Self { limits, keys: KeyBook::new(limits.prepared_keys_max), ready, counters: Counters::default() }
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        Counters { prepared_keys: self.keys.prepared(), unprepared_keys: self.keys.unprepared(), ..self.counters }
    }

    fn verify(&mut self, requests: &[Request<'_>]) {
        let verdicts = {
            let checks: Checks<'_> = requests.iter().map(|request| self.check(request)).collect();
            verify_batch(&checks)
        };
        let verified = requests.iter().zip(verdicts);
        self.ready.extend(verified.map(|(request, verdict)| Verified { ticket: request.ticket, verdict }));
    }

    fn check<'a>(&'a self, request: &Request<'a>) -> Check<'a> {
        let Request { scheme, key, signature, message, .. } = *request;
        if !self.limits.admit(request) {
            // No scheme has a key without bytes: malformed.
            return Check { scheme, key: Key::Plain(&[]), signature, message };
        }
        let prepared = self.keys.find(scheme, key).and_then(|entry| entry.prepared());
        Check { scheme, key: prepared.map_or(Key::Plain(key), Key::Prepared), signature, message }
    }
}

impl Default for InlineVerifier {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Verifier for InlineVerifier {
    fn supports(&self, scheme: Scheme) -> bool {
        Scheme::ALL.contains(&scheme)
    }

    fn capacity(&self) -> usize {
        self.limits.capacity()
    }

    fn message_bytes_max(&self) -> usize {
        self.limits.message_bytes_max
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        let taken = requests.len().min(self.capacity() - self.ready.len());
        for batch in requests[..taken].chunks(BATCH_MAX) {
            self.verify(batch);
        }
        taken
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        let polled = self.ready.len();
        for verified in self.ready.drain(..) {
            self.counters.count(verified.verdict);
            verdicts.push(verified);
        }
        polled
    }

    fn prepare(&mut self, scheme: Scheme, key: &[u8]) {
        if let Some(entry) = self.keys.enter(scheme, key) {
            entry.prepare();
        }
    }

    fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        self.keys.forget(scheme, key);
    }
}
