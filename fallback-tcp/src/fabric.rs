//! The fabric: chains to the own acceptor executed by the calling thread, those to peers sent over TCP.

use crate::backend::Waker;
use crate::door::Dialled;
use crate::frame::ChainEncoder;
use crate::io::Io;
use crate::link::{Beginning, Connection, Inlet, LOOK_MAX, Link, Poster, Silence};
use crate::options::{Bounds, Serve, TcpOptions};
use crate::problem::Problem;
use crate::server::{Server, ServerThread};
use crate::status::{Board, StatusView};
use crate::{Connections, OpenError};
use paxon_acceptor::{Acceptor, Birth, Completions, Directory, Memory, execute_chain};
use paxon_channel::{Hello, Purpose, Secured, Welcome};
use paxon_fastpath::{Area, Completion, Fabric, FabricEvent, Layout, Op, PostError, ReplicaId, Token};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// The clock is looked at once in so many turns: a turn takes from 20 ns to some microseconds.
const TURNS_PER_LOOK: u32 = 64;

/// One replica's access to the memory of all acceptors, its own by the processor and those of its peers over TCP, and the
/// server through which its peers reach its own.
///
/// Its first poll binds it to a thread if its back end is io_uring: it may be moved to another thread before, not after.
/// Dropping it closes all connections; the porter goes on for whoever else has it. Fields are dropped in this order.
pub struct TcpFabric {
    replica: ReplicaId,
    cluster: u64,
    layout: Layout,
    /// What the replica's own acceptor votes in.
    own: Arc<Acceptor>,
    /// Indexed by replica; `None` for those that this fabric does not reach, the own one among them.
    links: Vec<Option<Link>>,
    /// Where reads land, indexed by replica.
    scratch: Vec<Box<[AtomicU64]>>,
    /// Invariant: it has room for the replies of all outstanding chains whenever a turn begins, because it is empty then.
    completions: Completions,
    encoder: ChainEncoder,
    /// A link has something to tell, or the own acceptor was not announced.
    has_news: bool,
    own_announced: bool,
    server: Option<Server>,
    io: Io,
    /// Held for its drop, which ends the thread.
    _server_thread: Option<ServerThread>,
    connections: Connections,
    board: Arc<Board>,
    bounds: Bounds,
    silence: Silence,
    chains_max: usize,
    turns: u32,
    looked_at: Instant,
}

impl TcpFabric {
    /// Joins the fabric as `replica`, with all others as its peers. `connections` must be those of its identity.
    ///
    /// # Errors
    /// [`OpenError`]; the acceptor's memory is left as it is.
    pub fn open(
        directory: &Directory,
        replica: ReplicaId,
        connections: Connections,
        scratch_words: usize,
        options: &TcpOptions,
    ) -> Result<Self, OpenError> {
        let own = Arc::new(Acceptor::claim(directory, replica)?);
        let others: Vec<_> = ReplicaId::all(directory.layout().replicas).filter(|&id| id != replica).collect();
        Self::join(directory, own, &others, connections, scratch_words, options)
    }

