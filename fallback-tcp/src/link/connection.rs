//! One connection to a server: frames out, replies in.

use super::pending::PendingRing;
use super::replies::{Replies, Session};
use super::silence::{RoundTrip, Silence};
use super::{Inlet, Poster};
use crate::backend::{Key, Received, SendError};
use crate::frame::{Inbox, Seed, Violation, reply_bytes};
use crate::io::Io;
use crate::problem::Problem;
use paxon_channel::{Cipher, Hello, Welcome};
use paxon_fastpath::{Incarnation, Op, PostError, Token};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A connection whose welcome has arrived.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) key: Key,
    /// The life of the acceptor's memory.
    pub(crate) incarnation: Incarnation,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) since: Instant,
    cipher: Cipher,
    /// What `cipher` has opened and what it has sealed, kept for their memory.
    plain: Vec<u8>,
    wire: Vec<u8>,
    inbox: Inbox,
    session: Session,
    /// Chains that may be outstanding.
    chains_max: usize,
    /// What has ended it, if something has; nothing is sent or received any more.
    problem: Option<Problem>,
    /// Something arrived since the last look.
    heard: bool,
    /// How long nothing was heard while something was waited for, as far as this process has watched: a pause of its own
    /// does not count.
    silent: Duration,
    /// Bytes not taken by the kernel at the last look.
    unsent: usize,
}

/// What a connection begins with.
pub(crate) struct Beginning {
    pub(crate) key: Key,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) cipher: Cipher,
    pub(crate) hello: Hello,
    pub(crate) welcome: Welcome,
    pub(crate) round_trip: Duration,
    pub(crate) chains_max: usize,
}

impl Connection {
    pub(crate) fn new(beginning: Beginning) -> Self {
        let Beginning { key, address, cipher, hello, welcome, round_trip, chains_max } = beginning;
        let session = Session {
            peer: hello.to,
            seed: Seed::of(&hello, &welcome),
            is_open: false,
            pending: PendingRing::new(),
            round_trip: RoundTrip::new(round_trip),
        };
        Self {
            key,
            incarnation: Incarnation(welcome.incarnation),
            address,
            since: Instant::now(),
            cipher,
            plain: Vec::new(),
            wire: Vec::new(),
            inbox: Inbox::default(),
            session,
            chains_max: chains_max.min(welcome.outstanding_max as usize).max(1),
            problem: None,
            heard: false,
            silent: Duration::ZERO,
            unsent: 0,
        }
    }

    /// Chains may be posted.
    #[inline]
    pub(crate) const fn is_usable(&self) -> bool {
        self.session.is_open && self.problem.is_none()
    }

    /// The server owes something.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.session.is_open || self.session.pending.outstanding() > 0
    }

    /// What has ended it.
    pub(crate) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// Ends it; the first reason counts.
    pub(crate) fn fail(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    pub(crate) fn cipher_name(&self) -> &'static str {
        self.cipher.name()
    }

    pub(crate) const fn round_trip(&self) -> Duration {
        self.session.round_trip.smoothed()
    }

    /// Posts a chain: one frame, one send.
    ///
    /// # Errors
    /// [`PostError::Full`] if too many chains or bytes are outstanding, [`PostError::Down`] if the connection is over.
    #[inline]
    pub(crate) fn post(&mut self, poster: &mut Poster<'_>, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let Poster { io, own, bounds, encoder, scratch } = poster;
        let session = &mut self.session;
        if session.pending.outstanding() >= self.chains_max {
            return Err(PostError::Full);
        }
        let number = session.pending.next();
        let (frame, read_words) = encoder.chain(own, chain, number, session.seed);
        assert!(frame.len() <= bounds.frame_bytes_max, "a chain writes no word of the lane twice: {chain:?}");
        assert!(read_words <= bounds.read_words_max, "a chain reads no more than the largest area: {chain:?}");
        session.pending.prepare(token, chain, read_words, scratch.len());
        let (there, cost) = (session.pending.bytes(), frame.len() + reply_bytes(read_words));
        if there > 0 && there + cost > bounds.outstanding_bytes_max {
            return Err(PostError::Full);
        }
        self.send(io, frame)?;
        self.session.pending.commit(cost);
        self.session.round_trip.posted(number);
        Ok(())
    }

    #[inline]
    fn send(&mut self, io: &mut Io, frame: &[u8]) -> Result<(), PostError> {
        if !matches!(self.cipher, Cipher::User(_)) {
            return match io.send(self.key, frame) {
                Ok(()) => Ok(()),
                Err(SendError::Full { .. }) => Err(PostError::Full),
                Err(SendError::Closed) => self.cannot_send(Problem::Closed),
            };
        }
        self.wire.clear();
        if let Err(error) = self.cipher.seal(frame, &mut self.wire) {
            return self.cannot_send(error.into());
        }
        // A sealed record that is not sent leaves a gap that the peer's TLS takes for an attack.
        io.send(self.key, &self.wire).or_else(|_| self.cannot_send(Problem::Unsent))
    }

    #[cold]
    fn cannot_send(&mut self, problem: Problem) -> Result<(), PostError> {
        self.fail(problem);
        Err(PostError::Down)
    }

    /// Something arrived from the socket.
    #[inline]
    pub(crate) fn received(&mut self, news: Received<'_>, inlet: &mut Inlet<'_>) {
        if self.problem.is_some() {
            return;
        }
        self.heard = true;
        let taken = match news {
            Received::Bytes(bytes) if matches!(self.cipher, Cipher::User(_)) => self.take_sealed(bytes, inlet),
            Received::Bytes(bytes) => self.take(bytes, inlet).map_err(Problem::from),
            Received::Closed(reason) => Err(Problem::closed(reason)),
        };
        if let Err(problem) = taken {
            self.fail(problem);
        }
    }

    fn take_sealed(&mut self, bytes: &[u8], inlet: &mut Inlet<'_>) -> Result<(), Problem> {
        let mut plain = std::mem::take(&mut self.plain);
        let opened = self.cipher.open(bytes, &mut plain);
        // What was opened before an error is good.
        let taken = self.take(&plain, inlet);
        plain.clear();
        self.plain = plain;
        taken?;
        Ok(opened?)
    }

    /// Takes plaintext of the server: replies, and before them the opening.
    ///
    /// # Errors
    /// [`Violation`]: the first frame that is none of them.
    #[inline]
    pub(crate) fn take(&mut self, plain: &[u8], inlet: &mut Inlet<'_>) -> Result<(), Violation> {
        let Inlet { scratch, completions } = inlet;
        self.inbox.feed(plain, &mut Replies { session: &mut self.session, scratch, completions })
    }

    /// A look at the clock: a connection that owes something and is silent for too long has failed.
    pub(crate) fn look(&mut self, io: &Io, elapsed: Duration, silence: &Silence) {
        let pending = &self.session.pending;
        let unsent = io.unsent(self.key);
        let progress = std::mem::take(&mut self.heard) || unsent < self.unsent;
        let waits = self.is_waiting();
        self.unsent = unsent;
        self.silent = if waits && !progress { self.silent + elapsed } else { Duration::ZERO };
        let round_trip = self.round_trip();
        if self.silent > silence.limit(round_trip, pending.bytes()) {
            let (silent, chains) = (self.silent, pending.outstanding());
            self.fail(Problem::Silent { silent, chains, round_trip });
        }
    }
}
