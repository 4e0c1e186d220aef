//! A cluster of three processes as its user meets it: `paxon replica`, `propose`, `put`, `get`, `status`.

mod processes;
mod raw;

use paxon_client::wire::{Code, OWN_WORDS, Request, append};
use processes::{Cluster, Ended, finish};
use raw::Raw;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[track_caller]
fn put(cluster: &Cluster, key: &str, value: &str) -> Value {
    cluster.paxon(&["put", key, value]).succeeded().json()
}

#[track_caller]
fn value(cluster: &Cluster, key: &str) -> String {
    cluster.paxon(&["get", key]).succeeded().json()["value"].as_str().expect("a text").to_owned()
}

fn propose(cluster: &Cluster, lines: &[u8]) -> Ended {
    let mut child = cluster.command(&["propose", "-"]).stdin(Stdio::piped()).spawn().expect("the command starts");
    let written = child.stdin.take().expect("its input is a pipe").write_all(lines);
    // A command that has refused its input does not read on.
    drop(written);
    finish(child)
}

fn row(status: &Value, id: usize) -> &Value {
    &status["replicas"][id]
}

#[test]
fn what_was_put_is_got_and_lines_are_numbered() {
    let cluster = Cluster::start();
    put(&cluster, "colour", "blue");
    assert_eq!(value(&cluster, "colour"), "blue");
    cluster.paxon(&["get", "nothing"]).refused(5, &["no_such_key", "nothing"]);
    let proposed = propose(&cluster, b"one\n\n\xFF\nlast").succeeded().json();
    assert_eq!((proposed["commands"].as_u64(), proposed["number"].as_u64()), (Some(4), Some(5)), "{proposed}");
    assert_eq!(cluster.paxon(&["propose", "six"]).succeeded().json()["number"], 6);
    assert_eq!(propose(&cluster, b"").succeeded().json()["commands"], 0);
    let many: String = (0..2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(propose(&cluster, many.as_bytes()).succeeded().json()["number"], 2006);
    let status = cluster.wait_for("nobody lags", |status| {
        (0..3).all(|id| row(status, id)["alive"] == true && row(status, id)["lag"] == 0)
    });
    assert_eq!(status["epoch"], 1, "{status}");
}

#[test]
fn a_command_over_the_limit_is_refused_and_the_rest_is_not_harmed() {
    let cluster = Cluster::start();
    let long = "x".repeat(65_537);
    cluster.paxon(&["put", "key", &long]).refused(1, &["65544 bytes", "the limit is 65512"]);
    let lines = format!("one\n{long}\nthree\n");
    propose(&cluster, lines.as_bytes()).refused(1, &["line 2", "limit"]);
    put(&cluster, "key", "short");
    assert_eq!(value(&cluster, "key"), "short");
}

#[test]
fn nonsense_at_the_socket_gets_an_answer_and_harms_nobody() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let socket = cluster.memory(&format!("replica-{leader}.sock"));
    let mode = fs::metadata(&socket).expect("the socket is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut raw = Raw::greeted(&socket);
    let unknown = Request::Propose { session: 77, sequence: 1, round: 0, wait_ms: 5000, payload: b"hi" };
    raw.ask(1, &unknown);
    assert_eq!(raw.refusal(), Some((1, Code::SessionExpired)));
    let mut frame = Vec::new();
    append(&mut frame, 2, &Request::Status, 100).expect("it is short");
    // A request of no known kind, in a frame whose check fits.
    let body = frame.len() - 1;
    frame[body] = 99;
    let check = xxhash_rust::xxh3::xxh3_64(&frame[8..]) as u32;
    frame[4..8].copy_from_slice(&check.to_le_bytes());
    raw.send(&frame);
    assert_eq!(raw.refusal(), Some((2, Code::Malformed)));
    raw.ask(3, &unknown);
    assert_eq!(raw.refusal(), Some((3, Code::SessionExpired)), "the connection goes on");

    raw.send(b"\xFF\x00\x00\x00nonsense without any check");
    raw.send(&[7; 1000]);
    assert_eq!((raw.refusal(), raw.refusal()), (Some((OWN_WORDS, Code::Malformed)), None));
    let mut early = Raw::connect(&socket);
    early.ask(4, &unknown);
    assert_eq!((early.refusal(), early.refusal()), (Some((4, Code::Malformed)), None));
    let mut long = Raw::greeted(&socket);
    let endless = vec![b'x'; 1 << 20];
    // The replica stops reading and says why.
    long.send(&endless);
    assert!(long.refusal().is_none_or(|(_, code)| code == Code::TooLarge));
    put(&cluster, "still", "alive");
    assert_eq!(cluster.leader(), leader);
}

#[test]
fn a_second_process_with_the_same_id_is_refused() {
    let cluster = Cluster::start();
    let ended = cluster.try_replica(1);
    ended.refused(1, &["replica 1 runs already as process"]);
    put(&cluster, "still", "alive");
}

#[test]
fn a_tethered_replica_ends_with_the_process_that_holds_its_input() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    cluster.untether(leader);
    put(&cluster, "still", "alive");
    assert!(!cluster.memory(&format!("replica-{leader}.sock")).exists());
}

#[test]
fn the_death_of_the_leader_loses_nothing() {
    let mut cluster = Cluster::start();
    put(&cluster, "before", "1");
    let leader = cluster.leader();
    cluster.kill(leader);
    put(&cluster, "after", "2");
    assert_eq!((value(&cluster, "before"), value(&cluster, "after")), ("1".into(), "2".into()));
    let status = cluster.wait_for("the next leader", |status| status["leader"].is_u64());
    assert_ne!(status["leader"].as_u64(), Some(leader as u64));
    assert_eq!(
        (row(&status, leader)["alive"].as_bool(), row(&status, leader)["role"].as_str()),
        (Some(false), Some("down"))
    );
}