    /// Joins the fabric with memory that another fabric may serve too, and reaches and serves `peers` alone: the others are
    /// on this host.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn join(
        directory: &Directory,
        own: Arc<Acceptor>,
        peers: &[ReplicaId],
        connections: Connections,
        scratch_words: usize,
        options: &TcpOptions,
    ) -> Result<Self, OpenError> {
        options.check()?;
        let (replica, layout) = (own.replica(), *directory.layout());
        if let Some(&peer) = peers.iter().find(|&&peer| peer == replica || peer.index() >= layout.replicas) {
            return Err(OpenError::NoPeer { peer, replicas: layout.replicas });
        }
        let bounds = Bounds::of(&layout)?;
        let open_io = || Io::open(options.io, options.backend(&bounds));
        let board = Arc::new(Board::new(&layout, peers));
        let serving = own.begin_serving().ok_or(OpenError::Served { replica })?;
        let views = views(directory, replica, peers)?;
        let server = Server::new(serving, connections.door.clone(), board.clone(), bounds, views);
        let io = open_io()?;
        board.back_end(&io);
        let (server, server_thread) = match options.serve {
            Serve::Inline => (Some(server), None),
            Serve::Thread => (None, Some(start_thread(server, open_io()?)?)),
        };
        let link = |id: ReplicaId| peers.contains(&id).then(|| Link::new(id, board.clone()));
        let words = || std::iter::repeat_with(|| AtomicU64::new(0)).take(scratch_words).collect();
        let fabric = Self {
            replica,
            cluster: directory.cluster(),
            layout,
            own,
            links: ReplicaId::all(layout.replicas).map(link).collect(),
            scratch: (0..layout.replicas).map(|_| words()).collect(),
            completions: Completions::new(),
            encoder: ChainEncoder::default(),
            has_news: true,
            own_announced: false,
            server,
            io,
            _server_thread: server_thread,
            connections,
            board,
            bounds,
            silence: Silence { min: options.silence_min, max: options.silence_max },
            chains_max: options.chains_max,
            turns: 0,
            looked_at: Instant::now(),
        };
        fabric.hear_wakers();
        Ok(fabric)
    }

    /// How this replica came by its memory.
    pub fn birth(&self) -> Birth {
        self.own.birth()
    }

    /// Whether the replica's own memory is locked against swapping (RLIMIT_MEMLOCK decides).
    pub fn is_pinned(&self) -> bool {
        self.own.is_pinned()
    }

    /// A window on the fabric's state for other threads.
    pub fn status(&self) -> StatusView {
        StatusView::new(self.board.clone(), &self.connections.porter)
    }

    /// Ends a [`wait`](Self::wait) from another thread.
    pub fn waker(&self) -> Waker {
        self.io.waker()
    }

    /// Sleeps until something has arrived for this replica, the waker was used, or `longest` has passed, and takes in what
    /// has arrived; [`poll`](Fabric::poll) then reports it. Returns at once if there is something to report already.
    pub fn wait(&mut self, longest: Duration) {
        if self.completions.is_empty() && !self.has_news {
            let now = Instant::now();
            let due = self.links.iter().flatten().map(|link| link.due(now));
            self.turn(Some(due.fold(longest, Duration::min)));
            self.look();
        }
    }

    /// One turn: takes connections, moves bytes, serves the peers, takes replies.
    #[inline]
    fn turn(&mut self, wait: Option<Duration>) {
        if self.connections.door.dialled().is_pending() {
            self.take_dialled();
        }
        if let Some(server) = &mut self.server {
            server.admit_callers(&mut self.io);
        }
        let Self { io, links, server, scratch, completions, .. } = self;
        let whole = io.turn(wait, &mut |key, news| {
            let link =
                links.iter_mut().zip(scratch.iter()).find(|(link, _)| link.as_ref().is_some_and(|link| link.owns(key)));
            if let Some((Some(link), scratch)) = link {
                link.received(news, &mut Inlet { scratch, completions });
            } else if let Some(server) = server {
                server.received(key, news);
            }
        });
        if let Some(server) = server {
            server.settle(io);
        }
        if !whole {
            self.io_broke();
        }
        self.settle_links();
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(TURNS_PER_LOOK) {
            self.look();
        }
    }

    /// Ends the connections that something has ended, and notes whether there is something to tell.
    #[inline]
    fn settle_links(&mut self) {
        for link in self.links.iter_mut().flatten() {
            link.settle(&mut self.io);
            self.has_news |= link.has_news();
        }
    }

    /// A look at the clock: links that are silent for too long, links to dial.
    fn look(&mut self) {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.looked_at).min(LOOK_MAX);
        self.looked_at = now;
        for at in 0..self.links.len() {
            let Some(link) = &mut self.links[at] else { continue };
            link.look(&self.io, elapsed, &self.silence);
            if link.takes_dial(now) {
                let peer = link.peer();
                self.connections.porter.dial(peer, self.hello(peer));
            }
        }
        self.settle_links();
    }

    fn hello(&self, to: ReplicaId) -> Hello {
        Hello {
            purpose: Purpose::Operations,
            cluster: self.cluster,
            from: Some(self.replica),
            to,
            layout: self.layout,
            incarnation: self.own.incarnation().0,
            // The porter numbers its attempts.
            attempt: 0,
        }
    }

    #[cold]
    fn take_dialled(&mut self) {
        while let Some((peer, dialled)) = self.connections.door.dialled().take() {
            let Some(Some(link)) = self.links.get(peer.index()) else { continue };
            match dialled {
                Dialled::Failed(problem) => link.attempt_failed(problem),
                Dialled::Connected { welcome, connection, round_trip } => {
                    self.connected(peer, welcome, connection, round_trip);
                }
            }
        }
    }

    fn connected(&mut self, peer: ReplicaId, welcome: Welcome, connection: Secured, round_trip: Duration) {
        let hello = self.hello(peer);
        let Some(link) = &mut self.links[peer.index()] else { return };
        let Secured { stream, cipher, early } = connection;
        let address = stream.peer_addr().ok();
        if (welcome.frame_bytes_max as usize) < self.bounds.frame_bytes_max || welcome.outstanding_max == 0 {
            link.not_connected(format!("{peer} takes less than its layout needs: {welcome:?}"));
            return;
        }
        let key = match self.io.add(stream) {
            Ok(key) => key,
            Err(error) => {
                link.not_connected(format!("cannot use the connection: {error}"));
                return;
            }
        };
        let chains_max = self.chains_max;
        let beginning = Beginning { key, address, cipher, hello, welcome, round_trip, chains_max };
        let mut connection = Connection::new(beginning);
        let inlet = &mut Inlet { scratch: &self.scratch[peer.index()], completions: &mut self.completions };
        if let Err(violation) = connection.take(&early, inlet) {
            connection.fail(violation.into());
        }
        link.connected(&mut self.io, connection);
    }

    #[cold]
    fn io_broke(&mut self) {
        for link in self.links.iter_mut().flatten() {
            link.fail(Problem::BackEnd);
        }
        self.settle_links();
        if let Some(server) = &mut self.server {
            server.lost(&mut self.io);
        }
        if self.io.reopen() {
            self.hear_wakers();
            self.board.back_end(&self.io);
        }
    }

    /// Has arrivals end a wait of this thread.
    fn hear_wakers(&self) {
        self.connections.door.dialled().wake(self.io.waker());
        if self.server.is_some() {
            self.connections.door.callers().wake(self.io.waker());
        }
    }

    #[cold]
    fn next_news(&mut self) -> Option<FabricEvent> {
        if !self.own_announced {
            self.own_announced = true;
            return Some(FabricEvent::LinkUp { peer: self.replica, incarnation: self.own.incarnation() });
        }
        let news = self.links.iter_mut().flatten().find_map(Link::news);
        self.has_news = news.is_some();
        news
    }
}

