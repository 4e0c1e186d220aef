//! The driver: connections to all replicas, what waits for them, and whom to ask. One thread at a time has it.

mod aim;
mod answering;
mod connecting;
mod flow;
mod flows;
mod housekeeping;
mod link;
mod sending;
mod word;

use crate::call::{Call, To};
use crate::core::{Inbox, Shared};
use crate::error::ClientError;
use crate::options::ClientOptions;
use crate::target::Target;
use aim::Aim;
use flows::Flows;
use link::Link;
use mio::{Events, Poll, Token};
use paxon_channel::{Arrival, Hello, Porter};
use paxon_fastpath::ReplicaId;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The token of the waker; links have their place in the list.
pub(crate) const BELL: Token = Token(usize::MAX);
/// How often deadlines and silence are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Bytes read at once.
const SCRATCH_BYTES: usize = 64 << 10;
/// Reads of one link in one turn, so that a flood from one replica does not keep the others waiting.
const READS_PER_TURN: usize = 16;

/// What the driver is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Get an answer for this.
    Submit(Arc<Call>),
    /// Do not ask this replica for what the leader has to answer.
    Avoid(ReplicaId),
    /// The replica may be asked again.
    Allow(ReplicaId),
}

/// What finds and makes connections over TCP.
#[derive(Debug)]
pub(crate) struct Dialler {
    pub(crate) porter: Porter,
    pub(crate) arrivals: Receiver<Arrival>,
    /// What is said to each target, in their order.
    pub(crate) hellos: Vec<Hello>,
}

/// See the module.
pub(crate) struct Driver {
    poll: Poll,
    events: Events,
    scratch: Box<[u8]>,
    orders: Vec<Order>,
    /// One for each target.
    links: Vec<Link>,
    dialler: Option<Dialler>,
    flows: Flows,
    aim: Aim,
    options: ClientOptions,
    /// The id of the next request, never [`crate::wire::OWN_WORDS`].
    next_id: u64,
    tick_at: Instant,
}

impl Driver {
    pub(crate) fn new(poll: Poll, targets: Vec<Target>, dialler: Option<Dialler>, options: ClientOptions) -> Self {
        let now = Instant::now();
        Self {
            events: Events::with_capacity(targets.len() + 1),
            aim: Aim::new(targets.iter().map(Target::replica).collect(), options.silence),
            links: targets.into_iter().map(|target| Link::new(target, now)).collect(),
            poll,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            orders: Vec::new(),
            dialler,
            flows: Flows::default(),
            options,
            next_id: crate::wire::OWN_WORDS + 1,
            tick_at: now,
        }
    }

    /// Acts upon what was left, without waiting for anything.
    pub(crate) fn pass_on(&mut self, shared: &Shared) {
        self.take_orders(&shared.inbox);
        self.send(Instant::now());
    }

    /// One turn: sends, waits until something happens but not beyond `until`, and reads.
    pub(crate) fn turn(&mut self, shared: &Shared, until: Option<Instant>) {
        self.take_orders(&shared.inbox);
        let now = Instant::now();
        self.send(now);
        if self.wait(shared, now, until).is_err() {
            // The system has no memory for the list of events: trying again is all that can be done.
            std::thread::sleep(TICK);
        }
        let now = Instant::now();
        self.take_arrivals(now);
        self.read(now);
        if now >= self.tick_at {
            self.tick_at = now + TICK;
            self.housekeep(now);
        }
        self.send(now);
    }

    pub(crate) fn take_orders(&mut self, inbox: &Inbox) {
        inbox.drain(&mut self.orders);
        for order in std::mem::take(&mut self.orders) {
            match order {
                Order::Submit(call) => self.admit(call),
                Order::Avoid(replica) => self.avoid(replica),
                Order::Allow(replica) => self.aim.allow(replica),
            }
        }
    }

    fn admit(&mut self, call: Arc<Call>) {
        match call.to {
            To::Leader => self.flows.add(call),
            To::Replica(replica) => match self.links.iter_mut().find(|link| link.replica() == replica) {
                Some(link) => link.pinned.push_back(call),
                None => call.end(Err(ClientError::NoSuchReplica { replica })),
            },
        }
    }

    fn avoid(&mut self, replica: ReplicaId) {
        self.aim.avoid(replica);
        if let Some(at) = self.links.iter().position(|link| link.replica() == replica) {
            self.lose(at, "it is to be avoided", Instant::now());
        }
    }

    /// Sleeps until a socket or another thread has something to say, or it is time for something.
    fn wait(&mut self, shared: &Shared, now: Instant, until: Option<Instant>) -> io::Result<()> {
        let busy_until = now + self.options.busy_poll;
        let wakes_at = self.wakes_at(now, until);
        let mut left = Duration::ZERO;
        if self.links.iter().all(|link| !link.has_more) && shared.bell.sleep(&shared.inbox) {
            left = wakes_at.saturating_duration_since(now);
        }
        let waited = self.poll_for(left, busy_until);
        shared.bell.wake_up();
        waited
    }

    fn poll_for(&mut self, mut left: Duration, busy_until: Instant) -> io::Result<()> {
        while !left.is_zero() && Instant::now() < busy_until {
            self.poll_once(Duration::ZERO)?;
            if !self.events.is_empty() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        let milli = Duration::from_millis(1);
        if left > Duration::ZERO && left < milli {
            // The system counts in milliseconds. So short a pause is one that nothing is to interrupt.
            std::thread::sleep(left);
            left = Duration::ZERO;
        }
        self.poll_once(left)
    }

    fn poll_once(&mut self, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn wakes_at(&self, now: Instant, until: Option<Instant>) -> Instant {
        let mut wakes_at = self.tick_at.max(now);
        if let Some(until) = until {
            wakes_at = wakes_at.min(until);
        }
        match self.aim.pause_ends() {
            Some(ends) if self.flows.has_ready() => wakes_at.min(ends),
            _ => wakes_at,
        }
    }

    /// Ends every call.
    pub(crate) fn end_all(&mut self, error: &ClientError) {
        self.flows.end_all(error);
        for link in &mut self.links {
            link.end_all(error);
        }
    }
}
