//! Hostile traffic against a running cluster on loopback: it goes on committing, its memory and descriptors stay bounded, no
//! replica dies, and what was refused is counted. The numbers are printed, each test's as a line of JSON.

mod hostile;
mod network;
mod processes;

use hostile::{Attack, Crowd, connect_from, flood, knock};
use network::{PATIENCE, REPLICAS, TcpCluster, say};
use paxon::channel::{HELLO_BYTES, Hello, Identity, PrivateKey, Purpose, Security};
use paxon::fastpath::ReplicaId;
use paxon_client::{ClientError, ClientOptions};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How long most attacks go on.
const ATTACK: Duration = Duration::from_secs(3);
/// What a replica may grow by in an attack, in KiB: 128 strangers of some 16 KiB, and what the allocator keeps.
const GROWTH_KIB_MAX: u64 = 24 << 10;
/// Descriptors that a replica may have more than before once an attack is over: peers and clients that came back.
const DESCRIPTORS_MORE_MAX: usize = 8;

#[test]
fn a_slow_loris_holds_up_nobody() {
    let attack = Attack::begin("slow_loris", Security::Tls);
    let mut crowd = Crowd::of(600, &attack.addresses());
    attack.go_on(ATTACK, || crowd.go_on_with(&endless()));
    drop(crowd);
    attack.end(&["evicted"]);
}

#[test]
fn floods_of_garbage_are_refused() {
    let attack = Attack::begin("garbage", Security::Tls);
    let mut seed = 0;
    attack.go_on(ATTACK, || {
        for address in attack.addresses() {
            seed += 1;
            knock(address, &noise(seed, 4096));
        }
    });
    attack.end(&["garbage"]);
}

#[test]
fn lengths_beyond_all_bounds_are_refused() {
    let attack = Attack::begin("lengths", Security::Tls);
    // Records of TLS that claim to be as long as can be said, and hold as much; and a handshake message of 16 MiB.
    let record = [&[22, 3, 1, 0xFF, 0xFF][..], &[1; 65_535]].concat();
    let message = [&[22, 3, 1, 0x40, 0x00, 1, 0xFF, 0xFF, 0xFF][..], &[0; 16_380]].concat();
    attack.go_on(ATTACK, || {
        for address in attack.addresses() {
            knock(address, &record);
            knock(address, &message.repeat(8));
        }
    });
    attack.end(&[]);
}

#[test]
fn a_hello_with_any_bit_flipped_is_refused_and_nobody_is_harmed() {
    let attack = Attack::begin("bit_flips", Security::Plaintext);
    let roster = attack.cluster.roster("example", PrivateKey::generate().expect("a key").public());
    let hello = Hello {
        purpose: Purpose::Client,
        cluster: roster.cluster(),
        from: None,
        to: ReplicaId(0),
        layout: roster.layout(),
        incarnation: 0,
        attempt: 1,
    };
    let bytes = hello.encode();
    let address = attack.addresses()[0];
    assert!(answer(address, &bytes).is_some_and(|answer| !answer.is_empty()), "the hello itself is welcome");
    let refused = || attack.refused(0);
    let before = refused();
    for bit in 0..HELLO_BYTES * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        answer(address, &damaged);
    }
    attack.cluster.wait_until("every flip is counted", || refused() >= before + HELLO_BYTES as u64 * 8);
    // What follows a hello that is welcome is damaged as well.
    for bit in 0..64 * 8 {
        let mut request = noise(7, 64);
        request[bit / 8] ^= 1 << (bit % 8);
        knock(address, &[&bytes[..], &request].concat());
    }
    attack.end(&["damaged", "garbage", "version"]);
}

#[test]
fn ten_thousand_connections_do_not_exhaust_the_replicas() {
    let attack = Attack::begin("ten_thousand", Security::Tls);
    let addresses = attack.addresses();
    let mut silent = Vec::new();
    for count in 0..10_000_usize {
        let stream = connect_from([127, 0, 0, 2], addresses[count % REPLICAS]);
        if let Ok(stream) = stream {
            silent.push(stream);
        }
        // As many half-open ones as this process may have open.
        if silent.len() > 3000 {
            silent.drain(..1000);
        }
        if count % 2000 == 1999 {
            // Somebody who comes from elsewhere still gets in.
            let client = attack.cluster.client();
            client.open_session().wait().unwrap_or_else(|error| panic!("after {count} connections: {error}"));
        }
    }
    drop(silent);
    attack.end(&["evicted"]);
}

#[test]
fn floods_of_everything_at_once() {
    let attack = Attack::begin("everything", Security::Tls);
    let addresses = attack.addresses();
    let mut crowd = Crowd::of(100, &addresses);
    let floods = flood(&addresses, 4, |seed| noise(seed, 1 + (seed as usize % 20_000)));
    attack.go_on(ATTACK, || crowd.go_on_with(&endless()));
    assert!(floods.stop() > 0, "somebody could knock");
    drop(crowd);
    attack.end(&["garbage"]);
}

