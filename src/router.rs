//! Brings the outcomes of decided commands to the seats that wait for them.

use crate::clock::Clock;
use crate::failure::Failure;
use crate::seats::{SeatId, Seats};
use crate::stages::StageLatencies;
use paxon_fastpath::{Answer, Ballot, Nanos, Notice, Outcome, Outcomes, ReadRound, Slot};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A record that this replica has proposed.
#[derive(Clone, Copy, Debug)]
struct Proposed {
    slot: Slot,
    ballot: Ballot,
    /// Seats of `waiting` that belong to it and have no answer yet.
    commands: u16,
    written: Nanos,
}

/// Histograms, and what is needed to fill them.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) latencies: Arc<Mutex<StageLatencies>>,
    pub(crate) clock: Clock,
    /// When the record that is being applied was decided.
    quorum: Nanos,
}

impl Recorder {
    pub(crate) const fn new(latencies: Arc<Mutex<StageLatencies>>, clock: Clock) -> Self {
        Self { latencies, clock, quorum: Nanos(0) }
    }
}

/// The service's outcomes on their way to the clients.
#[derive(Debug)]
pub(crate) struct Router {
    seats: Arc<Seats>,
    /// Invariant: slots grow. Decided slots come in order too, so only the front can be meant.
    proposed: VecDeque<Proposed>,
    /// The seats of all proposed commands, in the order of slot and place.
    waiting: VecDeque<SeatId>,
    /// Clients that were answered in the slot at hand. They are woken after it, so that waking does not delay the answers
    /// behind theirs.
    answered: Vec<SeatId>,
    /// The record at the front is the one that is being applied.
    applying_own: bool,
    /// The latest read round that was confirmed and not served yet.
    read_ready: Option<ReadRound>,
    /// The ballots that this replica lost since the engine looked.
    deposed: bool,
    recorder: Option<Recorder>,
}

impl Router {
    /// A router for records of which up to `records_max` are in flight.
    pub(crate) fn new(seats: Arc<Seats>, records_max: usize, recorder: Option<Recorder>) -> Self {
        Self {
            proposed: VecDeque::with_capacity(records_max),
            waiting: VecDeque::with_capacity(seats.count()),
            answered: Vec::with_capacity(seats.count()),
            seats,
            applying_own: false,
            read_ready: None,
            deposed: false,
            recorder,
        }
    }

    /// The engine has proposed a record with the commands of these seats.
    pub(crate) fn proposed(&mut self, slot: Slot, ballot: Ballot, seats: &[SeatId]) {
        let written = self.recorder.as_ref().map_or(Nanos(0), |recorder| recorder.clock.now());
        self.proposed.push_back(Proposed { slot, ballot, commands: seats.len() as u16, written });
        self.waiting.extend(seats);
    }

    /// Nothing proposed waits for its outcome.
    pub(crate) fn is_idle(&self) -> bool {
        self.proposed.is_empty()
    }

    /// Gives up on records that were not proposed under `leading`: others decide now what their slots hold.
    pub(crate) fn expect_only(&mut self, leading: Option<Ballot>) {
        while self.proposed.front().is_some_and(|front| Some(front.ballot) != leading) {
            self.drop_front();
        }
    }

    pub(crate) const fn take_read_ready(&mut self) -> Option<ReadRound> {
        self.read_ready.take()
    }

    pub(crate) const fn take_deposed(&mut self) -> bool {
        std::mem::replace(&mut self.deposed, false)
    }

    /// The commands of the front record that have no answer yet have an unknown outcome.
    fn drop_front(&mut self) {
        let Some(front) = self.proposed.pop_front() else { return };
        for seat in self.waiting.drain(..usize::from(front.commands)) {
            self.seats.fail(seat, Failure::Unknown);
        }
    }

    fn record(&self, received: Nanos, applied: Nanos, written: Nanos) {
        if let Some(recorder) = &self.recorder {
            let stamps = [received, written, recorder.quorum, applied, recorder.clock.now()];
            recorder.latencies.lock().unwrap_or_else(PoisonError::into_inner).record(&stamps);
        }
    }
}

impl Outcomes for Router {
    fn slot_decided(&mut self, slot: Slot, ballot: Ballot) {
        if let Some(recorder) = &mut self.recorder {
            recorder.quorum = recorder.clock.now();
        }
        // A slot that passed without its record being decided under its ballot holds something else.
        while self.proposed.front().is_some_and(|front| front.slot < slot) {
            self.drop_front();
        }
        self.applying_own = self.proposed.front().is_some_and(|front| (front.slot, front.ballot) == (slot, ballot));
    }

    fn answered(&mut self, answer: Answer<'_>) {
        if !self.applying_own {
            return;
        }
        let Some(front) = self.proposed.front_mut().filter(|front| front.commands > 0) else { return };
        let Some(seat) = self.waiting.pop_front() else { return };
        front.commands -= 1;
        let written = front.written;
        let applied = self.recorder.as_ref().map_or(Nanos(0), |recorder| recorder.clock.now());
        let mut received = Nanos(0);
        let (result, reply) = reply_of(&answer);
        self.seats.place(seat, result, |body| {
            received = body.received;
            match reply {
                ReplyBytes::Of(bytes) => body.reply.extend_from_slice(bytes),
                ReplyBytes::Session(session) => body.reply.extend_from_slice(&session.to_le_bytes()),
            }
        });
        self.record(received, applied, written);
        self.answered.push(seat);
    }

