//! The link to one acceptor: at most one connection, what the caller of the fabric was told of it, and when to dial again.
//!
//! # Prefix and no ghosts (promises 4 and 5 of [`Fabric`](paxon_fastpath::Fabric))
//! A connection carries chains in the order of posting. The server executes a chain only when the whole frame is there, its
//! checksum is right and its number is the next one, and it ends the session at the first that is not: so what was executed
//! of a connection is a prefix of what was posted on it. After a failure [`Link::post`] takes nothing until the caller has
//! been told of a later connection. That one exists only after its welcome has arrived, and the server sends the welcome
//! after it has ended the session before (see `server.rs`): then nothing posted earlier executes any more, on any
//! connection, of this process or of one that had the replica's id before. Nothing is ever sent twice: a chain whose end
//! is not known is reported by the link's end, and what follows from that is for the engine to decide, which knows that a
//! check is idempotent, that a ballot found in PROMISE is its own, and which records an acceptor lacks.

mod connection;
mod pending;
mod replies;
mod silence;

pub(crate) use connection::{Beginning, Connection};
pub(crate) use silence::Silence;

use crate::backend::{Key, Received};
use crate::frame::ChainEncoder;
use crate::io::Io;
use crate::options::Bounds;
use crate::problem::Problem;
use crate::status::Board;
use paxon_acceptor::{Acceptor, Completions};
use paxon_fastpath::{FabricEvent, LinkDown, Op, PostError, ReplicaId, Token};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// A link that ends sooner than this after it was connected is dialled again after a pause.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// The first pause; each further short life doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause: a healed link is noticed within half a second.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Time between two looks at the clock that counts as silence of a peer; more was a pause of this process.
pub(crate) const LOOK_MAX: Duration = Duration::from_millis(100);

/// What posting needs besides the link.
pub(crate) struct Poster<'a> {
    pub(crate) io: &'a mut Io,
    pub(crate) own: &'a Acceptor,
    pub(crate) bounds: &'a Bounds,
    pub(crate) encoder: &'a mut ChainEncoder,
    /// Where the reads from this peer land.
    pub(crate) scratch: &'a [AtomicU64],
}

/// Where replies go.
pub(crate) struct Inlet<'a> {
    /// Where the reads from this peer land.
    pub(crate) scratch: &'a [AtomicU64],
    /// Has room for every chain that is outstanding.
    pub(crate) completions: &'a mut Completions,
}

/// The way to a peer's acceptor.
#[derive(Debug)]
pub(crate) struct Link {
    peer: ReplicaId,
    board: Arc<Board>,
    connection: Option<Connection>,
    /// The caller has been told that the link is up, and not yet that it is down.
    told: bool,
    /// What the caller was told is about `connection`, which is there and usable.
    current: bool,
    /// When to dial, if nobody is dialling.
    dial_at: Option<Instant>,
    pause: Duration,
}

impl Link {
    /// A link that is to be dialled at once.
    pub(crate) fn new(peer: ReplicaId, board: Arc<Board>) -> Self {
        let dial_at = Some(Instant::now());
        Self { peer, board, connection: None, told: false, current: false, dial_at, pause: Duration::ZERO }
    }

    pub(crate) const fn peer(&self) -> ReplicaId {
        self.peer
    }