#[test]
fn an_unknown_key_is_refused_logged_once_and_counted() {
    let attack = Attack::begin("unknown_key", Security::Tls);
    let stranger = PrivateKey::generate().expect("a key");
    let roster = attack.cluster.roster("example", stranger.public());
    let identity = Identity::client(Arc::new(roster), Some(stranger)).expect("its own roster has it");
    refuse(&attack, identity);
    logged_once(&attack.cluster, "is not in the roster");
    attack.end(&["unknown_key"]);
}

#[test]
fn a_client_of_another_cluster_is_refused_logged_once_and_counted() {
    let attack = Attack::begin("other_cluster", Security::Tls);
    let key = PrivateKey::read(attack.cluster.folder.path("keys/client-main.key")).expect("the key is there");
    let roster = attack.cluster.roster("another", key.public());
    let identity = Identity::client(Arc::new(roster), Some(key)).expect("it is in the roster");
    refuse(&attack, identity);
    logged_once(&attack.cluster, "cluster");
    attack.end(&["cluster"]);
}

/// The two others go on.
#[test]
fn a_replica_with_an_expired_key_is_refused_logged_once_and_counted() {
    let mut cluster = TcpCluster::on_loopback_stopped(Security::Tls);
    let text = fs::read_to_string(cluster.folder.path("cluster.toml")).expect("it is there");
    let lines = text.lines().map(str::to_owned);
    let mut members = 0;
    let expired = lines.map(|line| {
        members += usize::from(line == "[[member]]");
        if members == REPLICAS && line.starts_with("key = ") { format!("{line}\nexpires = 2020-01-31") } else { line }
    });
    let expired: Vec<_> = expired.take_while(|line| line != "[[client]]").collect();
    let rest = text.split_once("[[client]]").expect("there is a client").1;
    // The last replica does not know.
    fs::write(cluster.folder.path("cluster.toml"), format!("{}\n[[client]]{rest}", expired.join("\n")))
        .expect("written");
    (0..2).for_each(|id| cluster.start_replica(id));
    cluster.folder.file("cluster.toml", &text);
    cluster.start_replica(2);
    let attack = Attack::against("expired_key", cluster, 2);
    let refused = |id| attack.counter(id, "expired_key");
    attack.cluster.wait_until("both refuse it", || (0..2).all(|id| refused(id) > 2));
    for id in 0..2 {
        let log = attack.cluster.log(id);
        assert_eq!(log.matches("refused ").count(), 1, "{log}");
    }
    assert!((0..2).all(|id| link_up(&attack.cluster.status(id).details, 2) != Some(true)), "no link to the expired");
    attack.end(&[]);
}

#[test]
fn a_replica_of_another_cluster_is_refused_logged_once_and_counted() {
    let mut cluster = TcpCluster::on_loopback_stopped(Security::Tls);
    (0..2).for_each(|id| cluster.start_replica(id));
    let text = fs::read_to_string(cluster.folder.path("cluster.toml")).expect("it is there");
    let another = text.replacen("cluster = \"example\"", "cluster = \"another\"", 1).replacen(
        "directory = \"memory\"",
        "directory = \"another\"",
        1,
    );
    cluster.folder.file("cluster.toml", another);
    cluster.start_replica(2);
    cluster.folder.file("cluster.toml", text);
    let attack = Attack::against("replica_of_another_cluster", cluster, 2);
    attack.cluster.wait_until("both refuse it", || (0..2).all(|id| attack.counter(id, "cluster") > 2));
    for id in 0..2 {
        let log = attack.cluster.log(id);
        assert_eq!(log.matches("refused ").count(), 1, "{log}");
    }
    attack.end(&[]);
}

/// Everybody refuses the client.
#[track_caller]
fn refuse(attack: &Attack, identity: Identity) {
    let options = ClientOptions { patience: Duration::from_secs(2), ..ClientOptions::default() };
    let client = attack.cluster.client_as(identity, options);
    let outcome = client.open_session().wait();
    assert!(matches!(outcome, Err(ClientError::TimedOut { .. })), "{outcome:?}");
}

/// Each replica that has logged it has done so once, and at least one has.
#[track_caller]
fn logged_once(cluster: &TcpCluster, words: &str) {
    let counts: Vec<_> =
        (0..REPLICAS).map(|id| cluster.log(id).lines().filter(|line| line.contains(words)).count()).collect();
    assert!(counts.iter().all(|count| *count <= 1) && counts.contains(&1), "{counts:?}");
}

fn link_up(details: &serde_json::Map<String, Value>, peer: u64) -> Option<bool> {
    let links = details.get("links")?.as_array()?;
    links.iter().find(|link| link["replica"] == peer)?["up"].as_bool()
}

/// The record of a `ClientHello` that is too long to come to its end a byte at a time.
fn endless() -> Vec<u8> {
    [&[22, 3, 1, 0x40, 0, 1, 0, 0x3F, 0xFC, 3, 3][..], &[7; 16_000]].concat()
}

/// Bytes that mean nothing.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| xxh3_64_with_seed(&at.to_le_bytes(), seed) as u8).collect()
}

/// Sends bytes, and returns the first that comes back; nothing if it is the end.
fn answer(address: std::net::SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = connect_from([127, 0, 0, 2], address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).ok()?;
    answer.truncate(read);
    Some(answer)
}

/// What a test reports.
fn report(test: &str, numbers: &Value) {
    say(&json!({ "test": test, "numbers": numbers }).to_string());
}
