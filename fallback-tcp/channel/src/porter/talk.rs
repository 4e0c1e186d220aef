//! One socket while its two ends get to know each other.
//!
//! It reads no further than it must: a TLS record at a time, or a message at a time in plaintext. So what follows hello and
//! greeting is still in the socket when the connection is handed over, and neither side's data is lost or read twice.

use crate::cipher::{self, Cipher, Secured, UserSpace};
use crate::kernel;
use crate::tls::Tls;
use mio::net::TcpStream;
use rustls::Connection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Content type, version and length.
const RECORD_HEADER: usize = 5;
/// Longest record body of TLS 1.3: 2^14 bytes of plaintext and 256 around it (RFC 8446, section 5.2).
const RECORD_BODY_MAX: usize = (1 << 14) + 256;
/// Content types of TLS: change cipher spec, alert, handshake, data.
const CONTENT_TYPES: RangeInclusive<u8> = 20..=23;
/// How hello and greeting begin, as many bytes of it as a record has header.
const PLAINTEXT_BEGINS: &[u8; RECORD_HEADER] = b"PAXON";
/// Bytes that a refused connection may still send before it is closed all the same.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

/// How the bytes of a talk are protected.
pub enum Guard {
    /// Not at all.
    Plain,
    /// By TLS, once the other side has sent a record: until then a stranger costs a socket and no session.
    Awaited(Arc<Tls>),
    /// By TLS, the handshake under way or finished.
    Session(Box<Connection>),
}

/// Why a talk is over.
#[derive(Debug)]
pub enum TalkError {
    /// The system says so.
    Io(io::Error),
    /// The other side has ended the connection.
    Closed,
    /// It broke the rules of TLS, or did not trust us.
    Tls(rustls::Error),
    /// It sent more bytes than it may.
    TooMuch,
    /// It speaks plaintext, this side TLS.
    SpeaksPlaintext,
    /// It speaks TLS, this side plaintext.
    SpeaksTls,
}

impl From<io::Error> for TalkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A nonblocking socket, its session and what was not yet sent or taken.
pub struct Talk {
    stream: TcpStream,
    guard: Guard,
    /// The record being received; at most a header and a body.
    record: Vec<u8>,
    /// Plaintext received and not taken.
    plain: Vec<u8>,
    /// Bytes for the socket, sent up to `sent`.
    outgoing: Vec<u8>,
    sent: usize,
    /// Bytes that may still be received.
    allowance: usize,
}

impl Talk {
    /// A talk over `stream` in which the other side may send `allowance` bytes.
    pub fn new(stream: TcpStream, guard: Guard, allowance: usize) -> Self {
        Self { stream, guard, record: vec![], plain: vec![], outgoing: vec![], sent: 0, allowance }
    }

    /// The socket, to register it.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The session, if there is one.
    pub fn session(&self) -> Option<&Connection> {
        match &self.guard {
            Guard::Session(session) => Some(session),
            Guard::Plain | Guard::Awaited(_) => None,
        }
    }

    /// Whether messages can be said: in plaintext always, with TLS after the handshake.
    pub fn is_open(&self) -> bool {
        match &self.guard {
            Guard::Plain => true,
            Guard::Awaited(_) => false,
            Guard::Session(session) => !session.is_handshaking(),
        }
    }

    /// Puts `message` behind what is to be sent; only while [`Talk::is_open`].
    pub fn say(&mut self, message: &[u8]) -> Result<(), TalkError> {
        match &mut self.guard {
            Guard::Session(session) => Ok(session.writer().write_all(message)?),
            Guard::Plain | Guard::Awaited(_) => {
                self.say_in_the_clear(message);
                Ok(())
            }
        }
    }

    /// Puts `message` unprotected behind what is to be sent, for a peer that does not speak TLS.
    pub fn say_in_the_clear(&mut self, message: &[u8]) {
        self.outgoing.extend_from_slice(message);
    }

