//! What does a vote over TCP cost, over a bare ping-pong of the same bytes on the same loopback?
//!
//! Two replicas of one process, a vote of one cell and a check at a time. `one thread` polls both in turn: all the work of
//! both ends, without waiting. `two threads` polls each on a core of its own: the round trip.
//! `cargo run --release -p paxon-tcp --example vote_cost`
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use paxon_acceptor::Directory;
use paxon_channel::{Identity, Member, PrivateKey, Roster, Security};
use paxon_fastpath::{Area, Epoch, Fabric, FabricEvent, Layout, Op, Promise, ReplicaId, Span, Token};
use paxon_tcp::backend::IoKind;
use paxon_tcp::{Connections, TcpFabric, TcpOptions, chain_bytes, reply_bytes};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const PROMISE: u64 = Promise::fresh(Epoch::FIRST).0;
const LAYOUT: Layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
const CHAIN: [Op; 2] =
    [Op::Write(Span { area: Area::Lane(A), start: 512, words: 16 }), Op::Cas { expected: PROMISE, new: PROMISE }];
/// Votes of a measurement.
const VOTES: usize = 50_000;
/// Votes before it.
const WARM_UP: usize = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<28}{:>14}{:>14}{:>14}", "", "one thread", "two threads", "");
    println!("{:<28}{:>14}{:>14}{:>14}", "", "mean ns", "p50 ns", "p99 ns");
    let one = one_thread(&mut Floor::new()?);
    report("bare ping-pong", one, two_threads(Floor::new()?));
    for security in [Security::Plaintext, Security::Tls] {
        for io in [IoKind::Epoll, IoKind::IoUring] {
            let one = one_thread(&mut Replicas::new(security, io)?);
            report(&format!("{io}, {security}"), one, two_threads(Replicas::new(security, io)?));
        }
    }
    Ok(())
}

fn report(what: &str, one: u64, two: [u64; 2]) {
    println!("{what:<28}{one:>14}{:>14}{:>14}", two[0], two[1]);
}

/// Two ends of one conversation.
trait Ends {
    type Near: Near + Send;
    type Far: Far + Send;
    fn ends(&mut self) -> (&mut Self::Near, &mut Self::Far);
    fn split(self) -> (Self::Near, Self::Far, Option<Keep>);
}

/// The end that asks.
trait Near {
    fn ask(&mut self);
    fn is_answered(&mut self) -> bool;
}

/// The end that answers.
trait Far {
    fn serve(&mut self);
}

fn one_thread(ends: &mut impl Ends) -> u64 {
    let (near, far) = ends.ends();
    let mut vote = |_: usize| {
        near.ask();
        while !near.is_answered() {
            far.serve();
        }
    };
    (0..WARM_UP).for_each(&mut vote);
    let started = Instant::now();
    (0..VOTES).for_each(&mut vote);
    (started.elapsed().as_nanos() / VOTES as u128) as u64
}

fn two_threads<E: Ends>(ends: E) -> [u64; 2] {
    let (mut near, mut far, _keep) = ends.split();
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(Relaxed) {
                far.serve();
            }
        });
        let mut times: Vec<u64> = (0..WARM_UP + VOTES).map(|_| round_trip(&mut near)).skip(WARM_UP).collect();
        done.store(true, Relaxed);
        times.sort_unstable();
        [times[VOTES / 2], times[VOTES * 99 / 100]]
    })
}

fn round_trip(near: &mut impl Near) -> u64 {
    let started = Instant::now();
    near.ask();
    while !near.is_answered() {
        std::hint::spin_loop();
    }
    started.elapsed().as_nanos() as u64
}

/// The same bytes over two bare sockets.
struct Floor(Asker, Echo);
struct Asker(TcpStream, usize);
struct Echo(TcpStream, usize);

impl Floor {
    fn new() -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (near, far) = (TcpStream::connect(listener.local_addr()?)?, listener.accept()?.0);
        for socket in [&near, &far] {
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
        }
        Ok(Self(Asker(near, 0), Echo(far, 0)))
    }
}

