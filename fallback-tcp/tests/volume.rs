//! Chains and replies as large as they may be, and more of them than a link takes at a time.

mod support;

use paxon_channel::Security;
use paxon_conformance::Setup;
use paxon_fastpath::{Area, Fabric, FabricEvent, Layout, Op, PostError, Span, Token};
use paxon_tcp::backend::IoKind;
use paxon_tcp::{Serve, TcpFabric, TcpOptions};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use support::{A, B, Cluster, link_up, over, poll_until, uring_if_there_is_one};

/// A lane of 2 MiB and a snapshot of 4 MiB: many times what a socket buffers.
const LARGE: Setup = Setup {
    layout: Layout { replicas: 3, cells: 1 << 10, arena_words: 1 << 18, snapshot_words: 1 << 19 },
    scratch_words: 1 << 19,
    ..Setup::SMALL
};

fn fill(words: &[AtomicU64], value: u64) {
    words.iter().enumerate().for_each(|(at, word)| word.store(value.wrapping_mul(at as u64 + 1), Relaxed));
}

fn holds(words: &[AtomicU64], value: u64) -> bool {
    words.iter().enumerate().all(|(at, word)| word.load(Relaxed) == value.wrapping_mul(at as u64 + 1))
}

/// Posts `op` to B until the link takes no more; returns how often it did.
fn post_until_full(a: &mut TcpFabric, op: Op) -> u64 {
    for token in 0.. {
        match a.post(B, Token(token), &[op]) {
            Ok(()) => assert!(token < 64, "the bytes of {token} large chains are outstanding"),
            Err(PostError::Full) => return token,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("a count of 64 bits ends later")
}

fn complete(members: &mut [&mut dyn Fabric], posted: u64) {
    let mut next = 0;
    poll_until(members, "the chains complete", |at, event| {
        match event {
            FabricEvent::Done(done) if at == 0 => {
                assert_eq!(done.token, Token(next), "in their order");
                next += 1;
            }
            FabricEvent::LinkDown { .. } => panic!("a link went down"),
            _ => {}
        }
        next == posted
    });
}

fn the_largest_chains_and_replies_pass(security: Security, options: TcpOptions) {
    let cluster = Cluster::of(&LARGE, security, options);
    let (mut a, mut b) = (cluster.open(A), cluster.open(B));
    link_up(&mut [&mut a, &mut b], B);
    let lane = Span { area: Area::Lane(A), start: 0, words: LARGE.layout.words(Area::Lane(A)) };
    let snapshot = Span { area: Area::Snapshot, start: 0, words: LARGE.layout.snapshot_words };
    for round in 1..4 {
        fill(a.local(lane.area), round);
        let posted = post_until_full(&mut a, Op::Write(lane));
        assert!(posted >= 2, "{posted}");
        complete(&mut [&mut a, &mut b], posted);
        assert!(holds(b.local(lane.area), round));

        fill(b.local(snapshot.area), round + 10);
        let posted = post_until_full(&mut a, Op::Read { span: snapshot, into: 0 });
        complete(&mut [&mut a, &mut b], posted);
        assert!(holds(a.scratch(B), round + 10));
    }
    let (left, right) = (a.status().read(), b.status().read());
    assert!(left.links.iter().all(|link| link.reconnects == 0) && right.violations.is_empty(), "{left:?} {right:?}");
}

#[test]
fn the_largest_chains_and_replies_pass_over_epoll() {
    the_largest_chains_and_replies_pass(Security::Plaintext, over(IoKind::Epoll));
}

#[test]
fn the_largest_chains_and_replies_pass_over_epoll_with_tls() {
    the_largest_chains_and_replies_pass(Security::Tls, over(IoKind::Epoll));
}

#[test]
fn the_largest_chains_and_replies_pass_over_io_uring() {
    the_largest_chains_and_replies_pass(Security::Plaintext, over(uring_if_there_is_one()));
}

#[test]
fn the_largest_chains_and_replies_pass_over_io_uring_with_tls_and_a_server_thread() {
    let options = TcpOptions { serve: Serve::Thread, ..over(uring_if_there_is_one()) };
    the_largest_chains_and_replies_pass(Security::Tls, options);
}
