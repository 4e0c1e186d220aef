//! Is the house in order? An ordinary test that reads the sources: sizes, arrows, words, comments, links.
//!
//! Each test states one rule and lists every place that breaks it. The rules themselves, and the proof that each can fail,
//! are in `tidy/text_rules.rs` and `tidy/manifest_rules.rs`; they look at text only, so that a bad string tests them.

#[path = "tidy/manifest_rules.rs"]
mod manifest_rules;
#[path = "tidy/source_tree.rs"]
mod source_tree;
#[path = "tidy/text_rules.rs"]
mod text_rules;

use source_tree::{SourceFile, SourceTree};
use std::process::Command;

/// Files that are not ours to word: the licences are quoted, the lock file is generated.
const FOREIGN: [&str; 3] = ["Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"];

/// Applies a rule to every file that `wanted` selects and fails with all findings.
fn every_file(wanted: impl Fn(&SourceFile) -> bool, rule: impl Fn(&SourceFile) -> Vec<String>) {
    let tree = SourceTree::read();
    let files: Vec<_> = tree.files.iter().filter(|file| wanted(file)).collect();
    assert!(!files.is_empty(), "the rule looked at no file at all");
    none(files.into_iter().flat_map(rule).collect());
}

fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} finding(s):\n{}", findings.len(), findings.join("\n"));
}

fn is_ours(file: &SourceFile) -> bool {
    !FOREIGN.contains(&file.path.as_str())
}

#[test]
fn no_source_file_is_over_600_lines() {
    every_file(SourceFile::is_source, text_rules::too_long);
}

#[test]
fn unsafe_stays_under_drivers_and_says_why_it_is_sound() {
    every_file(|file| file.has_extension("rs"), text_rules::misplaced_unsafe);
}

#[test]
fn no_safety_comment_is_empty() {
    every_file(|file| file.has_extension("rs"), text_rules::empty_safety_comments);
}

#[test]
fn no_stale_word_is_left_in_the_tree() {
    every_file(is_ours, text_rules::stale_words);
}

#[test]
fn no_path_of_one_machine_is_in_the_tree() {
    every_file(is_ours, text_rules::machine_paths);
}

#[test]
fn every_ignored_test_gives_its_reason() {
    every_file(|file| file.has_extension("rs"), text_rules::ignored_without_reason);
}

#[test]
fn every_path_that_a_document_links_to_exists() {
    let tree = SourceTree::read();
    every_file(|file| file.has_extension("md"), |file| text_rules::dead_links(file, |path| tree.has(path)));
}

#[test]
fn every_command_in_a_document_names_things_that_exist() {
    let tree = SourceTree::read();
    let packages = tree.members().into_iter().map(|member| member.package).collect::<Vec<_>>();
    every_file(
        |file| file.has_extension("md"),
        |file| {
            text_rules::dead_commands(file, |argument| match argument {
                text_rules::Argument::Script(path) => tree.has(path),
                text_rules::Argument::Package(name) => packages.iter().any(|package| package == name),
                text_rules::Argument::Target(folder, name) => tree.has_target(folder, name),
            })
        },
    );
}

#[test]
fn every_member_of_the_workspace_has_a_comment() {
    none(manifest_rules::members_without_comment(SourceTree::read().text("Cargo.toml")));
}

#[test]
fn every_member_takes_the_workspace_lints_and_says_what_it_is() {
    let members = SourceTree::read().members();
    assert!(members.len() > 1, "the workspace has members");
    none(
        members.iter().flat_map(|member| manifest_rules::incomplete_manifest(&member.path, &member.manifest)).collect(),
    );
}

#[test]
fn nested_clippy_settings_repeat_those_of_the_root() {
    let tree = SourceTree::read();
    let root = tree.text("clippy.toml").to_owned();
    every_file(|file| file.path.ends_with("clippy.toml"), |file| manifest_rules::missing_settings(file, &root));
}

#[test]
fn the_protocol_bans_the_clock_and_unsafe_code() {
    let tree = SourceTree::read();
    let clippy = tree.text("fastpath/clippy.toml");
    for banned in ["Instant::now", "SystemTime::now", "thread::sleep"] {
        assert!(clippy.contains(banned), "fastpath/clippy.toml does not ban {banned}");
    }
    let forbids = tree.text("fastpath/src/lib.rs").lines().any(|line| line == "#![forbid(unsafe_code)]");
    assert!(forbids, "fastpath/src/lib.rs: the crate does not forbid unsafe code");
}

#[test]
fn no_dependency_arrow_points_out_of_the_protocol() {
    let packages: Vec<_> = SourceTree::read().members().into_iter().map(|member| member.package).collect();
    none(manifest_rules::forbidden_dependencies(&normal_dependencies("paxon-fastpath"), "paxon-fastpath", &packages));
}

/// Names of the packages in the graph of `package`, itself included, without development dependencies.
fn normal_dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(source_tree::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
