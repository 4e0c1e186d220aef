//! Every impairment of the wire, seen from the outside: packets and streams between network namespaces.

mod probe;

use paxon_wire::{Impairment, Links, Namespaces, Traffic};
use probe::{MS, median, packets, passes, tcp_echo};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What two busy, shared cores may add to a delay before a test calls it wrong.
const LATE: Duration = Duration::from_millis(40);

/// The namespaces of a test, or a loud message that there are none.
fn namespaces(test: &str, count: usize) -> Option<Namespaces> {
    Namespaces::or_skip(test, count, Links::Wire { seed: 42 })
}

fn traffic(net: &Namespaces, from: usize, to: usize) -> Traffic {
    net.wire().expect("links by wire").traffic(from, to)
}

/// Waits until the counters are as they should be.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + probe::PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_perfect_wire_passes_everything_in_order_among_three_namespaces() {
    let Some(net) = namespaces("perfect", 3) else { return };
    for (from, to) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
        let arrived = packets(&net, (from, to), 100, MS, 300 * MS);
        assert!(arrived.iter().map(|arrival| arrival.number).eq(0..100), "{from} to {to}");
        assert!(median(arrived.iter().map(|arrival| arrival.took).collect()) < LATE);
        assert_eq!(traffic(&net, from, to), Traffic { offered: 100, forwarded: 100, ..Traffic::default() });
    }
}

#[test]
fn delay_is_what_was_set_and_only_where_it_was_set() {
    let Some(net) = namespaces("delay", 2) else { return };
    net.impair(0, 1, &Impairment { delay: 50 * MS, ..Impairment::NONE }).expect("the wire can");
    let there = packets(&net, (0, 1), 100, 2 * MS, 300 * MS);
    assert_eq!(there.len(), 100);
    assert!(there.iter().all(|arrival| arrival.took >= 50 * MS), "{there:?}");
    let took = median(there.iter().map(|arrival| arrival.took).collect());
    assert!(took < 50 * MS + LATE, "{took:?}");
    let back = median(packets(&net, (1, 0), 100, 2 * MS, 300 * MS).iter().map(|arrival| arrival.took).collect());
    assert!(back < LATE, "{back:?}");
}

#[test]
fn jitter_spreads_delays_and_keeps_the_order() {
    let Some(net) = namespaces("jitter", 2) else { return };
    net.impair(0, 1, &Impairment { delay: 20 * MS, jitter: 60 * MS, ..Impairment::NONE }).expect("the wire can");
    let arrived = packets(&net, (0, 1), 100, 10 * MS, 300 * MS);
    assert!(arrived.iter().map(|arrival| arrival.number).eq(0..100), "{arrived:?}");
    assert!(arrived.iter().all(|arrival| arrival.took >= 20 * MS));
    let slowest = arrived.iter().map(|arrival| arrival.took).max().expect("a hundred came");
    let fastest = arrived.iter().map(|arrival| arrival.took).min().expect("a hundred came");
    assert!(slowest - fastest > 30 * MS, "{fastest:?} to {slowest:?}");
}

#[test]
fn a_delay_of_two_seconds_does_not_stop_a_connection() {
    let Some(net) = namespaces("long delay", 2) else { return };
    net.impair_both(0, 1, &Impairment { delay: Duration::from_secs(2), ..Impairment::NONE }).expect("the wire can");
    let took = tcp_echo(&net, b"far away");
    assert!(took >= Duration::from_secs(8), "a handshake and an echo are four crossings: {took:?}");
}

#[test]
fn loss_comes_at_its_rate_and_every_packet_is_accounted_for() {
    for (loss, expected) in [(0.01, 1..40), (0.1, 60..140)] {
        let Some(net) = namespaces("loss", 2) else { return };
        net.impair(0, 1, &Impairment { loss, ..Impairment::NONE }).expect("the wire can");
        let arrived = packets(&net, (0, 1), 1000, MS / 4, 300 * MS).len() as u64;
        let Traffic { offered, lost, .. } = traffic(&net, 0, 1);
        assert_eq!((offered, arrived + lost), (1000, 1000));
        assert!(expected.contains(&lost), "{lost} of 1000 at {loss}");
    }
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    let run = || {
        let net = namespaces("seed", 2)?;
        net.impair(0, 1, &Impairment { loss: 0.3, ..Impairment::NONE }).expect("the wire can");
        let arrived = packets(&net, (0, 1), 200, MS / 2, 300 * MS);
        Some(arrived.iter().map(|arrival| arrival.number).collect::<Vec<_>>())
    };
    assert_eq!(run(), run());
}

#[test]
fn duplicates_arrive_and_are_counted() {
    let Some(net) = namespaces("duplication", 2) else { return };
    net.impair(0, 1, &Impairment { duplicate: 0.2, ..Impairment::NONE }).expect("the wire can");
    let mut copies = BTreeMap::new();
    for arrival in packets(&net, (0, 1), 500, MS / 2, 300 * MS) {
        *copies.entry(arrival.number).or_insert(0) += 1;
    }
    let twice = copies.values().filter(|copies| **copies == 2).count() as u64;
    assert_eq!((copies.len(), twice), (500, traffic(&net, 0, 1).duplicated));
    assert!((60..140).contains(&twice), "{twice} of 500");
}

#[test]
fn held_back_packets_are_overtaken_and_counted() {
    let Some(net) = namespaces("reordering", 2) else { return };
    net.impair(0, 1, &Impairment { reorder: 0.1, held_back: 20 * MS, ..Impairment::NONE }).expect("the wire can");
    let arrived = packets(&net, (0, 1), 500, MS, 300 * MS);
    let mut newest = 0;
    let overtaken = arrived.iter().filter(|arrival| {
        newest = newest.max(arrival.number);
        arrival.number < newest
    });
    let overtaken = overtaken.count() as u64;
    assert_eq!((arrived.len(), overtaken), (500, traffic(&net, 0, 1).reordered));
    assert!((20..90).contains(&overtaken), "{overtaken} of 500");
}

