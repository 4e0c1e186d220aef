//! A connection to a replica without a client's manners: it sends what it is told to, and reads when it is told to.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use paxon_client::wire::{Code, OWN_WORDS, Parsed, Reply, Request, VERSION, append};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Nothing here takes longer on a machine that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest body that is read or written.
const BODY_BYTES_MAX: usize = 16 << 20;

/// What a replica said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Refused(Code),
    /// Anything else, by its name.
    Granted(&'static str),
}

pub struct Raw {
    pub stream: UnixStream,
    received: Vec<u8>,
}

impl Raw {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the replica listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream, received: Vec::new() }
    }

    /// A connection that has said hello and does not wait for the welcome.
    pub fn greeted(socket: &Path) -> Self {
        let mut raw = Self::connect(socket);
        raw.ask(OWN_WORDS, &Request::Hello { version: VERSION });
        raw
    }

    pub fn ask(&mut self, id: u64, request: &Request<'_>) {
        self.send(&frame(id, request));
    }

    /// Sends bytes. A replica that has hung up does not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next thing that the replica says, and the request that it answers; `None` once it has hung up.
    pub fn said(&mut self) -> Option<(u64, Said)> {
        loop {
            match Parsed::at_start_of(&self.received, BODY_BYTES_MAX) {
                Parsed::Whole(frame) => {
                    let (id, bytes) = (frame.id, frame.bytes());
                    let said = match Reply::decode(frame.body).expect("a reply") {
                        Reply::Refused(refusal) => Said::Refused(refusal.code),
                        other => Said::Granted(other.name()),
                    };
                    self.received.drain(..bytes);
                    return Some((id, said));
                }
                Parsed::Part { .. } => {}
                other => panic!("the replica sent no frame: {other:?}"),
            }
            let mut buffer = [0; 64 << 10];
            // A replica that hangs up may not have read all.
            let read = self.stream.read(&mut buffer).unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.received.extend_from_slice(&buffer[..read]);
        }
    }

    /// The next refusal; what is granted before it is passed over.
    pub fn refusal(&mut self) -> Option<(u64, Code)> {
        loop {
            match self.said()? {
                (id, Said::Refused(code)) => return Some((id, code)),
                (_, Said::Granted(_)) => {}
            }
        }
    }
}

pub fn frame(id: u64, request: &Request<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    append(&mut frame, id, request, BODY_BYTES_MAX).expect("it is short");
    frame
}
