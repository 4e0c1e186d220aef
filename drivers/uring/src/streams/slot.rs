//! The places of streams.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

use crate::outgoing::Outgoing;

/// A place for a stream, one after the other.
#[derive(Default)]
pub(super) struct Slot {
    /// Counts the streams that were closed here: the second half of a key.
    pub(super) generation: u32,
    /// Whether the slot is in the list of those to queue something for.
    pub(super) due: bool,
    pub(super) stream: Option<Stream>,
}

/// A socket and its bytes on the way out.
pub(super) struct Stream {
    socket: OwnedFd,
    pub(super) phase: Phase,
    pub(super) outgoing: Outgoing,
}

/// How far the life of a stream has come.
pub(super) enum Phase {
    Open,
    /// Sending failed for this reason; what arrived before is still reported, then the reason.
    Failed(Option<io::Error>),
    /// Removed, or its end was reported; the slot is free once no operation is under way.
    Closing,
}

impl Stream {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, phase: Phase::Open, outgoing: Outgoing::default() }
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Sends what waits as far as the socket takes it at once; whether a system call was made.
    pub(super) fn send_directly(&mut self) -> io::Result<bool> {
        let Some(bytes) = self.outgoing.waiting().filter(|_| matches!(self.phase, Phase::Open)) else {
            return Ok(false);
        };
        match rustix::net::send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => self.outgoing.went(sent),
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// What the ring is to send next.
    pub(super) fn depart(&mut self) -> Option<Vec<u8>> {
        if matches!(self.phase, Phase::Open) { self.outgoing.depart() } else { None }
    }

    /// Ends both directions: the peer sees the end, and operations under way return.
    pub(super) fn shut_down(&self) {
        let _not_connected_any_more = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }
}
