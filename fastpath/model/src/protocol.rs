//! The protocol itself: what each step does to memory, channels and proposers, and where each mutant departs from it.

use crate::acceptor::{Acceptor, Lane, Posted};
use crate::journal::{Ballot, Record};
use crate::model::OneSlot;
use crate::mutant::Mutant;
use crate::operation::{Operation, accept_operations, prepare_operations};
use crate::state::{Phase, Proposer, State};

/// What an operation reports.
enum Reply {
    Success,
    /// A CAS found this ballot in PROMISE.
    Saw(Ballot),
}

/// An attempt of a proposer: on whose behalf an operation executes.
#[derive(Clone, Copy)]
struct Attempt {
    proposer: usize,
    number: usize,
    ballot: Ballot,
    record: Record,
}

impl OneSlot {
    /// The operations that a proposer posts in a phase, in channel order.
    pub fn batch(&self, proposer: usize, phase: Phase) -> &'static [Operation] {
        match phase {
            Phase::Prepare => prepare_operations(proposer, self.mutant),
            Phase::Accept => accept_operations(self.scenario.torn_writes, self.mutant),
            Phase::Decided | Phase::Crashed => &[],
        }
    }

    /// The operation that executes next for a proposer at an acceptor.
    pub fn next_operation(&self, state: &State, proposer: usize, acceptor: usize) -> Option<Operation> {
        match state.acceptors[acceptor].lanes[proposer] {
            Lane::Posted(posted) => {
                Some(self.batch(proposer, state.proposers[proposer].phase)[usize::from(posted.next)])
            }
            _ => None,
        }
    }

    fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn attempt(&self, state: &State, proposer: usize) -> Attempt {
        let Proposer { attempt, record, .. } = state.proposers[proposer];
        let number = usize::from(attempt);
        Attempt { proposer, number, ballot: self.scenario.ballots[proposer][number], record }
    }

    pub(crate) fn execute(&self, state: &mut State, proposer: usize, acceptor: usize) {
        let Lane::Posted(mut posted) = state.acceptors[acceptor].lanes[proposer] else { return };
        let batch = self.batch(proposer, state.proposers[proposer].phase);
        let operation = batch[usize::from(posted.next)];
        let attempt = self.attempt(state, proposer);
        let memory = &mut state.acceptors[acceptor];
        memory.lanes[proposer] = match self.perform(memory, attempt, operation, &mut posted) {
            Reply::Saw(seen) if !self.ignores_failure(operation) => self.after_failure(operation, attempt, seen),
            _ if usize::from(posted.next) + 1 == batch.len() => Lane::Done { best: posted.best },
            _ => Lane::Posted(Posted { next: posted.next + 1, ..posted }),
        };
        self.end_phase(state, proposer);
    }

    fn perform(&self, memory: &mut Acceptor, attempt: Attempt, operation: Operation, posted: &mut Posted) -> Reply {
        match operation {
            Operation::Promise => return self.promise(memory, posted.predicted, attempt.ballot),
            Operation::Check if memory.promise != attempt.ballot => return Reply::Saw(memory.promise),
            Operation::Check => {}
            Operation::Read(owner) => posted.best = self.prefer(posted.best, self.read(memory, owner)),
            Operation::WriteHalf => memory.journals[attempt.proposer][self.seq(attempt)].land_half(attempt.record),
            Operation::WriteRest => memory.journals[attempt.proposer][self.seq(attempt)].land_whole(attempt.record),
        }
        Reply::Success
    }

    fn promise(&self, memory: &mut Acceptor, predicted: Ballot, ballot: Ballot) -> Reply {
        if memory.promise != predicted && !self.has(Mutant::PlainStorePromise) {
            return Reply::Saw(memory.promise);
        }
        memory.promise = ballot;
        Reply::Success
    }

    fn read(&self, memory: &Acceptor, owner: usize) -> Option<Record> {
        memory.journals[owner].iter().fold(None, |best, cell| {
            let found = if self.has(Mutant::TornRecordTrusted) { cell.unverified_record() } else { cell.record() };
            self.prefer(best, found)
        })
    }

    /// Of two records that a prepare read, the one to adopt: the one with the higher ballot.
    fn prefer(&self, one: Option<Record>, other: Option<Record>) -> Option<Record> {
        if self.has(Mutant::LowestBallotAdopted) { one.into_iter().chain(other).min() } else { one.max(other) }
    }

    /// The cell of an attempt: each attempt appends, so that no byte of a record ever changes.
    fn seq(&self, attempt: Attempt) -> usize {
        if self.has(Mutant::RewriteInPlace) { 0 } else { attempt.number }
    }

    fn ignores_failure(&self, operation: Operation) -> bool {
        match operation {
            Operation::Promise => self.has(Mutant::FailedPromiseCounted),
            Operation::Check => self.has(Mutant::FailedCheckCounted),
            _ => false,
        }
    }

    /// A failed CAS is posted again with what it saw, a failed check never; reads that followed a failed CAS are void.
    fn after_failure(&self, operation: Operation, attempt: Attempt, seen: Ballot) -> Lane {
        let may_raise = seen < attempt.ballot || self.has(Mutant::PromiseLowered);
        if operation == Operation::Promise && may_raise { Lane::posted(seen) } else { Lane::Refused }
    }

    fn end_phase(&self, state: &mut State, proposer: usize) {
        let done = state.acceptors.iter().filter(|a| matches!(a.lanes[proposer], Lane::Done { .. })).count();
        match state.proposers[proposer].phase {
            Phase::Prepare if done >= self.prepare_quorum() => self.begin_accept(state, proposer),
            Phase::Accept if done >= self.accept_quorum() => self.decide(state, proposer),
            _ => {}
        }
    }

    fn prepare_quorum(&self) -> usize {
        if self.has(Mutant::PrepareQuorumTooSmall) { 1 } else { self.scenario.quorums.prepare }
    }

    fn accept_quorum(&self) -> usize {
        if self.has(Mutant::AcceptQuorumTooSmall) { 1 } else { self.scenario.quorums.accept }
    }

    fn begin_accept(&self, state: &mut State, proposer: usize) {
        let record = self.record_to_write(state, proposer);
        self.leave_lanes(state, proposer);
        state.proposers[proposer].phase = Phase::Accept;
        state.proposers[proposer].record = record;
        state.post(proposer, 0);
    }

    fn record_to_write(&self, state: &State, proposer: usize) -> Record {
        let ballot = self.attempt(state, proposer).ballot;
        let best = state.acceptors.iter().fold(None, |best, acceptor| match acceptor.lanes[proposer] {
            Lane::Done { best: found } => self.prefer(best, found),
            _ => best,
        });
        match best {
            Some(adopted) if !self.has(Mutant::NoAdoption) => Record { ballot, value: adopted.value },
            _ => Record { ballot, value: ballot },
        }
    }

    fn decide(&self, state: &mut State, proposer: usize) {
        state.decided.insert(state.proposers[proposer].record.value);
        self.leave_lanes(state, proposer);
        state.proposers[proposer].phase = Phase::Decided;
    }

    /// Turns what is still posted into leftovers, where the scenario has them, and empties the channels.
    fn leave_lanes(&self, state: &mut State, proposer: usize) {
        let Proposer { attempt, phase, record } = state.proposers[proposer];
        let batch = self.batch(proposer, phase);
        for acceptor in &mut state.acceptors {
            if let (Lane::Posted(posted), true) = (acceptor.lanes[proposer], self.scenario.leftovers) {
                acceptor.leftovers[proposer][usize::from(attempt)].collect(batch, posted, record);
            }
            acceptor.lanes[proposer] = Lane::Idle;
        }
    }

    pub(crate) fn land(&self, memory: &mut Acceptor, proposer: usize, number: usize, operation: Operation) {
        let ballot = self.scenario.ballots[proposer][number];
        let leftover = &mut memory.leftovers[proposer][number];
        let record = leftover.write.unwrap_or_default();
        let mut posted = Posted { predicted: leftover.promise.unwrap_or_default(), ..Posted::default() };
        match operation {
            Operation::Promise => leftover.promise = None,
            Operation::WriteHalf => leftover.half_landed = true,
            _ => (leftover.write, leftover.half_landed) = (None, false),
        }
        self.perform(memory, Attempt { proposer, number, ballot, record }, operation, &mut posted);
    }

    pub(crate) fn retry(&self, state: &mut State, proposer: usize, predicted: Ballot) {
        self.leave_lanes(state, proposer);
        let attempt = state.proposers[proposer].attempt + 1;
        state.proposers[proposer] = Proposer { attempt, ..Proposer::default() };
        state.post(proposer, predicted);
    }

    pub(crate) fn crash(&self, state: &mut State, proposer: usize) {
        self.leave_lanes(state, proposer);
        state.proposers[proposer] = Proposer { phase: Phase::Crashed, ..Proposer::default() };
    }
}
