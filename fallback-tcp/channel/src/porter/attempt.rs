//! One attempt to connect to a member, from the first packet to its greeting.

use super::dial_error::DialError;
use super::house::House;
use super::talk::{Guard, Talk, TalkError};
use crate::greeting::{GREETING_BYTES, Greeting, Welcome};
use crate::hello::Hello;
use crate::roster::Security;
use crate::tls;
use crate::wire::{DecodeError, PREFIX_BYTES};
use mio::net::TcpStream;
use paxon_fastpath::ReplicaId;
use rustls::{AlertDescription, CertificateError, Error};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes that a member may send until its greeting is complete: its part of the handshake, and one record.
const RECEIVED_BYTES_MAX: usize = 32 << 10;

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// TCP connects.
    Connecting,
    /// TLS shakes hands.
    Handshaking,
    /// The hello can be sent.
    Ready,
    /// The hello was sent.
    Greeted,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Handshaking => "in the TLS handshake",
            Self::Ready => "waiting behind another attempt",
            Self::Greeted => "waiting for the welcome",
        }
    }
}

/// What came of looking at an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits.
    Waiting,
    /// It has just become ready to greet. What it has to send is held back to go out with the hello, so look again.
    Ready,
    /// It is welcome.
    Welcome(Welcome),
}

/// One connection on its way to a member.
pub struct Attempt {
    pub token: usize,
    pub stage: Stage,
    /// When it has taken too long, unless it is ready and waits for its turn.
    pub deadline: Instant,
    /// It lives as long as the slowest path needs; others only look whether the path has healed.
    pub is_patient: bool,
    peer: ReplicaId,
    address: SocketAddr,
    talk: Talk,
    began: Instant,
    /// When the last leg of the handshake began.
    leg_began: Instant,
    /// The shortest leg so far; each is a round trip and what the other side took to answer.
    pub round_trip: Duration,
}

impl Attempt {
    /// Begins to connect to `peer` at `address`.
    pub fn begin(
        peer: ReplicaId,
        address: SocketAddr,
        is_patient: bool,
        house: &mut House,
        now: Instant,
    ) -> Result<Self, DialError> {
        let network = |error: io::Error| DialError::Network { address, kind: error.kind() };
        let guard = match &house.tls {
            None => Guard::Plain,
            Some(tls) => Guard::Session(Box::new(tls.dial(peer).ok_or(DialError::NoMember { peer })?)),
        };
        let mut stream = TcpStream::connect(address).map_err(network)?;
        stream.set_nodelay(true).map_err(network)?;
        let token = house.watch(&mut stream).map_err(network)?;
        let life = if is_patient { house.limits.patient } else { house.limits.eager };
        Ok(Self {
            token,
            stage: Stage::Connecting,
            deadline: now + life,
            is_patient,
            peer,
            address,
            talk: Talk::new(stream, guard, RECEIVED_BYTES_MAX),
            began: now,
            leg_began: now,
            round_trip: Duration::MAX,
        })
    }

    /// Goes on as far as the socket allows.
    pub fn advance(&mut self, now: Instant) -> Result<Progress, DialError> {
        self.go_on(now).inspect_err(|_| self.part())
    }

    fn go_on(&mut self, now: Instant) -> Result<Progress, DialError> {
        if self.stage == Stage::Connecting {
            if !self.is_connected()? {
                return Ok(Progress::Waiting);
            }
            self.end_leg(now);
            self.stage = Stage::Handshaking;
        }
        loop {
            if self.stage == Stage::Handshaking && self.talk.is_open() {
                self.finish_handshake(now)?;
                return Ok(Progress::Ready);
            }
            self.talk.flush().map_err(|error| self.failed(error))?;
            if self.stage == Stage::Greeted
                && let Some(welcome) = self.greeting()?
            {
                self.end_leg(now);
                return Ok(Progress::Welcome(welcome));
            }
            let want = if self.talk.heard().len() < PREFIX_BYTES { PREFIX_BYTES } else { GREETING_BYTES };
            if !self.talk.listen(want).map_err(|error| self.failed(error))? {
                return Ok(Progress::Waiting);
            }
        }
    }

