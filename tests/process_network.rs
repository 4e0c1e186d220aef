//! Clusters of three processes whose network fails: loss, delay, reordering, duplication, partitions.
//!
//! Each test runs its replicas in network namespaces of their own, and clients in a fourth, that ask while the network
//! suffers. At its end the history of all clients is linearizable, the replicas agree, and they hold every command that was
//! answered exactly once. The numbers are printed, each test's as a line of JSON.

mod network;
mod processes;

use hdrhistogram::Histogram;
use network::history::{Checked, History};
use network::load::Load;
use network::prober::Prober;
use network::{CLIENTS, PATIENCE, REPLICAS, TcpCluster, say};
use paxon::fastpath::Slot;
use paxon_wire::{Impairment, Links};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// From healing to the commit of a new command.
const HEALED_WITHIN: Duration = Duration::from_secs(2);
/// From healing until a client over TCP, whose connections were lost too, has answers again: its own silence of 2 s comes
/// on top, and the pauses of the kernel's retransmissions.
const CLIENT_HEALED_WITHIN: Duration = Duration::from_secs(8);
/// From a cut until the majority commits again. Some 0.2 s on an idle machine; one that is busy is given more.
const MAJORITY_WITHIN: Duration = Duration::from_secs(5);
/// From healing until the old leader has applied everything. Some 0.6 s on an idle machine.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(10);
/// Clients of each test.
const LOAD: u64 = 3;
/// How long most networks suffer.
const SUFFERING: Duration = Duration::from_secs(3);

/// A test under way.
struct Scene {
    name: &'static str,
    cluster: TcpCluster,
    history: History,
    load: Load,
    prober: Prober,
    round: u64,
}

impl Scene {
    /// A healthy cluster under load.
    #[track_caller]
    fn start(name: &'static str, links: Links, clients: u64) -> Option<Self> {
        let cluster = TcpCluster::on_wire(name, links)?;
        let history = History::default();
        let prober = Prober::new(&cluster, &history);
        prober.commit();
        let load = Load::start(&cluster, &history, clients);
        let round = cluster.round();
        Some(Self { name, cluster, history, load, prober, round })
    }

    /// Impairs all links for a time, in which at least so many operations have to be answered.
    #[track_caller]
    fn suffer(&self, impairment: &Impairment, time: Duration, answered_min: u64) {
        self.cluster.impair_all(impairment);
        let before = self.load.answered();
        endure(time);
        let answered = self.load.answered() - before;
        assert!(answered >= answered_min, "{answered} operations in {time:?}: {}", self.cluster.at_a_glance());
    }

    /// Impairs what leaves `from` for, or comes to it from, the other replicas; and the clients, if they are cut off too.
    fn cut(&self, leader: usize, out: bool, inward: bool, clients: bool) {
        let net = self.cluster.net();
        let others = (0..REPLICAS).filter(|id| *id != leader).chain(clients.then_some(CLIENTS));
        for other in others {
            if out {
                net.impair(leader, other, &Impairment::CUT).expect("the links can be cut");
            }
            if inward {
                net.impair(other, leader, &Impairment::CUT).expect("the links can be cut");
            }
        }
    }

    /// Cuts the leader off and lets the others go on for a time.
    #[track_caller]
    fn part(&self, out: bool, inward: bool, clients: bool) {
        let leader = self.cluster.leader();
        self.cut(leader, out, inward, clients);
        let cut_at = Instant::now();
        self.prober.avoid(leader, true);
        let (_, took) = self.prober.commit();
        assert!(took < MAJORITY_WITHIN, "the majority needed {took:?}: {}", self.cluster.at_a_glance());
        say(&json!({ "test": self.name, "majority_commits_after_ms": millis(took) }).to_string());
        endure(SUFFERING.saturating_sub(cut_at.elapsed()));
        self.prober.avoid(leader, false);
    }

