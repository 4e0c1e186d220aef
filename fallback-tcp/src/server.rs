//! The server of an acceptor: executes on its memory what the proposers of other hosts ask for.
//!
//! # One session a proposer (rule 5: no operation of an old connection lands after a new one is in use)
//! All sessions of one acceptor belong to one `Server`, which is driven by one thread. Operations are executed only in
//! [`Server::received`], for a key that a session owns. [`Server::admit`] removes the old session of a proposer, with the
//! bytes that it holds back, and its key from the back end, which reports nothing more for it; only then is the new session
//! there, and only then is its welcome sent. So when the proposer receives the welcome, and before it can say that the link
//! is up, whatever it posted on any earlier connection has either been executed or never will be: bytes of that connection
//! that are still on their way, in a socket or in a buffer, belong to a key that nobody owns. There is one `Server` of an
//! acceptor at a time ([`Serving`], and between processes the acceptor's lock), and what a dropped one did not execute
//! nobody does: the next has new sessions only.
//!
//! A hello that is older than that of the standing session, of the same process, comes from an attempt that its sender has
//! given up: it is turned away, or the session in use would end for a connection that nobody uses.
//!
//! # Who may touch what
//! The proposer is who the porter says it is: proven by its key with TLS, claimed in plaintext. Each operation is checked
//! against the layout and the proposer's lane before the first of its chain is executed ([`crate::frame::Chain`]). Besides,
//! a session works on a mapping of the memory that has the rights of a process of the proposer on this host: PROMISE and
//! its own lane can be written through it and nothing else.
//!
//! # Bounds
//! A session holds back at most one frame, and replies that the peer does not read up to the bound of the layout; then it
//! is ended. Whatever a proposer sends, one turn executes no more than the back end hands out in one.

mod session;
mod thread;

pub(crate) use thread::ServerThread;

use crate::backend::{Key, Received};
use crate::door::{Caller, Door};
use crate::frame::{Seed, encode_opening};
use crate::io::Io;
use crate::options::Bounds;
use crate::problem::Problem;
use crate::status::Board;
use paxon_acceptor::{CHAINS_MAX, Memory, Serving};
use paxon_channel::{Cipher, Greeting, Hello, Purpose, Refusal, Secured, Welcome};
use paxon_fastpath::{Incarnation, ReplicaId};
use session::{Executor, Session};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// The proposers of other hosts and their sessions.
pub(crate) struct Server {
    /// No other server of this memory exists.
    _serving: Serving,
    door: Door,
    board: Arc<Board>,
    bounds: Bounds,
    incarnation: Incarnation,
    /// The own memory with the rights of each proposer that is served, indexed by proposer.
    views: Vec<Option<Arc<Memory>>>,
    /// Indexed by proposer. Invariant: every key that the back end has of this server belongs to one of them.
    sessions: Vec<Option<Session>>,
    /// Makes nonces that nobody can guess and no session has had.
    nonces: RandomState,
    /// Sessions welcomed.
    welcomed: u64,
}

impl Server {
    /// A server of the memory that `views` shows, as the proposers at their places may see it.
    pub(crate) fn new(
        serving: Serving,
        door: Door,
        board: Arc<Board>,
        bounds: Bounds,
        views: Vec<Option<Arc<Memory>>>,
    ) -> Self {
        let incarnation = views.iter().flatten().map(|view| view.incarnation()).next().unwrap_or_default();
        let sessions = views.iter().map(|_| None).collect();
        let (nonces, welcomed) = (RandomState::new(), 0);
        Self { _serving: serving, door, board, bounds, incarnation, views, sessions, nonces, welcomed }
    }

    /// Takes the connections that the porter has left. To be called before each turn: costs one load if there are none.
    #[inline]
    pub(crate) fn admit_callers(&mut self, io: &mut Io) {
        if self.door.callers().is_pending() {
            while let Some((proposer, caller)) = self.door.callers().take() {
                self.admit(io, proposer, caller);
            }
        }
    }

