//! A slot: one request on its way through the pool.

use crate::batch::{Check, Key};
use crate::key_book::Entry;
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified};
use std::sync::Arc;

/// One request, copied, and its verdict.
pub(super) struct Job {
    ticket: u64,
    scheme: Scheme,
    /// Key, signature and message, in lengths that the scheme has. Never grows: allocated for the longest.
    bytes: Vec<u8>,
    /// The key's tables, if it was announced.
    entry: Option<Arc<Entry>>,
    pub(super) verdict: Verdict,
}

impl Job {
    pub(super) fn new(message_bytes_max: usize) -> Self {
        let longest = Scheme::ALL.iter().map(|scheme| scheme.key_bytes() + scheme.signature_bytes()).max().unwrap_or(0);
        Self {
            ticket: 0,
            scheme: Scheme::Ed25519,
            bytes: Vec::with_capacity(longest + message_bytes_max),
            entry: None,
            verdict: Verdict::Malformed,
        }
    }

    /// Takes a request whose lengths were checked.
    pub(super) fn fill(&mut self, request: &Request<'_>, entry: Option<&Arc<Entry>>) {
        self.ticket = request.ticket;
        self.scheme = request.scheme;
        self.entry = entry.cloned();
        self.verdict = Verdict::Malformed;
        for part in [request.key, request.signature, request.message] {
            self.bytes.extend_from_slice(part);
        }
    }

    /// The verdict. Leaves the slot empty.
    pub(super) fn clear(&mut self) -> Verified {
        self.bytes.clear();
        self.entry = None;
        Verified { ticket: self.ticket, verdict: self.verdict }
    }

    /// The request, with the key's tables if they are there.
    pub(super) fn check(&self) -> Check<'_> {
        let plain = self.check_plainly();
        let prepared = self.entry.as_ref().and_then(|entry| entry.prepared());
        prepared.map_or(plain, |key| Check { key: Key::Prepared(key), ..plain })
    }

    /// The request, without any tables.
    pub(super) fn check_plainly(&self) -> Check<'_> {
        let (key, rest) = self.bytes.split_at(self.scheme.key_bytes());
        let (signature, message) = rest.split_at(self.scheme.signature_bytes());
        Check { scheme: self.scheme, key: Key::Plain(key), signature, message }
    }
}
