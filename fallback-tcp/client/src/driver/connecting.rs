//! Connections: made, arrived, lost.

use super::link::{Link, State};
use super::{Dialler, Driver};
use crate::call::{Call, Kind, To};
use crate::error::ClientError;
use crate::transport::Transport;
use crate::wire::{OWN_WORDS, Request, VERSION};
use mio::Token;
use mio::net::UnixStream;
use paxon_channel::Arrival;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest body of a hello.
const HELLO_BODY_BYTES_MAX: usize = 64;

/// Whether a replica can be sent to.
#[derive(Debug)]
pub(super) enum Reach {
    Ready,
    /// A connection is being made.
    Wait,
    /// Not now, for this reason.
    Failed(String),
}

impl Driver {
    /// Sees to a connection to the target. `patience` is how long one may take to be made.
    pub(super) fn reach(&mut self, at: usize, patience: Duration, now: Instant) -> Reach {
        if self.links[at].may_have_ended(now) {
            self.read_link(at, now);
        }
        let link = &self.links[at];
        match link.state {
            State::Up(_) => Reach::Ready,
            State::Dialling { failed: true, .. } => Reach::Failed(link.problem.clone()),
            State::Dialling { since, .. } if now.saturating_duration_since(since) > patience => {
                Reach::Failed(format!("not reached within {patience:?}"))
            }
            State::Dialling { .. } => Reach::Wait,
            State::Down if now < link.retry_at => Reach::Failed(link.problem.clone()),
            State::Down => self.connect(at, now),
        }
    }

    fn connect(&mut self, at: usize, now: Instant) -> Reach {
        let link = &mut self.links[at];
        let Some(socket) = link.target.socket() else {
            if let Some(Dialler { porter, hellos, .. }) = &self.dialler {
                porter.dial(link.replica(), hellos[at]);
                link.state = State::Dialling { since: now, failed: false };
            }
            return Reach::Wait;
        };
        match connect_unix(socket) {
            Ok(transport) => self.establish(at, transport),
            Err(error) => {
                let problem = describe(&error);
                link.ended(&problem, now);
                Reach::Failed(problem)
            }
        }
    }

    /// A connection is there: says hello on it.
    fn establish(&mut self, at: usize, mut transport: Transport) -> Reach {
        let link = &mut self.links[at];
        if let Err(error) = transport.register(self.poll.registry(), Token(at)) {
            return Reach::Failed(error.to_string());
        }
        transport
            .push(OWN_WORDS, &Request::Hello { version: VERSION }, HELLO_BODY_BYTES_MAX)
            .expect("a hello has a few bytes");
        link.state = State::Up(transport);
        // What came with the greeting is looked at in the next turn.
        link.has_more = true;
        Reach::Ready
    }

    /// Takes what the porter has brought.
    pub(super) fn take_arrivals(&mut self, now: Instant) {
        while let Some(arrival) = self.dialler.as_ref().and_then(|dialler| dialler.arrivals.try_recv().ok()) {
            match arrival {
                Arrival::Outbound { peer, connection, round_trip, .. } => {
                    let Some(at) = self.links.iter().position(|link| link.replica() == peer) else { continue };
                    self.links[at].round_trip = round_trip;
                    if matches!(self.links[at].state, State::Dialling { .. })
                        && let Reach::Failed(problem) = self.establish(at, Transport::secured(connection))
                    {
                        self.lose(at, &problem, now);
                    }
                }
                Arrival::DialFailed { peer, reason } => {
                    if let Some(at) = self.links.iter().position(|link| link.replica() == peer) {
                        self.dial_failed(at, reason.to_string(), now);
                    }
                }
                // Nobody connects to a client.
                Arrival::Inbound { .. } => {}
            }
        }
    }

    fn dial_failed(&mut self, at: usize, problem: String, now: Instant) {
        let link = &mut self.links[at];
        if let State::Dialling { failed, .. } = &mut link.state {
            *failed = true;
            link.problem = problem;
            fail_pinned(link);
            if at == self.aim.at() {
                self.aim.note(at, &self.links[at].problem);
                self.aim.turn(at, now);
            }
        }
    }

    /// Ends dials that nobody needs any more. While the leader is searched for all are needed: a dial takes three round trips,
    /// and on a slow path others are asked meanwhile.
    pub(super) fn cancel_idle_dials(&mut self) {
        let asks = self.flows.has_ready() || self.links.iter().any(|link| !link.in_flight.is_empty());
        let (aim, searches) = (self.aim.at(), self.aim.is_searching());
        let Some(Dialler { porter, .. }) = &self.dialler else { return };
        for (at, link) in self.links.iter_mut().enumerate() {
            let needed = asks && (searches || at == aim) || !link.pinned.is_empty();
            if matches!(link.state, State::Dialling { .. }) && !needed {
                porter.cancel(link.replica());
                link.state = State::Down;
            }
        }
    }

    /// The connection to the target has ended, or is given up. What was under way is sent again, or its callers are told.
    pub(super) fn lose(&mut self, at: usize, problem: &str, now: Instant) {
        if let State::Up(transport) = &mut self.links[at].state {
            transport.deregister(self.poll.registry());
        }
        let was_useful = self.links[at].is_useful();
        let under_way = self.links[at].ended(problem, now);
        let for_the_leader = under_way.values().any(|call| call.to == To::Leader);
        // Backwards, since each goes to the front of what waits.
        for call in under_way.into_values().rev() {
            self.lose_call(at, call, was_useful);
        }
        if !was_useful {
            fail_pinned(&mut self.links[at]);
        }
        if for_the_leader {
            self.aim.note(at, problem);
            self.aim.turn(at, now);
        }
    }

    fn lose_call(&mut self, at: usize, call: Arc<Call>, was_useful: bool) {
        let Link { target, problem, .. } = &self.links[at];
        let replica = target.replica();
        match (call.to, call.kind) {
            (To::Leader, kind) if kind.is_repeatable() => self.flows.again(call),
            // A connection that was of use may just have been too old: one more is made.
            (To::Replica(_), kind) if was_useful && !matches!(kind, Kind::Propose { .. }) => {
                self.links[at].pinned.push_front(call);
            }
            (_, Kind::Propose { .. }) => {
                let problem = format!("replica {}: {problem}", replica.0);
                call.end(Err(ClientError::Unknown { problem }));
            }
            _ => call.end(Err(ClientError::Unreachable { replica, problem: problem.clone() })),
        }
    }
}

/// Requests to this replica alone that were not sent are not sent elsewhere.
fn fail_pinned(link: &mut Link) {
    let Link { target, problem, pinned, .. } = link;
    for call in pinned.drain(..) {
        call.end(Err(ClientError::Unreachable { replica: target.replica(), problem: problem.clone() }));
    }
}

fn connect_unix(socket: &Path) -> io::Result<Transport> {
    // The system connects to a unix socket at once or says why not.
    UnixStream::connect(socket).map(Transport::unix)
}

/// A problem with connecting in the words of the user.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => "not running".into(),
        io::ErrorKind::WouldBlock => "too many clients wait for it already".into(),
        _ => error.to_string(),
    }
}
