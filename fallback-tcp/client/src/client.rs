//! The client.

use crate::answers::{Answer, Applied, StateDigest};
use crate::call::{Call, Kind, Quota, To};
use crate::core::Core;
use crate::driver::{BELL, Dialler, Driver, Order};
use crate::error::StartError;
use crate::opening::Opening;
use crate::options::ClientOptions;
use crate::pending::Pending;
use crate::session::Session;
use crate::target::Target;
use mio::{Poll, Waker};
use paxon_channel::{Identity, Porter, Purpose};
use paxon_fastpath::{ReplicaId, Slot};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A client of a cluster. Clones are cheap, share everything, and may go to other threads.
///
/// What the leader has to answer goes to whoever leads: refusals, lost connections and silence make the client ask another
/// replica, until the patience of the request is over. A request makes progress while somebody waits for or polls any
/// request of the same client.
#[derive(Clone, Debug)]
pub struct Client {
    core: Arc<Core>,
    patience: Duration,
}

/// What a client is made from.
#[derive(Debug, Default)]
pub struct ClientBuilder {
    targets: Vec<Target>,
    identity: Option<Identity>,
    options: ClientOptions,
}

impl ClientBuilder {
    /// Adds a replica. Those that are missing are never asked, so a client has to know all that may come to lead.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds replicas.
    #[must_use]
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// Says who this client is; needed for targets over TCP, whose addresses and keys its roster has.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets bounds and times.
    #[must_use]
    pub const fn options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Starts the client. It connects when it is asked for something.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong with the targets, or what the system refused.
    pub fn start(self) -> Result<Client, StartError> {
        let Self { targets, identity, options } = self;
        check(&targets, identity.as_ref())?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), BELL)?);
        let dialler = identity
            .filter(|_| targets.iter().any(|target| target.socket().is_none()))
            .map(|identity| dialler(identity, &targets, waker.clone()))
            .transpose()?;
        let driver = Driver::new(poll, targets, dialler, options);
        let core = Core::start(driver, waker, Quota::new(options.requests_max, options.bytes_max))?;
        Ok(Client { core: Arc::new(core), patience: options.patience })
    }
}

fn check(targets: &[Target], identity: Option<&Identity>) -> Result<(), StartError> {
    if targets.is_empty() {
        return Err(StartError::NoTarget);
    }
    for (at, target) in targets.iter().enumerate() {
        let replica = target.replica();
        if targets[..at].iter().any(|earlier| earlier.replica() == replica) {
            return Err(StartError::TargetTwice { replica });
        }
        if target.socket().is_none() && identity.is_none() {
            return Err(StartError::NoIdentity { replica });
        }
    }
    Ok(())
}

fn dialler(identity: Identity, targets: &[Target], waker: Arc<Waker>) -> Result<Dialler, StartError> {
    let hellos = targets.iter().map(|target| identity.hello(target.replica(), Purpose::Client, 0)).collect();
    let (sender, arrivals) = channel();
    let porter = Porter::start(identity, None, move |arrival| {
        // A driver that has gone needs no connections, and a waker that cannot be written has been rung already.
        if sender.send(arrival).is_ok() {
            let _ = waker.wake();
        }
    })?;
    Ok(Dialler { porter, arrivals, hellos })
}

impl Client {
    /// Describes a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same client with another patience: how long each request is tried.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { core: self.core.clone(), patience }
    }

    /// How long each request is tried.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Opens a session: its commands are applied exactly once, however often they have to be sent.
    pub fn open_session(&self) -> Opening {
        // Asked again after a lost reply, this opens a second session: nobody uses it and it is evicted in time.
        Opening::new(self.clone(), self.ask(Kind::OpenSession, To::Leader, &[]))
    }

    /// Continues the session `id`, whose next command is number `next`: for a program that was restarted.
    pub fn resume_session(&self, id: u64, next: u64) -> Session {
        Session::new(self.clone(), id, next)
    }

    /// Has a command applied without a session. It is sent again only if it was certainly not applied; else it ends in
    /// [`crate::ClientError::Unknown`]. So it is applied at most once.
    pub fn propose(&self, payload: &[u8]) -> Pending<Applied> {
        self.ask(Kind::Propose { session: 0, sequence: 0 }, To::Leader, payload)
    }

    /// Answers a query from a state that holds every command that was answered before, to any client (linearizable).
    pub fn read(&self, query: &[u8]) -> Pending<Answer> {
        self.ask(Kind::Read, To::Leader, query)
    }

    /// One replica, to be asked itself.
    pub const fn at(&self, replica: ReplicaId) -> Direct<'_> {
        Direct { client: self, replica }
    }

    /// Gives the connection to a replica up and does not ask it for what the leader has to answer: for one that is known to be
    /// stuck. What was under way there is sent to others.
    pub fn avoid(&self, replica: ReplicaId) {
        self.core.submit(Order::Avoid(replica));
    }

    /// A replica that was avoided may be asked again.
    pub fn allow(&self, replica: ReplicaId) {
        self.core.submit(Order::Allow(replica));
    }

    pub(crate) fn propose_in(
        &self,
        session: u64,
        sequence: u64,
        payload: &[u8],
        patience: Duration,
    ) -> Pending<Applied> {
        self.with_patience(patience).ask(Kind::Propose { session, sequence }, To::Leader, payload)
    }

    fn ask<T: crate::answers::FromOutcome>(&self, kind: Kind, to: To, payload: &[u8]) -> Pending<T> {
        let call = Arc::new(Call::new(self.core.quota(), kind, to, payload, self.patience));
        if !call.is_over() {
            self.core.submit(Order::Submit(call.clone()));
        }
        Pending::new(self.core.clone(), call)
    }
}

/// One replica, asked for what it can say itself, leader or not. Nothing goes to another replica; one that is not to be
/// reached is an error at once.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a> {
    client: &'a Client,
    replica: ReplicaId,
}

impl Direct<'_> {
    fn ask<T: crate::answers::FromOutcome>(&self, kind: Kind, payload: &[u8]) -> Pending<T> {
        self.client.ask(kind, To::Replica(self.replica), payload)
    }

    /// Answers a query from the state of the replica once it has applied the slot. With the slot of an earlier answer a client
    /// reads its own writes; with [`Slot::NONE`] it may read the past.
    pub fn read(&self, query: &[u8], at_least: Slot) -> Pending<Answer> {
        self.ask(Kind::ReadLocal { at_least }, query)
    }

    /// The digest of the replica's state once it has applied the slot.
    pub fn digest(&self, at_least: Slot) -> Pending<StateDigest> {
        self.ask(Kind::Digest { at_least }, &[])
    }

    /// How the replica is: a JSON object.
    pub fn status(&self) -> Pending<String> {
        self.ask(Kind::Status, &[])
    }

    /// How long commands took at the replica, as leader: a JSON object.
    pub fn stages(&self) -> Pending<String> {
        self.ask(Kind::Stages, &[])
    }

    /// Sends a command of a session to the replica, once: for a test that wants to see what a certain replica does with it.
    pub fn propose(&self, session: u64, sequence: u64, payload: &[u8]) -> Pending<Applied> {
        self.ask(Kind::Propose { session, sequence }, payload)
    }
}