    /// Sends what the socket takes, what the session has to say included. True if nothing is left.
    pub fn flush(&mut self) -> Result<bool, TalkError> {
        if let Guard::Session(session) = &mut self.guard {
            while session.wants_write() {
                session.write_tls(&mut self.outgoing)?;
            }
        }
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(TalkError::Closed),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Plaintext received so far.
    pub fn heard(&self) -> &[u8] {
        &self.plain
    }

    /// Receives a record, or in plaintext what is missing of `want` bytes. False if the socket has no more for now.
    ///
    /// Each call takes bytes off the allowance, so a loop until it says false ends.
    pub fn listen(&mut self, want: usize) -> Result<bool, TalkError> {
        match self.guard {
            Guard::Plain => self.listen_in_the_clear(want),
            Guard::Awaited(_) | Guard::Session(_) => self.listen_to_record(),
        }
    }

    fn listen_in_the_clear(&mut self, want: usize) -> Result<bool, TalkError> {
        let missing = want.saturating_sub(self.plain.len());
        if missing == 0 {
            return Ok(false);
        }
        let more = receive(&mut self.stream, &mut self.plain, missing, &mut self.allowance)?;
        match self.plain.first() {
            Some(first) if CONTENT_TYPES.contains(first) => Err(TalkError::SpeaksTls),
            _ => Ok(more),
        }
    }

    fn listen_to_record(&mut self) -> Result<bool, TalkError> {
        let missing = record_bytes(&self.record) - self.record.len();
        let more = receive(&mut self.stream, &mut self.record, missing, &mut self.allowance)?;
        if self.record.starts_with(PLAINTEXT_BEGINS) {
            return Err(TalkError::SpeaksPlaintext);
        }
        let is_whole = self.record.len() > RECORD_HEADER && self.record.len() == record_bytes(&self.record);
        if is_whole || is_hopeless(&self.record) {
            self.digest()?;
        }
        Ok(more)
    }

    /// Gives the record to the session and takes what it has decrypted.
    fn digest(&mut self) -> Result<(), TalkError> {
        if let Guard::Awaited(tls) = &self.guard {
            self.guard = Guard::Session(Box::new(tls.accept().ok_or(TalkError::Closed)?));
        }
        let Guard::Session(session) = &mut self.guard else {
            return Err(TalkError::Closed);
        };
        let mut record = self.record.as_slice();
        while !record.is_empty() {
            if session.read_tls(&mut record)? == 0 {
                return Err(TalkError::Closed);
            }
            session.process_new_packets().map_err(TalkError::Tls)?;
            cipher::take_plaintext(session, &mut self.plain);
        }
        self.record.clear();
        Ok(())
    }

    /// Tells the other side that nothing more comes. What it still sends is to be taken with [`Talk::discard`], since
    /// closing a socket with unread bytes resets the connection and loses what was said last.
    pub fn end(&mut self) {
        self.allowance = DISCARDED_BYTES_MAX;
        // A socket that is not connected any more needs no farewell.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Reads and forgets. True when the other side has ended the connection as well, or has sent all it may.
    pub fn discard(&mut self) -> bool {
        let mut waste = [0; 4096];
        while self.allowance > 0 {
            match self.stream.read(&mut waste) {
                Ok(0) => return true,
                Ok(received) => self.allowance = self.allowance.saturating_sub(received),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        true
    }

    /// The connection without its first `used` bytes of plaintext, for whoever goes on with it. The socket must have left
    /// its `epoll` set.
    pub fn into_secured(mut self, used: usize, tls: Option<&Tls>) -> io::Result<Secured> {
        let early = self.plain.split_off(used);
        let cipher = match self.guard {
            Guard::Plain => Cipher::Plain,
            Guard::Awaited(_) => return Err(ErrorKind::NotConnected.into()),
            Guard::Session(session)
                if tls.is_some_and(|tls| tls.suits_kernel(&session)) && kernel::attach(&self.stream).is_ok() =>
            {
                // The session's keys are spent if this fails; the next connection stays in user space.
                let give_up = |_: &io::Error| tls.into_iter().for_each(Tls::give_up_kernel);
                kernel::hand_over(*session, &self.stream).inspect_err(give_up)?;
                Cipher::Kernel
            }
            Guard::Session(session) => Cipher::User(UserSpace::new(session)),
        };
        Ok(Secured { stream: self.stream.into(), cipher, early })
    }
}

/// Bytes of the record that begins with `record`, as far as its header is known.
fn record_bytes(record: &[u8]) -> usize {
    match record {
        [_, _, _, high, low, ..] => RECORD_HEADER + usize::from(u16::from_be_bytes([*high, *low])),
        _ => RECORD_HEADER,
    }
}

/// Whether the header is none of TLS: the session then says so in an alert, without waiting for a body.
fn is_hopeless(record: &[u8]) -> bool {
    let bodies = RECORD_HEADER + 1..=RECORD_HEADER + RECORD_BODY_MAX;
    record.len() >= RECORD_HEADER && !(CONTENT_TYPES.contains(&record[0]) && bodies.contains(&record_bytes(record)))
}

/// Receives at most `missing` bytes behind `into`. False if there are none for now.
fn receive(
    stream: &mut TcpStream,
    into: &mut Vec<u8>,
    missing: usize,
    allowance: &mut usize,
) -> Result<bool, TalkError> {
    let most = missing.min(*allowance);
    if most == 0 {
        return Err(TalkError::TooMuch);
    }
    let start = into.len();
    into.resize(start + most, 0);
    let received = stream.read(&mut into[start..]);
    into.truncate(start + received.as_ref().map_or(0, |received| *received));
    match received {
        Ok(0) => Err(TalkError::Closed),
        Ok(received) => {
            *allowance -= received;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error.into()),
    }
}
