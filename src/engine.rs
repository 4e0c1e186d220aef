//! The loop of a replica that has a thread of its own.

use crate::failure::Failure;
use crate::node::Node;
use crate::poll_policy::{Pause, rest_between_polls};
use crate::router::Router;
use crate::seats::{Kind, SeatId};
use crate::shared::Shared;
use paxon_fastpath::{
    Batch, BatchError, Command, Fabric, INLINE_BYTES, ProposeError, ReadRound, Role, Slot, StateMachine,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

/// Records that one turn proposes at most: the engine must get to its peers and its clock in between.
const RECORDS_PER_TURN: usize = 16;
/// The peers' progress is pulled once a beat, many turns apart; it is shown every so many turns.
const TURNS_PER_PEERS: u32 = 64;

/// A node with clients in other threads.
///
/// All requests that wait when the loop comes around become one record, so batches grow with the load and an idle
/// replica adds no delay.
pub(crate) struct Engine<S, F> {
    node: Node<S, F, Router>,
    shared: Arc<Shared>,
    /// Commands that were taken from the queue and are not proposed yet.
    batch: Batch,
    /// Invariant: the seats of `batch`, in order.
    packed: Vec<SeatId>,
    /// Commands that the machine still looks at, in the order in which they came.
    vetting: VecDeque<SeatId>,
    /// A command that did not fit into `batch`: the first of the next one.
    left_over: Option<SeatId>,
    /// Reads that wait for their round, oldest first.
    reads: VecDeque<(ReadRound, SeatId)>,
    /// Requests that wait until this replica has applied a slot.
    local: Vec<(Slot, SeatId)>,
    turns: u32,
    /// Turns in a row without anything to do.
    idle_turns: u32,
}

/// Answers everybody when the engine's thread ends, also by a panic of the state machine.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.board.show_stopped();
        self.0.seats.stop();
    }
}

impl<S: StateMachine, F: Fabric> Engine<S, F> {
    pub(crate) fn new(node: Node<S, F, Router>, shared: Arc<Shared>) -> Self {
        let seats = shared.seats.count();
        Self {
            batch: Batch::new(node.replica().config().payload_bytes_max, seats),
            node,
            shared,
            packed: Vec::with_capacity(seats),
            vetting: VecDeque::with_capacity(seats),
            left_over: None,
            reads: VecDeque::with_capacity(seats),
            local: Vec::with_capacity(seats),
            turns: 0,
            idle_turns: 0,
        }
    }

    /// Runs until the replica is shut down.
    pub(crate) fn run(mut self) {
        let last_words = LastWords(self.shared.clone());
        self.shared.doorbell.install();
        while !self.shared.shutdown.load(Ordering::Relaxed) {
            let worked = self.turn();
            self.pause(worked);
        }
        self.farewell();
        // One that does not fit is no loss: the next process then asks its peers for theirs.
        self.node.offer_snapshot();
        drop(last_words);
    }

    /// Gives up leadership and stays for a beat, so that the peers see it and need not wait until they suspect this replica.
    fn farewell(&mut self) {
        if self.node.replica().role() != Role::Leader {
            return;
        }
        self.node.resign();
        let until = self.node.clock().now().plus(self.node.replica().config().timing.beat);
        while self.node.clock().now() <= until {
            self.node.poll();
            thread::yield_now();
        }
        self.settle();
    }

    /// One turn. Returns whether there was anything to do.
    fn turn(&mut self) -> bool {
        if self.shared.resign.load(Ordering::Relaxed) && self.shared.resign.swap(false, Ordering::Relaxed) {
            self.node.resign();
        }
        self.turns = self.turns.wrapping_add(1);
        let took = self.take_requests();
        self.node.poll();
        self.settle();
        self.serve_reads();
        let progressed = self.show();
        if progressed || took {
            self.serve_local();
        }
        took || progressed || !self.node.outcomes_mut().is_idle()
    }

    fn pause(&mut self, worked: bool) {
        self.idle_turns = if worked { 0 } else { self.idle_turns.saturating_add(1) };
        match self.shared.policy.pause(self.idle_turns) {
            Pause::None if self.node.replica().role() == Role::Leader => std::hint::spin_loop(),
            Pause::None => rest_between_polls(),
            Pause::Yield => thread::yield_now(),
            Pause::Park(longest) => {
                let shared = &self.shared;
                shared
                    .doorbell
                    .park(longest, || shared.seats.has_requests() || shared.shutdown.load(Ordering::Relaxed));
            }
        }
    }

    fn show(&self) -> bool {
        let replica = self.node.replica();
        let progressed = self.shared.board.show_progress(replica) | self.shared.board.show_role(replica);
        if self.turns.is_multiple_of(TURNS_PER_PEERS) {
            self.shared.board.show_peers(&self.node);
        }
        progressed
    }

    /// Proposes what waits in the queue, as few records as possible.
    fn take_requests(&mut self) -> bool {
        let mut took = false;
        for _ in 0..RECORDS_PER_TURN {
            took |= self.fill_batch();
            if self.packed.is_empty() || !self.propose_batch() {
                break;
            }
        }
        took
    }

    /// Moves requests into the batch until the queue is empty or the batch is full.
    fn fill_batch(&mut self) -> bool {
        let mut took = !self.vetting.is_empty();
        let mut round = None;
        if self.left_over.take().is_some_and(|seat| !self.pack(seat)) || !self.pack_vetted() {
            return true;
        }
        while let Some(seat) = self.shared.seats.next_request() {
            took = true;
            let kind = self.shared.seats.body(seat).kind;
            match kind {
                Kind::Command { .. } => {
                    if !self.vet(seat) {
                        break;
                    }
                }
                Kind::Read => self.await_round(seat, &mut round),
                Kind::ReadLocal { at_least } | Kind::Digest { at_least } => self.local.push((at_least, seat)),
            }
        }
        took
    }

