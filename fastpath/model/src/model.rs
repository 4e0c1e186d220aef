//! Which steps a state allows, and what must hold in every state.

use stateright::{Model, Property};

use crate::acceptor::Lane;
use crate::mutant::Mutant;
use crate::operation::Operation;
use crate::scenario::{ACCEPTORS, PROPOSERS, Scenario};
use crate::state::{Phase, Proposer, State};
use crate::step::Step;

/// At most one value is ever decided.
pub const AGREEMENT: &str = "agreement";
/// A decided value was proposed by somebody.
pub const VALIDITY: &str = "validity";
/// Both proposers have decided.
pub const BOTH_DECIDE: &str = "both proposers decide";
/// A proposer proposes a value that it found in a journal.
pub const ADOPTION: &str = "a value is adopted";
/// A check saw a ballot other than its own.
pub const REFUSED_CHECK: &str = "a check is refused";
/// A prepare completed at an acceptor where a WRITE was landing.
pub const TORN_READ: &str = "a prepare meets a torn record";

/// The one-slot protocol, correct or with one planted bug.
#[derive(Clone, Debug)]
pub struct OneSlot {
    /// The bounds.
    pub scenario: Scenario,
    /// The planted bug, if any.
    pub mutant: Option<Mutant>,
}

impl OneSlot {
    /// The correct protocol.
    pub fn correct(scenario: Scenario) -> Self {
        Self { scenario, mutant: None }
    }

    /// The protocol with a planted bug, in the scenario that suits it.
    pub fn mutated(mutant: Mutant) -> Self {
        Self { scenario: mutant.scenario(), mutant: Some(mutant) }
    }

    /// Every proposer has posted its first prepare and taken every PROMISE to be 0.
    pub fn initial_state() -> State {
        let mut state = State::default();
        for proposer in 0..PROPOSERS {
            state.post(proposer, 0);
        }
        state
    }

    /// Where leftovers are lost, a crash is the same as no further step, which every path has anyway.
    fn proposer_steps(&self, state: &State, proposer: usize, steps: &mut Vec<Step>) {
        let Proposer { attempt, phase, .. } = state.proposers[proposer];
        if self.scenario.leftovers && matches!(phase, Phase::Prepare | Phase::Accept) {
            steps.push(Step::Crash { proposer });
        }
        if let (true, Some(ballot)) = (phase != Phase::Crashed, self.scenario.ballot(proposer, attempt + 1)) {
            steps.extend((0..ballot).map(|predicted| Step::Retry { proposer, predicted }));
        }
    }

    fn acceptor_steps(&self, state: &State, proposer: usize, acceptor: usize, steps: &mut Vec<Step>) {
        let site = &state.acceptors[acceptor];
        if let Lane::Posted(_) = site.lanes[proposer] {
            steps.push(Step::Execute { proposer, acceptor });
        }
        for (attempt, leftover) in site.leftovers[proposer].iter().enumerate() {
            let promise = leftover.promise.map(|_| Operation::Promise);
            for operation in promise.into_iter().chain(leftover.next_write(self.scenario.torn_writes)) {
                steps.push(Step::Land { proposer, attempt, acceptor, operation });
            }
        }
    }

    /// Whether an acceptor looks like its neighbour, so that its steps lead nowhere new.
    fn is_twin(&self, state: &State, acceptor: usize) -> bool {
        self.scenario.symmetry && acceptor > 0 && state.acceptors[acceptor] == state.acceptors[acceptor - 1]
    }
}

impl Model for OneSlot {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![Self::initial_state()]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for proposer in 0..PROPOSERS {
            self.proposer_steps(state, proposer, steps);
            for acceptor in (0..ACCEPTORS).filter(|acceptor| !self.is_twin(state, *acceptor)) {
                self.acceptor_steps(state, proposer, acceptor, steps);
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut state = *state;
        match step {
            Step::Execute { proposer, acceptor } => self.execute(&mut state, proposer, acceptor),
            Step::Land { proposer, attempt, acceptor, operation } => {
                self.land(&mut state.acceptors[acceptor], proposer, attempt, operation);
            }
            Step::Retry { proposer, predicted } => self.retry(&mut state, proposer, predicted),
            Step::Crash { proposer } => self.crash(&mut state, proposer),
        }
        if self.scenario.symmetry {
            state.acceptors.sort_unstable();
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(AGREEMENT, |_, state| state.decided.len() <= 1),
            Property::<Self>::always(VALIDITY, |_, state| !state.decided.contains(0)),
            Property::<Self>::sometimes(BOTH_DECIDE, |_, s| s.proposers.iter().all(|p| p.phase == Phase::Decided)),
            Property::<Self>::sometimes(ADOPTION, |_, state| state.proposers.iter().any(Proposer::has_adopted)),
            Property::<Self>::sometimes(REFUSED_CHECK, |_, state| state.refused_check()),
            Property::<Self>::sometimes(TORN_READ, |_, state| state.read_beside_torn_record()),
        ]
    }
}
