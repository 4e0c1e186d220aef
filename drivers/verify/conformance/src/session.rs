//! A verifier under test, and who owes what to whom.

use crate::{Case, Subject, oracle};
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified, Verifier};
use rand::Rng;
use rand::rngs::SmallRng;
use std::time::{Duration, Instant};

/// A verifier that has work and reports nothing for so long has failed; the slowest one simulates hardware.
const PATIENCE: Duration = Duration::from_secs(60);

/// A started verifier.
pub struct Session<S: Subject> {
    verifier: S::Verifier,
    verdicts: Vec<Verified>,
}

impl<S: Subject> Session<S> {
    /// Starts one.
    pub fn start() -> Self {
        Self { verifier: S::start(), verdicts: Vec::new() }
    }

    /// The verifier.
    pub fn verifier(&mut self) -> &mut S::Verifier {
        &mut self.verifier
    }

    /// The verdict that this verifier owes.
    pub fn expected(&self, case: &Case) -> Verdict {
        let fits = case.message.len() <= self.verifier.message_bytes_max();
        if fits && self.verifier.supports(case.scheme) { oracle(case) } else { Verdict::Malformed }
    }

    /// Submits from the front. The verifier may not claim to have taken more than there is.
    pub fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        let taken = self.verifier.submit(requests);
        assert!(taken <= requests.len(), "{taken} of {} requests were taken", requests.len());
        taken
    }

    /// Waits for some verdicts.
    pub fn poll(&mut self) -> Vec<Verified> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.verdicts.clear();
            let polled = self.verifier.poll(&mut self.verdicts);
            assert_eq!(polled, self.verdicts.len(), "poll says {polled} and appended {}", self.verdicts.len());
            if polled > 0 {
                return self.verdicts.clone();
            }
            assert!(Instant::now() < deadline, "no verdict for {PATIENCE:?}");
            S::pass_time(&mut self.verifier);
        }
    }

    /// No verdict is left over.
    pub fn expect_quiet(&mut self) {
        for _ in 0..200 {
            let mut verdicts = Vec::new();
            assert_eq!(self.verifier.poll(&mut verdicts), 0, "a verdict that nobody asked for: {verdicts:?}");
            S::pass_time(&mut self.verifier);
        }
    }

    /// Has all cases verified in batches of random sizes and compares each verdict with the oracle's.
    pub fn check(&mut self, cases: &[Case], rng: &mut SmallRng) {
        let expected: Vec<_> = cases.iter().map(|case| self.expected(case)).collect();
        let got = self.verify_all(cases, rng);
        let wrong: Vec<_> =
            cases.iter().zip(expected).zip(got).filter(|((_, expected), got)| expected != got).collect();
        let shown = wrong.iter().take(5);
        assert!(wrong.is_empty(), "{} of {} verdicts are wrong, such as {shown:#?}", wrong.len(), cases.len());
    }

    /// The verdicts on all cases, in their order, each of which must come exactly once.
    pub fn verify_all(&mut self, cases: &[Case], rng: &mut SmallRng) -> Vec<Verdict> {
        let mut got: Vec<Option<Verdict>> = vec![None; cases.len()];
        let requests: Vec<_> = cases.iter().zip(0..).map(|(case, ticket)| case.request(ticket)).collect();
        let (mut submitted, mut answered) = (0, 0);
        while answered < cases.len() {
            let batch = rng.random_range(1..=40).min(cases.len() - submitted);
            let taken = self.submit(&requests[submitted..submitted + batch]);
            submitted += taken;
            if taken > 0 && rng.random() {
                continue;
            }
            for Verified { ticket, verdict } in self.poll() {
                let i = usize::try_from(ticket).expect("tickets are indices");
                assert!(i < submitted, "a verdict on request {ticket} after {submitted} were taken");
                assert_eq!(got[i].replace(verdict), None, "a second verdict on {:?}", cases[i]);
                answered += 1;
            }
        }
        self.expect_quiet();
        got.into_iter().map(|verdict| verdict.expect("as many verdicts as cases, none twice")).collect()
    }

    /// The schemes that this verifier supports.
    pub fn schemes(&self) -> Vec<Scheme> {
        Scheme::ALL.into_iter().filter(|&scheme| self.verifier.supports(scheme)).collect()
    }
}
