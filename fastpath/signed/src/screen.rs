//! What a leader does before it proposes: commands that will be refused are refused at once, and are never replicated.

use crate::keyring::{Checked, Keyring, Signature, VerificationId};
use crate::refusal::{Counters, Refusal};
use crate::verdicts::Software;
use paxon_fastpath::verify::{Verdict, Verified, Verifier};
use paxon_fastpath::{Command, Slot};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Verdicts that may wait to be polled for.
const READY_MAX: usize = 1 << 16;

/// A command to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Names it in its verdict; the screen does not look at it.
    pub token: u64,
    /// The command, with the session and sequence that it will be proposed under.
    pub command: Command<'a>,
}

/// What came of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screened {
    /// The candidate's [`Candidate::token`].
    pub token: u64,
    /// Whether to propose it, or what to answer its client.
    pub verdict: Result<(), Refusal>,
}

/// Screens commands before they are proposed: many under way at a time, never blocking, so that throughput is bound by the
/// verifier and latency by one verification. Not part of the state machine; any thread of the process may run one.
///
/// It judges by the keys as they are. A key that is revoked between its verdict and the command's slot still counts at
/// the slot: the machine looks again at all but the signature itself.
#[derive(Debug)]
pub struct Screen<V> {
    keyring: Arc<Keyring>,
    verifier: V,
    software: Software,
    /// By ticket. Invariant: as many as the verifier was given and has not answered.
    under_way: HashMap<u64, (u64, VerificationId)>,
    next_ticket: u64,
    /// Verdicts that needed no verifier.
    ready: VecDeque<Screened>,
    arrived: Vec<Verified>,
    counters: Counters,
}

impl<V: Verifier> Screen<V> {
    /// A screen by the keys of a replica.
    pub fn new(keyring: Arc<Keyring>, verifier: V, software: Software) -> Self {
        Self {
            keyring,
            verifier,
            software,
            under_way: HashMap::new(),
            next_ticket: 0,
            ready: VecDeque::new(),
            arrived: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Takes as many candidates as there is room for, from the front, and returns how many. `next` is the slot that they will
    /// have at the earliest. 0 is not an error: poll, and come again.
    pub fn submit(&mut self, next: Slot, candidates: &[Candidate<'_>]) -> usize {
        let keyring = self.keyring.clone();
        let state = keyring.read();
        let room = self.verifier.capacity().saturating_sub(self.under_way.len());
        let mut signatures: Vec<(u64, Signature<'_>)> = Vec::with_capacity(candidates.len().min(room));
        let mut taken = 0;
        for candidate in candidates.iter().take(READY_MAX.saturating_sub(self.ready.len())) {
            match keyring.check(&state, next, &candidate.command) {
                Err(refusal) => self.ready(candidate.token, Err(refusal)),
                Ok(Checked::Authentic) => self.ready(candidate.token, Ok(())),
                Ok(Checked::Signature(signature)) if !self.verifier.supports(signature.key.scheme()) => {
                    let valid = (self.software)(&signature.request(0)) == Verdict::Valid;
                    self.decide(candidate.token, signature.id(), valid);
                }
                Ok(Checked::Signature(_)) if signatures.len() >= room => break,
                Ok(Checked::Signature(signature)) => signatures.push((candidate.token, signature)),
            }
            taken += 1;
        }
        self.verify(&signatures);
        taken
    }

    /// Hands signatures to the verifier. Those that it has no room for after all are verified on the spot, so that whatever came
    /// before and after them keeps its verdict.
    fn verify(&mut self, signatures: &[(u64, Signature<'_>)]) {
        let first = self.next_ticket;
        let numbered = signatures.iter().zip(0..);
        let requests: Vec<_> = numbered.map(|((_, signature), at)| signature.request(first.wrapping_add(at))).collect();
        let taken = if requests.is_empty() { 0 } else { self.verifier.submit(&requests) };
        for (at, (token, signature)) in signatures.iter().enumerate() {
            if at < taken {
                self.under_way.insert(self.next_ticket, (*token, signature.id()));
                self.next_ticket = self.next_ticket.wrapping_add(1);
            } else {
                self.counters.note_on_the_spot();
                let valid = (self.software)(&signature.request(0)) == Verdict::Valid;
                self.decide(*token, signature.id(), valid);
            }
        }
    }

    fn decide(&mut self, token: u64, id: VerificationId, valid: bool) {
        if valid {
            self.keyring.remember(id);
        }
        self.ready(token, if valid { Ok(()) } else { Err(Refusal::BadSignature) });
    }

    fn ready(&mut self, token: u64, verdict: Result<(), Refusal>) {
        self.counters.note(verdict);
        self.ready.push_back(Screened { token, verdict });
    }

    /// Appends the verdicts that are there, in any order. Never blocks. Returns how many.
    pub fn poll(&mut self, verdicts: &mut Vec<Screened>) -> usize {
        let mut arrived = std::mem::take(&mut self.arrived);
        self.verifier.poll(&mut arrived);
        for Verified { ticket, verdict } in arrived.drain(..) {
            if let Some((token, id)) = self.under_way.remove(&ticket) {
                self.decide(token, id, verdict == Verdict::Valid);
            }
        }
        self.arrived = arrived;
        let count = self.ready.len();
        verdicts.extend(self.ready.drain(..));
        count
    }

    /// Candidates without a verdict.
    pub fn under_way(&self) -> usize {
        self.under_way.len() + self.ready.len()
    }

    /// What came of the candidates so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The verifier.
    pub const fn verifier(&self) -> &V {
        &self.verifier
    }
}
