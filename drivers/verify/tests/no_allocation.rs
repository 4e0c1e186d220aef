//! After start, verifying Ed25519 allocates nothing: neither on the caller's thread nor on the workers', with prepared keys or
//! without.

use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified, Verifier};
use paxon_verify::{InlineVerifier, PoolOptions, SigningKey, SoftwareVerifier};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The system's allocator with a count of the allocations of all threads.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged, which keeps the contract of the trait.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` or `realloc` above, hence from the system's allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the block came from `alloc` or `realloc` above with this layout; the caller vouches for the size.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn run(verifier: &mut dyn Verifier, requests: &[Request<'_>], verdicts: &mut Vec<Verified>) {
    let deadline = Instant::now() + PATIENCE;
    for batch in requests.chunks(20) {
        verdicts.clear();
        let mut taken = 0;
        while verdicts.len() < batch.len() {
            taken += verifier.submit(&batch[taken..]);
            verifier.poll(verdicts);
            assert!(Instant::now() < deadline, "no verdict for {PATIENCE:?}");
            std::thread::yield_now();
        }
        let expected = |ticket| if ticket % 3 == 0 { Verdict::Invalid } else { Verdict::Valid };
        assert!(verdicts.iter().all(|verified| verified.verdict == expected(verified.ticket)));
    }
}

/// The only test of this file: the count is the whole process's.
#[test]
fn verifying_ed25519_does_not_allocate_after_start() {
    let keys: Vec<_> = (0..4).map(|seed| SigningKey::from_seed(Scheme::Ed25519, &[seed; 32])).collect();
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(b"a message")).collect();
    let requests: Vec<_> = (0..400)
        .map(|ticket| {
            let i = usize::try_from(ticket).expect("small") % keys.len();
            let message: &[u8] = if ticket % 3 == 0 { b"another" } else { b"a message" };
            let key = keys[i].public_key();
            Request { ticket, scheme: Scheme::Ed25519, key, signature: &signatures[i], message }
        })
        .collect();
    let mut verdicts = Vec::with_capacity(64);
    let mut pool = SoftwareVerifier::start(PoolOptions { workers: 2, ..PoolOptions::default() }).expect("it starts");
    let mut inline = InlineVerifier::default();
    // Half of the keys: verification without tables is counted, too.
    for key in &keys[..2] {
        pool.prepare(Scheme::Ed25519, key.public_key());
        inline.prepare(Scheme::Ed25519, key.public_key());
    }
    let deadline = Instant::now() + PATIENCE;
    while pool.counters().prepared_keys < 2 {
        assert!(Instant::now() < deadline, "the keys are not prepared");
        std::thread::yield_now();
    }
    run(&mut pool, &requests, &mut verdicts);
    run(&mut inline, &requests, &mut verdicts);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..3 {
        run(&mut pool, &requests, &mut verdicts);
        run(&mut inline, &requests, &mut verdicts);
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "allocations in 2400 requests");
}
