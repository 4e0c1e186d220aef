//! Three real members of etcd, where it is installed: every put counts, on every member, and nothing is left behind.

use paxon_bench_etcd::client::EtcdClient;
use paxon_bench_etcd::cluster::{EtcdCluster, StartError};
use paxon_bench_etcd::contender::{Contender, OUTSTANDING};
use paxon_bench_etcd::etcd::{Effort, Etcd};
use paxon_bench_etcd::tethered::Tethered;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Nothing here takes longer on a machine that is not stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// More puts than any test makes, the trials included.
const PUTS: u64 = 10_000;
const LITTLE: Effort = Effort { one_at_a_time: 5, outstanding: 70 };

/// Where etcd is, or a loud word that its test was not made.
#[allow(clippy::print_stderr, reason = "a test that does nothing has to say so")]
fn installed(test: &str) -> Option<&'static Path> {
    let program = Path::new("etcd");
    match EtcdCluster::version(program) {
        Ok(_) => Some(program),
        Err(error @ StartError::NotInstalled { .. }) => {
            eprintln!("SKIPPED, not tested on this machine: {test}: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A folder with room for etcd: on tmpfs if one is large enough, for speed, else among the temporary files.
fn folder() -> TempDir {
    let tmpfs = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(tmpfs).map_or(0, |room| room.f_bavail.saturating_mul(room.f_frsize));
    let folder = if room > 1 << 30 { tempfile::tempdir_in(tmpfs) } else { tempfile::tempdir() };
    folder.expect("a folder can be made")
}

fn is_empty(folder: &TempDir) -> bool {
    fs::read_dir(folder.path()).expect("it is there").next().is_none()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

/// What each member says is its revision.
fn revisions(runtime: &Runtime, ports: &[u16]) -> Vec<i64> {
    let revision = |port: &u16| {
        runtime.block_on(async {
            let status = EtcdClient::connect(*port).await.expect("it runs").status().await.expect("it answers");
            status.header.expect("every answer has one").revision
        })
    };
    ports.iter().map(revision).collect()
}

/// Waits until all members, of which two may lag behind the leader, are at a revision.
#[track_caller]
fn all_reach(runtime: &Runtime, ports: &[u16], revision: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = revisions(runtime, ports);
        if found.iter().all(|found| *found == revision) {
            return;
        }
        assert!(found.iter().all(|found| *found <= revision), "{found:?} are beyond {revision}");
        assert!(Instant::now() < deadline, "{found:?} instead of {revision}");
    }
}

#[test]
fn every_put_raises_the_revision_of_all_members_by_one_and_nothing_is_left_behind() {
    let Some(program) = installed("puts are counted") else { return };
    let (folder, runtime) = (folder(), runtime());
    let cluster = EtcdCluster::start(program, folder.path(), PUTS).expect("etcd starts");
    let (ports, processes) = (cluster.ports(), cluster.processes());
    assert_eq!((ports.len(), processes.len()), (3, 3));
    let mut etcd = Etcd::tried(cluster, LITTLE).expect("the trials go through");
    let before = revisions(&runtime, &[etcd.cluster().leader_port()])[0];

    let latencies = etcd.one_at_a_time(200).expect("all puts are answered");
    assert_eq!(latencies.samples, 200);
    assert!(0 < latencies.p50_ns && latencies.p50_ns <= latencies.max_ns, "{latencies:?}");
    all_reach(&runtime, &ports, before + 200);

    let rate = etcd.outstanding(OUTSTANDING, 200).expect("all puts are answered");
    assert!(rate > 0.0, "{rate}");
    all_reach(&runtime, &ports, before + 400);

    drop(etcd);
    assert!(processes.iter().all(|process| !Path::new(&format!("/proc/{process}")).exists()), "{processes:?}");
    assert!(is_empty(&folder));
}

#[test]
fn a_put_by_somebody_else_makes_a_block_unusable() {
    let Some(program) = installed("foreign puts are noticed") else { return };
    let (folder, runtime) = (folder(), runtime());
    let cluster = EtcdCluster::start(program, folder.path(), PUTS).expect("etcd starts");
    let port = cluster.leader_port();
    let mut etcd = Etcd::tried(cluster, LITTLE).expect("the trials go through");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let stranger = std::thread::spawn(move || {
        runtime.block_on(async {
            let mut client = EtcdClient::connect(port).await.expect("it runs");
            while stopped.try_recv().is_err() {
                client.put(b"stranger".to_vec(), vec![1]).await.expect("it is answered");
            }
        });
    });
    let deadline = Instant::now() + PATIENCE;
    // The first blocks may be over before the stranger begins.
    while etcd.one_at_a_time(50).is_ok() {
        assert!(Instant::now() < deadline, "foreign puts were taken for the block's own");
    }
    stop.send(()).expect("the stranger waits for it");
    stranger.join().expect("the stranger does not panic");
}

/// The command with a `paxon` that answers at once with a fixed report.
fn comparison(folder: &TempDir, args: &[&str]) -> Command {
    let paxon = fake_paxon(folder.path());
    let data = folder.path().join("data");
    fs::create_dir_all(&data).expect("the folder can be written");
    let mut command = Tethered::command(env!("CARGO_BIN_EXE_paxon-bench-etcd"));
    command.arg("--paxon").arg(paxon).arg("--dir").arg(data).args(args);
    command.stdin(Stdio::null());
    command
}

fn compare(folder: &TempDir, args: &[&str]) -> Output {
    comparison(folder, args).output().expect("the command runs")
}

fn left_behind(folder: &TempDir) -> Vec<PathBuf> {
    let data = fs::read_dir(folder.path().join("data")).expect("it is there");
    data.map(|entry| entry.expect("it can be read").path()).collect()
}

fn fake_paxon(folder: &Path) -> PathBuf {
    let report = r#"{"fabric":"tcp","replicas":3,"payload":64,"batch":1,"p50_ns":1000,"p99_ns":2000,"p999_ns":3000,
        "max_ns":4000,"samples":20,"ops_per_s":1000000.0}"#;
    let load = r#"{\"clients_over\":\"tcp\",\"replicas\":3,\"payload\":64,\"connections\":$c,\"outstanding\":$o,
        \"ops_per_s\":50000.0,\"latency\":{\"p50_ns\":5000,\"p99_ns\":6000,\"p999_ns\":7000,\"max_ns\":8000,\"samples\":20}}"#;
    let text = format!(
        "#!/bin/sh\n[ \"$1\" != --version ] || exec echo paxon 9.8.7\n\
        for word; do case $last in --connections) c=$word;; --outstanding) o=$word;; esac; last=$word; done\n\
        [ -z \"$c\" ] || {{ echo \"{load}\"; exit; }}\ncat <<'END'\n{report}\nEND\n"
    );
    let path = folder.join("paxon");
    // Written by a shell, so that this process never has a program open for writing that another test's child runs.
    let write = ["-c", "printf %s \"$1\" > \"$0\" && chmod 700 \"$0\""];
    let written = Command::new("sh").args(write).arg(&path).arg(text).status().expect("there is a shell");
    assert!(written.success());
    path
}

#[test]
fn a_run_measures_both_in_turns_and_says_what_to_know_about_it() {
    if installed("the whole comparison").is_none() {
        return;
    }
    let folder = folder();
    let output = compare(&folder, &["--samples", "20", "--operations", "200", "--blocks", "2", "--json"]);
    let (text, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text} {told}");
    let turns: Vec<_> =
        told.lines().filter(|line| line.starts_with("block")).map(|line| &line[..line.len().min(20)]).collect();
    let block = |number| ["etcd, ", "Paxon ", "Paxon "].map(|who| format!("block {number} of 2: {who}"));
    assert_eq!(turns, [block(1), block(2)].concat());
    let report: Value = serde_json::from_str(&text).expect("it is one JSON object");
    assert_eq!((&report["payload"], &report["replicas"], &report["outstanding"]), (&64.into(), &3.into(), &64.into()));
    assert_eq!(report["versions"]["paxon"], "9.8.7");
    assert!(report["versions"]["etcd"].as_str().is_some_and(|version| version.starts_with('3')), "{report}");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!((rows.len(), &rows[0]["samples"], &rows[1]["p50_ns"]), (3, &20.into(), &1000.into()));
    let p50 = rows[0]["p50_ns"].as_f64().expect("a number");
    assert_eq!(report["ratios"][0]["p50"].as_f64(), Some(p50 / 1000.0));
    assert_eq!(report["ratios"][1]["p50"].as_f64(), Some(p50 / 5000.0));
    assert!(report["caveats"].as_array().is_some_and(|caveats| caveats.len() >= 5), "{report}");
    assert_eq!(left_behind(&folder), [] as [PathBuf; 0]);
}

#[test]
fn a_terminated_run_says_so_and_leaves_nothing_behind() {
    if installed("interrupts of the comparison").is_none() {
        return;
    }
    let folder = folder();
    let mut command = comparison(&folder, &["--samples", "1000", "--operations", "1000", "--blocks", "1000"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut told = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let begun = told.any(|line| line.is_ok_and(|line| line.starts_with("block 2 ")));
    assert!(begun, "it never began");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it is our child");
    let last = told.map_while(Result::ok).last();
    assert_eq!(last.as_deref(), Some("error: interrupted"));
    assert_eq!(child.wait().expect("it is our child").code(), Some(130));
    assert_eq!(left_behind(&folder), [] as [PathBuf; 0]);
}

#[test]
fn a_machine_without_etcd_is_told_so_with_a_status_of_its_own() {
    let folder = folder();
    let output = compare(&folder, &["--etcd", "/nowhere/etcd"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.status.signal()), (Some(77), None), "{told}");
    assert!(told.starts_with("SKIPPED: /nowhere/etcd is not installed") && told.contains("etcd-server"), "{told}");
}

#[test]
fn a_program_that_is_not_etcd_is_refused() {
    let folder = folder();
    let output = compare(&folder, &["--etcd", "true"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("does not name a version of etcd"), "{told}");
}
