//! Frames on a unix stream, each behind its length.

use super::{Plug, Sent};
use crate::frame::FRAME_BYTES_MAX;
use rustix::event::{PollFd, PollFlags};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// A frame's length, the highest byte first.
const LENGTH_BYTES: usize = 4;
/// What is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A stream, or the listener that waits for one.
pub(super) struct Stream {
    listener: Option<UnixListener>,
    connection: Option<Connection>,
}

impl Stream {
    pub(super) fn connected(socket: UnixStream) -> io::Result<Self> {
        Ok(Self { listener: None, connection: Some(Connection::new(socket)?) })
    }

    pub(super) fn listening(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: Some(listener), connection: None })
    }

    /// Takes a connection that waits; it replaces the one before, whose machine may have died without a word.
    fn accept(&mut self) {
        let accepted = self.listener.as_ref().and_then(|listener| listener.accept().ok());
        if let Some(connection) = accepted.and_then(|(socket, _)| Connection::new(socket).ok()) {
            self.connection = Some(connection);
        }
    }
}

impl Plug for Stream {
    fn watch<'a>(&'a self, into: &mut Vec<PollFd<'a>>) {
        into.extend(self.listener.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
        into.extend(self.connection.iter().map(|connection| PollFd::new(&connection.socket, PollFlags::IN)));
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.accept();
        match self.connection.as_mut()?.receive(buffer) {
            Ok(frame) => frame,
            Err(Ended) => {
                self.connection = None;
                None
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> Sent {
        let Some(connection) = &mut self.connection else { return Sent::Nobody };
        match connection.send(frame) {
            Ok(true) => Sent::Taken,
            Ok(false) => Sent::Full,
            Err(Ended) => {
                self.connection = None;
                Sent::Nobody
            }
        }
    }
}

/// The other side has closed the stream, or speaks something else.
#[derive(Debug, PartialEq, Eq)]
struct Ended;

struct Connection {
    socket: UnixStream,
    received: Deframer,
    /// Bytes that were sent of the frame that is next, its length included.
    sent: usize,
}

impl Connection {
    fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, received: Deframer::default(), sent: 0 })
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Ended> {
        loop {
            if let Some(frame) = self.received.next()? {
                buffer[..frame.len()].copy_from_slice(frame);
                return Ok(Some(frame.len()));
            }
            if !self.received.fill(&mut self.socket)? {
                return Ok(None);
            }
        }
    }

    /// Whether the whole frame is sent; if not, the next call goes on with the same one.
    fn send(&mut self, frame: &[u8]) -> Result<bool, Ended> {
        let length = (frame.len() as u32).to_be_bytes();
        let rest_of_length = &length[self.sent.min(LENGTH_BYTES)..];
        let rest = &frame[self.sent.saturating_sub(LENGTH_BYTES)..];
        let parts = [IoSlice::new(rest_of_length), IoSlice::new(rest)];
        self.sent += accepted(self.socket.write_vectored(&parts))?;
        let done = self.sent == LENGTH_BYTES + frame.len();
        if done {
            self.sent = 0;
        }
        Ok(done)
    }
}

/// Bytes that a socket has taken; none if it has no room.
fn accepted(result: io::Result<usize>) -> Result<usize, Ended> {
    match result {
        Ok(bytes) => Ok(bytes),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        Err(_) => Err(Ended),
    }
}

/// Finds frames in a stream.
#[derive(Default)]
struct Deframer {
    /// Invariant: at most one whole frame longer than a chunk.
    bytes: Vec<u8>,
    /// Bytes at the start that were given out.
    taken: usize,
}

impl Deframer {
    /// The next frame, if it is there as a whole.
    fn next(&mut self) -> Result<Option<&[u8]>, Ended> {
        let Some((length, rest)) = self.bytes[self.taken..].split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(Ended);
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        self.taken += LENGTH_BYTES + length;
        Ok(Some(frame))
    }

    /// Reads more; `false` if there is nothing to read now.
    fn fill(&mut self, from: &mut impl Read) -> Result<bool, Ended> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let held = self.bytes.len();
        self.bytes.resize(held + CHUNK_BYTES, 0);
        let read = from.read(&mut self.bytes[held..]);
        self.bytes.truncate(held + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(Ended),
            Ok(_) => Ok(true),
            other => accepted(other).map(|_| false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().flat_map(|frame| [&(frame.len() as u32).to_be_bytes()[..], frame].concat()).collect()
    }

    /// Reads `bytes` in pieces of `piece`.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = self.1.min(into.len()).min(self.0.len());
            if bytes == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            into[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    fn deframed(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Ended> {
        let (mut deframer, mut from, mut frames) = (Deframer::default(), Pieces(bytes, piece), Vec::new());
        while deframer.fill(&mut from)? {
            while let Some(frame) = deframer.next()? {
                frames.push(frame.to_vec());
            }
            assert!(deframer.bytes.len() <= LENGTH_BYTES + FRAME_BYTES_MAX + CHUNK_BYTES);
        }
        Ok(frames)
    }

    #[test]
    fn a_length_beyond_the_longest_frame_ends_the_stream() {
        assert_eq!(deframed(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes(), 4), Err(Ended));
        let longest = vec![vec![7; FRAME_BYTES_MAX]];
        assert_eq!(deframed(&framed(&longest), usize::MAX), Ok(longest));
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_stream_is_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            piece in 1_usize..300,
        ) {
            prop_assert_eq!(deframed(&framed(&frames), piece), Ok(frames));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1_usize..50) {
            let _ = deframed(&bytes, piece);
        }
    }
}
