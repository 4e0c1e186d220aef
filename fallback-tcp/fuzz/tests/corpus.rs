//! Every input of the corpus, and every one that found something once, goes through its target as an ordinary test.

use paxon_fuzz::{TARGETS, seeds};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder(of: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of).join(target)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn all_inputs_pass() {
    for (target, run) in TARGETS {
        let inputs: Vec<_> = ["corpus", "regressions"].iter().flat_map(|of| files(&folder(of, target))).collect();
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            // Shown when the test fails.
            println!("{}", input.display());
            run(&std::fs::read(&input).expect("a file"));
        }
    }
}

#[test]
fn every_target_stands_nearly_empty_inputs() {
    for (_, run) in TARGETS {
        (0..6).for_each(|bytes| run(&vec![0; bytes]));
        (1..6).for_each(|bytes| run(&vec![0xFF; bytes]));
    }
}

#[test]
fn the_corpus_is_what_the_program_makes() {
    for (target, name, bytes) in seeds::all() {
        let file = folder("corpus", target).join(&name);
        let found = std::fs::read(&file).unwrap_or_default();
        assert!(found == bytes, "{}: run `cargo run --example seeds`", file.display());
    }
}

#[test]
fn every_target_is_a_program() {
    let manifest = include_str!("../Cargo.toml");
    let programs: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(programs, TARGETS.iter().map(|(target, _)| *target).collect());
}
