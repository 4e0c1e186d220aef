//! One run: so many requests under way, each verdict compared with the known one.

use super::case::Case;
use crate::measure::MeasureError;
use crate::measure::auth::LATENCY_MAX_NS;
use hdrhistogram::Histogram;
use paxon_fastpath::verify::{Request, Verdict, Verified, Verifier};
use std::thread;
use std::time::{Duration, Instant};

/// A verifier that says nothing for so long has lost a request.
const PATIENCE: Duration = Duration::from_secs(60);
/// The caller sleeps for so long when threads verify and nothing is there: the processors are theirs.
const NAP: Duration = Duration::from_micros(20);
/// Verdicts after which the caller is asked whether to go on.
const ASK_EVERY: u64 = 64;

/// A request under way.
#[derive(Clone, Copy)]
struct UnderWay {
    case: usize,
    since: Instant,
}

/// A run in progress.
pub(super) struct Run<'a> {
    cases: &'a [Case],
    /// By ticket.
    under_way: Vec<Option<UnderWay>>,
    free: Vec<u64>,
    submitted: u64,
    pub(super) latencies: Histogram<u64>,
    pub(super) forged: u64,
    /// Verdicts that were not the known one, and verdicts on nothing.
    pub(super) wrong: u64,
    pub(super) elapsed: Duration,
}

impl<'a> Run<'a> {
    pub(super) fn new(cases: &'a [Case], outstanding: usize) -> Self {
        Self {
            cases,
            under_way: vec![None; outstanding],
            free: (0..outstanding as u64).collect(),
            submitted: 0,
            latencies: Histogram::new_with_max(LATENCY_MAX_NS, 3).expect("three digits up to ten seconds"),
            forged: 0,
            wrong: 0,
            elapsed: Duration::ZERO,
        }
    }

    pub(super) fn measure(
        mut self,
        verifier: &mut impl Verifier,
        samples: u64,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<Self, MeasureError> {
        let start = Instant::now();
        let (mut heard, mut asked, mut done) = (start, 0, 0);
        let mut verdicts = Vec::new();
        while done < samples {
            let taken = self.submit(verifier, samples);
            verifier.poll(&mut verdicts);
            if verdicts.is_empty() {
                self.rest(taken, heard)?;
            } else {
                heard = Instant::now();
            }
            done += verdicts.len() as u64;
            for verified in verdicts.drain(..) {
                self.note(verified, heard);
            }
            if done >= asked {
                asked = done + ASK_EVERY;
                if !go_on(done) {
                    return Err(MeasureError::Interrupted);
                }
            }
        }
        self.elapsed = start.elapsed();
        Ok(self)
    }

    /// Fills up what may be under way; how many were taken.
    fn submit(&mut self, verifier: &mut impl Verifier, samples: u64) -> usize {
        let count = self.free.len().min(usize::try_from(samples - self.submitted).unwrap_or(usize::MAX));
        if count == 0 {
            return 0;
        }
        let (cases, first) = (self.cases, self.submitted as usize);
        let case = |nth: usize| (first + nth) % cases.len();
        let tickets = self.free.iter().rev();
        let requests: Vec<Request<'_>> =
            tickets.take(count).enumerate().map(|(nth, ticket)| cases[case(nth)].request(*ticket)).collect();
        let since = Instant::now();
        let taken = verifier.submit(&requests);
        for nth in 0..taken {
            let ticket = self.free.pop().expect("as many as were submitted");
            self.under_way[ticket as usize] = Some(UnderWay { case: case(nth), since });
        }
        self.submitted += taken as u64;
        taken
    }

    fn rest(&self, taken: usize, heard: Instant) -> Result<(), MeasureError> {
        if heard.elapsed() > PATIENCE {
            return Err(MeasureError::TimedOut { what: "a verdict" });
        }
        if taken == 0 {
            thread::sleep(NAP);
        }
        Ok(())
    }

    fn note(&mut self, verified: Verified, now: Instant) {
        let entry = self.under_way.get_mut(verified.ticket as usize).and_then(Option::take);
        let Some(UnderWay { case, since }) = entry else {
            self.wrong += 1;
            return;
        };
        self.free.push(verified.ticket);
        let expected = self.cases[case].verdict;
        self.forged += u64::from(expected != Verdict::Valid);
        self.wrong += u64::from(verified.verdict != expected);
        self.latencies.saturating_record(u64::try_from((now - since).as_nanos()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_fastpath::verify::Scheme;
    use paxon_verify::SigningKey;

    /// Says of every request that it is valid, and of every tenth twice.
    #[derive(Default)]
    struct Gullible(Vec<Verified>, u64);

    impl Verifier for Gullible {
        fn supports(&self, _: Scheme) -> bool {
            true
        }

        fn capacity(&self) -> usize {
            8
        }

        fn message_bytes_max(&self) -> usize {
            128
        }

        fn submit(&mut self, requests: &[Request<'_>]) -> usize {
            for request in requests {
                self.1 += 1;
                let verified = Verified { ticket: request.ticket, verdict: Verdict::Valid };
                self.0.extend(std::iter::repeat_n(verified, if self.1.is_multiple_of(10) { 2 } else { 1 }));
            }
            requests.len()
        }

        fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
            let polled = self.0.len();
            verdicts.append(&mut self.0);
            polled
        }
    }

    #[test]
    fn wrong_and_second_verdicts_are_counted() {
        let cases = Case::all(&SigningKey::from_seed(Scheme::Ed25519, &[1; 32]), 100, 200);
        let run = Run::new(&cases, 4).measure(&mut Gullible::default(), 110, |_| true).expect("it goes on");
        assert_eq!((run.forged, run.wrong, run.latencies.len()), (20, 30, 100));
        let stopped = Run::new(&cases, 4).measure(&mut Gullible::default(), 110, |done| done < 50);
        assert!(matches!(stopped, Err(MeasureError::Interrupted)));
    }
}
