//! How to reach a member: a literal address, or a name that a short-lived thread looks up, since that may block for long.

use super::Command;
use super::house::Bell;
use crate::address::Address;
use paxon_fastpath::ReplicaId;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an answer of the resolver is used without asking again.
const FRESH: Duration = Duration::from_secs(10);
/// How long after a failure the resolver is not asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The addresses of a member.
pub struct Route {
    peer: ReplicaId,
    address: Address,
    /// What is known, possibly of an earlier look-up.
    known: Vec<SocketAddr>,
    /// Which of them is tried next: a name may have addresses that lead nowhere from here.
    turn: usize,
    /// A thread is looking the name up. There is never more than one for a member, however long it takes.
    is_asked: bool,
    ask_again_at: Instant,
}

impl Route {
    /// The route to `peer` at `address`.
    pub fn new(peer: ReplicaId, address: Address, now: Instant) -> Self {
        let known = match address {
            Address::Literal(literal) => vec![literal],
            Address::Name { .. } => vec![],
        };
        Self { peer, address, known, turn: 0, is_asked: false, ask_again_at: now }
    }

    /// The address to try next, `None` while none is known. Names are looked up anew now and then.
    pub fn next(&mut self, bell: &Bell, now: Instant) -> Option<SocketAddr> {
        if matches!(self.address, Address::Name { .. }) && !self.is_asked && self.ask_again_at <= now {
            self.is_asked = true;
            self.ask(bell);
        }
        let next = self.known.get(self.turn % self.known.len().max(1)).copied();
        self.turn = self.turn.wrapping_add(1);
        next
    }

    /// Looks the name up on a thread of its own, which tells the porter.
    fn ask(&self, bell: &Bell) {
        let (peer, address, answer) = (self.peer, self.address.clone(), bell.clone());
        let look_up = move || answer.ring(Command::Resolved(peer, address.resolve()));
        if let Err(error) = std::thread::Builder::new().name("paxon-resolve".into()).spawn(look_up) {
            bell.ring(Command::Resolved(peer, Err(error)));
        }
    }

    /// Takes the resolver's answer. After a failure what was known before stays in use.
    pub fn learn(&mut self, answer: io::Result<Vec<SocketAddr>>, now: Instant) -> io::Result<()> {
        self.is_asked = false;
        self.ask_again_at = now + if answer.is_ok() { FRESH } else { PAUSE };
        self.known = answer?;
        Ok(())
    }

    /// The name, or the address as text.
    pub fn name(&self) -> String {
        match &self.address {
            Address::Literal(literal) => literal.to_string(),
            Address::Name { host, port } => format!("{host}:{port}"),
        }
    }
}
