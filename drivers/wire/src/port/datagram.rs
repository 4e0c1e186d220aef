//! Frames as datagrams of a unix socket.

use super::{Plug, Sent};
use rustix::event::{PollFd, PollFlags};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

pub(super) struct Datagrams {
    socket: UnixDatagram,
    /// `None`: where the socket is connected to. A socket with a remote path stays unconnected, so that it goes on with
    /// whoever binds that path next.
    remote: Option<PathBuf>,
}

impl Datagrams {
    pub(super) fn new(socket: UnixDatagram, remote: Option<PathBuf>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, remote })
    }
}

impl Plug for Datagrams {
    fn watch<'a>(&'a self, into: &mut Vec<PollFd<'a>>) {
        into.push(PollFd::new(&self.socket, PollFlags::IN));
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        // An error is the echo of an earlier send to nobody, and is gone once it was read.
        self.socket.recv(buffer).ok()
    }

    fn send(&mut self, frame: &[u8]) -> Sent {
        let sent = match &self.remote {
            Some(remote) => self.socket.send_to(frame, remote),
            None => self.socket.send(frame),
        };
        match sent {
            Ok(_) => Sent::Taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Sent::Full,
            Err(_) => Sent::Nobody,
        }
    }
}
