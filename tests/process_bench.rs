//! `paxon bench` from the outside, and what it is about: followers that are stopped or killed cost the leader nothing.

mod processes;

use paxon::machines::Counter;
use paxon::{Handle, Nanos, Node, Paxon, ReplicaBuilder, ReplicaId, ShmFabric, Timing, Unheard};
use processes::{Ended, Folder, command, finish, paxon};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const ONE: [u8; 8] = 1u64.to_le_bytes();
/// Names the directory and the replica for a process that follows.
const FOLLOWER: [&str; 2] = ["PAXON_TEST_DIRECTORY", "PAXON_TEST_REPLICA"];
/// Nobody is deposed while others have the core.
const TIMING: Timing = Timing { suspect: Nanos::from_millis(20_000), ..Timing::sharing() };
/// Commits of which a median is taken.
const BLOCK: usize = 5_000;
/// Stopped followers let nothing be recycled: there is room for all commits of a test, and for what the engine keeps free.
const CELLS: usize = 1 << 15;

fn latency(folder: &Folder, args: &[&str]) -> Ended {
    let dir = folder.path("");
    let dir = dir.to_str().expect("a plain name");
    paxon(&[&["--json", "bench", "latency", "--dir", dir], args].concat())
}

fn failover(folder: &Folder, args: &[&str]) -> Value {
    let dir = folder.path("");
    let dir = dir.to_str().expect("a plain name");
    paxon(&[&["--json", "bench", "failover", "--dir", dir], args].concat()).succeeded().json()
}

fn is_empty(folder: &Folder) -> bool {
    std::fs::read_dir(folder.path("")).expect("the folder can be read").next().is_none()
}

#[track_caller]
fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {report}"))
}

#[test]
fn a_measurement_reports_commits_beside_their_floor() {
    let folder = Folder::new();
    let ended = latency(&folder, &["--samples", "3000"]).succeeded();
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    let report = ended.json();
    assert_eq!((number(&report, "samples"), number(&report, "payload"), number(&report, "replicas")), (3000, 64, 3));
    for rising in [&report, &report["floor"], &report["hiccup"]] {
        let times = ["p50_ns", "p99_ns", "p999_ns", "max_ns"].map(|name| number(rising, name));
        assert!(times.is_sorted(), "{times:?}");
    }
    assert!(number(&report, "p50_ns") > 0 && number(&report, "floor_p50_ns") > 0, "{report}");
    assert!(report["ops_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{report}");
    assert!(is_empty(&folder));
}

#[test]
fn groups_are_samples_and_commands_make_the_rate() {
    let folder = Folder::new();
    let report = latency(&folder, &["--samples", "500", "--batch", "16", "--outstanding", "4"]).succeeded().json();
    assert_eq!((number(&report, "samples"), number(&report, "batch"), number(&report, "outstanding")), (500, 16, 4));
    let groups_per_s = report["ops_per_s"].as_f64().expect("a number") / 64.0;
    // The mean is above the median, but not by much unless a group was counted as a command.
    assert!(groups_per_s * (number(&report, "p50_ns") as f64) < 8e9, "{report}");
}

#[test]
fn pinning_does_not_hide_the_cores_of_the_machine() {
    let folder = Folder::new();
    let free = latency(&folder, &["--samples", "100"]).succeeded().json();
    let pinned = latency(&folder, &["--samples", "100", "--affinity"]).succeeded().json();
    assert_eq!((number(&free, "cores"), &pinned["affinity"]), (number(&pinned, "cores"), &Value::Bool(true)));
}

#[test]
fn sizes_at_the_edges_work() {
    let folder = Folder::new();
    for args in [["--payload", "0"], ["--payload", "1048552"], ["--replicas", "1"], ["--cells", "64"]] {
        let report = latency(&folder, &[&["--samples", "20"], &args[..]].concat()).succeeded().json();
        assert_eq!(number(&report, "samples"), 20, "{args:?}");
    }
    assert!(is_empty(&folder));
}

#[test]
fn nonsense_is_refused_before_anything_is_made() {
    let folder = Folder::new();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--payload", "1048553"], &["1048553 bytes", "the limit is 1048576"]),
        (&["--batch", "0"], &["batch is 0"]),
        (&["--batch", "65536"], &["at most 65535"]),
        (&["--outstanding", "0"], &["outstanding is 0"]),
        (&["--outstanding", "1000"], &["4096 cells allow 512"]),
        (&["--samples", "0"], &["samples is 0"]),
        (&["--cells", "1000"], &["cells is 1000", "power of two"]),
        (&["--replicas", "4"], &["1, 3, 5 or 7 replicas, not 4"]),
        (&["--fabric", "carrier-pigeon"], &["carrier-pigeon", "shm"]),
    ];
    for (args, words) in cases {
        latency(&folder, args).refused(2, words);
    }
    paxon(&["bench", "failover", "--replicas", "1"]).refused(2, &["nobody would be left"]);
    paxon(&["bench", "failover", "--trials", "0"]).refused(2, &["trials"]);
    paxon(&["bench", "follow", "{}"]).refused(2, &["not the options of a follower"]);
    assert!(is_empty(&folder));
}

