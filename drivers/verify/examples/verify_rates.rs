//! What does one verification cost, by each library, cold and prepared, and how does the pool scale?
//!
//! `cargo run --release -p paxon-verify --example verify_rates`; `-- --smoke` makes it quick and the numbers worthless. Single
//! verifications are timed one by one, so that median and tenth percentile suffer little from what else the machine does. Each library
//! is also held against the rule on the edge cases: who says something else may not serve.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use aws_lc_rs::signature as aws;
use ed25519_dalek::Verifier as _;
use fips204::ml_dsa_44;
use fips204::traits::{SerDes, Verifier as _};
use hdrhistogram::Histogram;
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verifier};
use paxon_verify::{Idle, InlineVerifier, Limits, PoolOptions, PreparedKey, SigningKey, SoftwareVerifier, verify};
use paxon_verify_conformance::{Case, edges, oracle};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What commands sign.
const MESSAGE: [u8; 96] = [0x5a; 96];
/// Requests under way while the pool's rate is measured.
const UNDER_WAY: usize = 512;
/// As many keys as a verifier prepares by default.
const KEYS: u32 = 1024;
/// What a full batch is.
const BATCH: usize = 8;

/// Longer verifications than this are recorded as this long.
const NANOS_MAX: u64 = 1_000_000_000;

struct Effort {
    samples: usize,
    cases: usize,
    span: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let effort = if smoke {
        Effort { samples: 20, cases: 100, span: Duration::from_millis(20) }
    } else {
        Effort { samples: 20_000, cases: 10_000, span: Duration::from_secs(2) }
    };
    println!("one verification of 96 bytes, µs: p10, p50");
    let keys: Vec<_> = (0..KEYS).map(key_number).collect();
    singles_ed25519(&effort, &keys[0]);
    singles_post_quantum(&effort);
    many_keys(&effort, &keys);
    disagreements(&effort);
    pools(&effort, &keys)
}

fn key_number(number: u32) -> SigningKey {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    SigningKey::from_seed(Scheme::Ed25519, &seed)
}

/// Times one call at a time.
fn time(effort: &Effort, name: &str, mut act: impl FnMut() -> bool) {
    let mut histogram = Histogram::<u64>::new_with_max(NANOS_MAX, 3).expect("3 digits are allowed");
    for _ in 0..effort.samples {
        let began = Instant::now();
        let valid = act();
        histogram.saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        assert!(valid, "{name} refuses an honest signature");
    }
    println!(
        "{name:48} {:8.2} {:8.2}",
        micros(histogram.value_at_quantile(0.1)),
        micros(histogram.value_at_quantile(0.5))
    );
}

#[allow(clippy::cast_precision_loss, reason = "microseconds with two digits")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn singles_ed25519(effort: &Effort, key: &SigningKey) {
    let signature = key.sign(&MESSAGE);
    let public: [u8; 32] = key.public_key().try_into().expect("a key has 32 bytes");
    let parsed = ed25519_dalek::VerifyingKey::from_bytes(&public).expect("a key of our own");
    let theirs = ed25519_dalek::Signature::from_slice(&signature).expect("a signature of our own");
    time(effort, "ed25519-dalek 3 verify_strict", || {
        let key = ed25519_dalek::VerifyingKey::from_bytes(black_box(&public)).expect("a key of our own");
        key.verify_strict(&MESSAGE, &theirs).is_ok()
    });
    time(effort, "ed25519-dalek 3 verify_strict, key parsed", || {
        parsed.verify_strict(black_box(&MESSAGE), &theirs).is_ok()
    });
    time(effort, "ed25519-dalek 3 verify, key parsed", || parsed.verify(black_box(&MESSAGE), &theirs).is_ok());
    let raw = aws::UnparsedPublicKey::new(&aws::ED25519, public);
    time(effort, "aws-lc-rs Ed25519", || raw.verify(black_box(&MESSAGE), &signature).is_ok());
    let raw = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
    time(effort, "ring Ed25519", || raw.verify(black_box(&MESSAGE), &signature).is_ok());
    time(effort, "paxon-verify Ed25519", || {
        verify(Scheme::Ed25519, black_box(&public), &signature, &MESSAGE) == Verdict::Valid
    });
    let prepared = PreparedKey::new(Scheme::Ed25519, &public).expect("a key of our own");
    time(effort, "paxon-verify Ed25519, key prepared", || {
        prepared.verify(black_box(&signature), &MESSAGE) == Verdict::Valid
    });
    time(effort, "paxon-verify Ed25519, preparing a key", || {
        PreparedKey::new(Scheme::Ed25519, black_box(&public)).is_some()
    });
}

