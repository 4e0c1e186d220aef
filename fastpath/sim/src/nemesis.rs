//! The nemesis: kills, stops and cuts, at random but within what the protocol promises to survive.

use crate::lab::Lab;
use crate::memory::Memory;
use crate::network::Network;
use crate::scenario::Weights;
use crate::seat::Seat;
use crate::tally::Count;
use paxon_fastpath::{Incarnation, LinkDown, Promise, ReplicaId, Role};
use std::cell::RefCell;
use std::rc::Rc;

/// A cut link and when it is mended.
#[derive(Clone, Copy, Debug)]
struct Cut {
    source: ReplicaId,
    peer: ReplicaId,
    until: u64,
}

/// A death that waits for the moment in which a write of the victim is half visible.
#[derive(Clone, Copy, Debug)]
struct Trap {
    victim: usize,
    wipe: bool,
}

/// The nemesis.
#[derive(Debug)]
pub struct Nemesis {
    lab: Rc<Lab>,
    network: Rc<RefCell<Network>>,
    cuts: Vec<Cut>,
    trap: Option<Trap>,
    /// When it acts next.
    next_act: u64,
}

impl Nemesis {
    /// A nemesis that has done nothing yet.
    pub fn new(lab: Rc<Lab>, network: Rc<RefCell<Network>>) -> Self {
        let next_act = lab.rng.around(lab.scenario.nemesis_ns);
        Self { lab, network, cuts: Vec::new(), trap: None, next_act }
    }

