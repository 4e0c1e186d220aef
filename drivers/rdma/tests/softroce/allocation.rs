//! Posting and polling allocate nothing.

use crate::cluster::Cluster;
use paxon_conformance::{Group, Setup};
use paxon_fastpath::{Area, Fabric, FabricEvent, Op, PAGE_WORDS, ReplicaId, Span, Token};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The system's allocator with a count of the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no count any more, and needs none.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged, which keeps the contract of the trait; counting
// allocates nothing, because the counter is initialised without code and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` or `realloc` of this allocator, hence from the system's, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the block came from `alloc` or `realloc` of this allocator with this layout; the caller vouches for the size.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn posting_and_polling_allocate_nothing() {
    const ROUNDS: u64 = 300;
    let (a, b) = (ReplicaId(0), ReplicaId(1));
    let mut cluster = Cluster::start(&Setup::SMALL);
    let fabric = &mut cluster.members()[a.index()];
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut missing = vec![a, b];
    while !missing.is_empty() {
        if let Some(FabricEvent::LinkUp { peer, .. }) = fabric.poll() {
            missing.retain(|&id| id != peer);
        }
        assert!(Instant::now() < deadline, "no link: {:?}", fabric.problem(b));
    }
    let span = Span { area: Area::Lane(a), start: PAGE_WORDS, words: 16 };
    let chain = [Op::Write(span), Op::Cas { expected: 0, new: 0 }, Op::Read { span, into: 0 }];
    let before = ALLOCATIONS.get();
    for round in 0..ROUNDS {
        for peer in [a, b] {
            fabric.post(peer, Token(round), &chain).expect("an idle link");
        }
        let mut outstanding = 2;
        while outstanding > 0 {
            match fabric.poll() {
                Some(FabricEvent::Done(_)) => outstanding -= 1,
                Some(FabricEvent::LinkDown { peer, .. }) => panic!("the link to {peer} went down"),
                _ => assert!(Instant::now() < deadline, "a chain does not end"),
            }
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0, "allocations in {ROUNDS} rounds of two chains");
}
