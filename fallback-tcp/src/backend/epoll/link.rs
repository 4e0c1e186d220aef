//! One socket of the epoll back end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::backend::SendError;

/// Receives from one socket in one turn: a peer that sends without end does not keep the others waiting.
const RECEIVES_MAX: usize = 16;

/// A non-blocking socket and what waits to be sent on it.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    /// Bytes that the socket did not take, from `sent` on.
    pending: Vec<u8>,
    /// How many bytes of `pending` were sent since.
    sent: usize,
    /// Whether the socket may take more. Set by the event, cleared by the socket.
    pub(super) writable: bool,
    /// Whether an event announced the end of what the peer sends: then a short receive is not the last.
    pub(super) ending: bool,
    /// Why sending failed; reported when everything received before was.
    failed: Option<io::Error>,
}

/// How a look at a socket ended.
pub(super) enum Outcome {
    /// Nothing more for now; an event will tell.
    Drained,
    /// There may be more.
    More,
    /// The connection is over.
    Over(Option<io::Error>),
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Link {
        Link { stream, pending: Vec::new(), sent: 0, writable: true, ending: false, failed: None }
    }

    /// Bytes that the socket did not take yet.
    pub(super) fn unsent(&self) -> usize {
        self.pending.len() - self.sent
    }

    /// Whether sending failed; then a receive finds the end.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Sends `bytes` behind what waits, or keeps them, unless they make more than `limit` wait.
    pub(super) fn send(&mut self, bytes: &[u8], limit: usize, calls: &mut u64) -> Result<(), SendError> {
        let unsent = self.unsent();
        if self.has_failed() {
            return Err(SendError::Closed);
        }
        if bytes.len() > limit.saturating_sub(unsent) {
            return Err(SendError::Full { unsent, limit, refused: bytes.len() });
        }
        let taken = if unsent == 0 { self.write(bytes, calls) } else { 0 };
        if !self.has_failed() {
            self.keep(&bytes[taken..]);
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self, calls: &mut u64) {
        let pending = std::mem::take(&mut self.pending);
        self.sent += self.write(&pending[self.sent..], calls);
        self.pending = pending;
        if self.has_failed() || self.sent == self.pending.len() {
            self.pending.clear();
            self.sent = 0;
        }
    }

    /// Puts bytes behind those that wait. What was sent is forgotten once it is the larger part, so that each byte is moved
    /// at most once on average and the memory stays below twice the limit.
    fn keep(&mut self, bytes: &[u8]) {
        if self.sent > self.pending.len() / 2 {
            self.pending.drain(..self.sent);
            self.sent = 0;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// How many of `bytes` the socket took.
    fn write(&mut self, bytes: &[u8], calls: &mut u64) -> usize {
        let mut taken = 0;
        while self.writable && taken < bytes.len() {
            *calls += 1;
            match self.stream.write(&bytes[taken..]) {
                Ok(0) => self.fail(ErrorKind::WriteZero.into()),
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(error),
            }
        }
        taken
    }

    fn fail(&mut self, error: io::Error) {
        self.writable = false;
        self.failed = Some(error);
        self.shut_down();
    }

    /// Ends both directions: the peer sees the end, a receive finds what is left and then the end.
    pub(super) fn shut_down(&self) {
        let _not_connected_any_more = self.stream.shutdown(Shutdown::Both);
    }

    /// Receives into `buffer` and reports, until the socket has nothing more or it was enough for a turn.
    pub(super) fn receive(&mut self, buffer: &mut [u8], calls: &mut u64, mut report: impl FnMut(&[u8])) -> Outcome {
        for _ in 0..RECEIVES_MAX {
            *calls += 1;
            match self.stream.read(buffer) {
                Ok(0) => return Outcome::Over(self.failed.take()),
                Ok(length) => {
                    report(&buffer[..length]);
                    if length < buffer.len() && !self.ending && !self.has_failed() {
                        return Outcome::Drained;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Outcome::Drained,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Outcome::Over(Some(self.failed.take().unwrap_or(error))),
            }
        }
        Outcome::More
    }
}
