//! What does a vote through the fabric cost, over the bare stores and the `lock cmpxchg` that it is made of?
//!
//! One thread, two fabrics of one process, memory in this core's cache: the floor, not what a commit between cores costs.
//! `cargo run --release -p paxon-shm --example post_cost`
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use paxon_fastpath::{Area, Epoch, Fabric, FabricEvent, Layout, Op, Promise, ReplicaId, Span, Token};
use paxon_region::Region;
use paxon_shm::{Directory, ShmFabric};
use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Instant;

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const PROMISE: u64 = Promise::fresh(Epoch::FIRST).0;
const CELL_WORDS: usize = 16;
const LAYOUT: Layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
/// Votes of a portion, one after the other through the journal: short enough to fit between two interruptions.
const VOTES: usize = 1 << 12;
/// The best of this many portions counts: the others were disturbed.
const PORTIONS: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let path = format!("/dev/shm/paxon-post-cost-{}", std::process::id());
    let directory = Directory::open(path, 1, LAYOUT)?;
    let (mut leader, acceptor) = (ShmFabric::open(&directory, A, 64)?, ShmFabric::open(&directory, B, 64)?);
    while !matches!(leader.poll(), Some(FabricEvent::LinkUp { peer: B, .. })) {}

    let bare = bare_votes()?;
    let posted = best(|at| {
        let span = Span { area: Area::Lane(A), start: cell(at), words: CELL_WORDS };
        let chain = [Op::Write(span), Op::Cas { expected: PROMISE, new: PROMISE }];
        let taken = leader.post(B, Token(at as u64), black_box(&chain));
        assert!(taken.is_ok() && matches!(leader.poll(), Some(FabricEvent::Done(done)) if done.found == PROMISE));
    });
    let idle = best(|_| assert!(black_box(leader.poll()).is_none()));
    println!("a vote of {CELL_WORDS} words and a check, bare:              {bare:6.1} ns");
    println!("the same through post and poll:                {posted:6.1} ns ({:+.1})", posted - bare);
    println!("a poll that finds nothing:                     {idle:6.1} ns");
    drop((leader, acceptor));
    Ok(directory.remove()?)
}

/// The same loads, stores and exchange on memory of this process, without a fabric.
fn bare_votes() -> Result<f64, Box<dyn Error>> {
    let words = LAYOUT.words(Area::Lane(A));
    let (own, peer, promise) = (Region::anonymous(words)?, Region::anonymous(words)?, AtomicU64::new(PROMISE));
    let (own, peer) = (own.words(), peer.words());
    Ok(best(|at| {
        let at = black_box(cell(at));
        for (into, from) in peer[at..at + CELL_WORDS].iter().zip(&own[at..at + CELL_WORDS]) {
            into.store(from.load(Relaxed), Relaxed);
        }
        assert!(promise.compare_exchange(PROMISE, PROMISE, SeqCst, SeqCst).is_ok());
    }))
}

const fn cell(at: usize) -> usize {
    512 + (at % LAYOUT.cells) * CELL_WORDS
}

/// Nanoseconds of one call, in the portion that was disturbed least.
fn best(mut call: impl FnMut(usize)) -> f64 {
    let portion = |_| {
        let started = Instant::now();
        (0..VOTES).for_each(&mut call);
        started.elapsed().as_nanos() as f64 / VOTES as f64
    };
    (0..PORTIONS).map(portion).fold(f64::INFINITY, f64::min)
}
