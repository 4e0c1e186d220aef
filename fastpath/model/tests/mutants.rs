//! Every planted bug is caught, and for what it is.
#![allow(clippy::print_stdout, reason = "a test prints how many states it took")]

use std::mem::discriminant;

use paxon_model::exploration::{Exploration, Until};
use paxon_model::model::OneSlot;
use paxon_model::mutant::Mutant;
use paxon_model::operation::Operation;
use paxon_model::scenario::Scenario;
use paxon_model::step::Step;
use paxon_model::trace::Trace;
use stateright::Model;

/// Far above what any mutant needs.
const GENERATED_MAX: usize = 40_000_000;

fn search(model: &OneSlot) -> Exploration {
    Exploration::run(model.clone(), Until::Violation(GENERATED_MAX), 1)
}

/// Finds a violation, repeats it with named acceptors, and requires that it still is one.
fn caught(model: &OneSlot) -> Trace {
    let run = search(model);
    let name = model.mutant.map_or("correct", Mutant::name);
    let (property, path) = run.violation().unwrap_or_else(|| panic!("{name} survives {} states", run.states));
    let trace = Trace::replay(model, path.clone().into_actions());
    println!("{name}: {property} lost after {} states in {} steps, {:?}", run.states, trace.events.len(), run.elapsed);
    let properties = trace.model.properties();
    let lost = properties.iter().find(|candidate| candidate.name == property).expect("a property of the model");
    assert!(!(lost.condition)(&trace.model, &trace.last_state()), "{name}: the trace ends in a safe state\n{trace}");
    trace
}

/// The operation at which a trace of a mutant first does what the correct protocol would not.
fn departure(trace: &Trace) -> Option<Operation> {
    let correct = OneSlot::correct(trace.model.scenario);
    let event = trace.events.iter().find(|event| correct.next_state(&event.before, event.step) != Some(event.after))?;
    match event.step {
        Step::Execute { proposer, acceptor } => trace.model.next_operation(&event.before, proposer, acceptor),
        Step::Land { operation, .. } => Some(operation),
        Step::Retry { .. } | Step::Crash { .. } => None,
    }
}

/// The operation that the bug is about. A prepare ends with a READ and an accept with a check, so a bug in what
/// follows from the phase shows there.
fn buggy_operation(mutant: Mutant) -> Operation {
    match mutant {
        Mutant::NoCheck => Operation::WriteRest,
        Mutant::CheckBeforeWrite | Mutant::FailedCheckCounted | Mutant::AcceptQuorumTooSmall => Operation::Check,
        Mutant::FailedPromiseCounted | Mutant::PlainStorePromise | Mutant::PromiseLowered => Operation::Promise,
        Mutant::RewriteInPlace => Operation::WriteHalf,
        Mutant::ReadsBeforePromise
        | Mutant::OwnJournalOnly
        | Mutant::NoAdoption
        | Mutant::LowestBallotAdopted
        | Mutant::PrepareQuorumTooSmall
        | Mutant::TornRecordTrusted => Operation::Read(0),
    }
}

#[test]
fn every_mutant_is_caught_because_of_its_own_bug() {
    for mutant in Mutant::ALL {
        let trace = caught(&OneSlot::mutated(mutant));
        let departure = departure(&trace).unwrap_or_else(|| panic!("{}: no bug in\n{trace}", mutant.name()));
        let expected = buggy_operation(mutant);
        assert_eq!(discriminant(&departure), discriminant(&expected), "{}: {departure} in\n{trace}", mutant.name());
    }
}

/// The other half of the proof is in `exhaustive.rs`, which closes these scenarios without a violation.
#[test]
fn mutants_are_caught_where_the_correct_protocol_is_shown_safe() {
    for mutant in Mutant::ALL {
        assert!([Scenario::OVERTAKEN, Scenario::PERSISTENT].contains(&mutant.scenario()), "{}", mutant.name());
    }
}

#[test]
fn rewriting_in_place_is_safe_where_writes_are_never_torn() {
    let scenario = Scenario { torn_writes: false, ..Scenario::PERSISTENT };
    let run = search(&OneSlot { scenario, mutant: Some(Mutant::RewriteInPlace) });
    assert_eq!(run.violation().map(|(property, _)| property), None);
    assert!(run.closed);
}

#[test]
fn trusting_torn_records_is_safe_where_writes_are_never_torn() {
    let scenario = Scenario { torn_writes: false, ..Scenario::PERSISTENT };
    let run = search(&OneSlot { scenario, mutant: Some(Mutant::TornRecordTrusted) });
    assert_eq!(run.violation().map(|(property, _)| property), None);
    assert!(run.closed);
}
