//! What happens to sessions and links when processes come and go.

mod support;

use paxon_acceptor::Acceptor;
use paxon_channel::Security;
use paxon_fastpath::{Area, Epoch, Fabric, FabricEvent, Incarnation, Op, PostError, Promise, ReplicaId, Span, Token};
use paxon_tcp::backend::IoKind;
use paxon_tcp::frame::{ChainEncoder, Seed, decode_reply, reply_bytes};
use paxon_tcp::{OpenError, Serve, TcpFabric, TcpOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use support::{A, B, C, Cluster, Speaker, link_down, link_up, over, poll_until, uring_if_there_is_one};

const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const CELL: Span = Span { area: Area::Lane(A), start: 512, words: 16 };

fn life(members: &mut [&mut dyn Fabric], peer: ReplicaId) -> Incarnation {
    let mut life = None;
    poll_until(members, "the link comes up", |at, event| match event {
        FabricEvent::LinkUp { peer: up, incarnation } if at == 0 && up == peer => {
            life = Some(incarnation);
            true
        }
        _ => false,
    });
    life.expect("noted")
}

/// Posts a chain at the first member and waits for its end; returns what its exchange found.
fn run(members: &mut [&mut dyn Fabric], to: ReplicaId, chain: &[Op]) -> u64 {
    members[0].post(to, Token(7), chain).expect("the link is up");
    let mut found = None;
    poll_until(members, "the chain completes", |at, event| match event {
        FabricEvent::Done(done) if at == 0 => {
            found = Some(done.found);
            true
        }
        FabricEvent::LinkDown { peer, .. } if at == 0 && peer == to => panic!("the link to {to} went down"),
        _ => false,
    });
    found.expect("noted")
}

fn store(fabric: &TcpFabric, span: Span, value: u64) {
    fabric.local(span.area)[span.start..][..span.words].iter().for_each(|word| word.store(value, Relaxed));
}

fn cell(fabric: &TcpFabric) -> Vec<u64> {
    fabric.local(CELL.area)[CELL.start..][..CELL.words].iter().map(|word| word.load(Relaxed)).collect()
}

#[test]
fn a_peer_that_starts_again_is_reached_again_with_its_memory_as_it_was() {
    let cluster = Cluster::small(Security::Tls, TcpOptions::default());
    let (mut a, mut b) = (cluster.open(A), cluster.open(B));
    let first = life(&mut [&mut a, &mut b], B);
    store(&a, CELL, 5);
    assert_eq!(run(&mut [&mut a, &mut b], B, &[Op::Write(CELL), Op::Cas { expected: FRESH, new: FRESH + 1 }]), FRESH);
    drop(b);
    link_down(&mut [&mut a], B);
    assert_eq!(a.post(B, Token(1), &[]), Err(PostError::Down));
    let mut b = cluster.open(B);
    assert_eq!(life(&mut [&mut a, &mut b], B), first, "its memory has outlived it");
    assert_eq!(cell(&b), [5; 16]);
    assert_eq!(run(&mut [&mut a, &mut b], B, &[Op::Cas { expected: 0, new: 0 }]), FRESH + 1);
    let status = a.status().read();
    let link = status.links.iter().find(|link| link.peer == B).expect("a peer");
    assert!(link.up && link.reconnects == 1 && link.problem.is_some(), "{link:?}");
    assert!(link.cipher.is_some_and(|cipher| cipher.contains("TLS 1.3")) && link.round_trip.is_some(), "{link:?}");
}

#[test]
fn a_proposer_that_starts_again_is_served_again() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let (mut a, mut b) = (cluster.open(A), cluster.open(B));
    for round in 0..5 {
        link_up(&mut [&mut a, &mut b], B);
        store(&a, CELL, round);
        run(&mut [&mut a, &mut b], B, &[Op::Write(CELL)]);
        assert_eq!(cell(&b), [round; 16]);
        drop(a);
        a = cluster.open(A);
    }
    let status = b.status().read();
    let session = status.sessions.iter().find(|session| session.proposer == A).expect("a peer");
    assert!(session.sessions >= 5, "{session:?}");
    assert!(status.violations.is_empty(), "{status:?}");
}

/// What a proposer would send: a write of `value` to the cell, as chain `number`.
fn write_cell(seed: Seed, number: u64, value: u64) -> Vec<u8> {
    let words: Vec<_> = (0..CELL.words).map(|_| AtomicU64::new(value)).collect();
    let mut encoder = ChainEncoder::default();
    encoder.begin();
    encoder.write(CELL, &words);
    encoder.finish(1, number, seed).to_vec()
}

/// A newer session of a proposer ends the older one: what was sent on the old connection and not executed by then never
/// lands, not even the rest of a frame whose beginning has arrived. Without that a write that was meant for a cell long
/// recycled could erase a counted vote.
fn nothing_of_an_old_session_lands(options: TcpOptions, security: Security) {
    let cluster = Cluster::small(security, options);
    let mut b = cluster.open(B);
    let mut old = Speaker::dial(&cluster, A, B, &mut b);
    let stale: Vec<u8> = (1..4).flat_map(|number| write_cell(old.seed, number, 1)).collect();
    let (begun, rest) = stale.split_at(100);
    assert!(old.say(begun));

    let mut new = Speaker::dial(&cluster, A, B, &mut b);
    let mut answered = 0;
    let mut ask = |new: &mut Speaker, b: &mut TcpFabric, frame: &dyn Fn(Seed, u64) -> Vec<u8>| {
        answered += 1;
        assert!(new.say(&frame(new.seed, answered)));
        let reply = new.hear(reply_bytes(0), b).expect("the new session goes on");
        assert!(decode_reply(&reply, answered, new.seed).is_ok());
    };
    ask(&mut new, &mut b, &|seed, number| write_cell(seed, number, 2));
    // Late, while the new session is in use. That the connection is gone already is as good.
    old.say(rest);
    for _ in 0..20 {
        ask(&mut new, &mut b, &|seed, number| {
            let mut encoder = ChainEncoder::default();
            encoder.begin();
            encoder.finish(0, number, seed).to_vec()
        });
    }
    assert_eq!(cell(&b), [2; 16], "a write of the old session has landed");
    old.hear_the_end(&mut b);
    ask(&mut new, &mut b, &|seed, number| write_cell(seed, number, 3));
    assert_eq!(cell(&b), [3; 16]);
}