#[test]
fn followers_end_with_the_measuring_process() {
    let folder = Folder::new();
    let dir = folder.path("");
    let args = ["bench", "latency", "--samples", "1000000000", "--dir", dir.to_str().expect("a plain name")];
    let mut child = command(&args).spawn().expect("the command starts");
    let followers = wait_for_children(child.id(), 2);
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    let deadline = Instant::now() + LONG;
    while followers.iter().any(|pid| runs(*pid)) {
        assert!(Instant::now() < deadline, "a follower outlives its measurement");
        thread::yield_now();
    }
}

#[test]
fn an_interrupted_measurement_leaves_nothing_behind() {
    let folder = Folder::new();
    let dir = folder.path("");
    let args = ["bench", "latency", "--samples", "1000000000", "--dir", dir.to_str().expect("a plain name")];
    let child = command(&args).spawn().expect("the command starts");
    wait_for_children(child.id(), 2);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is our child");
    assert_eq!(finish(child).status, Some(130));
    assert!(is_empty(&folder));
}

#[test]
fn killed_and_stopped_leaders_are_replaced_and_the_parts_are_told() {
    let folder = Folder::new();
    for (more, signal) in [(&["--trials", "3"][..], "SIGKILL"), (&["--trials", "3", "--stop"][..], "SIGSTOP")] {
        let report = failover(&folder, more);
        assert_eq!((number(&report, "trials"), report["signal"].as_str()), (3, Some(signal)), "{report}");
        for part in ["detection", "takeover", "first_commit"] {
            assert_eq!(number(&report[part], "samples"), 3, "{part} in {report}");
        }
        let times = ["p50_ms", "p99_ms", "max_ms"].map(|name| report[name].as_f64().expect("a number"));
        // No process is started or woken within a microsecond.
        assert!(times[0] > 0.001 && times.is_sorted(), "{report}");
    }
    assert!(is_empty(&folder));
}

/// Process ids of the children of a process, once there are so many.
fn wait_for_children(of: u32, count: usize) -> Vec<u32> {
    let deadline = Instant::now() + LONG;
    loop {
        let children: Vec<_> = processes_of_this_host().filter(|pid| parent(*pid) == Some(of)).collect();
        if children.len() == count {
            return children;
        }
        assert!(Instant::now() < deadline, "process {of} has {} children, not {count}", children.len());
        thread::yield_now();
    }
}

fn processes_of_this_host() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("Linux");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// State and parent of a process: what stands behind its name in `/proc/PID/stat`.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid).map(|(_, parent)| parent)
}

fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

fn builder(directory: &Path, replica: u8) -> ReplicaBuilder {
    Paxon::builder()
        .cluster("bench-test")
        .replica(replica)
        .timing(TIMING)
        .cells(CELLS)
        .window(64)
        .payload_bytes_max(4096)
        .arena_bytes(1 << 16)
        .sessions(paxon::SessionLimits { sessions_max: 8, window: 8, reply_bytes_max: 64 })
        .snapshot_bytes(1 << 16)
        .shm(directory)
}

/// A follower in a process of its own: this program, told to run the one test that is its entry point.
struct Follower(Child);