    /// Begins a session and ends the one before.
    #[cold]
    fn admit(&mut self, io: &mut Io, proposer: ReplicaId, caller: Caller) {
        let Some(view) = self.views.get(proposer.index()).cloned().flatten() else {
            refuse(io, caller.connection, Refusal::NotServed { yours: Purpose::Operations });
            return;
        };
        let standing = self.sessions[proposer.index()].take();
        if let Some(standing) = standing {
            if caller.hello.is_older_than(&standing.hello) {
                self.sessions[proposer.index()] = Some(standing);
                refuse(io, caller.connection, Refusal::Stale);
                return;
            }
            // Before the welcome: from here on nothing of the old session is executed.
            self.end(io, &standing, &Problem::Replaced);
        }
        match self.begin(io, proposer, view, caller) {
            Ok(session) => self.sessions[proposer.index()] = Some(session),
            Err(problem) => self.ended(proposer, &problem),
        }
    }

    fn begin(
        &mut self,
        io: &mut Io,
        proposer: ReplicaId,
        view: Arc<Memory>,
        caller: Caller,
    ) -> Result<Session, Problem> {
        let Caller { hello, connection: Secured { stream, mut cipher, early } } = caller;
        let address = stream.peer_addr().ok();
        let key = io.add(stream).map_err(Problem::Broken)?;
        let welcome = self.welcome();
        let (nonce, seed) = (self.nonce(&hello), Seed::of(&hello, &welcome));
        let mut greeting = Greeting::Welcome(welcome).encode().to_vec();
        greeting.extend(encode_opening(nonce, seed));
        if let Err(problem) = say(io, key, &mut cipher, &greeting) {
            io.remove(key);
            return Err(problem);
        }
        io.flush();
        let name = cipher.name();
        log::info!("{proposer} is served: {}, {name}", address.map_or_else(String::new, |at| at.to_string()));
        self.board.session(proposer, |status| status.began(address, name));
        let limits = self.bounds.server_limits(proposer);
        let executor = Executor::new(view, limits, seed.opened(nonce), self.bounds.unsent_bytes_max);
        let mut session = Session::new(key, hello, cipher, executor);
        session.take_early(&early);
        Ok(session)
    }

    fn welcome(&self) -> Welcome {
        let bytes = u32::try_from(self.bounds.frame_bytes_max).unwrap_or(u32::MAX);
        Welcome { incarnation: self.incarnation.0, frame_bytes_max: bytes, outstanding_max: CHAINS_MAX as u32 }
    }

    fn nonce(&mut self, hello: &Hello) -> u64 {
        self.welcomed += 1;
        self.nonces.hash_one((self.welcomed, hello.attempt, hello.from.map(|id| id.0)))
    }

    /// Something arrived; false if the key is not of this server.
    #[inline]
    pub(crate) fn received(&mut self, key: Key, news: Received<'_>) -> bool {
        let Some(session) = self.sessions.iter_mut().flatten().find(|session| session.key == key) else {
            return false;
        };
        session.received(news);
        true
    }

    /// Sends the replies of the turn and ends sessions that are over. To be called after each turn.
    #[inline]
    pub(crate) fn settle(&mut self, io: &mut Io) {
        let mut sent = false;
        for at in 0..self.sessions.len() {
            let Some(session) = &mut self.sessions[at] else { continue };
            sent |= session.reply(io);
            if session.problem().is_some() {
                self.drop_session(io, at);
            }
        }
        if sent {
            io.flush();
        }
    }

    #[cold]
    fn drop_session(&mut self, io: &mut Io, at: usize) {
        if let Some(session) = self.sessions[at].take() {
            let problem = session.problem().unwrap_or(&Problem::Closed);
            self.end(io, &session, problem);
        }
    }

    fn end(&self, io: &mut Io, session: &Session, problem: &Problem) {
        io.remove(session.key);
        self.ended(session.proposer(), problem);
    }

    fn ended(&self, proposer: ReplicaId, problem: &Problem) {
        match problem.violation() {
            Some(violation) if !self.board.count(proposer, violation) => {}
            _ => log::info!("the session of {proposer} has ended: {problem}"),
        }
        self.board.session(proposer, |status| status.ended(problem.to_string()));
    }

    /// The back end has lost every connection.
    pub(crate) fn lost(&mut self, io: &mut Io) {
        for at in 0..self.sessions.len() {
            if let Some(session) = &mut self.sessions[at] {
                session.fail(Problem::BackEnd);
                self.drop_session(io, at);
            }
        }
    }
}

/// Sends bytes through a cipher.
fn say(io: &mut Io, key: Key, cipher: &mut Cipher, bytes: &[u8]) -> Result<(), Problem> {
    let mut wire = Vec::new();
    cipher.seal(bytes, &mut wire)?;
    Ok(io.send(key, &wire)?)
}

