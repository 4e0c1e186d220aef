//! A connected socket with its cipher and its buffers: frames in, frames out, nothing ever blocks.
//!
//! Both ends of the protocol use it. A unix socket has no cipher; a TCP connection comes from the porter of
//! `paxon-channel` with the one that was agreed on.

use crate::wire::{Message, Parsed, append};
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use paxon_channel::{Cipher, Secured};
use std::io::{self, ErrorKind, Read, Write};

/// A buffer that was longer than this is given back once it is empty.
const KEEP_BYTES: usize = 64 << 10;

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes of the socket; there may be more.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The other side sends no more.
    End,
}

/// A connection that carries frames.
#[derive(Debug)]
pub struct Transport {
    socket: Socket,
    cipher: Cipher,
    /// Received plaintext; what lies before `read` has been taken.
    plain: Vec<u8>,
    read: usize,
    /// Frames that are not sealed yet.
    frames: Vec<u8>,
    /// Bytes for the socket; what lies before `sent` has been sent.
    wire: Vec<u8>,
    sent: usize,
}

impl Transport {
    /// A connection over a unix socket.
    pub const fn unix(stream: UnixStream) -> Self {
        Self::new(Socket::Unix(stream), Cipher::Plain, Vec::new())
    }

    /// A connection that a porter has made.
    pub fn secured(connection: Secured) -> Self {
        let Secured { stream, cipher, early } = connection;
        Self::new(Socket::Tcp(TcpStream::from_std(stream)), cipher, early)
    }

    const fn new(socket: Socket, cipher: Cipher, plain: Vec<u8>) -> Self {
        Self { socket, cipher, plain, read: 0, frames: Vec::new(), wire: Vec::new(), sent: 0 }
    }

    /// Has `registry` report when reading or writing makes sense again, once for each change.
    ///
    /// # Errors
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Ends the reports.
    pub fn deregister(&mut self, registry: &Registry) {
        // The socket is about to be closed, which ends them too.
        let _ = self.source().deregister(registry);
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.socket {
            Socket::Unix(stream) => stream,
            Socket::Tcp(stream) => stream,
        }
    }