    /// Has the machine look at a command that has just come, and puts it into the batch once it may; `false` if that has no
    /// room for it.
    fn vet(&mut self, seat: SeatId) -> bool {
        if self.vetting.is_empty() {
            if let Some(has_room) = self.pack_if_vetted(seat) {
                return has_room;
            }
        } else {
            let body = self.shared.seats.body(seat);
            // Only to begin: it waits behind those that came before it, so that the commands of a session keep their order.
            let _ = body.command().and_then(|command| self.node.vet(&command));
        }
        self.vetting.push_back(seat);
        true
    }

    /// Puts commands that the machine is through with into the batch; `false` if that has no room for one.
    fn pack_vetted(&mut self) -> bool {
        while let Some(&seat) = self.vetting.front() {
            let Some(has_room) = self.pack_if_vetted(seat) else { break };
            self.vetting.pop_front();
            if !has_room {
                return false;
            }
        }
        true
    }

    /// Puts a command into the batch or refuses it, as the machine says; `None` if that takes longer, `Some(false)` if the
    /// batch has no room for it.
    fn pack_if_vetted(&mut self, seat: SeatId) -> Option<bool> {
        let body = self.shared.seats.body(seat);
        let Some(command) = body.command() else { return Some(true) };
        let verdict = self.node.vet(&command)?;
        let pushed = verdict.map(|()| self.batch.push(command));
        drop(body);
        match pushed {
            Ok(pushed) => Some(self.note_packed(seat, pushed)),
            Err(code) => {
                self.shared.seats.fail(seat, Failure::Refused { code });
                Some(true)
            }
        }
    }

    /// Puts a command that was vetted before into the batch; `false` if it has to wait for the next.
    fn pack(&mut self, seat: SeatId) -> bool {
        let body = self.shared.seats.body(seat);
        let Some(command) = body.command() else { return true };
        let pushed = self.batch.push(command);
        drop(body);
        self.note_packed(seat, pushed)
    }

    /// Remembers whose command went into the batch, or could not.
    fn note_packed(&mut self, seat: SeatId, pushed: Result<(), BatchError>) -> bool {
        match pushed {
            Ok(()) => self.packed.push(seat),
            Err(BatchError::Full { .. }) => self.left_over = Some(seat),
            // Refused by the handle already; the client is told the truth all the same: nothing was proposed.
            Err(_) => self.shared.seats.fail(seat, Failure::NotLeader { leader: None }),
        }
        self.left_over.is_none()
    }

    /// All reads that one turn takes share a round.
    fn await_round(&mut self, seat: SeatId, round: &mut Option<ReadRound>) {
        match round.map_or_else(|| self.node.read(), Ok) {
            Ok(shared) => {
                *round = Some(shared);
                self.reads.push_back((shared, seat));
            }
            Err(_) => self.refuse(seat),
        }
    }

    /// Proposes the batch; `false` if that has to wait.
    fn propose_batch(&mut self) -> bool {
        let ballot = self.node.replica().ballot();
        match self.submit() {
            Ok(slot) => self.node.outcomes_mut().proposed(slot, ballot, &self.packed),
            Err(ProposeError::Full { .. }) => return false,
            Err(_) => {
                for at in 0..self.packed.len() {
                    self.refuse(self.packed[at]);
                }
            }
        }
        self.batch.clear();
        self.packed.clear();
        true
    }

    /// A single small command needs no batch around it.
    fn submit(&mut self) -> Result<Slot, ProposeError> {
        if let [seat] = self.packed[..] {
            let body = self.shared.seats.body(seat);
            if let Kind::Command { session, sequence } = body.kind
                && body.request.len() <= INLINE_BYTES
            {
                return self.node.submit(Command { session, sequence, payload: &body.request });
            }
        }
        self.node.submit_batch(&self.batch)
    }

    fn refuse(&self, seat: SeatId) {
        self.shared.seats.fail(seat, Failure::NotLeader { leader: self.node.replica().leader() });
    }

    /// Gives up what a lost leadership leaves behind.
    fn settle(&mut self) {
        let leading = (self.node.replica().role() == Role::Leader).then(|| self.node.replica().ballot());
        self.node.outcomes_mut().expect_only(leading);
        if self.node.outcomes_mut().take_deposed() || leading.is_none() {
            while let Some((_, seat)) = self.reads.pop_front() {
                self.refuse(seat);
            }
        }
        if leading.is_none() {
            while let Some(seat) = self.vetting.pop_front() {
                self.refuse(seat);
            }
        }
    }

    fn serve_reads(&mut self) {
        let Some(ready) = self.node.outcomes_mut().take_read_ready() else { return };
        while let Some(&(_, seat)) = self.reads.front().filter(|(round, _)| *round <= ready) {
            self.reads.pop_front();
            self.answer_locally(seat);
        }
    }

    fn serve_local(&mut self) {
        let applied = self.node.replica().applied();
        let mut at = 0;
        while at < self.local.len() {
            if self.local[at].0 <= applied {
                let (_, seat) = self.local.swap_remove(at);
                self.answer_locally(seat);
            } else {
                at += 1;
            }
        }
    }

    /// Answers from this replica's state as it is.
    fn answer_locally(&self, seat: SeatId) {
        let service = self.node.service();
        let slot = self.node.replica().applied();
        self.shared.seats.complete(seat, Ok(slot), |body| match body.kind {
            Kind::Digest { .. } => body.reply.extend_from_slice(&service.digest().to_le_bytes()),
            _ => service.machine().query(&body.request, &mut body.reply),
        });
    }
}
