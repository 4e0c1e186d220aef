//! All dials of a porter, one for each member at most.

use super::Arrival;
use super::dial::{Dial, Fate};
use super::dial_error::DialError;
use super::house::House;
use super::route::Route;
use crate::hello::Hello;
use paxon_fastpath::ReplicaId;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Least time between the beginnings of two dials of a member: one that welcomes and hangs up, again and again, does not
/// keep the porter busy.
const DIALS_APART: Duration = Duration::from_millis(20);

/// A member that can be dialled.
struct Line {
    route: Route,
    dial: Option<Dial>,
    /// When the dial before began.
    dialled: Option<Instant>,
}

/// The members that can be dialled: all but this process itself.
pub struct Switchboard {
    lines: BTreeMap<ReplicaId, Line>,
}

impl Switchboard {
    pub fn new(house: &House, now: Instant) -> Self {
        let others = house.roster.members().iter().map(|member| member.id).filter(|id| Some(*id) != house.id());
        let line = |id| {
            let route = Route::new(id, house.roster.address(id)?.clone(), now);
            Some((id, Line { route, dial: None, dialled: None }))
        };
        Self { lines: others.filter_map(line).collect() }
    }

    /// Begins to dial `peer`, or goes on with another hello.
    pub fn dial(&mut self, peer: ReplicaId, hello: Hello, house: &mut House, now: Instant) {
        let Some(line) = self.lines.get_mut(&peer) else {
            house.arrivals.push(Arrival::DialFailed { peer, reason: DialError::NoMember { peer } });
            return;
        };
        if let Some(dial) = &mut line.dial {
            dial.change_hello(hello, now);
            return;
        }
        let start = line.dialled.map_or(now, |dialled| now.max(dialled + DIALS_APART));
        line.dialled = Some(start);
        line.dial = Some(Dial::new(peer, hello, start));
    }

    /// Ends the dial of `peer`, if there is one.
    pub fn cancel(&mut self, peer: ReplicaId) {
        if let Some(line) = self.lines.get_mut(&peer) {
            line.dial = None;
        }
    }

    /// Takes an answer of the resolver.
    pub fn resolved(&mut self, peer: ReplicaId, answer: io::Result<Vec<SocketAddr>>, house: &mut House, now: Instant) {
        let Some(line) = self.lines.get_mut(&peer) else { return };
        let outcome = line.route.learn(answer, now);
        let unresolved =
            |error: io::Error| DialError::Unresolved { name: line.route.name(), reason: error.to_string() };
        let outcome = outcome.map_err(unresolved);
        if let Some(dial) = &mut line.dial {
            dial.resolved(outcome, house, now);
        }
    }

    /// When a dial has something to do of itself.
    pub fn due(&self) -> Option<Instant> {
        self.lines.values().filter_map(|line| line.dial.as_ref()).map(Dial::due).min()
    }

    /// Lets every dial do what is due.
    pub fn tend(&mut self, house: &mut House, now: Instant) {
        for line in self.lines.values_mut() {
            if let Some(dial) = &mut line.dial {
                dial.tend(&mut line.route, house, now);
            }
        }
    }

    /// Looks at the connection `token`; nothing happens if it is not of a dial.
    pub fn attend(&mut self, token: usize, house: &mut House, now: Instant) {
        for line in self.lines.values_mut() {
            let fate = line.dial.as_mut().and_then(|dial| dial.attend(token, house, now));
            if fate == Some(Fate::Done) {
                line.dial = None;
            }
            if fate.is_some() {
                return;
            }
        }
    }
}
