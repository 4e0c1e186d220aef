//! How connected sockets move bytes: one small trait, two back ends.
//!
//! * **io_uring** (`paxon-uring`): the sends of many sockets go to the kernel in one system call, receives stay armed in
//!   the kernel, and a turn with nothing to do reads memory only.
//! * **epoll** (`mio`): plain non-blocking sockets; works wherever Linux does.
//!
//! A back end is driven by one thread. It moves bytes and knows nothing of frames, of encryption or of peers: a message
//! may arrive in pieces, and several may arrive as one.
//!
//! Everything is bounded: connections by [`Options::connections_max`], bytes taken and not yet sent by
//! [`Options::unsent_bytes_max`] for each connection, and the bytes handed out by one turn.
//!
//! Limits: a connection is closed as a whole (a peer that shuts down only its sending half is reported as closed), and a
//! back end never stops reading a socket; who wants back-pressure answers late or removes the connection.

mod epoll;
mod key;
mod options;
mod socket;
mod uring;
mod waker;

pub use key::Key;
pub use options::{IoKind, Options};
pub use waker::Waker;

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use thiserror::Error;

/// Moves the bytes of many connected sockets for one thread.
///
/// One thread at a time drives it. Another may take over, unless [`Options::single_thread`] was set: then the thread that
/// calls [`add`](Backend::add), [`flush`](Backend::flush) or [`turn`](Backend::turn) first keeps it, calls from another fail
/// with an error that says so, and a back end dropped by another leaves its buffers allocated.
pub trait Backend: Send {
    /// `"io_uring"` or `"epoll"`.
    fn name(&self) -> &'static str;

    /// Takes over a connected socket, makes it non-blocking with `TCP_NODELAY`, and starts receiving from it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::QuotaExceeded`] at [`Options::connections_max`] connections (those still being closed count);
    /// otherwise what the kernel said. The socket is closed.
    fn add(&mut self, stream: TcpStream) -> io::Result<Key>;

    /// Closes a connection; nothing more is reported for its key. Bytes taken and not yet given to the kernel are dropped
    /// (call [`flush`](Backend::flush) first where the last bytes matter). A key that is no longer open is ignored.
    fn remove(&mut self, key: Key);

    /// Takes all of `bytes`, or none and says why. They leave in the order of the calls: at once, or with the next
    /// [`flush`](Backend::flush) or [`turn`](Backend::turn), in one system call for all sockets where the kernel can.
    ///
    /// A failure to send is not reported here: it ends the connection with [`Received::Closed`] in a later turn.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    fn send(&mut self, key: Key, bytes: &[u8]) -> Result<(), SendError>;

    /// Bytes taken for this connection that the kernel does not have yet; 0 for a key that is no longer open.
    fn unsent(&self, key: Key) -> usize;

    /// Gives the kernel what [`send`](Backend::send) took, as far as the sockets have room, without receiving anything.
    ///
    /// # Errors
    ///
    /// The back end itself is broken; no connection of it will work again.
    fn flush(&mut self) -> io::Result<()>;

    /// Flushes, then hands everything that has arrived to `received`, bounded for each connection and turn.
    ///
    /// With `wait` of `None` it never blocks, and makes no system call where the back end can see in memory that nothing
    /// has arrived. With a duration it sleeps until something arrives, the waker is used or the time is over; it may also
    /// return early with nothing.
    ///
    /// # Errors
    ///
    /// The back end itself is broken; no connection of it will work again. What happens to one connection is reported
    /// through `received`.
    fn turn(&mut self, wait: Option<Duration>, received: &mut dyn FnMut(Key, Received<'_>)) -> io::Result<()>;

    /// A handle for other threads that ends a waiting [`turn`](Backend::turn): the one under way or else the next.
    fn waker(&self) -> Waker;

    /// How many system calls the back end has made so far, for measurements.
    fn system_calls(&self) -> u64;
}

/// What a turn reports for a connection.
#[derive(Debug)]
pub enum Received<'a> {
    /// The next bytes of the stream, at least one.
    Bytes(&'a [u8]),
    /// The connection is over: the peer closed it (`None`) or it failed. It is the last thing reported for the key, and
    /// the socket is closed.
    Closed(Option<io::Error>),
}

/// Why [`Backend::send`] took nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer does not take what was sent before.
    #[error(
        "{unsent} of at most {limit} bytes wait to be sent and {refused} more do not fit: \
         send again once turns have made room"
    )]
    Full {
        /// Bytes that wait for the kernel to take them.
        unsent: usize,
        /// The bound, [`Options::unsent_bytes_max`].
        limit: usize,
        /// The bytes of the call that was refused.
        refused: usize,
    },
    /// The key names no open connection: it was removed, or its end was or is about to be reported.
    #[error("the connection is closed")]
    Closed,
}

/// A back end, and why it is this one.
pub struct Opened {
    /// The back end.
    pub backend: Box<dyn Backend>,
    /// One line for the log and for `paxon status`: what was chosen and why.
    pub reason: String,
}

/// Opens a back end of the kind asked for; `Auto` probes io_uring and falls back to epoll.
///
/// # Errors
///
/// The kind asked for cannot be had here; the message says why.
pub fn open(kind: IoKind, options: &Options) -> Result<Opened, OpenError> {
    options.check()?;
    if kind == IoKind::Epoll {
        return open_epoll(options, "epoll, as asked for".to_owned());
    }
    match (open_uring(options), kind) {
        (Ok(opened), _) => Ok(opened),
        (Err(why), IoKind::Auto) => open_epoll(options, format!("epoll, because there is no io_uring here: {why}")),
        (Err(why), _) => Err(OpenError::IoUring(why)),
    }
}

fn open_uring(options: &Options) -> Result<Opened, paxon_uring::OpenError> {
    let found = paxon_uring::probe(&uring::config(options))?;
    let uring = uring::Uring::open(options, found)?;
    let reason = format!("io_uring: {}", uring.describe());
    Ok(Opened { backend: Box::new(uring), reason })
}

fn open_epoll(options: &Options, reason: String) -> Result<Opened, OpenError> {
    Ok(Opened { backend: Box::new(epoll::Epoll::open(options)?), reason })
}

/// Why a back end takes no further connection.
fn too_many(limit: usize) -> io::Error {
    let message = format!("{limit} connections are open or being closed, which is the limit");
    io::Error::new(io::ErrorKind::QuotaExceeded, message)
}

/// Why there is no back end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A size is out of its range.
    #[error("{name} is {value}, but has to be between {least} and {most}")]
    Size {
        /// The field of [`Options`].
        name: &'static str,
        /// What it was.
        value: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// io_uring was asked for and cannot be had.
    #[error("no io_uring here: {0}; choose auto or epoll")]
    IoUring(#[source] paxon_uring::OpenError),
    /// epoll was refused.
    #[error("no epoll: {0}")]
    Epoll(#[source] io::Error),
}
