//! The correct protocol, in every reachable state of bounded scenarios.
#![allow(clippy::print_stdout, reason = "a test prints how many states it took")]

use paxon_model::exploration::{Exploration, Until};
use paxon_model::model::{ADOPTION, BOTH_DECIDE, OneSlot, REFUSED_CHECK, TORN_READ};
use paxon_model::scenario::Scenario;

/// Explores every state, requires that none violates safety and that each sighting happens, and counts the states.
fn explore_all(scenario: Scenario, sightings: &[&str]) -> usize {
    let run = Exploration::run(OneSlot::correct(scenario), Until::Closed, 1);
    println!("{}: {} states, {} deep, {:?}", scenario.name, run.states, run.depth, run.elapsed);
    assert_eq!(run.violation().map(|(property, _)| property), None);
    assert!(run.closed, "some states were not explored");
    for sighting in sightings {
        assert!(run.discoveries.contains_key(sighting), "never seen in {}: {sighting}", scenario.name);
    }
    run.states
}

#[test]
fn a_million_states_with_torn_writes_are_safe() {
    let states = explore_all(Scenario::PERSISTENT, &[BOTH_DECIDE, ADOPTION, REFUSED_CHECK, TORN_READ]);
    assert!(states >= 1_000_000, "only {states} states");
}

#[test]
fn a_proposer_overtaken_between_its_attempts_is_safe() {
    explore_all(Scenario::OVERTAKEN, &[BOTH_DECIDE, ADOPTION, REFUSED_CHECK]);
}

#[test]
fn operations_that_land_late_are_safe() {
    explore_all(Scenario::BRIEF, &[BOTH_DECIDE, ADOPTION, REFUSED_CHECK, TORN_READ]);
}

#[test]
fn a_prepare_quorum_of_all_with_an_accept_quorum_of_one_is_safe() {
    explore_all(Scenario::PREPARE_BY_ALL, &[BOTH_DECIDE, ADOPTION, REFUSED_CHECK]);
}

#[test]
fn a_prepare_quorum_of_one_with_an_accept_quorum_of_all_is_safe() {
    let scenario = Scenario { ballots: Scenario::BRIEF.ballots, ..Scenario::ACCEPT_BY_ALL };
    explore_all(scenario, &[BOTH_DECIDE, ADOPTION, REFUSED_CHECK]);
}

/// Whether acceptors have names changes how many states there are, not what can happen in them.
#[test]
fn symmetry_hides_no_behaviour() {
    let merged = Scenario { ballots: Scenario::BRIEF.ballots, ..Scenario::TORN };
    let named = Scenario { symmetry: false, ..merged };
    let sightings = [BOTH_DECIDE, ADOPTION, REFUSED_CHECK, TORN_READ];
    let (merged, named) = (explore_all(merged, &sightings), explore_all(named, &sightings));
    assert!(merged < named && named <= 6 * merged, "{merged} states stand for {named}");
}

#[test]
fn a_run_cut_short_does_not_claim_to_be_complete() {
    let run = Exploration::run(OneSlot::correct(Scenario::OVERTAKEN), Until::Generated(10_000), 1);
    assert!(!run.closed);
    assert!(run.generated >= 10_000);
}
