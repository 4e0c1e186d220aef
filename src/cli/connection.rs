//! A client's connection to one replica.

use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::protocol::{Reply, Request};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a wait looks whether the user has had enough of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A connection to one replica.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<UnixStream>,
    interrupt: Interrupt,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The replica cannot be reached, does not answer in time or says what cannot be understood.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The user wants to end.
    #[error("interrupted")]
    Interrupted,
}

impl From<ConnectionError> for CliError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Io(error) => Self::Unavailable(error.to_string()),
            ConnectionError::Interrupted => Self::Interrupted,
        }
    }
}

impl Connection {
    /// Connects to the replica that serves the socket.
    pub fn open(socket: &Path, interrupt: &Interrupt) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LOOK_EVERY))?;
        Ok(Self { stream: BufReader::new(stream), interrupt: interrupt.clone() })
    }

    /// Sends a request.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)
    }

    /// Waits for the reply to the oldest request that has none. After an error the connection is of no use any more.
    pub fn receive(&mut self, patience: Duration) -> Result<Reply, ConnectionError> {
        let deadline = Instant::now() + patience;
        let mut line = Vec::new();
        // What arrived before a timeout stays in `line`.
        while !self.read_some(&mut line)? {
            if self.interrupt.is_set() {
                return Err(ConnectionError::Interrupted);
            }
            if Instant::now() >= deadline {
                let what = format!("the replica has not answered for {patience:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what).into());
            }
        }
        Ok(serde_json::from_slice(&line).map_err(io::Error::from)?)
    }

    /// Sends a request and waits for its reply.
    pub fn ask(&mut self, request: &Request, patience: Duration) -> Result<Reply, ConnectionError> {
        self.send(request)?;
        self.receive(patience)
    }

    /// Reads on; `true` once the line is whole.
    fn read_some(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        match self.stream.read_until(b'\n', line) {
            Ok(_) if line.ends_with(b"\n") => Ok(true),
            Ok(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the replica has ended the connection")),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Connection, UnixStream) {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        here.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        (Connection { stream: BufReader::new(here), interrupt: Interrupt::default() }, there)
    }

    #[test]
    fn a_reply_may_come_in_pieces() {
        let (mut connection, mut there) = pair();
        there.write_all(b"{\"reply\":\"opened\"").expect("there is room");
        let late = std::thread::spawn(move || {
            std::thread::yield_now();
            there.write_all(b",\"session\":7}\n")
        });
        let reply = connection.receive(Duration::from_secs(5)).expect("a reply");
        assert!(matches!(reply, Reply::Opened { session: 7 }));
        late.join().expect("no panic").expect("there is room");
    }

    #[test]
    fn silence_nonsense_and_an_end_are_errors() {
        let (mut connection, mut there) = pair();
        assert!(connection.receive(Duration::from_millis(2)).is_err());
        there.write_all(b"nonsense\n").expect("there is room");
        assert!(connection.receive(Duration::from_secs(5)).is_err());
        drop(there);
        assert!(connection.receive(Duration::from_secs(5)).is_err());
    }
}
