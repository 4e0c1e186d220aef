//! After start, neither the engine's threads nor a client that proposes and waits allocate.

use paxon::machines::Counter;
use paxon::{LocalCluster, Nanos, PollPolicy, ReplicaBuilder, SessionLimits, Timing};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// The only test of this file: the count is the whole process's.
#[test]
fn proposing_waiting_and_applying_do_not_allocate_after_start() {
    let builder = ReplicaBuilder::default()
        .replicas(3)
        .cells(2048)
        .payload_bytes_max(64 << 10)
        .arena_bytes(256 << 10)
        .snapshot_bytes(1 << 20)
        .sessions(SessionLimits { sessions_max: 16, window: 16, reply_bytes_max: 64 })
        .timing(Timing { suspect: Nanos::from_millis(3000), ..Timing::sharing() })
        .poll(PollPolicy::Yield);
    let cluster = LocalCluster::start_with(builder, |_| Counter::default()).expect("the cluster starts");
    let leader = cluster.leader(Duration::from_secs(30)).expect("a leader is elected");
    let mut session = leader.session().expect("it leads");
    let mut tickets = Vec::with_capacity(16);
    let mut run = |rounds: usize| {
        for _ in 0..rounds {
            leader.propose(&[1; 64]).expect("it leads").wait().expect("an answer");
            session.propose(&[1; 8]).expect("an answer");
            leader.read(b"").expect("it leads").wait().expect("an answer");
            tickets.extend((0..16).map(|_| leader.propose(&[1; 33]).expect("it leads")));
            for ticket in tickets.drain(..) {
                ticket.wait().expect("an answer");
            }
        }
    };
    // Once around the journals, so that cells are reused in what is counted.
    run(1000);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    run(1000);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "allocations in 19000 requests");
}
