//! The porter: one thread that accepts, dials and shakes hands, and hands finished connections over.
//!
//! It sleeps in `epoll` and costs nothing while nobody comes or goes. What it hands over has left its `epoll` set.

mod attempt;
mod counters;
mod dial;
mod dial_error;
mod gate;
mod house;
mod limits;
mod notices;
mod rounds;
mod route;
mod stranger;
mod switchboard;
mod talk;
#[cfg(test)]
mod tests;

pub use counters::{Counters, Reason};
pub use dial_error::DialError;
pub use limits::Limits;

use crate::cipher::Secured;
use crate::greeting::Welcome;
use crate::hello::Hello;
use crate::identity::{Identity, Party};
use gate::Gate;
use house::{Bell, House};
use mio::{Interest, Poll, Waker};
use paxon_fastpath::ReplicaId;
use rounds::{BELL, LISTENER, Rounds};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use switchboard::Switchboard;

/// Connections that the kernel keeps until the porter accepts them (it caps the number by `net.core.somaxconn`). More than
/// the 128 of the standard library, so that a burst of strangers does not cost a peer a lost segment and a second.
const BACKLOG: i32 = 1024;

/// What the porter reports.
#[derive(Debug)]
pub enum Arrival {
    /// Somebody has connected, is known and asks for what it may ask for. Whoever takes the connection sends the
    /// [`crate::Greeting`] through its cipher, or drops it.
    Inbound {
        /// What it wants. Cluster, recipient, party, purpose and layout have been checked.
        hello: Hello,
        /// Who it is.
        party: Party,
        /// The connection.
        connection: Secured,
    },
    /// A dial has succeeded and is over.
    Outbound {
        /// The member.
        peer: ReplicaId,
        /// What it said.
        welcome: Welcome,
        /// The connection.
        connection: Secured,
        /// The shortest of the round trips of the handshake: an upper bound on that of the path.
        round_trip: Duration,
    },
    /// An attempt of a dial has failed for another reason than the one reported before. The dial goes on.
    DialFailed {
        /// The member.
        peer: ReplicaId,
        /// Why.
        reason: DialError,
    },
}

/// What the porter is asked for.
#[derive(Debug)]
enum Command {
    Dial(ReplicaId, Hello),
    Cancel(ReplicaId),
    Resolved(ReplicaId, io::Result<Vec<SocketAddr>>),
    Stop,
}

/// A thread that makes connections. Dropping it ends the thread, its dials and the connections not handed over.
#[derive(Debug)]
pub struct Porter {
    counters: Arc<Counters>,
    bell: Bell,
    /// Present until dropped.
    thread: Option<JoinHandle<()>>,
}

impl Porter {
    /// Starts a porter with the default [`Limits`]. Without a listener it only dials, as a client does.
    ///
    /// `on_arrival` is called on the porter's thread, which does nothing else meanwhile: it should pass the arrival on.
    ///
    /// # Errors
    /// What the system says to a new thread or `epoll`.
    pub fn start(
        identity: Identity,
        listener: Option<TcpListener>,
        on_arrival: impl FnMut(Arrival) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_with(identity, listener, Limits::default(), on_arrival)
    }

    /// Starts a porter with other limits; see [`Porter::start`].
    ///
    /// # Errors
    /// What the system says to a new thread or `epoll`, and [`io::ErrorKind::InvalidInput`] for a client with a listener:
    /// only a replica has an id that a dialler can look for.
    pub fn start_with(
        identity: Identity,
        listener: Option<TcpListener>,
        limits: Limits,
        on_arrival: impl FnMut(Arrival) + Send + 'static,
    ) -> io::Result<Self> {
        if listener.is_some() && identity.me().replica().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a client cannot accept connections"));
        }
        let poll = Poll::new()?;
        let (sender, commands) = mpsc::channel();
        let bell = Bell { commands: sender, waker: Arc::new(Waker::new(poll.registry(), BELL)?) };
        let counters = Arc::new(Counters::default());
        let gate = listener.map(|listener| open_gate(listener, &poll)).transpose()?;
        let house = House::new(&identity, limits, counters.clone(), bell.clone(), poll.registry().try_clone()?);
        let switchboard = Switchboard::new(&house, Instant::now());
        let rounds = Rounds { poll, house, gate, switchboard, commands, on_arrival };
        let thread = std::thread::Builder::new().name("paxon-porter".into()).spawn(|| rounds.run())?;
        Ok(Self { counters, bell, thread: Some(thread) })
    }

    /// Connects to `peer`, trying again until an [`Arrival::Outbound`] or [`Porter::cancel`]. A dial of the same peer that
    /// is under way goes on with the new hello. [`Identity::hello`] makes one; its `attempt` is set here.
    pub fn dial(&self, peer: ReplicaId, hello: Hello) {
        self.bell.ring(Command::Dial(peer, hello));
    }

    /// Gives up connecting to `peer`. An arrival that is on its way already may still come.
    pub fn cancel(&self, peer: ReplicaId) {
        self.bell.ring(Command::Cancel(peer));
    }

    /// What has been counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

fn open_gate(listener: TcpListener, poll: &Poll) -> io::Result<Gate> {
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    Ok(Gate::new(listener))
}

impl Drop for Porter {
    fn drop(&mut self) {
        self.bell.ring(Command::Stop);
        if let Some(thread) = self.thread.take()
            // Whoever drops it in `on_arrival` is that thread, and cannot wait for itself.
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            log::error!("the porter's thread has panicked");
        }
    }
}
