//! From the answers of the engine to replies.

use super::desk::{Asked, Asker, Question};
use super::refusing::Refusing;
use super::rounds::Rounds;
use crate::failure::ProposeError;
use crate::ticket::{self, Ticket};
use paxon_client::wire::{Code, Reply};
use paxon_fastpath::Slot;
use std::time::Instant;

/// What a client is told whose request had no outcome in its time.
pub(super) fn too_late() -> Result<ticket::Reply, Refusing> {
    Err(Refusing::new(Code::Late, "no outcome within the time of the request; it may come later"))
}

impl Rounds {
    /// Looks whether the request at a place has its answer, and passes it on.
    pub(super) fn look(&mut self, place: usize, now: Instant) {
        let Some(asker) = self.desk.asker(place) else { return };
        let Some(guest) = self.guests.get(asker.connection) else { return self.give_back(place) };
        if guest.transport.unsent() >= self.options.send_bytes_max {
            return guest.held.push(place);
        }
        if let Some(answer) = self.desk.answer(place) {
            self.budget += asker.reserved;
            self.reply(&asker, answer.map_err(Refusing::from), now);
        }
    }

    /// Ends the request at a place with this answer.
    pub(super) fn answer_at(&mut self, place: usize, answer: Result<ticket::Reply, Refusing>, now: Instant) {
        if let Some(asker) = self.desk.asker(place) {
            self.give_back(place);
            self.reply(&asker, answer, now);
        }
    }

    /// Nobody waits at the place any more.
    pub(super) fn give_back(&mut self, place: usize) {
        self.budget += self.desk.forget(place).map_or(0, |asker| asker.reserved);
    }

    /// Puts the questions that had to wait until the replica had come so far.
    pub(super) fn put_due(&mut self, now: Instant) {
        if !self.desk.has_later() {
            return;
        }
        for (place, question) in self.desk.due(self.handle.status().applied) {
            match self.put(&question, Slot::NONE) {
                Ok(ticket) => {
                    self.desk.put(place, ticket);
                    self.look(place, now);
                }
                Err(error) => self.answer_at(place, Err(error.into()), now),
            }
        }
    }

    /// Hands a question to the engine.
    pub(super) fn put(&self, question: &Question, at_least: Slot) -> Result<Ticket, ProposeError> {
        match question {
            Question::Query(query) => self.handle.read_local(query, at_least),
            Question::Digest => self.handle.digest(at_least),
        }
    }

    fn reply(&mut self, asker: &Asker, mut answer: Result<ticket::Reply, Refusing>, now: Instant) {
        if let Err(refusing) = &mut answer
            && refusing.code == Code::Unknown
        {
            refusing.leader = self.handle.status().leader;
        }
        if answer.is_ok() && matches!(asker.asked, Asked::Session | Asked::Command { .. }) {
            self.timeline.replied(asker.ballot);
        }
        let Some(guest) = self.guests.get(asker.connection) else { return };
        guest.in_flight -= 1;
        if let Asked::Command { session: session @ 1.., round } = asker.asked {
            if answer.as_ref().is_err_and(|refusing| refusing.code.is_passing()) {
                guest.order.refused(session, round);
            }
            guest.order.finished(session);
        }
        let reply = match &answer {
            Ok(reply) => granted(asker.asked, reply),
            Err(refusing) => Reply::Refused(refusing.as_refusal(&self.addresses)),
        };
        guest.say(asker.id, &reply, self.options.reply_bytes_max, now);
        self.list(asker.connection.at);
    }
}

fn granted(asked: Asked, reply: &ticket::Reply) -> Reply<'_> {
    let slot = reply.slot().0;
    // Sessions and digests are eight bytes, little-endian.
    let number = reply.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    match asked {
        Asked::Session => Reply::Opened { session: number, slot },
        Asked::Digest => Reply::Digest { slot, digest: number },
        Asked::Command { .. } => Reply::Applied { slot, reply },
        Asked::Answer => Reply::Answer { slot, bytes: reply },
    }
}
