//! What does the channel cost: sealing and opening a message, and a connection from dial to welcome?
//!
//! Two porters of one process on loopback; the ciphers are then run by one thread, without a socket between them.
//! `cargo run --release -p paxon-channel --example channel_cost`
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use paxon_channel::{
    Arrival, Cipher, Greeting, Identity, Member, Porter, PrivateKey, Purpose, Roster, Secured, Security, Welcome,
};
use paxon_fastpath::{Layout, ReplicaId};
use std::error::Error;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const R0: ReplicaId = ReplicaId(0);
const R1: ReplicaId = ReplicaId(1);
const LAYOUT: Layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
/// Messages of a portion; the best of the portions counts, the others were disturbed.
const MESSAGES: u32 = 2_000;
const PORTIONS: usize = 200;
const CONNECTIONS: usize = 300;

/// A replica's porter and what it reports.
struct Replica {
    porter: Porter,
    arrivals: Receiver<Arrival>,
    hello: paxon_channel::Hello,
}

impl Replica {
    fn start(identity: Identity, listener: Option<TcpListener>) -> Result<Self, Box<dyn Error>> {
        let hello = identity.hello(R0, Purpose::Floor, 1);
        let (sender, arrivals) = channel();
        let porter = Porter::start(identity, listener, move |arrival| drop(sender.send(arrival)))?;
        Ok(Self { porter, arrivals, hello })
    }
}

fn start(security: Security) -> Result<(Replica, Replica), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let keys = [PrivateKey::generate()?, PrivateKey::generate()?, PrivateKey::generate()?];
    let member = |(id, key): (u8, &PrivateKey)| Member {
        id: ReplicaId(id),
        address: address.clone(),
        key: Some(key.public()),
        expires: None,
    };
    let members = (0..).zip(&keys).map(member).collect();
    let roster = Arc::new(Roster::new(1, LAYOUT, members, vec![], security)?);
    let [k0, k1, _] = keys;
    let acceptor = Replica::start(Identity::replica(roster.clone(), R0, Some(k0))?, Some(listener))?;
    Ok((acceptor, Replica::start(Identity::replica(roster, R1, Some(k1))?, None)?))
}

/// Connects the two once: the dialler's end, the acceptor's end, and how long it took.
fn connect(acceptor: &Replica, dialler: &Replica) -> Result<(Secured, Secured, Duration), Box<dyn Error>> {
    let start = Instant::now();
    dialler.porter.dial(R0, dialler.hello);
    let Arrival::Inbound { mut connection, .. } = acceptor.arrivals.recv()? else { return Err("nobody came".into()) };
    let welcome = Greeting::Welcome(Welcome { incarnation: 1, frame_bytes_max: 1 << 20, outstanding_max: 64 });
    let mut wire = vec![];
    connection.cipher.seal(&welcome.encode(), &mut wire)?;
    connection.stream.write_all(&wire)?;
    match dialler.arrivals.recv()? {
        Arrival::Outbound { connection: far, .. } => Ok((far, connection, start.elapsed())),
        other => Err(format!("{other:?}").into()),
    }
}

/// Nanoseconds of a message sealed and opened.
fn seal_and_open(from: &mut Cipher, to: &mut Cipher, bytes: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let message = vec![0x5a; bytes];
    let (mut wire, mut plain) = (Vec::with_capacity(1 << 20), Vec::with_capacity(1 << 20));
    let (mut sealing, mut opening) = (Duration::MAX, Duration::MAX);
    for _ in 0..PORTIONS {
        let (mut seal, mut open) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..MESSAGES / 100 {
            let mut sealed = vec![];
            let start = Instant::now();
            for _ in 0..100 {
                wire.clear();
                from.seal(&message, &mut wire)?;
                sealed.extend_from_slice(&wire);
            }
            seal += start.elapsed();
            let start = Instant::now();
            for piece in sealed.chunks(wire.len()) {
                plain.clear();
                to.open(piece, &mut plain)?;
            }
            open += start.elapsed();
        }
        (sealing, opening) = (sealing.min(seal), opening.min(open));
    }
    let each = |span: Duration| span.as_nanos() as f64 / f64::from(MESSAGES);
    Ok((each(sealing), each(opening)))
}

fn main() -> Result<(), Box<dyn Error>> {
    for security in [Security::Tls, Security::Plaintext] {
        let (acceptor, dialler) = start(security)?;
        let (mut far, mut near, _) = connect(&acceptor, &dialler)?;
        println!("{}", far.cipher.name());
        for bytes in [64, 256, 1024, 4096, 16384] {
            let (seal, open) = seal_and_open(&mut far.cipher, &mut near.cipher, bytes)?;
            println!("  {bytes:>5} bytes: seal {seal:.0} ns, open {open:.0} ns");
        }
        // Dials of a member are 20 ms apart, so that none waits for its turn here.
        let mut times = vec![];
        for _ in 0..CONNECTIONS {
            std::thread::sleep(Duration::from_millis(25));
            times.push(connect(&acceptor, &dialler)?.2);
        }
        times.sort();
        let [p50, p99] = [CONNECTIONS / 2, CONNECTIONS * 99 / 100].map(|place| times[place].as_micros());
        println!("  dial to welcome: p50 {p50} us, p99 {p99} us of {CONNECTIONS}");
    }
    Ok(())
}