#[test]
fn a_rate_slows_a_stream_down() {
    let Some(net) = namespaces("rate", 2) else { return };
    net.impair(0, 1, &Impairment { bytes_per_second: Some(400_000), ..Impairment::NONE }).expect("the wire can");
    let took = tcp_echo(&net, &vec![7; 400_000]);
    assert!(took >= 950 * MS, "400 kB at 400 kB a second in {took:?}");
}

#[test]
fn a_queue_that_is_full_drops_packets() {
    let Some(net) = namespaces("queue", 2) else { return };
    let narrow = Impairment { bytes_per_second: Some(10_000), queue_bytes: 1_000, ..Impairment::NONE };
    net.impair(0, 1, &narrow).expect("the wire can");
    let arrived = packets(&net, (0, 1), 200, MS, 300 * MS).len() as u64;
    let Traffic { offered, dropped, .. } = traffic(&net, 0, 1);
    assert_eq!((offered, arrived + dropped), (200, 200));
    assert!(dropped > 100, "{dropped}");
}

#[test]
fn a_one_way_cut_passes_the_other_way_and_third_parties() {
    let Some(net) = namespaces("one-way cut", 3) else { return };
    net.impair(0, 1, &Impairment::CUT).expect("the wire can");
    let passing = |net: &Namespaces| [(0, 1), (1, 0), (0, 2), (2, 1)].map(|(from, to)| passes(net, from, to));
    assert_eq!(passing(&net), [false, true, true, true]);
    assert_eq!(traffic(&net, 0, 1).cut, 3);
    net.heal().expect("the wire can");
    assert_eq!(passing(&net), [true; 4]);
}

#[test]
fn a_stream_survives_a_flapping_link() {
    let Some(net) = namespaces("flapping", 2) else { return };
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (socket, ordering) = (probe::socket(&net, 0), std::sync::atomic::Ordering::Relaxed);
            socket.set_read_timeout(Some(50 * MS)).expect("more than nothing");
            let mut up = true;
            while !done.load(ordering) {
                up = !up;
                net.impair_both(0, 1, if up { &Impairment::NONE } else { &Impairment::CUT }).expect("the wire can");
                // Nobody writes to it: this is 50 milliseconds of one state.
                assert!(socket.recv(&mut [0]).is_err());
            }
            net.heal().expect("the wire can");
        });
        tcp_echo(&net, &vec![3; 20_000]);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_stream_survives_loss_reordering_and_duplication() {
    let Some(net) = namespaces("rough", 2) else { return };
    let rough = Impairment { loss: 0.05, reorder: 0.1, duplicate: 0.1, delay: MS, jitter: 2 * MS, ..Impairment::NONE };
    net.impair_all(&rough).expect("the wire can");
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    tcp_echo(&net, &bytes);
    let Traffic { lost, reordered, duplicated, .. } = traffic(&net, 0, 1);
    assert!(lost > 0 && reordered > 0 && duplicated > 0, "{lost} {reordered} {duplicated}");
}

#[test]
fn addresses_are_resolved_over_the_wire() {
    let Some(net) = namespaces("resolution", 3) else { return };
    for namespace in [0, 1] {
        let mut flush = net.command(namespace, "ip");
        let status = flush.args(["neighbour", "flush", "all", "nud", "permanent"]).status().expect("ip runs");
        assert!(status.success());
    }
    assert!(passes(&net, 0, 1));
    eventually("a question to everybody", || traffic(&net, 0, 2).forwarded > 0);
}

#[test]
fn processes_run_inside_and_end_with_their_namespaces() {
    let Some(net) = namespaces("processes", 2) else { return };
    let output = net.command(1, "ip").args(["-o", "address"]).output().expect("ip runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("10.86.0.2/24") && !text.contains("10.86.0.1"), "{text}");
    let mut child = net.command(0, "sleep").arg("1000").spawn().expect("sleep runs");
    let name = net.name(0).to_owned();
    eventually("the start of the program", || {
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap_or_default();
        comm.trim() == "sleep"
    });
    drop(net);
    assert!(!child.wait().expect("it is ours").success());
    assert!(!Path::new("/run/netns").join(name).exists());
}

#[test]
fn a_test_that_panics_leaves_nothing_behind() {
    let Some(net) = namespaces("panic", 2) else { return };
    let names = [net.name(0).to_owned(), net.name(1).to_owned()];
    let there = || names.iter().filter(|name| Path::new("/run/netns").join(name).exists()).count();
    assert_eq!(there(), 2);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _net = net;
        panic!("as a failing test does");
    }));
    assert!(panicked.is_err());
    assert_eq!(there(), 0);
}

#[test]
fn what_a_killed_process_left_behind_is_removed_by_the_next() {
    let Some(net) = namespaces("left over", 1) else { return };
    let mut dead = std::process::Command::new("true").spawn().expect("true runs");
    dead.wait().expect("it is ours");
    let stale = format!("paxon-{}-0-0", dead.id());
    let ip = |args: &[&str]| net.command(0, "ip").args(args).status().expect("ip runs").success();
    assert!(ip(&["netns", "add", &stale]));
    let exists = || Path::new("/run/netns").join(&stale).exists();
    assert!(exists());
    drop(namespaces("left over", 1));
    assert!(!exists() && Path::new("/run/netns").join(net.name(0)).exists());
}
