//! What becomes of requests.

use crate::{Case, Session, Subject, edges};
use paxon_fastpath::verify::{Request, Verified, Verifier};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

fn cases(seed: u64, count: usize) -> Vec<Case> {
    edges::ed25519(seed, count)
}

/// One at a time, all at once, and anything between: each request has exactly one verdict, and it is the right one.
pub fn each_request_has_one_verdict_under_any_batching<S: Subject>() {
    let cases = cases(11, S::REQUESTS);
    let mut session = Session::<S>::start();
    let expected: Vec<_> = cases.iter().map(|case| session.expected(case)).collect();
    for batch in [1, 2, 3, 7, 8, 9, 16, cases.len()] {
        let mut got = vec![None; cases.len()];
        let requests: Vec<_> = cases.iter().zip(0..).map(|(case, ticket)| case.request(ticket)).collect();
        for batch in requests.chunks(batch).take(40) {
            let mut taken = 0;
            let mut answered = 0;
            while answered < batch.len() {
                taken += session.submit(&batch[taken..]);
                for Verified { ticket, verdict } in session.poll() {
                    let i = usize::try_from(ticket).expect("tickets are indices");
                    assert_eq!(got[i].replace(verdict), None, "a second verdict on {:?}", cases[i]);
                    assert_eq!(verdict, expected[i], "in batches of {batch:?}: {:?}", cases[i]);
                    answered += 1;
                }
            }
        }
        session.expect_quiet();
    }
}

/// Tickets are the caller's: the largest, the smallest, the same for many at a time.
pub fn tickets_are_echoed_though_they_are_equal<S: Subject>() {
    let mut session = Session::<S>::start();
    let cases = cases(12, 40);
    let tickets = [0, 1, 7, 7, 7, u64::MAX, u64::MAX, u64::MAX - 1, 1 << 32, 1 << 63];
    let mut owed: Vec<_> =
        cases.iter().zip(tickets.iter().cycle()).map(|(case, &ticket)| (ticket, session.expected(case))).collect();
    let requests: Vec<_> = cases.iter().zip(&owed).map(|(case, &(ticket, _))| case.request(ticket)).collect();
    let mut taken = 0;
    while !owed.is_empty() {
        taken += session.submit(&requests[taken..]);
        for Verified { ticket, verdict } in session.poll() {
            let debt = owed.iter().position(|&debt| debt == (ticket, verdict));
            owed.swap_remove(debt.unwrap_or_else(|| panic!("nobody is owed {verdict:?} on ticket {ticket}")));
        }
    }
    session.expect_quiet();
}

/// Without polling a verifier takes no more than its capacity, however it is asked; what it has not taken has no verdict; and
/// after polling it takes more.
pub fn capacity_is_honoured_and_comes_back<S: Subject>() {
    let mut session = Session::<S>::start();
    let capacity = session.verifier().capacity();
    assert!(capacity > 0, "a verifier without room");
    let cases = cases(13, 40);
    let mut rng = SmallRng::seed_from_u64(13);
    for _ in 0..3 {
        let mut taken = 0;
        let requests: Vec<Request<'_>> =
            (0..2 * capacity).map(|i| cases[i % cases.len()].request(i.try_into().expect("a count fits"))).collect();
        // Two refusals in a row: a device may have been busy with the first.
        let mut refusals = 0;
        while refusals < 2 {
            let batch = rng.random_range(1..=requests.len() - taken);
            let more = session.submit(&requests[taken..taken + batch]);
            refusals = if more == 0 { refusals + 1 } else { 0 };
            taken += more;
            assert!(taken <= capacity, "{taken} requests under way, but the capacity is {capacity}");
        }
        assert!(taken > 0, "an idle verifier takes nothing");
        let mut seen = vec![false; taken];
        for _ in 0..taken {
            if seen.iter().all(|&seen| seen) {
                break;
            }
            for Verified { ticket, verdict } in session.poll() {
                let i = usize::try_from(ticket).expect("tickets are indices");
                assert!(i < taken, "a verdict on request {i}, but {taken} were taken");
                assert!(!std::mem::replace(&mut seen[i], true), "a second verdict on request {i}");
                assert_eq!(verdict, session.expected(&cases[i % cases.len()]));
            }
        }
        session.expect_quiet();
    }
}

/// What the caller does to its buffers after submitting changes no verdict.
pub fn requests_are_copied<S: Subject>() {
    let mut session = Session::<S>::start();
    let cases = cases(14, S::REQUESTS / 4);
    for (case, ticket) in cases.iter().zip(0..) {
        let expected = session.expected(case);
        let mut scratch = case.clone();
        while session.submit(&[scratch.request(ticket)]) == 0 {
            S::pass_time(session.verifier());
        }
        scratch.key.fill(0xa5);
        scratch.signature.fill(0xa5);
        scratch.message.fill(0xa5);
        drop(scratch);
        assert_eq!(session.poll(), [Verified { ticket, verdict: expected }], "{case:?}");
    }
}

/// Polling appends to what is there, and says how much.
pub fn verdicts_are_appended_and_counted<S: Subject>() {
    let mut session = Session::<S>::start();
    let cases = cases(15, 10);
    let mut verdicts = Vec::new();
    for (case, ticket) in cases.iter().zip(0..) {
        let expected = session.expected(case);
        assert_eq!(session.submit(&[case.request(ticket)]), 1, "an idle verifier has room");
        let before = verdicts.clone();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while session.verifier().poll(&mut verdicts) == 0 {
            assert_eq!(verdicts, before, "a verdict that was not counted");
            assert!(std::time::Instant::now() < deadline, "no verdict on {case:?}");
            S::pass_time(session.verifier());
        }
        assert_eq!(verdicts.len(), before.len() + 1);
        assert_eq!(verdicts[..before.len()], before, "earlier verdicts were touched");
        assert_eq!(verdicts.last(), Some(&Verified { ticket, verdict: expected }));
    }
}

/// Nothing submitted, nothing taken, nothing polled.
pub fn nothing_comes_of_nothing<S: Subject>() {
    let mut session = Session::<S>::start();
    assert_eq!(session.submit(&[]), 0);
    session.expect_quiet();
}
