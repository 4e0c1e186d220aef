//! What accepting and dialling share on the porter's thread.

use super::counters::Counters;
use super::limits::Limits;
use super::notices::Notices;
use super::{Arrival, Command};
use crate::identity::{Identity, Party};
use crate::roster::{Roster, Security};
use crate::tls::Tls;
use mio::event::Source;
use mio::{Interest, Registry, Token, Waker};
use paxon_fastpath::ReplicaId;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Tokens below this one are not those of connections.
const FIRST_CONNECTION: usize = 16;

/// How another thread reaches the porter.
#[derive(Clone, Debug)]
pub struct Bell {
    pub commands: Sender<Command>,
    pub waker: Arc<Waker>,
}

impl Bell {
    /// Gives the porter a command. If it is gone there is nobody left to obey.
    pub fn ring(&self, command: Command) {
        if self.commands.send(command).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the porter: {error}");
        }
    }
}

/// Who we are, what is allowed, and where things are reported.
pub struct House {
    pub roster: Arc<Roster>,
    pub me: Party,
    pub tls: Option<Arc<Tls>>,
    pub limits: Limits,
    pub counters: Arc<Counters>,
    pub notices: Notices,
    pub bell: Bell,
    /// What is to be reported before the next event is looked at.
    pub arrivals: Vec<Arrival>,
    registry: Registry,
    /// Tokens grow, so that an event of a connection that is gone is never taken for another's.
    next_token: usize,
    random: RandomState,
    draws: u64,
    /// High half of [`crate::Hello::attempt`].
    process: u32,
    hellos: u32,
}

impl House {
    pub fn new(identity: &Identity, limits: Limits, counters: Arc<Counters>, bell: Bell, registry: Registry) -> Self {
        let random = RandomState::new();
        let process = random.hash_one(0u64) as u32;
        Self {
            roster: identity.roster().clone(),
            me: identity.me().clone(),
            tls: Tls::new(identity).map(Arc::new),
            limits: limits.bounded(),
            counters,
            notices: Notices::default(),
            bell,
            arrivals: vec![],
            registry,
            next_token: FIRST_CONNECTION,
            random,
            draws: 0,
            process,
            hellos: 0,
        }
    }

    /// Our id; a client has none.
    pub fn id(&self) -> Option<ReplicaId> {
        self.me.replica()
    }

    /// Whether connections are authenticated.
    pub fn is_secure(&self) -> bool {
        self.roster.security() == Security::Tls
    }

    /// Watches `socket` both ways and names it.
    pub fn watch(&mut self, socket: &mut impl Source) -> io::Result<usize> {
        let token = self.next_token;
        self.next_token += 1;
        self.registry.register(socket, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        Ok(token)
    }

    /// Takes `socket` out of the set, for another owner to watch.
    pub fn unwatch(&self, socket: &mut impl Source) -> io::Result<()> {
        self.registry.deregister(socket)
    }

    /// The number of the next hello.
    pub fn next_attempt(&mut self) -> u64 {
        self.hellos = self.hellos.wrapping_add(1);
        u64::from(self.process) << 32 | u64::from(self.hellos)
    }

    /// Between half of `span` and all of it, so that two sides that failed together do not try together for ever.
    pub fn jittered(&mut self, span: Duration) -> Duration {
        self.draws += 1;
        let share = self.random.hash_one(self.draws) as u32;
        span / 2 + span.mul_f64(f64::from(share) / f64::from(u32::MAX) / 2.0)
    }
}