impl Ends for Floor {
    type Near = Asker;
    type Far = Echo;

    fn ends(&mut self) -> (&mut Asker, &mut Echo) {
        (&mut self.0, &mut self.1)
    }

    fn split(self) -> (Asker, Echo, Option<Keep>) {
        (self.0, self.1, None)
    }
}

/// Reads what is there; returns how much.
fn read(socket: &mut TcpStream) -> usize {
    match socket.read(&mut [0; 16 << 10]) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("the floor broke: {error}"),
    }
}

impl Near for Asker {
    fn ask(&mut self) {
        self.1 = 0;
        self.0.write_all(&[0xA5; 512][..chain_bytes(&CHAIN)]).expect("an empty socket takes a chain");
    }

    fn is_answered(&mut self) -> bool {
        self.1 += read(&mut self.0);
        self.1 == reply_bytes(0)
    }
}

impl Far for Echo {
    fn serve(&mut self) {
        self.1 += read(&mut self.0);
        if self.1 == chain_bytes(&CHAIN) {
            self.1 = 0;
            self.0.write_all(&[0x5A; 512][..reply_bytes(0)]).expect("an empty socket takes a reply");
        }
    }
}

/// Two replicas of a cluster, the third never starts.
struct Replicas {
    near: Proposer,
    far: Acceptor,
    keep: Keep,
}
struct Proposer {
    fabric: TcpFabric,
    up: bool,
}
struct Acceptor(TcpFabric);

/// The directories, removed at the end.
struct Keep(PathBuf);

impl Drop for Keep {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Replicas {
    fn new(security: Security, io: IoKind) -> Result<Self, Box<dyn Error>> {
        let path = PathBuf::from(format!("/dev/shm/paxon-vote-cost-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        let keep = Keep(path);
        let mut members = vec![];
        let mut listeners = vec![];
        for id in ReplicaId::all(LAYOUT.replicas) {
            let (listener, key) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, PrivateKey::generate()?);
            let address = listener.local_addr()?.to_string();
            members.push(Member { id, address, key: Some(key.public()), expires: None });
            listeners.push((listener, key));
        }
        let roster = Arc::new(Roster::new(1, LAYOUT, members, vec![], security)?);
        let mut fabrics = vec![];
        for (id, (listener, key)) in ReplicaId::all(2).zip(listeners) {
            let identity = Identity::replica(roster.clone(), id, Some(key))?;
            let directory = Directory::open(keep.0.join(id.to_string()), 1, LAYOUT)?;
            let connections = Connections::start(identity, Some(listener))?;
            let options = TcpOptions { io, ..TcpOptions::default() };
            fabrics.push(TcpFabric::open(&directory, id, connections, 64, &options)?);
        }
        let (Some(far), Some(fabric)) = (fabrics.pop(), fabrics.pop()) else { return Err("two were made".into()) };
        Ok(Self { near: Proposer { fabric, up: false }, far: Acceptor(far), keep })
    }
}

impl Ends for Replicas {
    type Near = Proposer;
    type Far = Acceptor;

    fn ends(&mut self) -> (&mut Proposer, &mut Acceptor) {
        while !self.near.up {
            self.near.is_answered();
            self.far.serve();
        }
        (&mut self.near, &mut self.far)
    }

    fn split(self) -> (Proposer, Acceptor, Option<Keep>) {
        (self.near, self.far, Some(self.keep))
    }
}

impl Near for Proposer {
    fn ask(&mut self) {
        while !self.up {
            self.is_answered();
        }
        self.fabric.post(B, Token(0), &CHAIN).expect("the link is up and idle");
    }

    fn is_answered(&mut self) -> bool {
        match self.fabric.poll() {
            Some(FabricEvent::Done(done)) => {
                assert_eq!(done.found, PROMISE);
                true
            }
            Some(FabricEvent::LinkUp { peer: B, .. }) => {
                self.up = true;
                false
            }
            _ => false,
        }
    }
}

impl Far for Acceptor {
    fn serve(&mut self) {
        self.0.poll();
    }
}
