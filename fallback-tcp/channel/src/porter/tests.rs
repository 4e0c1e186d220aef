//! Acceptors against diallers that are driven by hand: what they say behind a finished TLS handshake.

use super::talk::{Guard, Talk, TalkError};
use super::{Arrival, Counters, Porter, Reason};
use crate::greeting::{GREETING_BYTES, Greeting, Refusal};
use crate::hello::{HELLO_BYTES, Hello, Purpose};
use crate::identity::Identity;
use crate::roster::Security;
use crate::tls::{Tls, test_town};
use paxon_fastpath::ReplicaId;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const R0: ReplicaId = ReplicaId(0);
const PATIENCE: Duration = Duration::from_secs(20);

/// r0's porter, and r1 to dial it by hand.
struct Stage {
    porter: Porter,
    arrivals: Receiver<Arrival>,
    address: SocketAddr,
    dialler: Identity,
}

impl Stage {
    fn new(security: Security) -> Self {
        let [acceptor, dialler, _] = test_town(security);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sender, arrivals) = channel();
        let porter = Porter::start(acceptor, Some(listener), move |arrival| drop(sender.send(arrival)));
        Self { porter: porter.expect("a thread"), arrivals, address, dialler }
    }

    /// A talk whose handshake is done.
    fn connect(&self) -> Talk {
        let stream = std::net::TcpStream::connect(self.address).expect("somebody listens");
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).expect("a socket");
        let session = Tls::new(&self.dialler).map(|tls| Box::new(tls.dial(R0).expect("a member")));
        let guard = session.map_or(Guard::Plain, Guard::Session);
        let mut talk = Talk::new(mio::net::TcpStream::from_std(stream), guard, 1 << 20);
        drive(&mut talk, |talk| talk.is_open()).expect("the handshake");
        talk
    }

    fn hello(&self) -> Hello {
        self.dialler.hello(R0, Purpose::Operations, 3)
    }

    fn counters(&self) -> &Counters {
        self.porter.counters()
    }
}

/// Moves bytes until the talk is as wanted.
fn drive(talk: &mut Talk, is_done: impl Fn(&Talk) -> bool) -> Result<(), TalkError> {
    let deadline = Instant::now() + PATIENCE;
    while !is_done(talk) {
        assert!(Instant::now() < deadline, "not in time");
        talk.flush()?;
        if !talk.listen(GREETING_BYTES)? {
            std::thread::yield_now();
        }
    }
    talk.flush().map(drop)
}

fn answer(talk: &mut Talk) -> Greeting {
    drive(talk, |talk| talk.heard().len() >= GREETING_BYTES).expect("an answer");
    Greeting::decode(talk.heard()).expect("a greeting")
}

#[test]
fn what_comes_in_one_record_with_the_hello_is_handed_over() {
    let stage = Stage::new(Security::Tls);
    let mut talk = stage.connect();
    let hello = stage.hello();
    talk.say(&[hello.encode().as_slice(), b"first frame"].concat()).expect("open");
    talk.say(b"second frame").expect("open");
    talk.flush().expect("sent");
    let arrival = stage.arrivals.recv_timeout(PATIENCE).expect("an arrival");
    let Arrival::Inbound { hello: heard, mut connection, .. } = arrival else { panic!("{arrival:?}") };
    assert_eq!(heard, hello);
    assert_eq!(connection.early, b"first frame");
    connection.stream.set_nonblocking(false).expect("a socket");
    let mut wire = [0; 256];
    let received = std::io::Read::read(&mut connection.stream, &mut wire).expect("bytes");
    let mut plain = vec![];
    connection.cipher.open(&wire[..received], &mut plain).expect("whole");
    assert_eq!(plain, b"second frame");
}

#[test]
fn a_hello_in_many_records_is_put_together() {
    for security in [Security::Tls, Security::Plaintext] {
        let stage = Stage::new(security);
        let mut talk = stage.connect();
        for byte in stage.hello().encode() {
            talk.say(&[byte]).expect("open");
            talk.flush().expect("sent");
        }
        let arrival = stage.arrivals.recv_timeout(PATIENCE).expect("an arrival");
        assert!(matches!(arrival, Arrival::Inbound { hello, .. } if hello == stage.hello()));
    }
}

#[test]
fn a_known_peer_of_another_version_is_told_so() {
    let stage = Stage::new(Security::Tls);
    let mut talk = stage.connect();
    let mut bytes = stage.hello().encode();
    bytes[8] = 2;
    talk.say(&bytes).expect("open");
    assert_eq!(answer(&mut talk), Greeting::Refused(Refusal::Version { here: 1, yours: 2 }));
    assert_eq!(stage.counters().refused(Reason::Version), 1);
}

#[test]
fn a_known_peer_is_told_of_damage_whatever_byte_it_hit() {
    let stage = Stage::new(Security::Tls);
    for at in (0..HELLO_BYTES).filter(|at| !(8..12).contains(at)) {
        let mut talk = stage.connect();
        let mut bytes = stage.hello().encode();
        bytes[at] ^= 1 << (at % 8);
        talk.say(&bytes).expect("open");
        assert_eq!(answer(&mut talk), Greeting::Refused(Refusal::Damaged), "byte {at}");
    }
    assert_eq!(stage.counters().refused(Reason::Damaged), HELLO_BYTES as u64 - 4);
    assert_eq!(stage.counters().admitted(), 0);
}

#[test]
fn more_than_a_hello_takes_is_not_read() {
    for security in [Security::Tls, Security::Plaintext] {
        let stage = Stage::new(security);
        let mut talk = stage.connect();
        // Records of one byte each: 23 bytes on the wire for every one that the hello grows by.
        let mut sent = Ok(true);
        for _ in 0..2000 {
            sent = sent.and_then(|_| talk.say(b"P")).and_then(|()| talk.flush());
        }
        let deadline = Instant::now() + PATIENCE;
        let reason = if security == Security::Tls { Reason::Damaged } else { Reason::Garbage };
        while stage.counters().refused(reason) == 0 {
            assert!(Instant::now() < deadline, "not in time");
            std::thread::yield_now();
        }
        assert_eq!(stage.counters().admitted(), 0);
    }
}

#[test]
fn changed_handshakes_are_refused_and_harm_nobody() {
    let stage = Stage::new(Security::Tls);
    let tls = Tls::new(&stage.dialler).expect("keys");
    let mut first = vec![];
    tls.dial(R0).expect("a member").write_tls(&mut first).expect("memory");
    for at in 0..first.len() {
        let mut session = first.clone();
        session[at] ^= 1 << (at % 8);
        let mut stream = std::net::TcpStream::connect(stage.address).expect("somebody listens");
        // The acceptor may hang up before all is written.
        drop(std::io::Write::write_all(&mut stream, &session));
        drop(stream);
    }
    let deadline = Instant::now() + PATIENCE;
    while stage.counters().refused_in_all() < first.len() as u64 {
        assert!(Instant::now() < deadline, "{} of {}", stage.counters().refused_in_all(), first.len());
        std::thread::yield_now();
    }
    let mut talk = stage.connect();
    talk.say(&stage.hello().encode()).expect("open");
    talk.flush().expect("sent");
    assert!(matches!(stage.arrivals.recv_timeout(PATIENCE), Ok(Arrival::Inbound { .. })));
    assert_eq!(stage.counters().admitted(), 1);
}