/// The own memory as each peer may see it, indexed by peer.
fn views(directory: &Directory, owner: ReplicaId, peers: &[ReplicaId]) -> Result<Vec<Option<Arc<Memory>>>, OpenError> {
    let view = |peer: ReplicaId| {
        let attached = Memory::attach(directory, owner, peer).map(Arc::new);
        attached.map_err(|source| OpenError::View { peer, source })
    };
    let members = ReplicaId::all(directory.layout().replicas);
    members.map(|id| peers.contains(&id).then(|| view(id)).transpose()).collect()
}

fn start_thread(server: Server, io: Io) -> Result<ServerThread, OpenError> {
    ServerThread::start(server, io)
        .map_err(|source| OpenError::Start { what: "the thread that serves the peers", source })
}

impl Fabric for TcpFabric {
    #[inline]
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.own.words(area)
    }

    #[inline]
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        &self.scratch[peer.index()]
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let scratch = &self.scratch[peer.index()];
        if peer == self.replica {
            if self.completions.is_full() {
                return Err(PostError::Full);
            }
            let found = execute_chain(&self.own, &self.own, scratch, chain);
            self.completions.push(Completion { peer, token, found });
            return Ok(());
        }
        let Some(link) = &mut self.links[peer.index()] else { return Err(PostError::Down) };
        let Self { io, own, bounds, encoder, .. } = self;
        link.post(&mut Poster { io, own, bounds, encoder, scratch }, token, chain)
    }

    #[inline]
    fn poll(&mut self) -> Option<FabricEvent> {
        if let Some(completion) = self.completions.pop() {
            return Some(FabricEvent::Done(completion));
        }
        if self.has_news
            && let Some(news) = self.next_news()
        {
            return Some(news);
        }
        self.turn(None);
        if let Some(completion) = self.completions.pop() {
            return Some(FabricEvent::Done(completion));
        }
        if self.has_news { self.next_news() } else { None }
    }
}

impl Drop for TcpFabric {
    fn drop(&mut self) {
        for link in self.links.iter().flatten() {
            self.connections.porter.cancel(link.peer());
        }
    }
}

impl fmt::Debug for TcpFabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpFabric").field("replica", &self.replica).field("links", &self.links).finish_non_exhaustive()
    }
}
