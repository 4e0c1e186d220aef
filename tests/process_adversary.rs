//! `paxon bench adversary` from the outside: three processes under attack, and whether the report would tell if they fell.

mod processes;

use processes::{Ended, Folder, command, finish_within};
use serde_json::Value;
use std::time::Duration;

/// Debug builds of three replicas and eight clients, and whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(240);

fn adversary(args: &[&str]) -> Ended {
    let folder = Folder::new();
    let dir = folder.path("");
    let dir = dir.to_str().expect("a plain name");
    let all = [&["--json", "bench", "adversary", "--smoke", "--dir", dir], args].concat();
    let ended = finish_within(command(&all).spawn().expect("the command starts"), PATIENCE);
    assert!(std::fs::read_dir(folder.path("")).expect("the folder can be read").next().is_none(), "files are left");
    ended
}

#[track_caller]
fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {report}"))
}

/// Nothing forged was applied, nothing honest refused or lost, and every replica says the same.
#[track_caller]
fn assert_held(report: &Value, forged_at_least: u64) {
    let honest = number(report, "honest_sent");
    assert_eq!(number(report, "forged_applied"), 0, "{report}");
    assert_eq!((number(report, "honest_applied"), number(report, "honest_refused")), (honest, 0), "{report}");
    assert!(number(report, "forged_sent") >= forged_at_least, "{report}");
    let states = report["states"].as_array().expect("one for each replica");
    assert_eq!(states.len(), 3, "{report}");
    for state in states {
        assert_eq!((number(state, "honest"), number(state, "forged")), (honest, 0), "{report}");
        assert_eq!((&state["exact"], &state["digest"]), (&Value::Bool(true), &states[0]["digest"]), "{report}");
    }
    for load in [&report["calm"], &report["attack"]] {
        assert!(number(load, "samples") > 0 && number(&load["latency"], "p50_ns") > 0, "{report}");
    }
}

fn refused_by_decision(report: &Value) -> u64 {
    let defences = report["defences"].as_array().expect("one for each replica");
    let refused = |defence: &Value| {
        let kinds = defence["decided"]["refused"].as_object().expect("counts by kind");
        kinds.values().filter_map(Value::as_u64).sum::<u64>()
    };
    defences.iter().map(refused).min().expect("three replicas")
}

#[test]
fn a_cluster_under_attack_applies_nothing_forged_and_refuses_nothing_honest() {
    let report = adversary(&["--share", "600"]).succeeded().json();
    assert_held(&report, 2_000);
    let refusals = report["refusals"].as_object().expect("counts by kind");
    let expected =
        ["malformed", "unknown_key", "revoked_key", "expired_key", "expired_command", "wrong_role", "bad_signature"];
    for kind in expected {
        assert!(refusals.contains_key(kind), "{kind} is not in {refusals:?}");
    }
    // Whoever leads looks first: none of it was decided.
    assert_eq!(refused_by_decision(&report), 0, "{report}");
}

#[test]
fn replicas_refuse_what_a_careless_leader_proposes() {
    let report = adversary(&["--careless"]).succeeded().json();
    assert_held(&report, 1_500);
    assert!(refused_by_decision(&report) >= 1_000, "{report}");
}

#[test]
fn the_report_tells_of_forged_commands_where_nobody_looks() {
    let ended = adversary(&["--careless", "--policy", "leader"]);
    let report = ended.json();
    assert_eq!(ended.status, Some(1), "{report}");
    assert!(number(&report, "forged_applied") > 100, "{report}");
}

#[test]
fn devices_that_stop_in_the_middle_cost_nothing_but_time() {
    let report = adversary(&["--verifier", "model", "--kill-device", "--share", "300"]).succeeded().json();
    assert_held(&report, 1_000);
    let defences = report["defences"].as_array().expect("one for each replica");
    let retired = defences.iter().filter(|defence| defence["device"]["condition"] == "retired").count();
    assert!(retired > 0, "{report}");
    assert!(defences.iter().all(|defence| number(&defence["device"], "by_device") > 0), "{report}");
    assert!(number(&report["attack"], "longest_gap_ns") > 0, "{report}");
}

#[test]
fn only_a_model_can_be_broken() {
    adversary(&["--kill-device"]).refused(2, &["--verifier model"]);
}

#[cfg(feature = "verilator")]
#[test]
fn the_rtl_verifies_in_one_of_three_processes() {
    let report = adversary(&["--verifier", "verilator"]).succeeded().json();
    assert_held(&report, 10);
    let device = &report["defences"][0]["device"];
    assert!(number(device, "by_device") + number(device, "sampled") > 0, "{report}");
    assert_eq!((number(device, "faults"), number(device, "mismatches")), (0, 0), "{report}");
}
