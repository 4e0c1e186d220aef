//! `paxon-model`: explores a scenario on demand, or shows how a planted bug breaks the protocol.
#![allow(clippy::print_stdout, reason = "a command prints its report")]

use std::process::ExitCode;

use clap::Parser;
use paxon_model::exploration::{Exploration, GENERATED_PER_STATE_MAX, Until};
use paxon_model::model::OneSlot;
use paxon_model::mutant::Mutant;
use paxon_model::scenario::Scenario;
use paxon_model::trace::Trace;

/// Model checker of the one-slot protocol.
#[derive(Parser)]
struct Arguments {
    /// What may happen: overtaken, torn, late, brief, persistent, duel, prepare-by-all or accept-by-all. Without it,
    /// `late`, or what suits the mutant.
    #[arg(long, value_parser = scenario)]
    scenario: Option<Scenario>,
    /// Different states to explore at least, unless there are fewer; without it, all.
    #[arg(long)]
    states: Option<usize>,
    /// A bug to plant, or `all`.
    #[arg(long, value_parser = mutants)]
    mutant: Option<MutantList>,
    /// Threads that explore.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Mutants named by one word.
#[derive(Clone)]
struct MutantList(Vec<Mutant>);

fn scenario(name: &str) -> Result<Scenario, String> {
    let names = Scenario::ALL.map(|scenario| scenario.name).join(", ");
    Scenario::named(name).ok_or_else(|| format!("the scenarios are {names}"))
}

fn mutants(name: &str) -> Result<MutantList, String> {
    if name == "all" {
        return Ok(MutantList(Mutant::ALL.to_vec()));
    }
    let names = Mutant::ALL.map(Mutant::name).join(", ");
    Mutant::named(name).map(|mutant| MutantList(vec![mutant])).ok_or_else(|| format!("the mutants are {names}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let as_expected = match &arguments.mutant {
        None => check(&arguments),
        Some(MutantList(mutants)) => {
            mutants.iter().map(|mutant| show(*mutant, &arguments)).filter(|caught| !caught).count() == 0
        }
    };
    if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Explores the correct protocol; true if it is safe.
fn check(arguments: &Arguments) -> bool {
    let model = OneSlot::correct(arguments.scenario.unwrap_or(Scenario::LATE));
    println!("{:?}", model.scenario);
    let bound = |states: usize| Until::Generated(states.saturating_mul(GENERATED_PER_STATE_MAX));
    let run = Exploration::run(model.clone(), arguments.states.map_or(Until::Closed, bound), arguments.threads);
    report(&run);
    tell_violation(&model, &run);
    for name in run.discoveries.keys() {
        println!("seen: {name}");
    }
    run.violation().is_none()
}

/// Plants a bug and tells how it breaks the protocol; true if it does.
fn show(mutant: Mutant, arguments: &Arguments) -> bool {
    let scenario = arguments.scenario.unwrap_or(mutant.scenario());
    println!("{} in scenario {}", mutant.name(), scenario.name);
    let model = OneSlot { scenario, mutant: Some(mutant) };
    let bound = arguments.states.unwrap_or(usize::MAX).saturating_mul(GENERATED_PER_STATE_MAX);
    let run = Exploration::run(model.clone(), Until::Violation(bound), arguments.threads);
    report(&run);
    tell_violation(&model, &run);
    run.violation().is_some()
}

fn report(run: &Exploration) {
    let extent = if run.closed { "every reachable state" } else { "not every reachable state" };
    let seconds = run.elapsed.as_secs_f64();
    println!("{} states ({extent}), {} generated, {} deep, {seconds:.1} s", run.states, run.generated, run.depth);
}

fn tell_violation(model: &OneSlot, run: &Exploration) {
    match run.violation() {
        Some((property, path)) => {
            println!("{property} is violated:\n{}", Trace::replay(model, path.clone().into_actions()));
        }
        None => println!("no violation"),
    }
}