fn singles_post_quantum(effort: &Effort) {
    let key = SigningKey::from_seed(Scheme::MlDsa44, &[1; 32]);
    let signature = key.sign(&MESSAGE);
    let public = key.public_key();
    let theirs =
        ml_dsa_44::PublicKey::try_from_bytes(public.try_into().expect("a key has 1312 bytes")).expect("our own");
    let bytes = signature[..].try_into().expect("a signature has 2420 bytes");
    time(effort, "fips204 ML-DSA-44, key parsed", || theirs.verify(black_box(&MESSAGE), &bytes, &[]));
    for scheme in [Scheme::MlDsa44, Scheme::Hybrid] {
        let key = SigningKey::from_seed(scheme, &[1; 32]);
        let signature = key.sign(&MESSAGE);
        let public = key.public_key();
        time(effort, &format!("paxon-verify {scheme}"), || {
            verify(scheme, public, &signature, &MESSAGE) == Verdict::Valid
        });
        let prepared = PreparedKey::new(scheme, public).expect("a key of our own");
        time(effort, &format!("paxon-verify {scheme}, key prepared"), || {
            prepared.verify(&signature, &MESSAGE) == Verdict::Valid
        });
    }
}

/// One thread over many keys, in full batches: what the caches make of the tables, and what batches save.
fn many_keys(effort: &Effort, keys: &[SigningKey]) {
    println!("\none thread, batches of {BATCH}, µs a batch: p10, p50");
    for count in [1, 16, keys.len()] {
        for prepared in [false, true] {
            let mut verifier = InlineVerifier::default();
            for key in keys.iter().take(if prepared { count } else { 0 }) {
                verifier.prepare(key.scheme(), key.public_key());
            }
            let load = Load::new(&keys[..count]);
            let requests = load.requests();
            let (mut next, mut verdicts) = (0, Vec::with_capacity(BATCH));
            let samples = Effort { samples: effort.samples / BATCH, ..*effort };
            time(&samples, &format!("{count} {}", if prepared { "prepared keys" } else { "keys" }), || {
                verifier.submit(&requests[next..next + BATCH]);
                next = (next + BATCH) % requests.len();
                verdicts.clear();
                verifier.poll(&mut verdicts) == BATCH
            });
        }
    }
}

/// On how many edge cases a library's verdict is not that of the rule.
fn disagreements(effort: &Effort) {
    println!("\nverdicts that are not those of the rule, of {} edge cases", effort.cases);
    let cases: Vec<_> = edges::ed25519(77, effort.cases).into_iter().map(|case| (oracle(&case), case)).collect();
    let count = |name: &str, valid: &dyn Fn(&Case) -> bool| {
        let wrong = cases.iter().filter(|(verdict, case)| valid(case) != (*verdict == Verdict::Valid)).count();
        println!("{name:48} {wrong:8}");
    };
    let dalek = |case: &Case, strict: bool| -> Option<bool> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(case.key[..].try_into().ok()?).ok()?;
        let signature = ed25519_dalek::Signature::from_slice(&case.signature).ok()?;
        let plain = || key.verify(&case.message, &signature).is_ok();
        Some(if strict { key.verify_strict(&case.message, &signature).is_ok() } else { plain() })
    };
    count("ed25519-dalek 3 verify_strict", &|case| dalek(case, true).unwrap_or(false));
    count("ed25519-dalek 3 verify", &|case| dalek(case, false).unwrap_or(false));
    count("aws-lc-rs", &|case| {
        aws::UnparsedPublicKey::new(&aws::ED25519, &case.key).verify(&case.message, &case.signature).is_ok()
    });
    count("ring", &|case| {
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &case.key);
        key.verify(&case.message, &case.signature).is_ok()
    });
    count("paxon-verify", &|case| verify(case.scheme, &case.key, &case.signature, &case.message) == Verdict::Valid);
}

