use super::*;
use crate::SigningKey;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Signed {
    key: SigningKey,
    signature: Vec<u8>,
}

impl Signed {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_seed(Scheme::Ed25519, &[seed; 32]);
        let signature = key.sign(b"message");
        Self { key, signature }
    }

    fn request(&self, ticket: u64) -> Request<'_> {
        // An odd ticket bears the wrong message.
        let message: &[u8] = if ticket.is_multiple_of(2) { b"message" } else { b"mistake" };
        let key = self.key.public_key();
        Request { ticket, scheme: Scheme::Ed25519, key, signature: &self.signature, message }
    }
}

fn options(workers: usize, idle: Idle) -> PoolOptions {
    PoolOptions { workers, idle, limits: Limits { capacity: 64, ..Limits::default() }, ..PoolOptions::default() }
}

/// Polls until `count` verdicts are there, and checks each.
fn collect(verifier: &mut SoftwareVerifier, count: usize) {
    let (mut verdicts, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while verdicts.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} verdicts after {PATIENCE:?}", verdicts.len());
        verifier.poll(&mut verdicts);
        std::thread::yield_now();
    }
    assert_eq!(verdicts.len(), count);
    for Verified { ticket, verdict } in verdicts {
        let expected = if ticket.is_multiple_of(2) { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(verdict, expected, "ticket {ticket}");
    }
}

#[test]
fn a_worker_that_panics_loses_no_request_and_changes_no_verdict() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    fn engine(checks: &[Check<'_>]) -> [Verdict; BATCH_MAX] {
        assert!(!ARMED.swap(false, Ordering::Relaxed), "planted");
        verify_batch(checks)
    }
    let mut verifier = SoftwareVerifier::start_with(options(2, Idle::default()), engine).unwrap();
    let signed = Signed::new(1);
    for round in 0..20 {
        ARMED.store(true, Ordering::Relaxed);
        let requests: Vec<_> = (0..40).map(|ticket| signed.request(ticket)).collect();
        assert_eq!(verifier.submit(&requests), 40);
        collect(&mut verifier, 40);
        assert_eq!(verifier.counters().panics, round + 1);
    }
}

#[test]
fn every_worker_that_sleeps_is_woken() {
    // Parking at once makes every request race with a worker on its way to sleep.
    let mut verifier = SoftwareVerifier::start(options(3, Idle::Park { after: Duration::ZERO })).unwrap();
    let signed = Signed::new(2);
    for ticket in 0..300 {
        assert_eq!(verifier.submit(&[signed.request(ticket)]), 1);
        collect(&mut verifier, 1);
    }
}

#[test]
fn an_idle_pool_sleeps_and_a_spinning_one_does_not() {
    let sleeps = |idle| {
        let verifier = SoftwareVerifier::start(options(1, idle)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while idle != Idle::Spin && !verifier.shared.doorbell.is_asleep(0) {
            assert!(Instant::now() < deadline, "the worker never sleeps");
            std::thread::yield_now();
        }
        verifier.shared.doorbell.is_asleep(0)
    };
    assert!(sleeps(Idle::Park { after: Duration::from_micros(10) }));
    assert!(!sleeps(Idle::Spin));
}

#[test]
fn announced_keys_are_prepared_by_the_workers_and_counted() {
    let mut limits = Limits { prepared_keys_max: 2, ..Limits::default() };
    limits.capacity = 8;
    let mut verifier = SoftwareVerifier::start(PoolOptions { limits, ..PoolOptions::default() }).unwrap();
    let keys = [Signed::new(1), Signed::new(2), Signed::new(3)];
    for signed in &keys {
        verifier.prepare(Scheme::Ed25519, signed.key.public_key());
        verifier.prepare(Scheme::Ed25519, &signed.key.public_key()[1..]);
    }
    let deadline = Instant::now() + PATIENCE;
    while verifier.counters().prepared_keys < 2 {
        assert!(Instant::now() < deadline, "the keys are not prepared: {:?}", verifier.counters());
        std::thread::yield_now();
    }
    assert_eq!(verifier.counters().unprepared_keys, 1);
    verifier.forget(Scheme::Ed25519, keys[0].key.public_key());
    assert_eq!(verifier.counters().prepared_keys, 1);
    for signed in &keys {
        assert_eq!(verifier.submit(&[signed.request(0), signed.request(1)]), 2);
        collect(&mut verifier, 2);
    }
}

#[test]
fn a_core_that_does_not_exist_is_named() {
    let options = PoolOptions { workers: 2, cores: vec![0, 9_999], ..PoolOptions::default() };
    let error = SoftwareVerifier::start(options).err().expect("nothing can run on core 9999");
    assert!(matches!(error, StartError::Pin { worker: 1, core: 9_999, .. }), "{error}");
    assert!(error.to_string().contains("core 9999"), "{error}");
}

#[test]
fn workers_run_on_the_cores_they_are_given() {
    let allowed = core_affinity::get_core_ids().expect("the kernel tells where we may run");
    let options = PoolOptions { workers: 2, cores: vec![allowed[0].id], ..options(2, Idle::default()) };
    let mut verifier = SoftwareVerifier::start(options).unwrap();
    assert_eq!(verifier.workers(), 2);
    let signed = Signed::new(4);
    assert_eq!(verifier.submit(&[signed.request(0), signed.request(1)]), 2);
    collect(&mut verifier, 2);
}

#[test]
fn a_pool_that_is_dropped_with_work_under_way_ends() {
    for _ in 0..10 {
        let mut verifier = SoftwareVerifier::start(options(2, Idle::default())).unwrap();
        let signed = Signed::new(5);
        let requests: Vec<_> = (0..64).map(|ticket| signed.request(ticket)).collect();
        assert_eq!(verifier.submit(&requests), 64);
    }
}
