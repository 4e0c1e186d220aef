//! The steward: a thread that sets connections up and takes them down, which costs system calls and milliseconds.

use crate::completion::CompletionQueue;
use crate::connect::Endpoint;
use crate::event::DeviceEvent;
use crate::fabric::control::ControlChannel;
use crate::fabric::ground::{Ground, SetupError};
use crate::fabric::link::Link;
use crate::fabric::message::{Frame, Message};
use crate::fabric::news::{Connected, News};
use crate::fabric::session::{Session, sweep};
use crate::memory_region::RegionClaim;
use paxon_fastpath::ReplicaId;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// First and longest wait before an offer is repeated or a failed link is made anew.
const WAIT_MIN: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_millis(250);
/// A link that lived longer than this had no standing trouble: the next one is made at once.
const STABLE: Duration = Duration::from_secs(1);
/// Somebody writes or something is to be repeated sooner than this, or the device is asked for events: a port that has lost its
/// link is known to have before operations on it are given up.
const SLEEP_MAX: Duration = Duration::from_millis(20);
/// Events of the device that are heard in a row.
const EVENTS_MAX: usize = 64;

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
    /// The engine has the link, which leads over that queue pair to memory that the process `by` of the peer holds.
    Up { since: Instant, queue_pair: u32, by: u64 },
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
            self.hear_device();
            self.try_due();
            match notes.recv_timeout(self.sleep()) {
                Ok(Note::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(note) => self.heed(note),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What the device has to say, which needs no operation to fail first.
    fn hear_device(&mut self) {
        for _ in 0..EVENTS_MAX {
            // A device that cannot be asked shows by its operations.
            let Ok(Some(event)) = self.ground.device.next_event() else { return };
            let (name, own_port) = (self.ground.device.name(), self.ground.source.port);
            match event {
                DeviceEvent::Other(_) => log::debug!("{name}: {event}"),
                DeviceEvent::PortUp { .. } | DeviceEvent::PortChanged { .. } => log::info!("{name}: {event}"),
                _ => log::warn!("{name}: {event}"),
            }
            match event {
                DeviceEvent::DeviceFailed => self.break_links(|_| true),
                DeviceEvent::PortDown { port } if port == own_port => self.break_links(|_| true),
                DeviceEvent::PortUp { port } if port == own_port => self.hurry_all(),
                DeviceEvent::QueuePairFailed { queue_pair } | DeviceEvent::QueuePairAbused { queue_pair } => {
                    self.break_links(|number| number == queue_pair);
                    self.name_session(queue_pair);
                }
                _ => {}
            }
        }
    }

    /// Tells the engine's thread that links over such queue pairs are of no use any more.
    fn break_links(&self, is_meant: impl Fn(u32) -> bool) {
        for route in &self.routes {
            if let RouteState::Up { queue_pair, .. } = route.state
                && is_meant(queue_pair)
            {
                self.news.break_link(queue_pair);
            }
        }
    }

    /// Says whose session it was that something happened to.
    fn name_session(&self, queue_pair: u32) {
        for session in self.sessions.iter().flatten().filter(|session| session.queue_pair() == queue_pair) {
            log::warn!("queue pair {queue_pair} serves {}", session.frame.proposer);
        }
    }

    fn hurry_all(&mut self) {
        for index in 0..self.routes.len() {
            self.hurry(self.routes[index].peer);
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
        let until = now + self.routes[index].wait;
        let dialled =
            self.check_port().and_then(|()| if is_own { self.loop_back(now) } else { self.offer(peer, until) });
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

    fn check_port(&self) -> Result<(), SetupError> {
        let port = self.ground.source.port;
        if self.ground.device.port(port)?.is_active { Ok(()) } else { Err(SetupError::PortDown(port)) }
    }

    /// The frame of a message about a link to `acceptor`.
    fn frame(&self, acceptor: ReplicaId, attempt: u64) -> Frame {
        let Ground { own, options, .. } = &*self.ground;
        let (cluster, layout, seal, proposer) = (options.cluster, *own.layout(), own.seal(), own.replica());
        Frame { cluster, layout, seal, proposer, acceptor, process: self.process, attempt }
    }

    fn offer(&mut self, peer: ReplicaId, until: Instant) -> Result<RouteState, SetupError> {
        let link = Box::new(Link::prepare(&self.ground, peer)?);
        self.attempts += 1;
        let frame = self.frame(peer, self.attempts);
        let offer = Message::Offer { frame, endpoint: link.queue_pair.endpoint() }.encode();
        self.control.send(peer, &offer);
        Ok(RouteState::Offered { link, frame, offer, until })
    }

    /// The way to the own memory: through the device, because all exchanges on its PROMISE are the device's.
    fn loop_back(&mut self, now: Instant) -> Result<RouteState, SetupError> {
        let own = self.ground.own.replica();
        let mut link = Box::new(Link::prepare(&self.ground, own)?);
        let (frame, queue_pair, by) = (self.frame(own, 0), link.queue_pair.number(), self.process);
        let session = self.open(own, frame, &link.queue_pair.endpoint())?;
        if let Ok(Message::Welcome { endpoint, incarnation, areas, .. }) = Message::decode(&session.welcome) {
            link.connect(&self.ground, &endpoint, &areas)?;
            self.news.push(Connected { link, incarnation });
        }
        Ok(RouteState::Up { since: now, queue_pair, by })
    }

    fn receive(&mut self, from: ReplicaId, message: Message) {
        let own = self.ground.own.replica();
        let (Message::Offer { frame, .. } | Message::Welcome { frame, .. }) = &message;
        let (cluster, layout) = (self.ground.options.cluster, self.ground.own.layout());
        if frame.cluster != cluster || frame.layout != *layout {
            let theirs = format!("cluster {:#x} with {:?}", frame.cluster, frame.layout);
            return self.complain(from, format!("{from} is of {theirs}, this replica of {cluster:#x} with {layout:?}"));
        }
        let seal = self.ground.own.seal();
        if frame.seal != seal {
            let theirs = frame.seal;
            let advice = "give every replica of the cluster the same record secret, or none";
            return self
                .complain(from, format!("{from} seals records with {theirs}, this replica with {seal}: {advice}"));
        }
        match message {
            Message::Offer { frame, endpoint } if (frame.proposer, frame.acceptor) == (from, own) && from != own => {
                self.answer(frame, &endpoint);
            }
            Message::Welcome { frame, endpoint, by, incarnation, areas }
                if (frame.proposer, frame.acceptor) == (own, from) =>
            {
                let link = self.enter(&frame, &endpoint, &areas, by);
                if let Some(link) = link {
                    self.news.push(Connected { link, incarnation });
                }
            }
            _ => self.complain(from, format!("{from} spoke for others")),
        }
    }

    /// Lets a proposer in. A repeated offer gets the same answer; one that was overtaken by a newer one gets none. One whose
    /// session was fenced since is let in anew: whoever repeats an offer has not had the welcome, and will offer nothing else.
    fn answer(&mut self, frame: Frame, endpoint: &Endpoint) {
        let proposer = frame.proposer;
        if let Some(session) = &self.sessions[proposer.index()] {
            if session.frame == frame && !session.is_fenced() {
                return self.control.send(proposer, &session.welcome);
            }
            if session.frame.process == frame.process && frame.attempt < session.frame.attempt {
                return;
            }
        }
        self.hurry(proposer);
        self.forget_process(&frame);
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

    /// A link to memory that an earlier process of the replica held leads nowhere: no operation has to be given up to know that.
    fn forget_process(&self, frame: &Frame) {
        let route = self.routes.iter().find(|route| route.peer == frame.proposer);
        if let Some(RouteState::Up { queue_pair, by, .. }) = route.map(|route| &route.state)
            && *by != frame.process
        {
            self.news.break_link(*queue_pair);
        }
    }

    /// Ends the proposer's session, and only then opens another.
    fn open(&mut self, proposer: ReplicaId, frame: Frame, endpoint: &Endpoint) -> Result<&Session, SetupError> {
        let place = &mut self.sessions[proposer.index()];
        *place = None;
        sweep(&self.completions)?;
        Ok(place.insert(Session::open(&self.ground, &self.completions, frame, endpoint, self.process)?))
    }

    /// Connects the link that the process `by` of an acceptor has welcomed, for the engine.
    fn enter(&mut self, frame: &Frame, endpoint: &Endpoint, areas: &[RegionClaim], by: u64) -> Option<Box<Link>> {
        let now = Instant::now();
        let route = self.routes.iter_mut().find(|route| route.peer == frame.acceptor)?;
        let RouteState::Offered { frame: offered, link, .. } = &route.state else { return None };
        if offered != frame {
            return None;
        }
        let queue_pair = link.queue_pair.number();
        let state = std::mem::replace(&mut route.state, RouteState::Up { since: now, queue_pair, by });
        let RouteState::Offered { mut link, .. } = state else { return None };
        match link.connect(&self.ground, endpoint, areas) {
            Ok(()) => Some(link),
            Err(error) => {
                drop(link);
                route.wait = (2 * route.wait).min(WAIT_MAX);
                route.state = RouteState::Down { until: now + route.wait };
                self.complain(frame.acceptor, error.to_string());
                None
            }
        }
    }

    /// Destroys a failed link, so that nothing of it lands any more, and sees to the next one.
    fn take_down(&mut self, link: Box<Link>) {
        let (peer, now) = (link.peer(), Instant::now());
        drop(link);
        let Some(route) = self.routes.iter_mut().find(|route| route.peer == peer) else { return };
        let RouteState::Up { since, .. } = route.state else { return };
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
