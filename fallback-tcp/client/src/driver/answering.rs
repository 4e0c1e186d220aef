//! What replicas say, and what follows from it.

use super::link::Heard;
use super::word::{Refused, Word};
use super::{Driver, READS_PER_TURN};
use crate::call::{Call, Kind, To};
use crate::error::ClientError;
use crate::transport::Received;
use crate::wire::{Code, OWN_WORDS};
use paxon_fastpath::ReplicaId;
use std::sync::Arc;
use std::time::Instant;

impl Driver {
    /// Reads what the sockets have.
    pub(super) fn read(&mut self, now: Instant) {
        for event in self.events.iter().filter(|event| event.is_readable() || event.is_read_closed()) {
            if let Some(link) = self.links.get_mut(event.token().0) {
                link.has_more = true;
                link.is_ending |= event.is_read_closed();
            }
        }
        for at in 0..self.links.len() {
            if self.links[at].has_more {
                self.read_link(at, now);
            }
        }
    }

    pub(super) fn read_link(&mut self, at: usize, now: Instant) {
        for _ in 0..READS_PER_TURN {
            let received = self.links[at].receive(&mut self.scratch, now);
            if !self.listen(at, now) {
                return;
            }
            match received {
                Ok(Received::Bytes(_)) if self.links[at].has_more => {}
                Ok(Received::Bytes(_) | Received::Nothing) => return,
                Ok(Received::End) => return self.lose(at, "the replica has ended the connection", now),
                Err(error) => return self.lose(at, &error.to_string(), now),
            }
        }
    }

    /// Acts upon all whole frames; `false` if the connection was given up meanwhile.
    fn listen(&mut self, at: usize, now: Instant) -> bool {
        loop {
            match self.links[at].listen(self.options.reply_bytes_max) {
                Heard::Nothing => return true,
                Heard::Word(id, word) => {
                    if let Err(problem) = self.hear(at, id, word, now) {
                        self.lose(at, &problem, now);
                        return false;
                    }
                }
                Heard::Broken(problem) => {
                    self.lose(at, &problem, now);
                    return false;
                }
            }
        }
    }

    /// # Errors
    /// Why the connection is of no use.
    fn hear(&mut self, at: usize, id: u64, word: Word, now: Instant) -> Result<(), String> {
        let expected = self.links[at].replica();
        match word {
            Word::Welcome { replica, .. } if replica != expected => {
                return Err(format!("it says that it is replica {}", replica.0));
            }
            Word::Welcome { limits, .. } => {
                self.links[at].limits = Some(limits);
                self.flows.set_window(limits.session_window);
                return Ok(());
            }
            Word::Refused(refused) if id == OWN_WORDS => {
                let problem = refused.message;
                self.links[at].not_before = now + refused.retry_after;
                return Err(problem);
            }
            word => self.take_answer(at, id, word, now)?,
        }
        Ok(())
    }

    fn take_answer(&mut self, at: usize, id: u64, word: Word, now: Instant) -> Result<(), String> {
        let Some(call) = self.links[at].answered(id, now) else {
            return Err(format!("it answered request {id}, which it was not asked"));
        };
        match word.answer_to(call.kind, self.links[at].replica()) {
            Ok(Ok(outcome)) => {
                self.links[at].succeeded();
                if call.to == To::Leader {
                    self.aim.succeeded(at);
                    self.flows.came_back(&call);
                }
                call.end(Ok(outcome));
            }
            Ok(Err(refused)) => match call.to {
                To::Leader => self.refused_by_leader(at, call, refused, now),
                To::Replica(_) => self.refused_by_replica(at, call, refused, now),
            },
            Err(word) => {
                let problem = format!("it said {:?} to a request of another kind, {:?}", word.name(), call.kind);
                // It is lost with the connection.
                self.links[at].in_flight.insert(id, call);
                return Err(problem);
            }
        }
        Ok(())
    }

    fn refused_by_leader(&mut self, at: usize, call: Arc<Call>, refused: Refused, now: Instant) {
        let Refused { code, ref message, leader, retry_after } = refused;
        if !code.is_passing() {
            self.links[at].succeeded();
            self.flows.came_back(&call);
            return call.end(Err(final_error(self.links[at].replica(), refused)));
        }
        self.aim.note(at, message);
        match code {
            Code::NotLeader => self.aim.not_leader(at, leader, now),
            Code::Busy => self.aim.busy(now, retry_after, self.next_id),
            Code::Unknown if leader.is_some_and(|leader| leader != self.links[at].replica()) => {
                self.aim.not_leader(at, leader, now);
            }
            Code::Unknown => self.aim.pause(now),
            Code::Late => self.aim.turn_from_silent(at, now),
            Code::Stopped => self.aim.turn(at, now),
            // What was refused first has said what to do.
            _ => {}
        }
        if call.kind.is_repeatable() || code.is_harmless() {
            return self.flows.again(call);
        }
        self.flows.came_back(&call);
        call.end(Err(ClientError::Unknown { problem: refused.message }));
    }

    fn refused_by_replica(&mut self, at: usize, call: Arc<Call>, refused: Refused, now: Instant) {
        let link = &mut self.links[at];
        match (call.kind, refused.code) {
            (Kind::Propose { .. }, _) => self.flows.note_refusal(),
            // It answers when it has come so far, or has room.
            (_, Code::Late | Code::Busy) => {
                link.pinned_after = now + refused.retry_after;
                return link.pinned.push_back(call);
            }
            _ => {}
        }
        call.end(Err(final_error(link.replica(), refused)));
    }
}

/// What a refusal is to the caller when asking again does not help.
fn final_error(replica: ReplicaId, refused: Refused) -> ClientError {
    let Refused { code, message, .. } = refused;
    match code {
        Code::SessionExpired => ClientError::SessionExpired,
        Code::TooOld => ClientError::TooOld,
        Code::ReplyTooLarge => ClientError::ReplyTooLarge(message),
        _ => ClientError::Refused { replica, code, message },
    }
}
