//! A path through the model, told step by step.

use std::fmt;

use stateright::Model;

use crate::acceptor::{Acceptor, Lane};
use crate::journal::{Ballot, Record};
use crate::model::OneSlot;
use crate::operation::Operation;
use crate::state::{Phase, Proposer, State};
use crate::step::Step;

/// A path in which every acceptor keeps its name, whether or not the scenario has symmetry.
#[derive(Debug)]
pub struct Trace {
    /// The model, without symmetry.
    pub model: OneSlot,
    /// The steps, in order.
    pub events: Vec<Event>,
}

/// One step of a path.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The state the step starts from.
    pub before: State,
    /// The step.
    pub step: Step,
    /// The state it leads to.
    pub after: State,
}

impl Trace {
    /// Repeats the steps of a path that the checker found in `model`.
    pub fn replay(model: &OneSlot, path: impl IntoIterator<Item = Step>) -> Self {
        let symmetry = model.scenario.symmetry;
        let mut model = model.clone();
        model.scenario.symmetry = false;
        let mut before = OneSlot::initial_state();
        let mut events = Vec::new();
        for step in path {
            let step = if symmetry { named(step, &before) } else { step };
            let Some(after) = model.next_state(&before, step) else { break };
            events.push(Event { before, step, after });
            before = after;
        }
        Self { model, events }
    }

    /// The state in which the path ends.
    pub fn last_state(&self) -> State {
        self.events.last().map_or_else(OneSlot::initial_state, |event| event.after)
    }
}

/// The step with the names that acceptors have in `state`, where it counts them in sorted order.
fn named(step: Step, state: &State) -> Step {
    let mut order: Vec<usize> = (0..state.acceptors.len()).collect();
    order.sort_by_key(|acceptor| state.acceptors[*acceptor]);
    step.renamed(|acceptor| order[acceptor])
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, event) in self.events.iter().enumerate() {
            write!(f, "{:3}. ", index + 1)?;
            self.tell(event, f)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Trace {
    fn tell(&self, event: &Event, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match event.step {
            Step::Execute { proposer, acceptor } => {
                let ballot = self.ballot(proposer, usize::from(event.before.proposers[proposer].attempt));
                write!(f, "P{proposer} with ballot {ballot} at A{acceptor}: ")?;
                self.tell_operation(event, proposer, acceptor, f)?;
                tell_phase(&event.before.proposers[proposer], &event.after.proposers[proposer], f)
            }
            Step::Land { proposer, attempt, acceptor, operation } => {
                let ballot = self.ballot(proposer, attempt);
                write!(f, "left behind by P{proposer} with ballot {ballot}, lands at A{acceptor}: {operation}")?;
                let seen = (event.before.acceptors[acceptor].promise, event.after.acceptors[acceptor].promise);
                write!(f, "; PROMISE {} -> {}", seen.0, seen.1)
            }
            Step::Retry { proposer, predicted } => {
                let ballot = self.ballot(proposer, usize::from(event.after.proposers[proposer].attempt));
                write!(f, "P{proposer} gives up and prepares with ballot {ballot}, taking PROMISE to be {predicted}")
            }
            Step::Crash { proposer } => write!(f, "P{proposer} crashes"),
        }
    }

    fn ballot(&self, proposer: usize, attempt: usize) -> Ballot {
        self.model.scenario.ballots[proposer][attempt]
    }

    fn tell_operation(
        &self,
        event: &Event,
        proposer: usize,
        acceptor: usize,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let (before, after) = (&event.before.acceptors[acceptor], &event.after.acceptors[acceptor]);
        let record = event.before.proposers[proposer].record;
        let Some(operation) = self.model.next_operation(&event.before, proposer, acceptor) else { return Ok(()) };
        write!(f, "{operation}")?;
        match operation {
            Operation::Promise if before.promise == after.promise => write!(f, " fails: PROMISE is {}", before.promise),
            Operation::Promise => write!(f, ": PROMISE {} -> {}", before.promise, after.promise),
            Operation::Check => write!(f, ": PROMISE is {}", before.promise),
            Operation::Read(owner) => tell_journal(before, owner, f),
            Operation::WriteHalf | Operation::WriteRest => tell_record(record, f),
        }?;
        if after.lanes[proposer] == Lane::Refused { write!(f, ", refused") } else { Ok(()) }
    }
}

fn tell_record(record: Record, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " (ballot {}, value {})", record.ballot, record.value)
}

fn tell_journal(acceptor: &Acceptor, owner: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let journal = &acceptor.journals[owner];
    for record in journal.iter().filter_map(|cell| cell.record()) {
        tell_record(record, f)?;
    }
    if journal.iter().any(|cell| cell.is_torn()) { write!(f, " (torn)") } else { Ok(()) }
}

fn tell_phase(before: &Proposer, after: &Proposer, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (before.phase, after.phase) {
        (Phase::Prepare, Phase::Accept) => write!(f, "; prepared, proposes value {}", after.record.value),
        (Phase::Accept, Phase::Decided) => write!(f, "; DECIDES value {}", after.record.value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn a_trace_reads_as_a_story() {
        let prepare = |acceptor| [Step::Execute { proposer: 0, acceptor }; 3];
        let accept = |acceptor| [Step::Execute { proposer: 0, acceptor }; 2];
        let path =
            [prepare(0).as_slice(), &prepare(1), &accept(1), &accept(2), &[Step::Crash { proposer: 1 }]].concat();
        let scenario = Scenario { symmetry: false, ..Scenario::OVERTAKEN };
        let story = Trace::replay(&OneSlot::correct(scenario), path).to_string();
        let expected = "  \
          1. P0 with ballot 1 at A0: CAS on PROMISE: PROMISE 0 -> 1
  2. P0 with ballot 1 at A0: READ of journal 0
  3. P0 with ballot 1 at A0: READ of journal 1
  4. P0 with ballot 1 at A1: CAS on PROMISE: PROMISE 0 -> 1
  5. P0 with ballot 1 at A1: READ of journal 0
  6. P0 with ballot 1 at A1: READ of journal 1; prepared, proposes value 1
  7. P0 with ballot 1 at A1: WRITE of the record (ballot 1, value 1)
  8. P0 with ballot 1 at A1: check: PROMISE is 1
  9. P0 with ballot 1 at A2: WRITE of the record (ballot 1, value 1)
 10. P0 with ballot 1 at A2: check: PROMISE is 0, refused
 11. P1 crashes
";
        assert_eq!(story, expected);
    }
}
