//! A back end that is opened anew when it breaks.

use crate::backend::{self, Backend, IoKind, Key, Options, Received, SendError, Waker};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A back end that broke is opened anew at most this often.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// The sockets of one thread.
pub(crate) struct Io {
    backend: Box<dyn Backend>,
    kind: IoKind,
    options: Options,
    reason: String,
    /// When the back end broke, if it did: no connection of it works any more.
    broken_at: Option<Instant>,
}

impl Io {
    pub(crate) fn open(kind: IoKind, options: Options) -> Result<Self, backend::OpenError> {
        let opened = backend::open(kind, &options)?;
        Ok(Self { backend: opened.backend, kind, options, reason: opened.reason, broken_at: None })
    }

    /// Which back end it is.
    pub(crate) fn name(&self) -> &'static str {
        self.backend.name()
    }

    /// Why it is this one, or what happened to it.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn waker(&self) -> Waker {
        self.backend.waker()
    }

    pub(crate) fn add(&mut self, stream: TcpStream) -> io::Result<Key> {
        self.backend.add(stream)
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.backend.remove(key);
    }

    #[inline]
    pub(crate) fn send(&mut self, key: Key, bytes: &[u8]) -> Result<(), SendError> {
        self.backend.send(key, bytes)
    }

    pub(crate) fn unsent(&self, key: Key) -> usize {
        self.backend.unsent(key)
    }

    /// Gives the kernel what was sent. A failure shows in the next turn.
    pub(crate) fn flush(&mut self) {
        if let Err(error) = self.backend.flush() {
            self.broke(&error);
        }
    }

    /// A turn of the back end. False if it is broken: then every connection is lost, and [`Io::reopen`] is due.
    #[inline]
    pub(crate) fn turn(&mut self, wait: Option<Duration>, received: &mut dyn FnMut(Key, Received<'_>)) -> bool {
        if self.broken_at.is_none()
            && let Err(error) = self.backend.turn(wait, received)
        {
            self.broke(&error);
        }
        self.broken_at.is_none()
    }

    #[cold]
    fn broke(&mut self, error: &io::Error) {
        if self.broken_at.is_none() {
            log::error!("the {} back end broke: {error}", self.backend.name());
            self.reason = format!("broke: {error}");
            self.broken_at = Some(Instant::now());
        }
    }

    /// Opens the back end anew if it broke long enough ago; true if it did. Keys of the old one name nothing.
    #[cold]
    pub(crate) fn reopen(&mut self) -> bool {
        if self.broken_at.is_none_or(|broken| broken.elapsed() < REOPEN_EVERY) {
            return false;
        }
        match backend::open(self.kind, &self.options) {
            Ok(opened) => {
                self.backend = opened.backend;
                self.reason = format!("{} (an earlier one broke)", opened.reason);
                self.broken_at = None;
                true
            }
            Err(error) => {
                log::error!("no back end: {error}");
                self.broken_at = Some(Instant::now());
                false
            }
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("name", &self.name()).field("reason", &self.reason).finish_non_exhaustive()
    }
}
