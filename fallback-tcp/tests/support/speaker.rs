//! The far end of an authenticated connection, played by the test: says whatever bytes the test wants.

use super::{Cluster, PATIENCE};
use paxon_channel::{Arrival, Cipher, Greeting, Hello, Party, Porter, Purpose, Secured, Welcome};
use paxon_fastpath::{Fabric, ReplicaId};
use paxon_tcp::frame::{OPENING_BYTES, Seed, decode_opening, encode_opening};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// A connection in the hands of the test.
pub struct Speaker {
    /// Held: ends with the connection.
    porter: Option<Porter>,
    stream: TcpStream,
    cipher: Cipher,
    /// What was received and not taken yet.
    plain: Vec<u8>,
    pub seed: Seed,
    pub incarnation: u64,
}

/// A porter of the test, and its arrivals.
pub struct Doorstep {
    porter: Porter,
    arrivals: Receiver<Arrival>,
}

impl Doorstep {
    /// A porter of `member`, which listens if `listens`.
    pub fn of(cluster: &Cluster, member: ReplicaId, listens: bool) -> Self {
        let (sender, arrivals) = channel();
        let listener = listens.then(|| cluster.listeners[member.index()].try_clone().expect("a descriptor"));
        let porter = Porter::start(cluster.identity(member), listener, move |arrival| {
            let _ = sender.send(arrival);
        });
        Self { porter: porter.expect("a porter"), arrivals }
    }

    fn next(&self, other: &mut dyn Fabric) -> Arrival {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.arrivals.try_recv() {
                Ok(Arrival::DialFailed { .. }) => {}
                Ok(arrival) => return arrival,
                Err(_) => {
                    assert!(Instant::now() < deadline, "nobody arrives");
                    other.poll();
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Waits for a proposer, welcomes it and opens its session, as the server would.
    pub fn welcome(&self, other: &mut dyn Fabric) -> Speaker {
        let (mut speaker, opening) = self.greet(other);
        speaker.say(&opening);
        speaker
    }

    /// Waits for a proposer and welcomes it; returns the opening of its session.
    pub fn greet(&self, other: &mut dyn Fabric) -> (Speaker, [u8; OPENING_BYTES]) {
        let Arrival::Inbound { hello, party, connection } = self.next(other) else { panic!("nobody was dialled") };
        assert_eq!(party, Party::Replica(hello.from.expect("a replica")));
        let welcome = Welcome { incarnation: 77, frame_bytes_max: u32::MAX, outstanding_max: 64 };
        let seed = Seed::of(&hello, &welcome);
        let mut speaker = Speaker::new(connection, seed.opened(5), 77);
        speaker.say(&Greeting::Welcome(welcome).encode());
        (speaker, encode_opening(5, seed))
    }
}

impl Speaker {
    fn new(connection: Secured, seed: Seed, incarnation: u64) -> Self {
        let Secured { stream, cipher, early } = connection;
        Self { porter: None, stream, cipher, plain: early, seed, incarnation }
    }

    /// Connects to `to` as `from`, which must not run; `other` is polled meanwhile.
    pub fn dial(cluster: &Cluster, from: ReplicaId, to: ReplicaId, other: &mut dyn Fabric) -> Self {
        Self::dial_from(Doorstep::of(cluster, from, false), cluster, from, to, other)
    }

    fn dial_from(
        doorstep: Doorstep,
        cluster: &Cluster,
        from: ReplicaId,
        to: ReplicaId,
        other: &mut dyn Fabric,
    ) -> Self {
        let (cluster_id, layout) = (cluster.setup.cluster, cluster.setup.layout);
        let hello = Hello {
            purpose: Purpose::Operations,
            cluster: cluster_id,
            from: Some(from),
            to,
            layout,
            incarnation: 1,
            attempt: 0,
        };
        doorstep.porter.dial(to, hello);
        let Arrival::Outbound { welcome, connection, .. } = doorstep.next(other) else { panic!("nobody dials") };
        let seed = Seed::of(&hello, &welcome);
        let mut speaker = Self::new(connection, seed, welcome.incarnation);
        let opening = speaker.hear(OPENING_BYTES, other).expect("an opening");
        let nonce = decode_opening(&opening.try_into().expect("as long as asked for"), seed).expect("an opening");
        Self { porter: Some(doorstep.porter), seed: seed.opened(nonce), ..speaker }
    }

    /// Sends bytes through the cipher; false if the other side has closed the connection.
    pub fn say(&mut self, plain: &[u8]) -> bool {
        let mut wire = Vec::new();
        self.cipher.seal(plain, &mut wire).expect("the session stands at this side");
        self.say_raw(&wire)
    }

    /// Sends bytes as they are; false if the other side has closed the connection.
    pub fn say_raw(&mut self, mut wire: &[u8]) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !wire.is_empty() {
            match self.stream.write(wire) {
                Ok(sent) => wire = &wire[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "the other side takes nothing");
                    std::thread::yield_now();
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Sends what the socket takes at once of bytes without a cipher; `None` if the connection is closed.
    pub fn say_some(&mut self, wire: &[u8]) -> Option<usize> {
        match self.stream.write(wire) {
            Ok(sent) => Some(sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    /// The next `bytes` bytes; `None` if the other side closes the connection before.
    pub fn hear(&mut self, bytes: usize, other: &mut dyn Fabric) -> Option<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        while self.plain.len() < bytes {
            if !self.receive() {
                return None;
            }
            assert!(Instant::now() < deadline, "{} of {bytes} bytes came", self.plain.len());
            other.poll();
            std::thread::yield_now();
        }
        let rest = self.plain.split_off(bytes);
        Some(std::mem::replace(&mut self.plain, rest))
    }

    /// Waits until the other side has closed the connection; what it says before is forgotten.
    pub fn hear_the_end(&mut self, other: &mut dyn Fabric) {
        while self.hear(1, other).is_some() {}
    }

    fn receive(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(received) => self.cipher.open(&chunk[..received], &mut self.plain).is_ok(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