    /// Whether TCP has connected.
    fn is_connected(&mut self) -> Result<bool, DialError> {
        let stream = self.talk.stream();
        let checked = match stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match stream.peer_addr() {
                // A connection to a port that nobody listens at can meet itself when the system picks that very port.
                Ok(far) if stream.local_addr().is_ok_and(|near| near == far) => {
                    Err(ErrorKind::ConnectionRefused.into())
                }
                Ok(_) => Ok(true),
                Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
                Err(error) => Err(error),
            },
        };
        checked.map_err(|error| DialError::Network { address: self.address, kind: error.kind() })
    }

    fn finish_handshake(&mut self, now: Instant) -> Result<(), DialError> {
        if let Some(session) = self.talk.session() {
            if !tls::speaks_our_protocol(session) {
                return Err(DialError::Tls { address: self.address, error: Error::NoApplicationProtocol });
            }
            self.end_leg(now);
        }
        self.stage = Stage::Ready;
        Ok(())
    }

    fn end_leg(&mut self, now: Instant) {
        self.round_trip = self.round_trip.min(now.duration_since(self.leg_began));
        self.leg_began = now;
    }

    /// Sends the hello and waits for the answer, for as long as a patient attempt may.
    pub fn greet(&mut self, hello: &Hello, patience: Duration, now: Instant) -> Result<(), DialError> {
        self.stage = Stage::Greeted;
        self.leg_began = now;
        self.deadline = self.deadline.max(now + patience);
        self.is_patient = true;
        let said = self.talk.say(&hello.encode()).and_then(|()| self.talk.flush());
        said.map(drop).map_err(|error| self.failed(error))
    }

    fn greeting(&self) -> Result<Option<Welcome>, DialError> {
        let heard = self.talk.heard();
        if heard.len() < PREFIX_BYTES {
            return Ok(None);
        }
        let garbage = |error| DialError::Garbage { address: self.address, error };
        Greeting::check_prefix(heard).map_err(garbage)?;
        let Some(message) = heard.get(..GREETING_BYTES) else {
            return Ok(None);
        };
        match Greeting::decode(message).map_err(garbage)? {
            Greeting::Welcome(welcome) => Ok(Some(welcome)),
            Greeting::Refused(refusal) => Err(DialError::Refused { peer: self.peer, refusal }),
        }
    }

    /// What its end is when its time is over.
    pub fn timed_out(&self, now: Instant) -> DialError {
        let waited = now.duration_since(self.began);
        DialError::TimedOut { address: self.address, waited, stage: self.stage.name() }
    }

    fn failed(&self, error: TalkError) -> DialError {
        let (peer, address) = (self.peer, self.address);
        match error {
            TalkError::Io(error) => DialError::Network { address, kind: error.kind() },
            TalkError::Closed => DialError::Closed { address, stage: self.stage.name() },
            TalkError::TooMuch => {
                let error = DecodeError::Size { have: RECEIVED_BYTES_MAX, need: GREETING_BYTES };
                DialError::Garbage { address, error }
            }
            TalkError::SpeaksPlaintext => DialError::Security { address, theirs: Security::Plaintext },
            TalkError::SpeaksTls => DialError::Security { address, theirs: Security::Tls },
            TalkError::Tls(error) => match error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => DialError::OtherKey { peer, address },
                Error::InvalidCertificate(CertificateError::Expired) => DialError::PeerKeyExpired { peer },
                Error::AlertReceived(AlertDescription::UnknownCA) => DialError::OurKeyUnknown { peer },
                Error::AlertReceived(AlertDescription::CertificateExpired) => DialError::OurKeyExpired { peer },
                error => DialError::Tls { address, error },
            },
        }
    }

    /// Says what TLS has to say about a failure, and leaves nothing unread: a reset would overtake it.
    fn part(&mut self) {
        if self.talk.flush().is_ok() {
            self.talk.end();
            self.talk.discard();
        }
    }

    /// The socket, to stop watching it.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.talk.stream()
    }

    /// The connection, once it is welcome.
    pub fn into_talk(self) -> Talk {
        self.talk
    }
}