    /// When it acts next.
    pub fn due(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.until).fold(self.next_act, u64::min)
    }

    /// Mends what is due, and does something new if it is time.
    pub fn act(&mut self, seats: &mut [Seat]) {
        let now = self.lab.now();
        self.mend_until(now);
        if now >= self.next_act {
            self.next_act = now + self.lab.rng.around(self.lab.scenario.nemesis_ns);
            let victim = self.lab.rng.below(seats.len() as u64) as usize;
            self.strike(seats, victim);
        }
    }

    /// Kills the victim of the trap if a write of it is half visible.
    pub fn spring(&mut self, seats: &mut [Seat]) {
        let Some(Trap { victim, wipe }) = self.trap else { return };
        if self.network.borrow().is_writing(seats[victim].life.replica) {
            self.trap = None;
            self.lab.count(Count::KilledWriting);
            self.kill(seats, victim, wipe);
        }
    }

    /// Stops for good: everything is mended, everybody continues or restarts soon.
    pub fn retire(&mut self, seats: &mut [Seat]) {
        self.mend_until(crate::channel::NEVER);
        self.trap = None;
        self.next_act = crate::channel::NEVER;
        let soon = self.lab.now() + 1;
        for seat in seats {
            seat.restart_at = seat.restart_at.min(soon);
            seat.next_poll = seat.next_poll.min(soon);
            seat.stopped_until = seat.stopped_until.map(|until| until.min(soon));
        }
    }

    fn mend_until(&mut self, now: u64) {
        let mut network = self.network.borrow_mut();
        self.cuts.retain(|cut| {
            if cut.until <= now {
                network.mend(cut.source, cut.peer);
            }
            cut.until > now
        });
    }

    /// A time that is short or long against the failure detector.
    fn a_while(&self) -> u64 {
        let suspect = self.lab.scenario.config.timing.suspect.0;
        self.lab.now() + self.lab.rng.within(suspect / 8, suspect * self.lab.rng.pick(&[1, 3, 8]))
    }

    fn strike(&mut self, seats: &mut [Seat], victim: usize) {
        let Weights { crash, wipe, stop, cut, cut_one_way, false_death, .. } = self.lab.scenario.nemesis;
        let total = self.lab.scenario.nemesis.total();
        let mut die = self.lab.rng.below(total.max(1));
        let mut drawn = |weight: u64| {
            let hit = die < weight;
            die = if hit { u64::MAX } else { die - weight };
            hit
        };
        if total == 0 {
        } else if drawn(crash) {
            self.kill_or_trap(seats, victim, false);
        } else if drawn(wipe) {
            self.kill_or_trap(seats, victim, true);
        } else if drawn(stop) {
            self.stop(&mut seats[victim]);
        } else if drawn(cut) {
            self.cut(seats, victim, true);
        } else if drawn(cut_one_way) {
            self.cut(seats, victim, false);
        } else if drawn(false_death) {
            self.lab.count(Count::FalseDeath);
            self.network.borrow_mut().report_death(seats[victim].life.replica);
        } else {
            self.ask_to_resign(seats);
        }
    }

    fn kill_or_trap(&mut self, seats: &mut [Seat], victim: usize, wipe: bool) {
        if seats[victim].role() == Some(Role::Leader) && self.lab.rng.chance(5_000) {
            self.trap = Some(Trap { victim, wipe });
        } else {
            self.kill(seats, victim, wipe);
        }
    }

    fn kill(&mut self, seats: &mut [Seat], victim: usize, wipe: bool) {
        let failed = seats.iter().filter(|seat| seat.has_failed()).count();
        let allowed = seats[victim].has_failed() || failed < self.lab.scenario.failures_max();
        let Seat { life, process, .. } = &mut seats[victim];
        if !allowed || process.take().is_none() {
            return;
        }
        let id = life.replica;
        self.lab.count(if wipe { Count::Wipe } else { Count::Crash });
        self.lab.note(id, &[b'k'.into(), wipe.into()], || {
            format!("process {} is killed, its memory {}", life.life, if wipe { "is lost" } else { "stays" })
        });
        let mut network = self.network.borrow_mut();
        network.kill(id);
        if wipe {
            network.withdraw(id, self.lab.rng.pick(&[LinkDown::Revoked, LinkDown::Revoked, LinkDown::Failed]));
            let config = self.lab.scenario.config_of(id, 0);
            let incarnation = Incarnation(self.lab.rng.next() | 1);
            network.replace_memory(id, Memory::format(&config, incarnation, Promise::recovering()));
        } else if self.lab.rng.chance(5_000) {
            network.withdraw(id, self.lab.rng.pick(&[LinkDown::Revoked, LinkDown::Failed]));
        }
        network.report_death(id);
        seats[victim].stopped_until = None;
        seats[victim].restart_at = self.a_while();
    }

    fn stop(&self, seat: &mut Seat) {
        if seat.is_running() {
            self.lab.count(Count::Stop);
            seat.stopped_until = Some(self.a_while());
            self.lab
                .note(seat.life.replica, &[b'z'.into()], || format!("is stopped until {:?} ns", seat.stopped_until));
            self.network.borrow_mut().set_stopped(seat.life.replica, true);
        }
    }

    fn cut(&mut self, seats: &[Seat], victim: usize, both_ways: bool) {
        let a = seats[victim].life.replica;
        let b = seats[self.lab.rng.below(seats.len() as u64) as usize].life.replica;
        let until = self.a_while();
        self.lab.count(if both_ways { Count::Cut } else { Count::CutOneWay });
        let pairs = [(a, b), (b, a)];
        for (source, peer) in pairs.into_iter().take(if both_ways { 2 } else { 1 }) {
            if !self.network.borrow().is_cut(source, peer) {
                self.lab.note(source, &[b'|'.into(), peer.0.into()], || format!("| {peer} is cut until {until} ns"));
                self.network.borrow_mut().cut(source, peer);
                self.cuts.push(Cut { source, peer, until });
            }
        }
    }

    fn ask_to_resign(&self, seats: &mut [Seat]) {
        let leader = seats.iter_mut().find(|seat| seat.is_running() && seat.role() == Some(Role::Leader));
        if let Some(seat) = leader {
            self.lab.count(Count::Resign);
            seat.resign(&self.lab);
        }
    }
}
