//! Three machines on one wire, a replica over RDMA in each, while clients ask: machines die, stop and are cut off, the wire
//! loses and delays. At the end the history of all clients is linearizable, the replicas agree, and they hold every command
//! that was answered exactly once. What was measured is printed, a line of JSON for each scene.
//!
//! The machines are emulated, all on the processors of one host: times say how long this takes there, and nothing about a
//! cluster of real machines.

mod network;
mod processes;
mod softroce;

use network::history::{Checked, History};
use network::load::Load;
use network::prober::Prober;
use network::{REPLICAS, say};
use paxon_wire::Impairment;
use rustix::process::Signal;
use serde_json::json;
use softroce::Machines;
use std::thread;
use std::time::{Duration, Instant};

/// Clients that ask all the time.
const LOAD: u64 = 2;
/// How long a scene lasts.
const SUFFERING: Duration = Duration::from_secs(4);
/// From a fault until the others commit again. The aim is a second, which is printed; a host that is busy is given more.
const MAJORITY_WITHIN: Duration = Duration::from_secs(15);

/// The machines, and who asks them.
struct Scene {
    machines: Machines,
    history: History,
    load: Load,
    prober: Prober,
}

impl Scene {
    fn start() -> Self {
        let (machines, history) = (Machines::start(), History::default());
        let prober = Prober::with(&machines.impatient_client(), &history);
        prober.commit();
        let load = Load::with(&history, LOAD, || machines.client());
        Self { machines, history, load, prober }
    }

    /// Something happens to the leader's machine and is mended later. The others commit meanwhile, and it catches up by itself.
    #[track_caller]
    fn leader(
        &mut self,
        name: &str,
        fault: impl FnOnce(&mut Machines, usize),
        mend: impl FnOnce(&mut Machines, usize),
    ) {
        let (leader, round) = (self.machines.leader(), self.machines.round());
        fault(&mut self.machines, leader);
        let broken_at = Instant::now();
        self.prober.avoid(leader, true);
        let (_, commits_after) = self.prober.commit();
        endure(SUFFERING.saturating_sub(broken_at.elapsed()));
        mend(&mut self.machines, leader);
        let mended_at = Instant::now();
        let (slot, _) = self.prober.commit();
        let machines = &self.machines;
        machines.wait_until("the old leader has applied everything", || {
            // It may have been elected anew meanwhile.
            machines.status(leader).is_some_and(|report| report.applied >= slot.0 && report.ballot.round > round)
        });
        let caught_up_after = mended_at.elapsed();
        self.prober.avoid(leader, false);
        self.load.wait_for(2 * LOAD);
        let line = json!({
            "scene": name, "leader": leader, "majority_commits_after_ms": millis(commits_after),
            "within_a_second": commits_after < Duration::from_secs(1),
            "old_leader_has_all_after_ms": millis(caught_up_after), "rounds": self.machines.round() - round,
        });
        say(&line.to_string());
        assert!(commits_after < MAJORITY_WITHIN, "{name}: the others needed {commits_after:?}");
    }

    /// All paths are bad for a while.
    #[track_caller]
    fn everybody(&self, name: &str, impairment: &Impairment) {
        let (round, answered, began) = (self.machines.round(), self.load.answered(), Instant::now());
        let before = self.machines.wire.total();
        each_pair(|a, b| self.machines.wire.impair(a, b, impairment));
        let mut slowest = Duration::ZERO;
        while began.elapsed() < SUFFERING {
            slowest = slowest.max(self.prober.commit().1);
        }
        let answered = self.load.answered() - answered;
        self.machines.wire.heal();
        let (total, (_, commits_after)) = (self.machines.wire.total(), self.prober.commit());
        let (frames, lost) = (total.offered - before.offered, total.lost - before.lost);
        let line = json!({
            "scene": name, "frames": frames, "lost": lost, "answered": answered, "slowest_commit_ms": millis(slowest),
            "commits_after_healing_ms": millis(commits_after), "rounds": self.machines.round() - round,
        });
        say(&line.to_string());
        assert_eq!(lost > 0, impairment.loss > 0.0, "{lost} of {frames} frames");
        assert!(slowest < MAJORITY_WITHIN, "{name}: a commit took {slowest:?}");
    }

    /// Ends the clients and checks everything.
    #[track_caller]
    fn verify(self) {
        let answered = self.load.stop();
        self.prober.commit();
        self.prober.read_all();
        let Checked { commands, reads } = self.history.verify(self.machines.watcher(), REPLICAS);
        let line = json!({ "scene": "all", "answered": answered, "commands": commands, "reads": reads });
        say(&line.to_string());
    }
}

/// Cuts what the leader says to the others, what they say to it, or both.
fn cut(machines: &Machines, leader: usize, out: bool, inward: bool) {
    for other in (0..REPLICAS).filter(|&id| id != leader) {
        if out {
            machines.wire.impair(leader, other, &Impairment::CUT);
        }
        if inward {
            machines.wire.impair(other, leader, &Impairment::CUT);
        }
    }
}

fn each_pair(mut act: impl FnMut(usize, usize)) {
    for a in 0..REPLICAS {
        (0..REPLICAS).filter(|&b| b != a).for_each(|b| act(a, b));
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

#[test]
fn leaders_that_die_stop_or_are_cut_off_cost_no_command() {
    let mut scene = Scene::start();
    let heal = |machines: &mut Machines, _| machines.wire.heal();
    scene.everybody("five percent loss", &Impairment { loss: 0.05, ..Impairment::NONE });
    scene.everybody("five milliseconds", &Impairment { delay: Duration::from_millis(5), ..Impairment::NONE });
    scene.leader("cut off", |machines, leader| cut(machines, leader, true, true), heal);
    scene.leader("only hears", |machines, leader| cut(machines, leader, true, false), heal);
    scene.leader("only speaks", |machines, leader| cut(machines, leader, false, true), heal);
    scene.leader(
        "stopped",
        |machines, leader| machines.signal(leader, Signal::STOP),
        |machines, leader| machines.signal(leader, Signal::CONT),
    );
    scene.leader("killed", Machines::kill, Machines::replace);
    scene.verify();
}
