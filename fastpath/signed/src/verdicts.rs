//! Verdicts on signatures of commands that are about to be applied, asked for early and waited for late.

use crate::keyring::{Signature, VerificationId};
use crate::refusal::Counters;
use paxon_fastpath::verify::{Request, Verdict, Verified, Verifier};
use std::collections::{HashMap, VecDeque};

/// Verdicts, there or expected, that are kept; more are forgotten, oldest first.
const KEPT_MAX: usize = 1 << 14;
/// Polls for a verdict before it is made on the spot. A poll takes tens of nanoseconds, a verification as many microseconds.
const POLLS_MAX: u32 = 20_000;
/// Polls between two offers of the processor to others: the verifier's threads may have no other.
const POLLS_PER_YIELD: u32 = 1024;

/// Verifies on the spot: what a replica falls back to when its verifier has no room, or takes too long.
pub type Software = fn(&Request<'_>) -> Verdict;

#[derive(Clone, Copy, Debug)]
enum Kept {
    Expected,
    There(bool),
}

/// The verifier of a replica with what it was asked.
#[derive(Debug)]
pub(crate) struct Verdicts<V> {
    verifier: V,
    software: Software,
    kept: HashMap<VerificationId, Kept>,
    /// In the order in which they came. Invariant: holds every key of `kept`.
    order: VecDeque<VerificationId>,
    /// Requests under way by their tickets. Invariant: never more than the verifier's capacity.
    under_way: HashMap<u64, VerificationId>,
    next_ticket: u64,
    arrived: Vec<Verified>,
    /// How often a verdict was asked for in vain since the last one came.
    in_vain: u32,
    /// A verdict did not come in time, and none has come since: nothing is waited for, so that a stall is paid for once.
    stalled: bool,
}

impl<V: Verifier> Verdicts<V> {
    pub(crate) fn new(verifier: V, software: Software) -> Self {
        Self {
            verifier,
            software,
            kept: HashMap::new(),
            order: VecDeque::new(),
            under_way: HashMap::new(),
            next_ticket: 0,
            arrived: Vec::new(),
            in_vain: 0,
            stalled: false,
        }
    }

    pub(crate) const fn verifier_mut(&mut self) -> &mut V {
        &mut self.verifier
    }

    /// Asks for verdicts that will be needed soon. Those that the verifier has no room for are made when they are needed.
    pub(crate) fn announce(&mut self, signatures: &[Signature<'_>]) {
        let room = self.verifier.capacity().saturating_sub(self.under_way.len());
        let mut ids: Vec<VerificationId> = Vec::with_capacity(signatures.len());
        let mut requests = Vec::with_capacity(signatures.len());
        for signature in signatures.iter().filter(|signature| self.verifier.supports(signature.key.scheme())) {
            let id = signature.id();
            if ids.len() < room && !self.kept.contains_key(&id) && !ids.contains(&id) {
                requests.push(signature.request(self.next_ticket.wrapping_add(ids.len() as u64)));
                ids.push(id);
            }
        }
        let taken = if requests.is_empty() { 0 } else { self.verifier.submit(&requests) };
        for id in ids.into_iter().take(taken) {
            self.under_way.insert(self.next_ticket, id);
            self.next_ticket = self.next_ticket.wrapping_add(1);
            self.keep(id, Kept::Expected);
        }
    }

    fn keep(&mut self, id: VerificationId, kept: Kept) {
        if self.kept.insert(id, kept).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }

    /// Takes the verdicts that are there.
    pub(crate) fn poll(&mut self) {
        if self.verifier.poll(&mut self.arrived) > 0 {
            self.in_vain = 0;
            self.stalled = false;
        }
        for Verified { ticket, verdict } in self.arrived.drain(..) {
            let Some(id) = self.under_way.remove(&ticket) else { continue };
            if let Some(kept) = self.kept.get_mut(&id) {
                *kept = Kept::There(verdict == Verdict::Valid);
            }
        }
    }

    /// Whether the signature is valid; `None` if it is to be asked again. A verdict that does not come is made on the spot.
    pub(crate) fn ask(&mut self, signature: &Signature<'_>, counters: &Counters) -> Option<bool> {
        let id = signature.id();
        if !self.kept.contains_key(&id) {
            self.announce(std::slice::from_ref(signature));
        }
        self.poll();
        if let Some(Kept::There(valid)) = self.kept.get(&id) {
            return Some(*valid);
        }
        self.in_vain += 1;
        if self.in_vain < POLLS_MAX && !self.stalled && self.verifier.supports(signature.key.scheme()) {
            return None;
        }
        self.stalled |= self.in_vain >= POLLS_MAX;
        self.in_vain = 0;
        let valid = self.on_the_spot(signature, counters);
        self.keep(id, Kept::There(valid));
        Some(valid)
    }

    fn on_the_spot(&self, signature: &Signature<'_>, counters: &Counters) -> bool {
        counters.note_on_the_spot();
        (self.software)(&signature.request(0)) == Verdict::Valid
    }

    /// Whether the signature is valid. Waits for a verdict that is expected, a bounded time.
    pub(crate) fn settle(&mut self, signature: &Signature<'_>, counters: &Counters) -> bool {
        let id = signature.id();
        for polls in 0..POLLS_MAX {
            match self.kept.get(&id) {
                None => break,
                // It stays until it is the oldest: the same command may be decided again.
                Some(Kept::There(valid)) => return *valid,
                Some(Kept::Expected) if self.stalled && polls > 0 => break,
                Some(Kept::Expected) => self.poll(),
            }
            self.stalled |= polls == POLLS_MAX - 1;
            if polls % POLLS_PER_YIELD == POLLS_PER_YIELD - 1 {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        self.on_the_spot(signature, counters)
    }
}
