//! Where clients come in: a unix socket, and connections that a porter hands over.

use crate::serve::counters::{Counting, add};
use mio::net::{UnixListener, UnixStream};
use paxon_channel::{Party, Secured};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::bell::Bell;

/// How long to wait before accepting again when the system is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The unix socket.
#[derive(Debug)]
pub(super) struct Gate {
    listener: UnixListener,
    /// Somebody may be waiting.
    ready: bool,
    closed_until: Option<Instant>,
}

impl Gate {
    /// Listens at `socket`, for this user only. A socket that is there already was left behind.
    pub(super) fn open(socket: &Path) -> io::Result<Self> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        Ok(Self { listener, ready: true, closed_until: None })
    }

    pub(super) const fn listener(&mut self) -> &mut UnixListener {
        &mut self.listener
    }

    /// Somebody has come.
    pub(super) const fn knock(&mut self) {
        self.ready = true;
    }

    /// When to look again although nobody knocks.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.closed_until.filter(|_| self.ready)
    }

    /// Whoever waits.
    pub(super) fn accept(&mut self, counting: &Counting, now: Instant) -> Option<UnixStream> {
        if !self.ready || self.closed_until.is_some_and(|until| now < until) {
            return None;
        }
        self.closed_until = None;
        match self.listener.accept() {
            Ok((stream, _)) => return Some(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
            Err(_) => {
                add(&counting.accept_errors);
                self.closed_until = Some(now + ACCEPT_PAUSE);
            }
        }
        None
    }

    /// Whether somebody may be waiting who can be let in.
    pub(super) const fn is_busy(&self) -> bool {
        self.ready && self.closed_until.is_none()
    }
}

/// A connection that a porter hands over.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) party: Party,
    pub(super) connection: Secured,
}

/// Takes connections of known clients: what a porter reports as [`paxon_channel::Arrival::Inbound`] with
/// [`paxon_channel::Purpose::Client`].
#[derive(Clone, Debug)]
pub struct Inlet {
    sender: SyncSender<Handover>,
    bell: Arc<Bell>,
    counting: Arc<Counting>,
}

impl Inlet {
    /// An inlet for at most `most` connections that wait at a time.
    pub(super) fn new(most: usize, bell: Arc<Bell>, counting: Arc<Counting>) -> (Self, Receiver<Handover>) {
        let (sender, receiver) = sync_channel(most);
        (Self { sender, bell, counting }, receiver)
    }

    /// Hands a connection over. The server welcomes the client, or says why not. Never blocks.
    pub fn admit(&self, party: Party, connection: Secured) {
        match self.sender.try_send(Handover { party, connection }) {
            Ok(()) => self.bell.hand(),
            // A server that has ended, or has as many at the door as it could serve: the connection is closed.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => add(&self.counting.refused),
        }
    }
}
