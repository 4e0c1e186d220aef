//! A replica that does what a test tells it to, at a unix socket.

use paxon_client::wire::{Code, LeaderHint, Limits, OWN_WORDS, Parsed, Refusal, Reply, Request, VERSION, append};
use paxon_client::{Client, ClientOptions, Target};
use paxon_fastpath::ReplicaId;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes longer on a machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing is expected to happen in this time.
pub const A_MOMENT: Duration = Duration::from_millis(50);
const BODY_BYTES_MAX: usize = 16 << 20;

pub const LIMITS: Limits =
    Limits { session_window: 16, command_bytes_max: 1000, body_bytes_max: 2000, in_flight_max: 64 };

/// The sockets of some replicas.
pub struct Stage(TempDir);

impl Stage {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn socket(&self, id: u8) -> PathBuf {
        self.0.path().join(format!("{id}.sock"))
    }

    /// A replica that listens.
    pub fn actor(&self, id: u8) -> Actor {
        Actor { id, listener: UnixListener::bind(self.socket(id)).expect("it is free") }
    }

    /// A client of so many replicas.
    pub fn client(&self, replicas: u8, options: ClientOptions) -> Client {
        let targets = (0..replicas).map(|id| Target::unix(ReplicaId(id), self.socket(id)));
        Client::builder().targets(targets).options(options).start().expect("it starts")
    }
}

pub fn options() -> ClientOptions {
    ClientOptions { patience: PATIENCE, ..ClientOptions::default() }
}

pub struct Actor {
    id: u8,
    listener: UnixListener,
}

impl Actor {
    /// The next connection, with nothing said.
    pub fn accept(&self) -> Line {
        self.accept_within(PATIENCE).expect("a client")
    }

    /// The next connection, welcomed.
    pub fn welcome(&self) -> Line {
        self.welcome_with(LIMITS)
    }

    pub fn welcome_with(&self, limits: Limits) -> Line {
        let mut line = self.accept();
        assert_eq!(line.next(), Some((OWN_WORDS, Asked::Hello)));
        line.say(OWN_WORDS, &Reply::Welcome { version: VERSION, replica: self.id, leader: None, limits });
        line
    }

    /// The next connection that comes within the time.
    pub fn accept_within(&self, time: Duration) -> Option<Line> {
        self.listener.set_nonblocking(true).expect("a socket");
        let deadline = Instant::now() + time;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.listener.set_nonblocking(false).expect("a socket");
                    stream.set_nonblocking(false).expect("a socket");
                    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
                    return Some(Line { stream, received: Vec::new() });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                Err(_) => return None,
            }
        }
    }
}

/// A request, as a test wants to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Hello,
    Open,
    Command { session: u64, sequence: u64, round: u64, payload: Vec<u8> },
    Read { wait_ms: u32 },
    Status,
    Other,
}

/// The other end of a client's connection.
pub struct Line {
    pub stream: UnixStream,
    received: Vec<u8>,
}

impl Line {
    /// The next request; `None` once the client has hung up.
    pub fn next(&mut self) -> Option<(u64, Asked)> {
        loop {
            if let Some(request) = self.parse() {
                return Some(request);
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// What comes within a moment.
    pub fn next_soon(&mut self) -> Option<(u64, Asked)> {
        self.stream.set_read_timeout(Some(A_MOMENT)).expect("a timeout");
        let next = self.next();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        next
    }

    /// All requests until none comes for a moment.
    pub fn all(&mut self) -> Vec<(u64, Asked)> {
        std::iter::from_fn(|| self.next_soon()).collect()
    }

    fn parse(&mut self) -> Option<(u64, Asked)> {
        let Parsed::Whole(frame) = Parsed::at_start_of(&self.received, BODY_BYTES_MAX) else { return None };
        let asked = match Request::decode(frame.body).expect("a client says what can be read") {
            Request::Hello { version } => {
                assert_eq!(version, VERSION);
                Asked::Hello
            }
            Request::OpenSession { .. } => Asked::Open,
            Request::Propose { session, sequence, round, payload, .. } => {
                Asked::Command { session, sequence, round, payload: payload.to_vec() }
            }
            Request::Read { wait_ms, .. } => Asked::Read { wait_ms },
            Request::Status => Asked::Status,
            _ => Asked::Other,
        };
        let (id, bytes) = (frame.id, frame.bytes());
        self.received.drain(..bytes);
        Some((id, asked))
    }

    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap_or(0);
        self.received.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// Says something. A client that has hung up does not hear it.
    pub fn say(&mut self, id: u64, reply: &Reply<'_>) {
        let mut frame = Vec::new();
        append(&mut frame, id, reply, BODY_BYTES_MAX).expect("it is short");
        self.send(&frame);
    }

    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn refuse(&mut self, id: u64, code: Code) {
        self.refuse_for(id, code, None, Duration::ZERO);
    }

    pub fn refuse_for(&mut self, id: u64, code: Code, leader: Option<u8>, retry_after: Duration) {
        let leader = leader.map(|replica| LeaderHint { replica, address: "" });
        let retry_after_us = retry_after.as_micros() as u32;
        self.say(id, &Reply::Refused(Refusal { code, message: "it is in the script", leader, retry_after_us }));
    }

    /// Grants what was asked; a command is applied in the slot of its number.
    pub fn grant(&mut self, id: u64, asked: &Asked) {
        match asked {
            Asked::Open => self.say(id, &Reply::Opened { session: 7, slot: 1 }),
            Asked::Command { sequence, payload, .. } => {
                self.say(id, &Reply::Applied { slot: *sequence, reply: payload });
            }
            Asked::Read { .. } => self.say(id, &Reply::Answer { slot: 1, bytes: b"answer" }),
            Asked::Status => self.say(id, &Reply::Document { json: "{}" }),
            other => panic!("{other:?} cannot be granted"),
        }
    }

    /// Grants the next request.
    pub fn grant_next(&mut self) -> Asked {
        let (id, asked) = self.next().expect("a request");
        self.grant(id, &asked);
        asked
    }
}

/// The sequences and rounds of commands.
pub fn numbers(asked: &[(u64, Asked)]) -> Vec<(u64, u64)> {
    asked
        .iter()
        .map(|(_, asked)| match asked {
            Asked::Command { sequence, round, .. } => (*sequence, *round),
            other => panic!("{other:?} is no command"),
        })
        .collect()
}