/// Turns a caller away.
fn refuse(io: &mut Io, connection: Secured, refusal: Refusal) {
    let Secured { stream, mut cipher, .. } = connection;
    if let Ok(key) = io.add(stream) {
        // A caller that cannot be told finds the connection closed.
        drop(say(io, key, &mut cipher, &Greeting::Refused(refusal).encode()));
        io.flush();
        io.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{IoKind, Options};
    use paxon_acceptor::{Acceptor, Directory};
    use paxon_channel::GREETING_BYTES;
    use paxon_fastpath::Layout;
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    const LAYOUT: Layout = Layout { replicas: 3, cells: 64, arena_words: 256, snapshot_words: 512 };
    const PEER: ReplicaId = ReplicaId(1);

    /// A server of replica 0 for replica 1, in a directory of its own.
    fn server(name: &str) -> (Server, Io, Directory) {
        let path = format!("/dev/shm/paxon-tcp-server-{}-{name}", std::process::id());
        let directory = Directory::open(path, 7, LAYOUT).expect("/dev/shm is a tmpfs");
        let own = Arc::new(Acceptor::claim(&directory, ReplicaId(0)).expect("a new directory"));
        let serving = own.begin_serving().expect("nobody serves it");
        let view = Memory::attach(&directory, ReplicaId(0), PEER).expect("just made");
        let views = vec![None, Some(Arc::new(view)), None];
        let board = Arc::new(Board::new(&LAYOUT, &[PEER]));
        let server = Server::new(serving, Door::new(), board, Bounds::of(&LAYOUT).expect("small"), views);
        (server, Io::open(IoKind::Epoll, Options::default()).expect("epoll"), directory)
    }

    /// Has `from` call with the attempt; returns what it is told.
    fn call(server: &mut Server, io: &mut Io, from: ReplicaId, attempt: u64) -> (TcpStream, Greeting) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let mut far = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (stream, _) = listener.accept().expect("it has connected");
        let (purpose, to) = (Purpose::Operations, ReplicaId(0));
        let hello = Hello { purpose, cluster: 7, from: Some(from), to, layout: LAYOUT, incarnation: 1, attempt };
        let connection = Secured { stream, cipher: Cipher::Plain, early: vec![] };
        server.admit(io, from, Caller { hello, connection });
        let mut greeting = [0; GREETING_BYTES];
        far.read_exact(&mut greeting).expect("everybody is greeted");
        (far, Greeting::decode(&greeting).expect("a greeting"))
    }

    fn is_welcomed(greeting: &Greeting) -> bool {
        matches!(greeting, Greeting::Welcome(_))
    }

    #[test]
    fn an_older_attempt_of_the_same_process_is_turned_away_and_a_later_one_takes_over() {
        let (mut server, mut io, directory) = server("attempts");
        let attempt = |process: u64, count: u64| process << 32 | count;
        let (mut first, greeting) = call(&mut server, &mut io, PEER, attempt(5, 7));
        assert!(is_welcomed(&greeting));
        let (_, greeting) = call(&mut server, &mut io, PEER, attempt(5, 6));
        assert_eq!(greeting, Greeting::Refused(Refusal::Stale));
        assert_eq!(server.sessions[1].as_ref().map(|session| session.hello.attempt), Some(attempt(5, 7)));
        // The next attempt, and another process however its numbers compare.
        for (process, count) in [(5, 8), (9, 1), (2, 3)] {
            let (next, greeting) = call(&mut server, &mut io, PEER, attempt(process, count));
            assert!(is_welcomed(&greeting), "{process} {count}");
            let mut rest = vec![];
            drop(first.read_to_end(&mut rest));
            assert_eq!(rest.len(), crate::frame::OPENING_BYTES, "the session before has ended");
            first = next;
        }
        drop(server);
        directory.remove().expect("nobody uses it");
    }

    #[test]
    fn whoever_is_not_a_peer_of_this_fabric_is_told_so() {
        let (mut server, mut io, directory) = server("strangers");
        for stranger in [0, 2, 3, 255] {
            let (_, greeting) = call(&mut server, &mut io, ReplicaId(stranger), 1);
            assert_eq!(greeting, Greeting::Refused(Refusal::NotServed { yours: Purpose::Operations }), "{stranger}");
        }
        drop(server);
        directory.remove().expect("nobody uses it");
    }
}
