//! Where a wire ends: a TAP device, or a unix socket on which QEMU sends and receives frames.

use rustix::event::PollFd;
use std::fmt;
use std::io;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

mod datagram;
mod stream;
mod tap;

/// One end of a wire. Whoever is plugged in here may come and go: frames for nobody are counted as undeliverable.
pub struct Port {
    /// For messages only.
    kind: &'static str,
    pub(crate) plug: Box<dyn Plug>,
}

impl Port {
    /// A new TAP device of this name in the network namespace of the calling thread. It lives as long as the port.
    ///
    /// # Errors
    /// What the system says: mostly that `/dev/net/tun` is missing, that the process lacks `CAP_NET_ADMIN`, or that the
    /// name is taken or longer than 15 bytes.
    pub fn tap(name: &str) -> io::Result<Self> {
        Ok(Self { kind: "tap", plug: Box::new(tap::Tap::create(name)?) })
    }

    /// A datagram socket, one frame in each datagram, for `-netdev dgram` with this socket's path as `remote`. Frames go to
    /// `remote` (QEMU's `local` path), or where the socket is connected to if that is `None`.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn datagram(socket: UnixDatagram, remote: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self { kind: "datagram", plug: Box::new(datagram::Datagrams::new(socket, remote)?) })
    }

    /// A connected stream socket, each frame behind its length as four bytes, the highest first, as `-netdev stream` sends
    /// it. The port stays dead once the connection has ended.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn stream(socket: UnixStream) -> io::Result<Self> {
        Ok(Self { kind: "stream", plug: Box::new(stream::Stream::connected(socket)?) })
    }

    /// A listening stream socket, for `-netdev stream,server=off` with this socket's path: the last that connects is plugged
    /// in.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking.
    pub fn listener(socket: UnixListener) -> io::Result<Self> {
        Ok(Self { kind: "listener", plug: Box::new(stream::Stream::listening(socket)?) })
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a port does; it never blocks and never fails: a broken end is an end where nobody is.
pub(crate) trait Plug: Send {
    /// Adds the descriptors that become ready when there is something to receive.
    fn watch<'a>(&'a self, into: &mut Vec<PollFd<'a>>);

    /// Writes the next frame to the start of `buffer` and returns its length, if one is there. The buffer holds the longest
    /// frame.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<usize>;

    /// Hands over a frame. After [`Sent::Full`] the next call is about the same frame, of which a part may be on its way.
    fn send(&mut self, frame: &[u8]) -> Sent;
}

/// What became of a frame that was handed to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is with the receiver's side.
    Taken,
    /// The receiver's side has no room for all of it now; try again.
    Full,
    /// Nobody is there.
    Nobody,
}
