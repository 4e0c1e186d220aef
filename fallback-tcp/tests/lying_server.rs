//! What a server that is who it says can do to a proposer: lose the link, and nothing else.

mod support;

use paxon_channel::{Arrival, Cipher, Purpose, Secured, Security, Welcome};
use paxon_fastpath::{Area, Fabric, FabricEvent, Incarnation, Op, PostError, Span, Token};
use paxon_tcp::frame::{Header, Kind, ReplyEncoder, Seed, chain_bytes, encode_opening};
use paxon_tcp::{TcpFabric, TcpOptions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::{A, B, Cluster, Doorstep, Nobody, PATIENCE, Speaker};

const READ: Op = Op::Read { span: Span { area: Area::Status, start: 0, words: 2 }, into: 3 };
const READ_MORE: Op = Op::Read { span: Span { area: Area::Promise, start: 8, words: 1 }, into: 9 };
const CAS: Op = Op::Cas { expected: 5, new: 6 };

fn reply(seed: Seed, number: u64, found: u64, read: &[u64]) -> Vec<u8> {
    let mut encoder = ReplyEncoder::default();
    encoder.begin();
    encoder.read(&read.iter().map(|&word| AtomicU64::new(word)).collect::<Vec<_>>());
    encoder.finish(number, found, seed);
    encoder.bytes().to_vec()
}

/// A waits for a link to B, which the test plays.
fn linked(a: &mut dyn Fabric, doorstep: &Doorstep) -> Speaker {
    let speaker = doorstep.welcome(a);
    support::link_up(&mut [a], B);
    speaker
}

/// The next event about B.
fn event(a: &mut dyn Fabric) -> FabricEvent {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match a.poll() {
            Some(event @ (FabricEvent::LinkUp { peer: B, .. } | FabricEvent::LinkDown { peer: B, .. })) => {
                return event;
            }
            Some(event @ FabricEvent::Done(_)) => return event,
            _ => assert!(Instant::now() < deadline, "nothing happens"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn an_honest_reply_completes_its_chain() {
    let cluster = Cluster::small(Security::Tls, TcpOptions::default());
    let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let mut server = linked(&mut a, &doorstep);
    a.post(B, Token(9), &[READ, CAS]).expect("up");
    a.post(B, Token(10), &[READ]).expect("up");
    server.hear(2 * chain_bytes(&[READ]) + 24, &mut a).expect("two chains");
    // Both in one piece; what a chain without an exchange found is nothing, whatever the server says.
    let replies = [reply(server.seed, 1, 44, &[1, 2]), reply(server.seed, 2, 55, &[3, 4])].concat();
    server.say(&replies);
    for (token, found) in [(9, 44), (10, 0)] {
        let FabricEvent::Done(done) = event(&mut a) else { panic!("no completion") };
        assert_eq!((done.peer, done.token, done.found), (B, Token(token), found));
    }
    let scratch: Vec<u64> = a.scratch(B)[..6].iter().map(|word| word.load(Relaxed)).collect();
    assert_eq!(scratch, [0, 0, 0, 3, 4, 0]);
}

/// A server's answer to a chain of two reads and an exchange.
type Lie = Box<dyn Fn(Seed) -> Vec<u8>>;

fn lies() -> Vec<Lie> {
    let header = |bytes, kind, seed| {
        let words = Header { bytes, count: 0, kind, number: 1 }.encode(seed);
        bytemuck::bytes_of(&words).to_vec()
    };
    let flip = |bit: usize, seed| {
        let mut bytes = reply(seed, 1, 5, &[1, 2, 3]);
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let mut lies: Vec<Lie> = vec![
        Box::new(|seed| reply(seed, 2, 5, &[1, 2, 3])),
        Box::new(|seed| reply(seed, 0, 5, &[1, 2, 3])),
        Box::new(|seed| reply(seed, u64::MAX, 5, &[1, 2, 3])),
        Box::new(|seed| reply(seed, 1, 5, &[1, 2])),
        Box::new(|seed| reply(seed, 1, 5, &[1, 2, 3, 4])),
        Box::new(|seed| reply(seed.opened(1), 1, 5, &[1, 2, 3])),
        Box::new(move |seed| header(u32::MAX as usize, Kind::Reply, seed)),
        Box::new(move |seed| header(56, Kind::Chain, seed)),
        Box::new(move |seed| header(24, Kind::Opening, seed)),
    ];
    lies.extend((0..56 * 8).step_by(7).map(|bit| Box::new(move |seed| flip(bit, seed)) as Lie));
    lies
}

#[test]
fn a_reply_that_is_not_the_next_one_ends_the_link_without_a_completion() {
    for (at, lie) in lies().into_iter().enumerate() {
        let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
        let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
        let mut server = linked(&mut a, &doorstep);
        a.post(B, Token(at as u64), &[READ, READ_MORE, CAS]).expect("up");
        server.say(&lie(server.seed));
        assert!(matches!(event(&mut a), FabricEvent::LinkDown { .. }), "lie {at}");
        assert_eq!(a.post(B, Token(0), &[]), Err(PostError::Down), "lie {at}");
        assert!(a.scratch(B).iter().all(|word| word.load(Relaxed) == 0), "lie {at}: a refused reply was copied");
        // The next link is as good as any.
        let mut server = linked(&mut a, &doorstep);
        a.post(B, Token(0), &[READ, READ_MORE, CAS]).expect("up");
        server.say(&reply(server.seed, 1, 5, &[1, 2, 3]));
        assert!(matches!(event(&mut a), FabricEvent::Done(_)), "lie {at}");
    }
}

#[test]
fn a_reply_that_nobody_asked_for_ends_the_link() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let mut server = linked(&mut a, &doorstep);
    server.say(&reply(server.seed, 1, 0, &[]));
    assert!(matches!(event(&mut a), FabricEvent::LinkDown { .. }));
}

#[test]
fn a_server_that_takes_chains_and_answers_none_is_given_up_and_dialled_again() {
    let options = TcpOptions { silence_min: Duration::from_millis(200), ..TcpOptions::default() };
    let cluster = Cluster::small(Security::Plaintext, options);
    let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let _silent = linked(&mut a, &doorstep);
    let posted_at = Instant::now();
    let mut posted = 0;
    while a.post(B, Token(posted), &[CAS]).is_ok() {
        posted += 1;
    }
    assert_eq!(posted, 64, "more is not taken while nothing is answered");
    assert!(matches!(event(&mut a), FabricEvent::LinkDown { .. }));
    assert!(posted_at.elapsed() >= Duration::from_millis(200));
    let problem = a.status().read().links[0].problem.clone().expect("a reason");
    assert!(problem.contains("64 chains were outstanding"), "{problem}");
    linked(&mut a, &doorstep);
}

#[test]
fn a_silent_link_with_nothing_outstanding_stays_up() {
    let options = TcpOptions { silence_min: Duration::from_millis(50), ..TcpOptions::default() };
    let cluster = Cluster::small(Security::Plaintext, options);
    let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let mut server = linked(&mut a, &doorstep);
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        assert!(!matches!(a.poll(), Some(FabricEvent::LinkDown { peer: B, .. })));
    }
    a.post(B, Token(1), &[CAS]).expect("still up");
    server.say(&reply(server.seed, 1, 3, &[]));
    assert!(matches!(event(&mut a), FabricEvent::Done(done) if done.found == 3));
}

#[test]
fn nothing_is_posted_before_the_session_is_open() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let (mut server, opening) = doorstep.greet(&mut a);
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        assert!(!matches!(a.poll(), Some(FabricEvent::LinkUp { peer: B, .. })));
        assert_eq!(a.post(B, Token(1), &[CAS]), Err(PostError::Down));
    }
    server.say(&opening);
    assert!(matches!(event(&mut a), FabricEvent::LinkUp { .. }));
    a.post(B, Token(1), &[CAS]).expect("up");
    server.say(&reply(server.seed, 1, 3, &[]));
    assert!(matches!(event(&mut a), FabricEvent::Done(done) if done.found == 3));
}

#[test]
fn a_server_that_welcomes_and_opens_no_session_is_given_up() {
    let options = TcpOptions { silence_min: Duration::from_millis(100), ..TcpOptions::default() };
    let cluster = Cluster::small(Security::Plaintext, options);
    let (mut a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let (mut server, _) = doorstep.greet(&mut a);
    server.hear_the_end(&mut a);
    linked(&mut a, &doorstep);
}

/// A proposer that posts a chain on each new link and sleeps for as long as nothing happens.
fn sleep_until(stop: &AtomicBool, mut a: TcpFabric) {
    while !stop.load(Relaxed) {
        match a.poll() {
            Some(FabricEvent::LinkUp { peer: B, .. }) => {
                // That the link is down again already is told by the next event.
                let _ = a.post(B, Token(1), &[CAS]);
            }
            Some(_) => {}
            // Longer than any test has patience for.
            None => a.wait(2 * PATIENCE),
        }
    }
}

#[test]
fn a_sleeping_proposer_dials_again_and_gives_silent_servers_up_in_time() {
    let options = TcpOptions { silence_min: Duration::from_millis(200), ..TcpOptions::default() };
    let cluster = Cluster::small(Security::Plaintext, options);
    let (a, doorstep) = (cluster.open(A), Doorstep::of(&cluster, B, true));
    let (stop, waker) = (&AtomicBool::new(false), a.waker());
    std::thread::scope(|scope| {
        scope.spawn(move || sleep_until(stop, a));
        for _ in 0..4 {
            // Each ends at once, so that the next is dialled after a longer pause.
            drop(doorstep.welcome(&mut Nobody));
        }
        let _silent = doorstep.welcome(&mut Nobody);
        let _next = doorstep.welcome(&mut Nobody);
        stop.store(true, Relaxed);
        waker.wake();
    });
}

#[test]
fn a_second_connection_takes_the_link_down_before_it_brings_it_up() {
    let cluster = Cluster::small(Security::Plaintext, TcpOptions::default());
    let connections = cluster.connections(A);
    let (door, directory) = (connections.door.clone(), cluster.directory(A));
    let mut a = TcpFabric::open(&directory, A, connections, 64, &cluster.options).expect("a new directory");
    let Some(FabricEvent::LinkUp { peer: A, incarnation }) = a.poll() else { panic!("the own acceptor comes first") };
    let doorstep = Doorstep::of(&cluster, B, true);
    let _first = linked(&mut a, &doorstep);
    a.post(B, Token(1), &[CAS]).expect("up");

    // Two attempts of a dial can succeed.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let welcome = Welcome { incarnation: 78, frame_bytes_max: u32::MAX, outstanding_max: 64 };
    let hello = cluster.identity(A).hello(B, Purpose::Operations, incarnation.0);
    let early = encode_opening(9, Seed::of(&hello, &welcome)).to_vec();
    let connection = Secured { stream, cipher: Cipher::Plain, early };
    let arrival = Arrival::Outbound { peer: B, welcome, connection, round_trip: Duration::from_millis(1) };
    assert!(door.put(arrival).is_none());
    assert!(matches!(event(&mut a), FabricEvent::LinkDown { .. }), "what was posted has no completion");
    assert_eq!(event(&mut a), FabricEvent::LinkUp { peer: B, incarnation: Incarnation(78) });
}
