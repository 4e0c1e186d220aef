//! `paxon demo` from the outside.

mod processes;

use processes::{Ended, Folder, command, finish, paxon};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

fn demo(folder: &Folder, input: &[u8], more: &[&str]) -> Ended {
    let (input, logs) = (folder.file("input", input), folder.path("logs"));
    let args = ["--json", "demo", "--input"].map(OsStr::new);
    let dirs = [input.as_os_str(), OsStr::new("--log-dir"), logs.as_os_str(), OsStr::new("--dir"), folder_of(&logs)];
    paxon(&[&args[..], &dirs[..], &more.iter().map(OsStr::new).collect::<Vec<_>>()[..]].concat())
}

fn folder_of(path: &Path) -> &OsStr {
    path.parent().expect("it lies in a folder").as_os_str()
}

/// Names in the folder that a demo should have removed.
fn left_behind(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("")).expect("the folder can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("paxon-demo")).collect()
}

#[test]
fn strange_lines_survive_the_leader_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let longest = (1 << 20) - 64;
    let lines = [&b"first"[..], b"", b"\xFF\xFE\r", &vec![b'x'; longest], b"", b"twice", b"twice", b"no newline"];
    let report = demo(&folder, &lines.join(&b'\n'), &[]).succeeded().json();
    assert_eq!((report["ok"].as_bool(), report["commands"].as_u64()), (Some(true), Some(8)), "{report}");
    assert_eq!(report["killed"]["after_commands"], 4);
    assert_ne!(report["killed"]["replica"], report["leader"]);
    let survivors = report["survivors"].as_array().expect("a list");
    assert_eq!((survivors.len(), &survivors[0]["digest"]), (2, &survivors[1]["digest"]));
    assert!(report["failover"]["total_ns"].as_u64().is_some_and(|total| total > 0), "{report}");
    assert!(left_behind(&folder).is_empty());
    let log = fs::read_to_string(folder.path("logs/client.hlog")).expect("there is a log");
    assert_eq!(log.lines().filter(|line| line.contains("HISTFAAA")).count(), 2, "{log}");
}

#[test]
fn files_of_nothing_one_line_and_one_empty_line_work() {
    let folder = Folder::new();
    for (input, lines) in [(&b""[..], 0), (b"one", 1), (b"\n", 1)] {
        let report = demo(&folder, input, &[]).succeeded().json();
        assert_eq!((report["ok"].as_bool(), report["commands"].as_u64()), (Some(true), Some(lines)), "{report}");
    }
}

#[test]
fn five_replicas_and_every_idle_policy_work() {
    let folder = Folder::new();
    let input: String = (0..500).map(|number| format!("line {number}\n")).collect();
    for more in [["--replicas", "5"], ["--poll", "park"], ["--poll", "yield"], ["--outstanding", "16"]] {
        let report = demo(&folder, input.as_bytes(), &more).succeeded().json();
        assert_eq!(report["ok"], true, "{more:?}: {report}");
    }
}

#[test]
fn people_get_a_table_without_colours_in_a_pipe() {
    let folder = Folder::new();
    let dir = folder.path("");
    let args = ["demo", "-n", "100", "--dir"].map(OsStr::new);
    let logs = folder.path("logs");
    let ended = paxon(&[&args[..], &[dir.as_os_str(), OsStr::new("--log-dir"), logs.as_os_str()]].concat()).succeeded();
    for words in
        ["100 puts", "with SIGKILL after 50 commands", "exactly once and in order", "p99.9", "written -> quorum"]
    {
        assert!(ended.stdout.contains(words), "{words:?} is not in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains('\x1b') && ended.stderr.is_empty(), "{}", ended.stderr);
}

#[test]
fn an_interrupted_demo_takes_its_replicas_and_files_along() {
    let folder = Folder::new();
    let dir = folder.path("");
    let args = ["demo", "-n", "1000000000", "--dir"].map(OsStr::new);
    let mut child = command(&[&args[..], &[dir.as_os_str()]].concat()).spawn().expect("the demo starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
    assert!(lines.any(|line| line.expect("text").contains("leads")), "it gets going");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is our child");
    assert_eq!(finish(child).status, Some(130));
    assert!(left_behind(&folder).is_empty());
}