#[test]
fn nothing_of_an_old_session_lands_over_epoll() {
    nothing_of_an_old_session_lands(over(IoKind::Epoll), Security::Plaintext);
}

#[test]
fn nothing_of_an_old_session_lands_over_io_uring_with_tls() {
    nothing_of_an_old_session_lands(over(uring_if_there_is_one()), Security::Tls);
}

#[test]
fn nothing_of_an_old_session_lands_with_a_server_thread() {
    nothing_of_an_old_session_lands(
        TcpOptions { serve: Serve::Thread, ..over(uring_if_there_is_one()) },
        Security::Plaintext,
    );
}

#[test]
fn nothing_is_posted_between_the_end_of_a_link_and_the_news_of_the_next() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let (mut a, b) = (cluster.open(A), cluster.open(B));
    let mut b = Some(b);
    link_up(&mut [&mut a, b.as_mut().expect("runs")], B);
    for round in 0..10 {
        drop(b.take());
        // Posts go on while the link fails: each is taken while the caller thinks that it is up, and refused from the moment
        // at which it is told otherwise to the moment at which it is told that it is up again.
        let mut up = true;
        let mut member = cluster.open(B);
        let mut posted = 0;
        let deadline = std::time::Instant::now() + support::PATIENCE;
        loop {
            assert!(std::time::Instant::now() < deadline, "round {round}");
            let taken = a.post(B, Token(posted), &[]).is_ok();
            posted += 1;
            assert!(up || !taken, "round {round}: a chain was taken while the link was down");
            member.poll();
            match a.poll() {
                Some(FabricEvent::LinkDown { peer: B, .. }) => up = false,
                Some(FabricEvent::LinkUp { peer: B, .. }) => break,
                Some(FabricEvent::Done(_)) => assert!(up, "round {round}: a completion after the end of the link"),
                _ => std::thread::yield_now(),
            }
        }
        b = Some(member);
        assert_eq!(run(&mut [&mut a, b.as_mut().expect("runs")], B, &[]), 0, "round {round}");
    }
}

#[test]
fn a_waiting_fabric_wakes_for_what_arrives() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions { serve: Serve::Inline, ..TcpOptions::default() });
    let (mut a, mut b) = (cluster.open(A), cluster.open(B));
    link_up(&mut [&mut a, &mut b], B);
    let server = std::thread::spawn({
        let mut b = {
            drop(b);
            cluster.open(B)
        };
        let deadline = std::time::Instant::now() + support::PATIENCE;
        move || {
            // Long sleeps: without a wake-up nothing below would be done in time.
            while std::time::Instant::now() < deadline && b.local(Area::Promise)[0].load(Relaxed) < FRESH + 100 {
                b.wait(support::PATIENCE);
                while b.poll().is_some() {}
            }
        }
    });
    let (mut counted, mut up, mut posted) = (0, false, false);
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while counted < 100 {
        assert!(std::time::Instant::now() < deadline, "{counted} chains completed");
        if up && !posted {
            posted = a.post(B, Token(0), &[Op::Cas { expected: FRESH + counted, new: FRESH + counted + 1 }]).is_ok();
        }
        match a.poll() {
            Some(FabricEvent::Done(done)) => {
                assert_eq!(done.found, FRESH + counted);
                (counted, posted) = (counted + 1, false);
            }
            Some(FabricEvent::LinkUp { peer: B, .. }) => up = true,
            Some(FabricEvent::LinkDown { peer: B, .. }) => (up, posted) = (false, false),
            Some(_) => {}
            None => a.wait(support::PATIENCE),
        }
    }
    server.join().expect("the server runs to its end");
}

#[test]
fn a_peer_that_is_reached_otherwise_is_not_served() {
    let cluster = Cluster::small(Security::Tls, TcpOptions::default());
    let (mut a, mut b) = (cluster.open(A), cluster.join(B, &[C]));
    let deadline = std::time::Instant::now() + support::PATIENCE;
    let problem = loop {
        assert!(std::time::Instant::now() < deadline, "A is not told");
        assert!(!matches!(a.poll(), Some(FabricEvent::LinkUp { peer: B, .. })));
        b.poll();
        match a.status().read().links.into_iter().find(|link| link.peer == B).expect("a peer").problem {
            Some(problem) => break problem,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(problem, "r1 refuses us: it does not serve Operations");
    assert!(b.post(A, Token(0), &[]) == Err(PostError::Down), "nor does it reach A over this fabric");
    assert!(b.status().read().links.iter().all(|link| link.peer == C));
}

#[test]
fn two_fabrics_never_serve_one_memory() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let directory = cluster.directory(A);
    let own = Arc::new(Acceptor::claim(&directory, A).expect("a new directory"));
    let join = || TcpFabric::join(&directory, own.clone(), &[B], cluster.connections(A), 64, &cluster.options);
    let first = join().expect("nobody serves it");
    assert!(matches!(join(), Err(OpenError::Served { replica: A })));
    drop(first);
    assert!(join().is_ok());
}
