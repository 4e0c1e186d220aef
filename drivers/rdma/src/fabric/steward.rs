//! The steward: a thread that sets connections up and takes them down, which costs system calls and milliseconds.

use crate::completion::CompletionQueue;
use crate::connect::Endpoint;
use crate::fabric::control::ControlChannel;
use crate::fabric::ground::{Ground, SetupError};
use crate::fabric::link::Link;
use crate::fabric::message::{Frame, Message};
use crate::fabric::news::{Connected, News};
use crate::fabric::session::{Session, sweep};
use crate::memory_region::RegionClaim;
use paxon_fastpath::{Incarnation, ReplicaId};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// First and longest wait before an offer is repeated or a failed link is made anew.
const WAIT_MIN: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_millis(250);
/// A link that lived longer than this had no standing trouble: the next one is made at once.
const STABLE: Duration = Duration::from_secs(1);
/// With nothing to repeat, it sleeps until somebody writes; the limit only keeps the number small.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What the steward is told.
#[derive(Debug)]
pub(crate) enum Note {
    /// A message came in over the control channel.
    Message { from: ReplicaId, bytes: Box<[u8]> },
    /// A link has failed; it is to be taken down and made anew.
    Failed(Box<Link>),
    /// The memory is to be taken away from a proposer.
    Fence(ReplicaId),
    /// The fabric is going.
    Stop,
}

/// The way to one acceptor.
#[derive(Debug)]
struct Route {
    peer: ReplicaId,
    state: RouteState,
    /// Wait before the next try. Doubles with each that fails.
    wait: Duration,
}

#[derive(Debug)]
enum RouteState {
    /// No link; one is to be made at that time.
    Down { until: Instant },
    /// A link was offered; if no welcome comes, the offer is repeated.
    Offered { link: Box<Link>, frame: Frame, offer: Vec<u8>, until: Instant },
    /// The engine has the link.
    Up { since: Instant },
}

/// The steward's state, owned by its thread.
pub(crate) struct Steward {
    ground: Arc<Ground>,
    control: Box<dyn ControlChannel>,
    news: Arc<News>,
    /// To the acceptors, the own one included.
    routes: Vec<Route>,
    /// From the proposers, indexed by replica.
    sessions: Vec<Option<Session>>,
    /// Of the sessions' queue pairs.
    completions: Arc<CompletionQueue>,
    /// Random number of this process.
    process: u64,
    attempts: u64,
}