    #[inline]
    pub(crate) fn owns(&self, key: Key) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.key == key)
    }

    /// Posts a chain.
    ///
    /// # Errors
    /// [`PostError`] if it was not taken. After [`PostError::Down`] the link may have to be settled.
    #[inline]
    pub(crate) fn post(&mut self, poster: &mut Poster<'_>, token: Token, chain: &[Op]) -> Result<(), PostError> {
        match &mut self.connection {
            Some(connection) if self.current => connection.post(poster, token, chain),
            _ => Err(PostError::Down),
        }
    }

    /// Something arrived on the connection.
    #[inline]
    pub(crate) fn received(&mut self, news: Received<'_>, inlet: &mut Inlet<'_>) {
        if let Some(connection) = &mut self.connection {
            connection.received(news, inlet);
        }
    }

    /// A dial has succeeded. The peer has ended what it had of us, so an earlier connection is of no use any more.
    pub(crate) fn connected(&mut self, io: &mut Io, connection: Connection) {
        self.fail(Problem::Replaced);
        self.settle(io);
        self.dial_at = None;
        self.connection = Some(connection);
    }

    /// A dial has ended without a connection that can be used.
    pub(crate) fn not_connected(&mut self, problem: String) {
        self.attempt_failed(problem);
        self.dial_after_pause();
    }

    /// An attempt of a dial has failed; the dial goes on.
    pub(crate) fn attempt_failed(&self, problem: String) {
        self.board.link(self.peer, |status| status.problem = Some(problem));
    }

    /// Has the connection ended by the next [`Link::settle`].
    pub(crate) fn fail(&mut self, problem: Problem) {
        if let Some(connection) = &mut self.connection {
            connection.fail(problem);
        }
    }

    /// Closes the connection if something has ended it.
    #[inline]
    pub(crate) fn settle(&mut self, io: &mut Io) {
        if self.connection.as_ref().is_some_and(|connection| connection.problem().is_some()) {
            self.end(io);
        }
    }

    /// Whether there is something that the caller was not told yet.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        let usable = self.connection.as_ref().is_some_and(Connection::is_usable);
        self.told != usable || self.told != self.current
    }

    /// A look at the clock: ends a connection that was silent for too long.
    pub(crate) fn look(&mut self, io: &Io, elapsed: Duration, silence: &Silence) {
        if let Some(connection) = &mut self.connection {
            connection.look(io, elapsed, silence);
            self.board.round_trip(self.peer, connection.round_trip());
        }
    }

    /// How long it is until the clock has to be looked at for this link.
    pub(crate) fn due(&self, now: Instant) -> Duration {
        let dial = self.dial_at.map(|at| at.saturating_duration_since(now));
        let silence = self.connection.as_ref().filter(|connection| connection.is_waiting()).map(|_| LOOK_MAX);
        dial.or(silence).unwrap_or(Duration::MAX)
    }

    /// Whether it is time to dial; then somebody dials.
    pub(crate) fn takes_dial(&mut self, now: Instant) -> bool {
        self.dial_at.take_if(|at| *at <= now).is_some()
    }

    /// What the caller has to be told next.
    pub(crate) fn news(&mut self) -> Option<FabricEvent> {
        let peer = self.peer;
        if self.told && !self.current {
            self.told = false;
            return Some(FabricEvent::LinkDown { peer, reason: LinkDown::Failed });
        }
        let connection = self.connection.as_ref().filter(|connection| !self.told && connection.is_usable())?;
        let (address, cipher) = (connection.address, connection.cipher_name());
        log::info!("the link to {peer} is up: {}, {cipher}", address.map_or_else(String::new, |at| at.to_string()));
        self.board.link(peer, |status| status.went_up(address, cipher));
        self.board.round_trip(peer, connection.round_trip());
        (self.told, self.current) = (true, true);
        Some(FabricEvent::LinkUp { peer, incarnation: connection.incarnation })
    }

    #[cold]
    fn end(&mut self, io: &mut Io) {
        let Some(connection) = self.connection.take() else { return };
        self.current = false;
        io.remove(connection.key);
        if let Some(problem) = connection.problem() {
            let text = problem.to_string();
            match problem.violation() {
                Some(violation) if !self.board.count(self.peer, violation) => {}
                _ => log::warn!("the link to {} is down: {text}", self.peer),
            }
            self.board.link(self.peer, |status| status.went_down(text));
        }
        if connection.since.elapsed() >= SHORT_LIFE {
            self.pause = Duration::ZERO;
        }
        self.dial_after_pause();
    }

    fn dial_after_pause(&mut self) {
        self.dial_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
    }
}