    /// Heals the network and checks everything.
    #[track_caller]
    fn heal_and_verify(self) {
        let answered_before = self.load.answered();
        self.cluster.heal();
        let healed_at = Instant::now();
        let (_, cluster_took) = self.prober.commit();
        // One answer may have been on its way; the second one of each client was asked for after the healing.
        self.load.wait_for(2 * LOAD);
        let clients_took = healed_at.elapsed();
        let elections = self.cluster.round() - self.round;
        let answered = self.load.stop();
        self.prober.commit();
        self.prober.read_all();
        let Checked { commands, reads } = self.history.verify(self.cluster.watcher(), REPLICAS);
        let line = json!({
            "test": self.name, "commands": commands, "reads": reads, "answered_while_impaired": answered_before,
            "answered": answered, "rounds": elections, "cluster_commits_after_healing_ms": millis(cluster_took),
            "clients_answered_after_healing_ms": millis(clients_took),
        });
        say(&line.to_string());
        assert!(cluster_took < HEALED_WITHIN, "a commit {cluster_took:?} after healing");
        assert!(clients_took < CLIENT_HEALED_WITHIN, "answers {clients_took:?} after healing");
    }
}

/// Lets time pass: what is tested is what happens in it.
fn endure(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}

fn wire(seed: u64) -> Links {
    Links::Wire { seed }
}

/// A network that is bad in all directions for some seconds, and then well.
#[track_caller]
fn endures(name: &'static str, links: Links, impairment: &Impairment, answered_min: u64) {
    let Some(scene) = Scene::start(name, links, LOAD) else { return };
    scene.suffer(impairment, SUFFERING, answered_min);
    scene.heal_and_verify();
}

#[test]
fn one_percent_loss() {
    endures("one_percent_loss", wire(1), &Impairment { loss: 0.01, ..Impairment::NONE }, 50);
}

#[test]
fn ten_percent_loss() {
    endures("ten_percent_loss", wire(2), &Impairment { loss: 0.1, ..Impairment::NONE }, 5);
}

#[test]
fn ten_percent_loss_in_the_kernel() {
    endures("ten_percent_loss_in_the_kernel", Links::Veth, &Impairment { loss: 0.1, ..Impairment::NONE }, 5);
}

#[test]
fn fifty_milliseconds_each_way() {
    let impairment = Impairment { delay: Duration::from_millis(50), ..Impairment::NONE };
    endures("fifty_milliseconds_each_way", wire(3), &impairment, 5);
}

#[test]
fn reordering() {
    endures("reordering", wire(4), &Impairment { reorder: 0.2, ..Impairment::NONE }, 50);
}

#[test]
fn duplication() {
    endures("duplication", wire(5), &Impairment { duplicate: 0.2, ..Impairment::NONE }, 50);
}

/// The delay begins under a running cluster: connections of microseconds are given up, new ones take three round trips of 4 s,
/// an election about nine, and a client has to find the new leader.
#[test]
fn two_seconds_each_way_are_no_reason_for_elections_for_ever() {
    const NAME: &str = "two_seconds_each_way";
    const ANSWERED_WITHIN: Duration = Duration::from_secs(120);
    const SETTLED: Duration = Duration::from_secs(16);
    /// Many are lost in the first moments, before anybody can have measured the path.
    const ROUNDS_MAX: u64 = 40;
    /// None, unless this machine stops a process for longer than the two seconds that time-outs leave it.
    const ROUNDS_SETTLED_MAX: u64 = 2;
    let Some(scene) = Scene::start(NAME, wire(6), LOAD) else { return };
    scene.cluster.impair_all(&Impairment { delay: Duration::from_secs(2), ..Impairment::NONE });
    endure(Duration::from_secs(2));
    let first = scene.load.wait_for_within(LOAD, ANSWERED_WITHIN);
    let (round, answered) = (scene.cluster.round(), scene.load.answered());
    endure(SETTLED);
    let (rounds, later) = (round - scene.round, scene.cluster.round() - round);
    let settled = scene.load.answered() - answered;
    say(&json!({
        "test": NAME, "first_answer_ms": millis(first), "rounds_until_settled": rounds, "rounds_when_settled": later,
        "answered_when_settled": settled,
    })
    .to_string());
    assert!(rounds <= ROUNDS_MAX, "{rounds} rounds: {}", scene.cluster.at_a_glance());
    assert!(later <= ROUNDS_SETTLED_MAX, "{later} rounds since then: {}", scene.cluster.at_a_glance());
    scene.load.wait_for_within(1, ANSWERED_WITHIN);
    scene.heal_and_verify();
}

