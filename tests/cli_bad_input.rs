//! What the command does not accept, and what it says then: the reason, what would be right, and an exit status.

mod processes;

use processes::{Folder, command, finish, paxon};
use std::ffi::OsStr;
use std::path::Path;

/// Starts replica `id` of a cluster described by this text, which must not work out.
fn replica(folder: &Folder, id: &str, text: &str) -> processes::Ended {
    let file = folder.file("cluster.toml", text);
    paxon(&[OsStr::new("replica"), OsStr::new("--id"), OsStr::new(id), OsStr::new("--config"), file.as_os_str()])
}

#[test]
fn a_typo_in_the_cluster_file_names_its_key_and_its_line() {
    let folder = Folder::new();
    replica(&folder, "0", "cluster = \"x\"\nreplicsa = 3\n")
        .refused(2, &["cluster.toml", "line 2", "replicsa", "replicas"]);
    replica(&folder, "0", "cluster = \"x\"\nreplicas = 3\n[timing]\nbeat_ms = 3\n").refused(2, &["line 4", "beat_ms"]);
    replica(&folder, "0", "cluster = \"x\nreplicas = 3\n").refused(2, &["line 1"]);
}

#[test]
fn an_unknown_id_names_the_ids_that_there_are() {
    let folder = Folder::new();
    replica(&folder, "3", "cluster = \"x\"\nreplicas = 3\n").refused(2, &["replica 3 is not one of the 3 replicas"]);
    replica(&folder, "256", "cluster = \"x\"\nreplicas = 3\n").refused(2, &["256"]);
}

#[test]
fn a_cluster_that_cannot_be_is_refused_before_anything_is_made() {
    let folder = Folder::new();
    let with = |more: &str| replica(&folder, "0", &format!("cluster = \"x\"\ndirectory = \"memory\"\n{more}"));
    with("replicas = 4").refused(2, &["1, 3, 5 or 7 replicas, not 4"]);
    with("replicas = 3\ncores = [0, 1, 0]").refused(2, &["core 0 to replica 0 and to replica 2"]);
    with("replicas = 3\n[limits]\narena_bytes = 8192").refused(2, &["arena", "at least"]);
    with("replicas = 3\n[limits]\ncells = 1000").refused(2, &["cells is 1000", "power of two"]);
    with("replicas = 3\n[limits]\nsnapshot_bytes = 65536").refused(2, &["snapshot_bytes"]);
    with("replicas = 3\n[quorums]\naccept = 1\nprepare = 2").refused(2, &["need not intersect"]);
    assert!(!folder.path("memory").exists());
}

#[test]
fn a_core_that_does_not_exist_is_refused_with_those_that_do() {
    let folder = Folder::new();
    let text = "cluster = \"x\"\ndirectory = \"memory\"\nreplicas = 3\ncores = [100000, 1, 2]\n";
    replica(&folder, "0", text).refused(2, &["no core 100000", "may use"]);
}

#[test]
fn memory_that_would_not_vanish_with_the_host_is_refused() {
    let folder = Folder::new();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("not-memory-{}", std::process::id()));
    let text = format!("cluster = \"x\"\nreplicas = 3\ndirectory = {target:?}\n");
    replica(&folder, "0", &text).refused(1, &["not on tmpfs", "/dev/shm"]);
    std::fs::remove_dir(&target).expect("nothing was put into it");
}

#[test]
fn a_missing_file_and_a_missing_cluster_are_told_apart() {
    let folder = Folder::new();
    let file = folder.path("none.toml");
    let status = |file: &Path| paxon(&[OsStr::new("status"), OsStr::new("--config"), file.as_os_str()]);
    status(&file).refused(2, &["none.toml", "paxon init"]);
    let file = folder.file("cluster.toml", "cluster = \"x\"\nreplicas = 3\ndirectory = \"memory\"\n");
    status(&file).refused(3, &["nobody leads", "not running"]);
    let get = ["get", "--timeout", "1", "key", "--config"].map(OsStr::new);
    paxon(&[&get[..], &[file.as_os_str()]].concat()).refused(3, &["no leader answered within 1s", "replica"]);
}

#[test]
fn errors_are_objects_for_programs() {
    let ended = paxon(&["--json", "status", "--config", "/nowhere/cluster.toml"]);
    assert_eq!((ended.status, ended.json()["kind"].as_str()), (Some(2), Some("configuration")));
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
}

#[test]
fn the_sample_is_a_cluster_file() {
    let folder = Folder::new();
    let sample = paxon(&["init"]).succeeded().stdout;
    let file = folder.file("cluster.toml", sample);
    let replica = ["replica", "--id", "9", "--config"].map(OsStr::new);
    paxon(&[&replica[..], &[file.as_os_str()]].concat()).refused(2, &["replica 9 is not one of the 3"]);
}

#[test]
fn rdma_without_a_device_or_on_an_open_network_is_refused_and_says_what_would_do() {
    let folder = Folder::new();
    let member = |port: u16| format!("[[member]]\naddress = \"127.0.0.1:{port}\"\ndevice = \"no-such-device\"\n");
    let members: String = (1..4).map(member).collect();
    let with = |rdma: &str| {
        let text =
            "cluster = \"x\"\nreplicas = 3\nfabric = \"rdma\"\ndirectory = \"memory\"\n[tcp]\nplaintext = true\n";
        replica(&folder, "0", &format!("{text}{rdma}{members}"))
    };
    with("").refused(2, &["record_fingerprint", "isolated = true"]);
    with("[rdma]\nisolated = true\n").refused(2, &["no RDMA on this host", "paxon doctor rdma"]);
}

#[test]
fn the_doctor_has_a_verdict_wherever_it_is_asked() {
    let ended = paxon(&["--json", "doctor", "rdma", "--rounds", "10"]);
    let usable = ended.json()["usable"].as_bool().expect("a verdict");
    assert_eq!(ended.status, Some(i32::from(!usable)));
    assert!(paxon(&["doctor", "rdma", "--rounds", "10"]).stdout.contains("verdict"));
    paxon(&["doctor", "rdma", "--device", "no-such-device"]).refused(2, &["no-such-device", "this host has"]);
}

#[test]
fn a_host_that_cannot_start_the_machine_is_told_what_is_missing() {
    let folder = Folder::new();
    for args in [&["demo"][..], &["bench", "latency"], &["bench", "failover"]] {
        let mut command = command(&[args, &["--fabric", "rdma", "--softroce"]].concat());
        let ended = finish(command.env("PATH", folder.path("")).spawn().expect("the command starts"));
        ended.refused(1, &["qemu-system-x86_64", "apt-get install", "qemu-system-x86"]);
    }
    paxon(&["demo", "--softroce", "--input", "file"]).refused(2, &["--softroce", "--input"]);
}

#[test]
fn wrong_usage_of_the_demo_is_refused_at_once() {
    let folder = Folder::new();
    paxon(&["demo", "--replicas", "4"]).refused(2, &["1, 3, 5 or 7"]);
    paxon(&["demo", "--replicas", "1"]).refused(2, &["nobody would be left"]);
    paxon(&["demo", "--input", "/nowhere/file"]).refused(2, &["/nowhere/file"]);
    let long = folder.file("long", [&b"short\n"[..], &vec![b'x'; (1 << 20) + 1]].concat());
    let ended = paxon(&[OsStr::new("demo"), OsStr::new("--input"), long.as_os_str()]);
    ended.refused(2, &["line 2 has 1048577 bytes", "at most"]);
}