#[test]
fn a_stopped_leader_is_replaced_and_knows_it_when_it_resumes() {
    let cluster = Cluster::start();
    put(&cluster, "key", "1");
    let leader = cluster.leader();
    cluster.signal(leader, Signal::STOP);
    put(&cluster, "key", "2");
    // Waits in the socket until the replica runs on.
    let mut raw = Raw::greeted(&cluster.memory(&format!("replica-{leader}.sock")));
    raw.ask(1, &Request::Propose { session: 0, sequence: 0, round: 0, wait_ms: 5000, payload: b"Late" });
    cluster.signal(leader, Signal::CONT);
    let refusal = raw.refusal();
    assert!(matches!(refusal, Some((1, Code::NotLeader | Code::Unknown))), "{refusal:?}");
    let status = cluster.wait_for("the old leader follows", |status| row(status, leader)["role"] == "follower");
    assert_ne!(status["leader"].as_u64(), Some(leader as u64), "{status}");
    assert_eq!(value(&cluster, "key"), "2");
    assert_eq!(cluster.paxon(&["propose", "third"]).succeeded().json()["number"], 3);
}

#[test]
fn commands_go_on_while_both_followers_are_stopped() {
    let cluster = Cluster::start();
    put(&cluster, "key", "1");
    let leader = cluster.leader();
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    followers.into_iter().for_each(|follower| cluster.signal(follower, Signal::STOP));
    let lines: String = (0..100).map(|number| format!("{number}\n")).collect();
    // The client may ask a stopped replica first and waits a moment for it.
    assert_eq!(propose(&cluster, lines.as_bytes()).succeeded().json()["number"], 101);
    followers.into_iter().for_each(|follower| cluster.signal(follower, Signal::CONT));
    assert_eq!(value(&cluster, "key"), "1");
}

#[test]
fn without_a_leader_commands_fail_in_time_and_work_again_later() {
    let mut cluster = Cluster::start();
    put(&cluster, "key", "1");
    let leader = cluster.leader();
    let [one, other] = [(leader + 1) % 3, (leader + 2) % 3];
    // The memory of dead replicas still votes; only the leader itself is missed.
    cluster.kill(one);
    cluster.kill(other);
    put(&cluster, "key", "2");
    cluster.kill(leader);
    cluster.paxon(&["put", "--timeout", "1", "key", "3"]).refused(3, &["no leader answered"]);
    cluster.start_replica(one);
    cluster.start_replica(other);
    assert_eq!(value(&cluster, "key"), "2");
}

#[test]
fn a_follower_that_was_killed_catches_up() {
    let mut cluster = Cluster::start();
    let follower = (cluster.leader() + 1) % 3;
    cluster.kill(follower);
    // More records than a journal holds, however they are batched, so that it needs a snapshot.
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    propose(&cluster, lines.as_bytes()).succeeded();
    let ready = cluster.start_replica(follower);
    assert_eq!(ready["birth"], "reattached");
    let status = cluster.wait_for("the follower catches up", |status| {
        row(status, follower)["alive"] == true && row(status, follower)["lag"] == 0 && status["leader"].is_u64()
    });
    assert_eq!(status["epoch"], 1);
}

#[test]
fn a_cluster_that_was_shut_down_goes_on_where_it_was() {
    let mut cluster = Cluster::start();
    put(&cluster, "colour", "blue");
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    propose(&cluster, lines.as_bytes()).succeeded();
    (0..3).for_each(|id| cluster.terminate(id));
    assert!(!cluster.memory("replica-0.sock").exists());
    (0..3).for_each(|id| drop(cluster.start_replica(id)));
    assert_eq!(value(&cluster, "colour"), "blue");
    assert_eq!(cluster.paxon(&["propose", "next"]).succeeded().json()["number"], 20_002);
}

#[test]
fn a_replica_that_lost_its_memory_is_readmitted_in_a_new_epoch() {
    let mut cluster = Cluster::start();
    put(&cluster, "colour", "blue");
    let follower = (cluster.leader() + 1) % 3;
    cluster.kill(follower);
    fs::remove_dir_all(cluster.memory(&format!("replica-{follower}"))).expect("its memory is there");
    assert_eq!(cluster.start_replica(follower)["birth"], "memory_lost");
    cluster.wait_for("readmitted in epoch 2", |status| {
        status["epoch"] == 2 && row(status, follower)["role"] == "follower" && row(status, follower)["lag"] == 0
    });
    put(&cluster, "colour", "red");
    assert_eq!(value(&cluster, "colour"), "red");
}

#[test]
fn damaged_memory_is_set_aside_and_memory_of_another_cluster_is_not_touched() {
    let mut cluster = Cluster::start();
    put(&cluster, "colour", "blue");
    let follower = (cluster.leader() + 1) % 3;
    cluster.kill(follower);
    fs::write(cluster.memory(&format!("replica-{follower}/status")), b"nonsense").expect("it can be written");
    assert_eq!(cluster.start_replica(follower)["birth"], "memory_lost");
    assert!(cluster.memory(&format!("replica-{follower}.lost")).exists());
    cluster.wait_for("readmitted", |status| status["epoch"] == 2 && row(status, follower)["lag"] == 0);
    cluster.kill(follower);
    let file = cluster.folder.path("cluster.toml");
    let text = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, text.replace("\"test\"", "\"other\"")).expect("it can be written");
    cluster.try_replica(follower).refused(1, &["belongs to replica", "left as it is"]);
    fs::write(&file, text).expect("it can be written");
    assert_eq!(cluster.start_replica(follower)["birth"], "reattached");
    assert_eq!(value(&cluster, "colour"), "blue");
}
