//! The listening socket and the strangers that came through it.

use super::Arrival;
use super::counters::{Reason, add};
use super::house::House;
use super::notices::{Trouble, Whom};
use super::stranger::{Refused, Source, Step, Stranger};
use crate::hello::{HELLO_BYTES, Hello};
use crate::identity::Party;
use log::Level;
use mio::net::{TcpListener, TcpStream};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Connections accepted before other sockets are looked at again.
const ACCEPTED_AT_ONCE: usize = 32;
/// How long accepting rests after an error. Want of file descriptors or memory does not pass sooner for asking again.
const REST: Duration = Duration::from_millis(100);

/// Accepts connections and looks after them until they are known or gone.
pub struct Gate {
    listener: TcpListener,
    /// By token, and so by age. At most [`super::Limits::strangers_max`].
    strangers: BTreeMap<usize, Stranger>,
    /// More may be waiting at the listener, which reports it only once.
    is_knocked_at: bool,
    /// Accepting rests until then.
    rests_until: Option<Instant>,
}

impl Gate {
    /// A gate at a listener that is being watched.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, strangers: BTreeMap::new(), is_knocked_at: true, rests_until: None }
    }

    /// The listener has something to accept.
    pub fn knock(&mut self) {
        self.is_knocked_at = true;
    }

    /// When this gate has something to do of itself.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let accepting = self.is_knocked_at.then(|| self.rests_until.unwrap_or(now));
        let deadline = self.strangers.values().map(|stranger| stranger.deadline).min();
        accepting.into_iter().chain(deadline).min()
    }

    /// Accepts what waits and drops who has taken too long.
    pub fn tend(&mut self, house: &mut House, now: Instant) {
        if self.is_knocked_at && self.rests_until.is_none_or(|until| until <= now) {
            self.rests_until = None;
            self.accept(house, now);
        }
        let is_late = |stranger: &Stranger| stranger.deadline <= now;
        while let Some(token) = self.strangers.iter().find(|(_, stranger)| is_late(stranger)).map(|(token, _)| *token) {
            self.drop_stranger(house, token, Reason::TimedOut);
        }
        house.counters.strangers.store(self.strangers.len() as u64, Ordering::Relaxed);
    }

    fn accept(&mut self, house: &mut House, now: Instant) {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok((stream, address)) => self.let_in(house, stream, address, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_knocked_at = false;
                    return;
                }
                // The one that knocked is gone; the next may be well.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => return self.rest(house, &error, now),
            }
        }
    }

    /// Stops accepting for a while, and gives back a file descriptor if a stranger holds one.
    fn rest(&mut self, house: &mut House, error: &io::Error, now: Instant) {
        add(&house.counters.accept_errors);
        if house.counters.accept_errors() == 1 {
            log::warn!(
                "cannot accept connections: {error}. Trying every {} ms; further failures are only counted",
                REST.as_millis()
            );
        }
        self.rests_until = Some(now + REST);
        if let Some(token) = self.oldest_of_the_many() {
            self.drop_stranger(house, token, Reason::Evicted);
        }
    }

    fn let_in(&mut self, house: &mut House, stream: TcpStream, address: SocketAddr, now: Instant) {
        add(&house.counters.accepted);
        while self.strangers.len() >= house.limits.strangers_max
            && let Some(token) = self.oldest_of_the_many()
        {
            self.drop_stranger(house, token, Reason::Evicted);
        }
        let mut stranger = Stranger::new(stream, address, house, now);
        let watched = stranger.stream().set_nodelay(true).and_then(|()| house.watch(stranger.stream()));
        match watched {
            Ok(token) => {
                self.strangers.insert(token, stranger);
                self.attend(token, house, now);
            }
            Err(error) => self.rest(house, &error, now),
        }
    }

    /// Whom to drop: somebody who was refused already, else the oldest of the source that has most.
    fn oldest_of_the_many(&self) -> Option<usize> {
        if let Some((token, _)) = self.strangers.iter().find(|(_, stranger)| stranger.is_leaving) {
            return Some(*token);
        }
        let mut crowds: BTreeMap<Source, (usize, usize)> = BTreeMap::new();
        for (token, stranger) in &self.strangers {
            crowds.entry(stranger.source).or_insert((0, *token)).0 += 1;
        }
        // Of crowds of the same size the one with the oldest stranger.
        crowds.into_values().max_by_key(|(size, oldest)| (*size, std::cmp::Reverse(*oldest))).map(|(_, oldest)| oldest)
    }

    /// Drops a stranger; one that was refused has been counted then.
    fn drop_stranger(&mut self, house: &mut House, token: usize, reason: Reason) {
        if let Some(stranger) = self.strangers.remove(&token)
            && !stranger.is_leaving
        {
            let detail = format!("{} ms were not enough to say who it is", house.limits.accept_deadline.as_millis());
            let detail = if reason == Reason::Evicted { "too many others came".into() } else { detail };
            note(house, &stranger, &Refused { reason, party: None, detail });
        }
    }

    /// Looks at the stranger `token`; false if there is none.
    pub fn attend(&mut self, token: usize, house: &mut House, now: Instant) -> bool {
        let Some(stranger) = self.strangers.get_mut(&token) else {
            return false;
        };
        match stranger.advance(house, now) {
            Step::Wait => {}
            Step::Refuse(refused) => {
                note(house, stranger, &refused);
                // What it has sent already is reported no more: look once more, as at one who leaves.
                return self.attend(token, house, now);
            }
            Step::Gone => drop(self.strangers.remove(&token)),
            Step::Admit(hello, party) => {
                if let Some(stranger) = self.strangers.remove(&token) {
                    admit(house, stranger, hello, party);
                }
            }
        }
        true
    }
}

fn admit(house: &mut House, mut stranger: Stranger, hello: Hello, party: Party) {
    let handed_over = match house.unwatch(stranger.stream()) {
        Ok(()) => stranger.into_talk().into_secured(HELLO_BYTES, house.tls.as_deref()),
        Err(error) => Err(error),
    };
    match handed_over {
        Ok(connection) => {
            add(&house.counters.admitted);
            house.notices.forget(&party);
            house.arrivals.push(Arrival::Inbound { hello, party, connection });
        }
        Err(error) => {
            add(&house.counters.accept_errors);
            log::warn!("the connection of {party} could not be handed over: {error}");
        }
    }
}

/// Counts a refusal, and logs it if it is the first of its kind from there.
fn note(house: &mut House, stranger: &Stranger, refused: &Refused) {
    house.counters.refuse(refused.reason);
    let address = stranger.address;
    let whom = refused.party.clone().map_or(Whom::Address(address.ip().to_canonical()), Whom::Party);
    if !house.notices.is_news(&whom, Trouble::Refused(refused.reason)) {
        return;
    }
    let party = refused.party.as_ref().map(|party| format!("{party} at ")).unwrap_or_default();
    // Peers that give up an attempt and probes that look whether the port is open come and go all the time.
    let level = if refused.reason == Reason::Left { Level::Debug } else { Level::Warn };
    log::log!(level, "refused {party}{address} ({}): {}", refused.reason, refused.detail);
}