impl Follower {
    fn start(directory: &Path, replica: u8) -> Self {
        let child = Command::new(std::env::current_exe().expect("Linux"))
            .args(["--exact", "follower", "--ignored"])
            .env(FOLLOWER[0], directory)
            .env(FOLLOWER[1], replica.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("a process"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it is our child");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "the entry point of the follower processes of this file's tests"]
fn follower() {
    let [Some(directory), Some(replica)] = FOLLOWER.map(std::env::var_os) else { return };
    let replica = replica.to_str().and_then(|id| id.parse().ok()).expect("a number");
    let _running: Handle = builder(&PathBuf::from(directory), replica).start(Counter::default()).expect("it starts");
    // Until the parent is gone, or kills us first.
    let _ = std::io::stdin().read(&mut [0]);
}

fn followers(folder: &Folder) -> [Follower; 2] {
    [1, 2].map(|replica| Follower::start(&folder.path("memory"), replica))
}

/// The median time from proposing to having applied, of a block of commits.
fn median(node: &mut Node<Counter, ShmFabric, Unheard>) -> Duration {
    let mut times: Vec<_> = (0..BLOCK)
        .map(|_| {
            let start = Instant::now();
            let slot = node.propose(&ONE).expect("there is room");
            while node.replica().applied() < slot {
                node.poll();
                assert!(start.elapsed() < LONG, "slot {slot} is not committed");
            }
            start.elapsed()
        })
        .collect();
    times.sort();
    times[BLOCK / 2]
}

#[test]
fn commits_go_on_as_fast_while_both_followers_are_stopped() {
    let folder = Folder::new();
    let mut node = builder(&folder.path("memory"), 0).build(Counter::default(), Unheard).expect("it can be built");
    let followers = followers(&folder);
    let deadline = Instant::now() + LONG;
    while node.replica().room() == 0 || (1..3).any(|peer| !node.replica().peer_alive(ReplicaId(peer))) {
        assert!(Instant::now() < deadline, "replica 0 does not lead");
        node.poll();
        thread::yield_now();
    }
    median(&mut node);
    let before = median(&mut node);
    followers.iter().for_each(|follower| follower.signal(Signal::STOP));
    let after = median(&mut node);
    assert!(after <= 3 * before, "{after:?} with stopped followers, {before:?} before");
}

#[test]
fn no_command_fails_when_a_follower_is_killed() {
    let folder = Folder::new();
    let leader = builder(&folder.path("memory"), 0).start(Counter::default()).expect("it starts");
    let mut followers = followers(&folder);
    let deadline = Instant::now() + LONG;
    while !leader.leads() {
        assert!(Instant::now() < deadline, "replica 0 does not lead");
        thread::yield_now();
    }
    for command in 1..=4_000u64 {
        if command == 1_000 {
            followers[1].0.kill().expect("it is our child");
        }
        let reply = leader.propose(&ONE).expect("it leads").wait().expect("it is committed");
        assert_eq!(*reply, command.to_le_bytes());
    }
}

#[test]
fn a_verifier_is_measured_beside_the_library_and_is_never_wrong() {
    let bench = |args: &[&str]| paxon(&[&["--json", "bench", "verify"], args].concat());
    let runs: [&[&str]; 3] = [
        &["--workers", "2", "--samples", "2000", "--forged", "300"],
        &["--scheme", "hybrid", "--workers", "1", "--samples", "200", "--outstanding", "1"],
        &["--verifier", "model", "--samples", "1000", "--forged", "300"],
    ];
    for args in runs {
        let report = bench(args).succeeded().json();
        assert_eq!(
            (number(&report, "wrong"), number(&report, "samples").to_string().as_str()),
            (0, args[if args[0] == "--scheme" { 5 } else { 3 }])
        );
        assert!(number(&report, "forged") > 0 && number(&report, "p50_ns") <= number(&report, "max_ns"), "{report}");
        for rate in ["ops_per_s", "library_per_s", "prepared_per_s", "ratio_to_library", "ratio_to_prepared"] {
            assert!(report[rate].as_f64().is_some_and(|rate| rate > 0.0), "{rate} in {report}");
        }
        assert_eq!(report["cycles_per_verification"].is_number(), args[1] == "model", "{report}");
        if args[1] == "model" {
            let device = &report["device"];
            assert_eq!((&device["condition"], number(device, "faults")), (&Value::from("serving"), 0), "{report}");
            assert!(number(device, "by_device") > 700 && number(device, "sampled") > 0, "{report}");
        }
    }
}

#[cfg(not(feature = "verilator"))]
#[test]
fn a_build_without_the_rtl_says_how_to_get_it() {
    paxon(&["bench", "verify", "--verifier", "verilator"]).refused(1, &["--features verilator", "Verilator"]);
}