/// Rate and latency of pools with one worker up to one for each core. On a machine that has other things to do, the rate by
/// the workers' own processor time tells what they would do alone.
fn pools(effort: &Effort, keys: &[SigningKey]) -> Result<(), Box<dyn std::error::Error>> {
    let cores: Vec<_> = core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    println!("\nthe pool on {} cores, the caller on one of them; 16 keys, {UNDER_WAY} requests under way", cores.len());
    println!("verifications a second, and a second of the workers' processor time");
    for prepared in [false, true] {
        for workers in 1..=cores.len() {
            let mut verifier = SoftwareVerifier::start(options(workers, &cores, Idle::default()))?;
            let (rate, by_cpu) = rate(&mut verifier, &keys[..16], prepared, effort.span)?;
            let keys = if prepared { "prepared" } else { "cold" };
            println!("{workers} workers, {keys:8} {rate:10.0} {by_cpu:10.0}");
        }
    }
    println!("\none request at a time through one worker, µs: p10, p50");
    for (name, idle) in [("spinning", Idle::Spin), ("parked", Idle::Park { after: Duration::ZERO })] {
        let mut verifier = SoftwareVerifier::start(options(1, &cores, idle))?;
        prepare(&mut verifier, &keys[..1])?;
        let load = Load::new(&keys[..1]);
        let requests = load.requests();
        let mut verdicts = Vec::with_capacity(1);
        let samples = Effort { samples: effort.samples / 10, ..*effort };
        time(&samples, name, || {
            verifier.submit(&requests[..1]);
            verdicts.clear();
            while verifier.poll(&mut verdicts) == 0 {
                std::hint::spin_loop();
            }
            verdicts[0].verdict == Verdict::Valid
        });
    }
    Ok(())
}

/// Workers take the last cores first: the caller tends to be on the first.
fn options(workers: usize, cores: &[usize], idle: Idle) -> PoolOptions {
    let cores = cores.iter().rev().take(workers).copied().collect();
    PoolOptions { workers, cores, limits: Limits::default(), idle }
}

/// Requests by many keys; neighbours are by different ones.
struct Load<'a> {
    keys: &'a [SigningKey],
    signatures: Vec<Vec<u8>>,
}

impl<'a> Load<'a> {
    fn new(keys: &'a [SigningKey]) -> Self {
        Self { keys, signatures: keys.iter().map(|key| key.sign(&MESSAGE)).collect() }
    }

    fn requests(&self) -> Vec<Request<'_>> {
        let request = |i: usize| Request {
            ticket: 0,
            scheme: self.keys[i].scheme(),
            key: self.keys[i].public_key(),
            signature: &self.signatures[i],
            message: &MESSAGE,
        };
        (0..UNDER_WAY.max(self.keys.len())).map(|i| request(i * 7 % self.keys.len())).collect()
    }
}

/// Announces the keys and waits until all are prepared.
fn prepare(verifier: &mut SoftwareVerifier, keys: &[SigningKey]) -> Result<(), Box<dyn std::error::Error>> {
    for key in keys {
        verifier.prepare(key.scheme(), key.public_key());
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while verifier.counters().prepared_keys < u64::try_from(keys.len())? {
        if Instant::now() > deadline {
            return Err("the keys are not prepared after 10 s".into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Verifications a second with the verifier kept full, and a second of processor time of its workers.
#[allow(clippy::cast_precision_loss, reason = "rates with four digits")]
fn rate(
    verifier: &mut SoftwareVerifier,
    keys: &[SigningKey],
    prepared: bool,
    span: Duration,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    if prepared {
        prepare(verifier, keys)?;
    }
    let load = Load::new(keys);
    let requests = load.requests();
    let mut verdicts = Vec::with_capacity(UNDER_WAY);
    let (mut done, mut under_way, mut next) = (0_u64, 0, 0);
    let (began, busy) = (Instant::now(), workers_time());
    while began.elapsed() < span {
        let room = UNDER_WAY - under_way;
        let taken = verifier.submit(&requests[next..(next + room).min(requests.len())]);
        next = (next + taken) % requests.len();
        verdicts.clear();
        let polled = verifier.poll(&mut verdicts);
        under_way = under_way + taken - polled;
        done += u64::try_from(polled)?;
        if polled == 0 {
            // With a worker on every core the caller is in somebody's way.
            std::thread::yield_now();
        }
    }
    let done = done as f64;
    Ok((done / began.elapsed().as_secs_f64(), done / (workers_time() - busy).as_secs_f64()))
}

/// Processor time of all threads but this one.
fn workers_time() -> Duration {
    let spent = |clock| {
        let time = clock_gettime(clock);
        let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
        whole + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
    };
    spent(ClockId::ProcessCPUTime).saturating_sub(spent(ClockId::ThreadCPUTime))
}