    /// What protects the connection, in words.
    pub fn protection(&self) -> &'static str {
        match self.socket {
            Socket::Unix(_) => "unix socket",
            Socket::Tcp(_) => self.cipher.name(),
        }
    }

    /// Reads once, at most as much as `scratch` holds.
    ///
    /// # Errors
    /// The connection is broken, or what came over it is not what was sent.
    pub fn receive(&mut self, scratch: &mut [u8]) -> io::Result<Received> {
        let read = match &mut self.socket {
            Socket::Unix(stream) => stream.read(scratch),
            Socket::Tcp(stream) => stream.read(scratch),
        };
        match read {
            Ok(0) => Ok(Received::End),
            Ok(bytes) => {
                self.make_room();
                self.cipher.open(&scratch[..bytes], &mut self.plain).map_err(io::Error::other)?;
                Ok(Received::Bytes(bytes))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
            // Nothing was read: it is tried again like after a part.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Received::Bytes(0)),
            Err(error) => Err(error),
        }
    }

    /// Moves what is not read yet to the front, once that is cheap.
    fn make_room(&mut self) {
        if self.read == self.plain.len() {
            self.plain.clear();
            self.read = 0;
            if self.plain.capacity() > KEEP_BYTES {
                self.plain = Vec::new();
            }
        } else if self.read > self.plain.len() / 2 {
            self.plain.drain(..self.read);
            self.read = 0;
        }
    }

    /// Received bytes that were not taken yet.
    pub fn received(&self) -> &[u8] {
        &self.plain[self.read..]
    }

    /// The frame that comes next.
    pub fn next_frame(&self, body_bytes_max: usize) -> Parsed<'_> {
        Parsed::at_start_of(self.received(), body_bytes_max)
    }

    /// Takes so many of the received bytes, at most as many as there are.
    pub fn take(&mut self, bytes: usize) {
        self.read = (self.read + bytes).min(self.plain.len());
        if self.read == self.plain.len() {
            self.make_room();
        }
    }

    /// Appends bytes that are no frame: a greeting.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.frames.extend_from_slice(bytes);
    }

    /// Appends the frame of a message to what [`Transport::flush`] sends.
    ///
    /// # Errors
    /// The bytes of its body, if they are more than allowed. Nothing is appended then.
    pub fn push(&mut self, id: u64, message: &impl Message, body_bytes_max: usize) -> Result<(), usize> {
        append(&mut self.frames, id, message, body_bytes_max)
    }

    /// Bytes that were pushed and not sent yet.
    pub const fn unsent(&self) -> usize {
        self.frames.len() + self.wire.len() - self.sent
    }

    /// Sends what the socket takes. Returns how many bytes that were.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self) -> io::Result<usize> {
        let mut flushed = 0;
        loop {
            if self.sent == self.wire.len() {
                if self.frames.is_empty() {
                    return Ok(flushed);
                }
                self.seal()?;
            }
            match self.write() {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.sent += bytes;
                    flushed += bytes;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(flushed),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self) -> io::Result<usize> {
        let unsent = &self.wire[self.sent..];
        match &mut self.socket {
            Socket::Unix(stream) => stream.write(unsent),
            Socket::Tcp(stream) => stream.write(unsent),
        }
    }

    /// Turns the frames into bytes for the socket.
    fn seal(&mut self) -> io::Result<()> {
        self.sent = 0;
        self.wire.clear();
        if self.wire.capacity() > KEEP_BYTES {
            self.wire = Vec::new();
        }
        if let Cipher::User(_) = self.cipher {
            self.cipher.seal(&self.frames, &mut self.wire).map_err(io::Error::other)?;
            self.frames.clear();
        } else {
            std::mem::swap(&mut self.wire, &mut self.frames);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Request;

    const MAX: usize = 1 << 20;

    fn pair() -> (Transport, Transport) {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        (Transport::unix(here), Transport::unix(there))
    }

    #[test]
    fn frames_arrive_whole_and_in_order_however_the_socket_cuts_them() {
        let (mut here, mut there) = pair();
        let query = vec![7; 300_000];
        for id in 1..=3 {
            here.push(id, &Request::Read { wait_ms: 1, query: &query }, MAX).expect("it fits");
        }
        let mut scratch = [0; 5000];
        let mut seen = Vec::new();
        while seen.len() < 3 {
            here.flush().expect("it is connected");
            there.receive(&mut scratch).expect("it is connected");
            while let Parsed::Whole(frame) = there.next_frame(MAX) {
                assert_eq!(Request::decode(frame.body), Ok(Request::Read { wait_ms: 1, query: &query }));
                let bytes = frame.bytes();
                seen.push(frame.id);
                there.take(bytes);
            }
        }
        assert_eq!((seen, here.unsent(), there.received().len()), (vec![1, 2, 3], 0, 0));
    }

    #[test]
    fn a_socket_that_takes_no_more_leaves_the_rest_unsent() {
        let (mut here, there) = pair();
        let query = vec![7; MAX - 100];
        for id in 0..8 {
            here.push(id, &Request::Read { wait_ms: 1, query: &query }, MAX).expect("it fits");
        }
        let sent = here.flush().expect("it is connected");
        assert!(sent > 0 && here.unsent() > 0);
        assert_eq!(here.flush().expect("it is connected"), 0);
        drop(there);
        assert!(here.flush().is_err());
    }

    #[test]
    fn nothing_and_the_end_are_told_apart() {
        let (mut here, there) = pair();
        assert_eq!(here.receive(&mut [0; 10]).expect("it is connected"), Received::Nothing);
        drop(there);
        assert_eq!(here.receive(&mut [0; 10]).expect("it was closed"), Received::End);
    }
}