/// A leader that is cut off from the others in some way, and reached again.
#[track_caller]
fn survives_a_cut(name: &'static str, links: Links, (out, inward, clients): (bool, bool, bool)) {
    let Some(scene) = Scene::start(name, links, LOAD) else { return };
    scene.part(out, inward, clients);
    scene.heal_and_verify();
}

#[test]
fn a_leader_that_only_hears() {
    survives_a_cut("a_leader_that_only_hears", wire(7), (true, false, false));
}

#[test]
fn a_leader_that_only_speaks() {
    survives_a_cut("a_leader_that_only_speaks", wire(8), (false, true, false));
}

#[test]
fn a_leader_that_only_hears_by_the_kernel() {
    survives_a_cut("a_leader_that_only_hears_by_the_kernel", Links::Veth, (true, false, true));
}

#[test]
fn a_leader_that_is_cut_off() {
    survives_a_cut("a_leader_that_is_cut_off", wire(9), (true, true, true));
}

#[test]
fn a_flapping_link() {
    const FLAPS: u32 = 10;
    const FLAP: Duration = Duration::from_millis(300);
    let Some(scene) = Scene::start("a_flapping_link", wire(10), LOAD) else { return };
    let leader = scene.cluster.leader();
    for _ in 0..FLAPS {
        scene.cut(leader, true, true, false);
        endure(FLAP);
        scene.cluster.heal();
        endure(FLAP);
    }
    scene.heal_and_verify();
}

#[test]
fn the_majority_goes_on_and_the_old_leader_catches_up() {
    let Some(scene) = Scene::start("convergence", wire(11), 1) else { return };
    // Connections survive a short partition, and are lost in a long one.
    converge(&scene, "short", 20, Duration::from_secs(1));
    converge(&scene, "long", 5, Duration::from_secs(3));
    scene.heal_and_verify();
}

/// Cuts whoever leads off so many times, each for so long, and measures how the cluster comes together.
#[track_caller]
fn converge(scene: &Scene, kind: &str, partitions: u32, partition: Duration) {
    let mut commits = Histogram::<u64>::new_with_max(micros(PATIENCE), 3).expect("three digits");
    let mut caught_up = commits.clone();
    for _ in 0..partitions {
        let leader = scene.cluster.leader();
        scene.cut(leader, true, true, false);
        let cut_at = Instant::now();
        scene.prober.avoid(leader, true);
        let (slot, took) = scene.prober.commit();
        commits.saturating_record(micros(took));
        endure(partition.saturating_sub(cut_at.elapsed()));
        scene.cluster.heal();
        let took =
            scene.cluster.wait_until("the old leader has applied everything", || has_applied(scene, leader, slot));
        caught_up.saturating_record(micros(took));
        scene.prober.avoid(leader, false);
    }
    report(
        &format!("convergence_{kind}"),
        &[("from_cut_until_majority_commits", &commits), ("from_healing_until_old_leader_has_all", &caught_up)],
    );
    assert!(commits.max() < micros(MAJORITY_WITHIN), "the majority was without a leader for {} us", commits.max());
    assert!(caught_up.max() < micros(CAUGHT_UP_WITHIN), "the old leader lagged for {} us", caught_up.max());
}

fn has_applied(scene: &Scene, id: usize, slot: Slot) -> bool {
    let report = scene.cluster.status(id);
    report.applied >= slot.0 && report.role != "leader"
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn report(test: &str, histograms: &[(&str, &Histogram<u64>)]) {
    let mut line = json!({ "test": test });
    for (name, histogram) in histograms {
        let at = |share: f64| histogram.value_at_quantile(share) as f64 / 1e3;
        let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
        say(&format!("{name}: p50 {p50} ms, p99 {p99} ms, max {max} ms of {}", histogram.len()));
        line[*name] = json!({ "samples": histogram.len(), "p50_ms": p50, "p99_ms": p99, "max_ms": max });
    }
    say(&line.to_string());
}