impl Steward {
    pub(crate) fn new(
        ground: Arc<Ground>,
        control: Box<dyn ControlChannel>,
        news: Arc<News>,
        peers: &[ReplicaId],
        process: u64,
    ) -> Result<Self, crate::CreateError> {
        let now = Instant::now();
        let (own, replicas) = (ground.own.replica(), ground.own.layout().replicas);
        let acceptors = [own].into_iter().chain(peers.iter().copied().filter(|&peer| peer != own));
        let down = |peer| Route { peer, state: RouteState::Down { until: now }, wait: WAIT_MIN };
        // Each session twice: the next one is made before the completions of the last are known to be gone.
        let completions = CompletionQueue::create(&ground.device, 2 * Session::SENDS * replicas as u32)?;
        Ok(Self {
            control,
            news,
            routes: acceptors.map(down).collect(),
            sessions: (0..replicas).map(|_| None).collect(),
            completions,
            process,
            attempts: 0,
            ground,
        })
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self, notes: &Receiver<Note>) {
        loop {
            self.try_due();
            match notes.recv_timeout(self.sleep()) {
                Ok(Note::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(note) => self.heed(note),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn heed(&mut self, note: Note) {
        match note {
            Note::Message { from, bytes } => match Message::decode(&bytes) {
                Ok(message) => self.receive(from, message),
                Err(error) => self.complain(from, format!("a message of {from} was not understood: {error}")),
            },
            Note::Failed(link) => self.take_down(link),
            // The own votes are not an old leader's.
            Note::Fence(proposer) if proposer == self.ground.own.replica() => {}
            Note::Fence(proposer) => {
                if let Some(session) = self.sessions.get_mut(proposer.index()).and_then(Option::as_mut) {
                    session.fence();
                }
            }
            Note::Stop => {}
        }
    }

    /// How long nothing is to be done.
    fn sleep(&self) -> Duration {
        let due = self.routes.iter().filter_map(|route| match route.state {
            RouteState::Down { until } | RouteState::Offered { until, .. } => Some(until),
            RouteState::Up { .. } => None,
        });
        let now = Instant::now();
        due.min().map_or(SLEEP_MAX, |until| until.saturating_duration_since(now)).min(SLEEP_MAX)
    }

    /// Makes the links, and repeats the offers, whose time has come.
    fn try_due(&mut self) {
        let now = Instant::now();
        for index in 0..self.routes.len() {
            let route = &mut self.routes[index];
            match &mut route.state {
                RouteState::Down { until } if *until <= now => self.dial(index, now),
                RouteState::Offered { offer, until, .. } if *until <= now => {
                    self.control.send(route.peer, offer);
                    route.wait = (2 * route.wait).min(WAIT_MAX);
                    *until = now + route.wait;
                }
                _ => {}
            }
        }
    }

    /// Makes the local side of a link and offers it to its acceptor; the own acceptor needs no asking.
    fn dial(&mut self, index: usize, now: Instant) {
        let peer = self.routes[index].peer;
        let is_own = peer == self.ground.own.replica();
        let dialled = if is_own { self.loop_back(now) } else { self.offer(peer, now + self.routes[index].wait) };
        let route = &mut self.routes[index];
        route.state = match dialled {
            Ok(state) => state,
            Err(error) => {
                route.wait = (2 * route.wait).min(WAIT_MAX);
                self.news.set_problem(peer, error.to_string());
                RouteState::Down { until: now + route.wait }
            }
        };
    }

    fn offer(&mut self, peer: ReplicaId, until: Instant) -> Result<RouteState, SetupError> {
        let link = Box::new(Link::prepare(&self.ground, peer)?);
        self.attempts += 1;
        let frame = Frame {
            cluster: self.ground.options.cluster,
            layout: *self.ground.own.layout(),
            proposer: self.ground.own.replica(),
            acceptor: peer,
            process: self.process,
            attempt: self.attempts,
        };
        let offer = Message::Offer { frame, endpoint: link.queue_pair.endpoint() }.encode();
        self.control.send(peer, &offer);
        Ok(RouteState::Offered { link, frame, offer, until })
    }

    /// The way to the own memory: through the device, because all exchanges on its PROMISE are the device's.
    fn loop_back(&mut self, now: Instant) -> Result<RouteState, SetupError> {
        let own = self.ground.own.replica();
        let mut link = Box::new(Link::prepare(&self.ground, own)?);
        let frame = Frame {
            cluster: self.ground.options.cluster,
            layout: *self.ground.own.layout(),
            proposer: own,
            acceptor: own,
            process: self.process,
            attempt: 0,
        };
        let session = self.open(own, frame, &link.queue_pair.endpoint())?;
        if let Ok(Message::Welcome { endpoint, incarnation, areas, .. }) = Message::decode(&session.welcome) {
            link.connect(&self.ground, &endpoint, &areas)?;
            self.news.push(Connected { link, incarnation });
        }
        Ok(RouteState::Up { since: now })
    }

    fn receive(&mut self, from: ReplicaId, message: Message) {
        let own = self.ground.own.replica();
        let (Message::Offer { frame, .. } | Message::Welcome { frame, .. }) = &message;
        let (cluster, layout) = (self.ground.options.cluster, self.ground.own.layout());
        if frame.cluster != cluster || frame.layout != *layout {
            let theirs = format!("cluster {:#x} with {:?}", frame.cluster, frame.layout);
            return self.complain(from, format!("{from} is of {theirs}, this replica of {cluster:#x} with {layout:?}"));
        }
        match message {
            Message::Offer { frame, endpoint } if (frame.proposer, frame.acceptor) == (from, own) && from != own => {
                self.answer(frame, &endpoint);
            }
            Message::Welcome { frame, endpoint, incarnation, areas }
                if (frame.proposer, frame.acceptor) == (own, from) =>
            {
                self.enter(&frame, &endpoint, incarnation, &areas);
            }
            _ => self.complain(from, format!("{from} spoke for others")),
        }
    }

    /// Lets a proposer in. A repeated offer gets the same answer; one that was overtaken by a newer one gets none.
    fn answer(&mut self, frame: Frame, endpoint: &Endpoint) {
        let proposer = frame.proposer;
        if let Some(session) = &self.sessions[proposer.index()] {
            if session.frame == frame && !session.is_fenced() {
                return self.control.send(proposer, &session.welcome);
            }
            if session.frame.process == frame.process && frame.attempt <= session.frame.attempt {
                return;
            }
        }
        self.hurry(proposer);
        match self.open(proposer, frame, endpoint).map(|session| session.welcome.clone()) {
            Ok(welcome) => self.control.send(proposer, &welcome),
            Err(error) => self.complain(proposer, format!("{proposer} could not be let in: {error}")),
        }
    }

    /// A replica that makes a new offer is there: the own link to it need not wait any longer.
    fn hurry(&mut self, peer: ReplicaId) {
        let Some(route) = self.routes.iter_mut().find(|route| route.peer == peer) else { return };
        route.wait = WAIT_MIN;
        match &mut route.state {
            RouteState::Down { until } | RouteState::Offered { until, .. } => *until = Instant::now(),
            RouteState::Up { .. } => {}
        }
    }

    /// Ends the proposer's session, and only then opens another.
    fn open(&mut self, proposer: ReplicaId, frame: Frame, endpoint: &Endpoint) -> Result<&Session, SetupError> {
        let place = &mut self.sessions[proposer.index()];
        *place = None;
        sweep(&self.completions)?;
        Ok(place.insert(Session::open(&self.ground, &self.completions, frame, endpoint)?))
    }

    /// Connects the link that an acceptor has welcomed, and hands it to the engine.
    fn enter(&mut self, frame: &Frame, endpoint: &Endpoint, incarnation: Incarnation, areas: &[RegionClaim]) {
        let now = Instant::now();
        let Some(route) = self.routes.iter_mut().find(|route| route.peer == frame.acceptor) else { return };
        let RouteState::Offered { frame: offered, .. } = &route.state else { return };
        if offered != frame {
            return;
        }
        let state = std::mem::replace(&mut route.state, RouteState::Up { since: now });
        let RouteState::Offered { mut link, .. } = state else { return };
        match link.connect(&self.ground, endpoint, areas) {
            Ok(()) => self.news.push(Connected { link, incarnation }),
            Err(error) => {
                drop(link);
                route.wait = (2 * route.wait).min(WAIT_MAX);
                route.state = RouteState::Down { until: now + route.wait };
                self.complain(frame.acceptor, error.to_string());
            }
        }
    }

    /// Destroys a failed link, so that nothing of it lands any more, and sees to the next one.
    fn take_down(&mut self, link: Box<Link>) {
        let (peer, now) = (link.peer(), Instant::now());
        drop(link);
        let Some(route) = self.routes.iter_mut().find(|route| route.peer == peer) else { return };
        let RouteState::Up { since } = route.state else { return };
        let until = if now.saturating_duration_since(since) > STABLE {
            route.wait = WAIT_MIN;
            now
        } else {
            route.wait = (2 * route.wait).min(WAIT_MAX);
            now + route.wait
        };
        route.state = RouteState::Down { until };
    }

    fn complain(&self, about: ReplicaId, problem: String) {
        if about.index() < self.ground.own.layout().replicas {
            self.news.set_problem(about, problem);
        }
    }
}