    fn slot_applied(&mut self, _: Slot) {
        if std::mem::replace(&mut self.applying_own, false) {
            self.answered.drain(..).for_each(|seat| self.seats.wake(seat));
            self.drop_front();
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::ReadReady(round) => self.read_ready = Some(round),
            Notice::Deposed { .. } => self.deposed = true,
            _ => {}
        }
    }
}

/// The bytes of a reply.
enum ReplyBytes<'a> {
    Of(&'a [u8]),
    /// The id of the session that was opened, little-endian.
    Session(u64),
}

const fn reply_of<'a>(answer: &Answer<'a>) -> (Result<Slot, Failure>, ReplyBytes<'a>) {
    let none = ReplyBytes::Of(&[]);
    match answer.outcome {
        Outcome::Applied { first, reply } => (Ok(first), ReplyBytes::Of(reply)),
        Outcome::SessionOpened { session } => (Ok(answer.slot), ReplyBytes::Session(session)),
        Outcome::ReplyTooLarge { .. } => (Err(Failure::ReplyTooLarge), none),
        Outcome::TooOld => (Err(Failure::TooOld), none),
        Outcome::SessionExpired => (Err(Failure::SessionExpired), none),
        Outcome::Refused { code } => (Err(Failure::Refused { code }), none),
        // Outcomes of a later version of the engine: the client has to look.
        _ => (Err(Failure::Unknown), none),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seats::Kind;
    use paxon_fastpath::{Epoch, ReplicaId};

    fn ballot(round: u64) -> Ballot {
        Ballot::new(Epoch::FIRST, round, ReplicaId(0))
    }

    fn router() -> (Router, Arc<Seats>) {
        let seats = Arc::new(Seats::new(4));
        (Router::new(seats.clone(), 4, None), seats)
    }

    fn claim(seats: &Seats) -> SeatId {
        seats.claim(Kind::Command { session: 0, sequence: 0 }, b"", Nanos(0)).expect("a free seat")
    }

    fn decide(router: &mut Router, slot: u64, round: u64, replies: &[&[u8]]) {
        let (slot, ballot) = (Slot(slot), ballot(round));
        router.slot_decided(slot, ballot);
        for (index, reply) in (0..).zip(replies) {
            let outcome = Outcome::Applied { first: slot, reply };
            router.answered(Answer { slot, index, ballot, session: 0, sequence: 0, outcome });
        }
        router.slot_applied(slot);
    }

    fn answer(seats: &Seats, seat: SeatId) -> Option<Result<Vec<u8>, Failure>> {
        seats.take(seat, |body| body.reply.clone())
    }

    #[test]
    fn replies_of_a_batch_go_to_its_seats_in_order() {
        let (mut router, seats) = router();
        let own = [claim(&seats), claim(&seats)];
        router.proposed(Slot(5), ballot(1), &own);
        decide(&mut router, 4, 1, &[b"of another"]);
        decide(&mut router, 5, 1, &[b"one", b"two"]);
        assert_eq!(answer(&seats, own[0]), Some(Ok(b"one".to_vec())));
        assert_eq!(answer(&seats, own[1]), Some(Ok(b"two".to_vec())));
        assert!(router.is_idle());
    }

    #[test]
    fn a_slot_decided_under_another_ballot_does_not_answer_our_command() {
        let (mut router, seats) = router();
        let seat = claim(&seats);
        router.proposed(Slot(5), ballot(1), &[seat]);
        decide(&mut router, 5, 2, &[b"not ours"]);
        assert_eq!(answer(&seats, seat), None);
        decide(&mut router, 6, 2, &[b"later"]);
        assert_eq!(answer(&seats, seat), Some(Err(Failure::Unknown)));
    }

    #[test]
    fn a_lost_ballot_leaves_its_commands_with_an_unknown_outcome() {
        let (mut router, seats) = router();
        let (old, new) = (claim(&seats), claim(&seats));
        router.proposed(Slot(5), ballot(1), &[old]);
        router.proposed(Slot(6), ballot(2), &[new]);
        router.expect_only(Some(ballot(2)));
        assert_eq!(answer(&seats, old), Some(Err(Failure::Unknown)));
        assert_eq!(answer(&seats, new), None);
        router.expect_only(None);
        assert_eq!(answer(&seats, new), Some(Err(Failure::Unknown)));
    }

    #[test]
    fn a_command_that_got_no_answer_in_its_slot_is_unknown() {
        let (mut router, seats) = router();
        let own = [claim(&seats), claim(&seats)];
        router.proposed(Slot(5), ballot(1), &own);
        decide(&mut router, 5, 1, &[b"one"]);
        assert_eq!(answer(&seats, own[1]), Some(Err(Failure::Unknown)));
    }
}
