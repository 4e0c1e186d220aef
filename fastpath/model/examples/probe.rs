//! probe
#![allow(clippy::print_stdout, reason="x")]
use paxon_model::{exploration::*, model::*, mutant::*, scenario::*};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "mutants" {
        for m in Mutant::ALL { if a.len() > 3 && a[3] != m.name() { continue; }
            let mut model = OneSlot::mutated(m);
            model.scenario.symmetry = a[2] == "sym"; model.scenario.leftovers = false; model.scenario.torn_writes = matches!(m, Mutant::RewriteInPlace | Mutant::TornRecordTrusted);
            let e = Exploration::run(model, Until::Violation(300_000_000), 1);
            println!("{:26} {:12} {:9} {:?} {:?} closed {}", m.name(), m.scenario().name, e.states, e.elapsed, e.violation().map(|(n, p)| (n, p.clone().into_actions().len())), e.closed);
        }
        return;
    }
    let mut s = Scenario::named(&a[1]).unwrap();
    for x in &a[3..] { match x.as_str() { "notorn" => s.torn_writes = false, "nolate" => s.leftovers = false, "nosym" => s.symmetry = false, _ => panic!() } }
    let e = Exploration::run(OneSlot::correct(s), Until::Generated(a[2].parse().unwrap()), 1);
    println!("{} {:?} states {} gen {} depth {} closed {} {:?}", a[1], &a[3..], e.states, e.generated, e.depth, e.closed, e.elapsed);
    for (n, p) in &e.discoveries { println!("   {n} {}", p.clone().into_actions().len()); }
}
