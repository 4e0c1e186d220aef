//! Blocking use of a connection, for tests and tools.

use crate::cipher::{Cipher, CipherError, Secured};
use crate::greeting::Welcome;
use crate::hello::Hello;
use crate::identity::Identity;
use crate::porter::{Arrival, DialError, Porter};
use paxon_fastpath::ReplicaId;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Dials `peer` and waits for its welcome, for `timeout` at most. Calls of the connection are bounded by `timeout` too.
///
/// # Errors
/// [`DialError`]: at once if trying again is of no use, else the last one when the time is over.
pub fn dial_until(
    identity: Identity,
    peer: ReplicaId,
    hello: Hello,
    timeout: Duration,
) -> Result<(Welcome, Blocking), DialError> {
    let deadline = Instant::now() + timeout;
    let (sender, arrivals) = mpsc::channel();
    let local = |error: io::Error| DialError::Local { reason: error.to_string() };
    // Nobody listens any more once this function has returned.
    let porter = Porter::start(identity, None, move |arrival| drop(sender.send(arrival))).map_err(local)?;
    porter.dial(peer, hello);
    let mut last = None;
    loop {
        match arrivals.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Arrival::Outbound { welcome, connection, .. }) => {
                return Blocking::new(connection, timeout).map(|connection| (welcome, connection)).map_err(local);
            }
            Ok(Arrival::DialFailed { reason, .. }) if reason.is_passing() => last = Some(reason),
            Ok(Arrival::DialFailed { reason, .. }) => return Err(reason),
            Ok(Arrival::Inbound { .. }) => {}
            Err(_) => return Err(last.unwrap_or(DialError::NotYet { peer, waited: timeout })),
        }
    }
}

/// A connection that blocks, each call for a bounded time.
#[derive(Debug)]
pub struct Blocking {
    stream: TcpStream,
    cipher: Cipher,
    /// Plaintext that was not asked for yet.
    plain: Vec<u8>,
}

impl Blocking {
    /// Makes a connection block, for at most `timeout` in each call.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(connection: Secured, timeout: Duration) -> io::Result<Self> {
        let Secured { stream, cipher, early } = connection;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, cipher, plain: early })
    }
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = [0; 16 << 10];
        while self.plain.is_empty() {
            let received = self.stream.read(&mut wire)?;
            if received == 0 {
                return Ok(0);
            }
            let opened = self.cipher.open(&wire[..received], &mut self.plain);
            // What came before the end is given out; the end shows again with the next read.
            if let Err(error) = opened
                && self.plain.is_empty()
            {
                return if error == CipherError::Closed { Ok(0) } else { Err(io::Error::other(error)) };
            }
        }
        let taken = buffer.len().min(self.plain.len());
        buffer[..taken].copy_from_slice(&self.plain[..taken]);
        self.plain.drain(..taken);
        Ok(taken)
    }
}

impl Write for Blocking {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut wire = Vec::new();
        self.cipher.seal(buffer, &mut wire).map_err(io::Error::other)?;
        self.stream.write_all(&wire)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
