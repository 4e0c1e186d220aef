//! The requests that are worked at: a fixed number of places, each with a ticket of the engine and a waker.
//!
//! A request that has to wait until the replica has applied a slot gets its ticket then. Until that time it takes nothing of
//! the engine's: a client could name a slot that never comes.

use super::bell::{Bell, Ring};
use crate::failure::Failure;
use crate::ticket::{Reply, Ticket};
use paxon_fastpath::{Ballot, Slot};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Names a connection for as long as it lives; its place in the list may be another's later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionKey {
    pub(super) at: usize,
    pub(super) life: u64,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Session,
    /// Session 0 has no order.
    Command {
        session: u64,
        round: u64,
    },
    Answer,
    Digest,
}

/// Who waits for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) connection: ConnectionKey,
    pub(super) id: u64,
    pub(super) asked: Asked,
    /// The ballot under which it was proposed, if it was.
    pub(super) ballot: Ballot,
    /// When the client is told that there is no outcome.
    pub(super) deadline: Instant,
    /// Bytes of the budget of long requests that it holds.
    pub(super) reserved: usize,
}

/// A question to this replica's own state.
#[derive(Debug)]
pub(super) enum Question {
    Query(Vec<u8>),
    Digest,
}

/// What a request waits for.
#[derive(Debug)]
pub(super) enum Work {
    Ticket(Ticket),
    /// The question is put once the replica has applied the slot.
    Later(Question, Slot),
}

#[derive(Debug)]
struct Place {
    ring: Arc<Ring>,
    waker: Waker,
    occupied: Option<(Work, Asker)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    places: Vec<Place>,
    /// Invariant: exactly the places that are not occupied.
    free: Vec<usize>,
    /// Places whose work is [`Work::Later`].
    later: usize,
}

impl Desk {
    pub(super) fn new(bell: &Arc<Bell>, places: usize) -> Self {
        let place = |(ring, waker)| Place { ring, waker, occupied: None };
        Self {
            places: bell.rings(places).into_iter().map(place).collect(),
            free: (0..places).rev().collect(),
            later: 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Whether so many are worked at that everybody should ask for less.
    pub(super) const fn is_crowded(&self) -> bool {
        self.free.len() < self.places.len() / 2
    }

    /// Takes on a request. Returns its place, to be looked at soon: it may have its answer already.
    ///
    /// # Panics
    /// If the desk is full.
    pub(super) fn take_on(&mut self, work: Work, asker: Asker) -> usize {
        let at = self.free.pop().expect("the caller has looked whether the desk is full");
        self.later += usize::from(matches!(work, Work::Later(..)));
        self.places[at].occupied = Some((work, asker));
        at
    }

    /// Whether a request waits for the replica to come further.
    pub(super) const fn has_later(&self) -> bool {
        self.later > 0
    }

    /// The questions that can be put now that `applied` is: their places, for [`Desk::put`].
    pub(super) fn due(&mut self, applied: Slot) -> Vec<(usize, Question)> {
        let mut due = Vec::new();
        for (at, place) in self.places.iter_mut().enumerate() {
            if let Some((Work::Later(question, at_least), _)) = &mut place.occupied
                && *at_least <= applied
            {
                due.push((at, std::mem::replace(question, Question::Digest)));
            }
        }
        due
    }

    /// A question was put: its place has a ticket now.
    pub(super) fn put(&mut self, at: usize, ticket: Ticket) {
        if let Some((work @ Work::Later(..), _)) = &mut self.places[at].occupied {
            *work = Work::Ticket(ticket);
            self.later -= 1;
        }
    }

    /// Who waits at a place.
    pub(super) fn asker(&self, at: usize) -> Option<Asker> {
        self.places[at].occupied.as_ref().map(|(_, asker)| *asker)
    }

    /// Takes the answer at a place, which is free then.
    pub(super) fn answer(&mut self, at: usize) -> Option<Result<Reply, Failure>> {
        let place = &mut self.places[at];
        place.ring.reset();
        let Some((Work::Ticket(ticket), _)) = place.occupied.as_mut() else { return None };
        let Poll::Ready(answer) = Pin::new(ticket).poll(&mut Context::from_waker(&place.waker)) else { return None };
        self.forget(at);
        Some(answer)
    }

    /// Nobody waits at the place any more. Returns who did.
    pub(super) fn forget(&mut self, at: usize) -> Option<Asker> {
        let (work, asker) = self.places[at].occupied.take()?;
        self.later -= usize::from(matches!(work, Work::Later(..)));
        self.free.push(at);
        Some(asker)
    }

    /// The places whose request is one of these.
    pub(super) fn find(&self, wanted: impl Fn(&Asker) -> bool) -> Vec<usize> {
        let is_wanted = |at: &usize| self.places[*at].occupied.as_ref().is_some_and(|(_, asker)| wanted(asker));
        (0..self.places.len()).filter(is_wanted).collect()
    }
}
