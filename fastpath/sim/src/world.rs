//! One run: a cluster, its clients and its nemesis on one virtual clock.

use crate::channel::NEVER;
use crate::client::Client;
use crate::intruder::Intruder;
use crate::lab::{Check, Lab, Violation};
use crate::memory::Memory;
use crate::nemesis::Nemesis;
use crate::network::{Network, Next};
use crate::oracle::Oracle;
use crate::scenario::Scenario;
use crate::seat::Seat;
use crate::tally::Count;
use paxon_fastpath::{Epoch, Incarnation, Promise, ReplicaId, Role};
use std::cell::RefCell;
use std::rc::Rc;

/// Who acts next.
#[derive(Clone, Copy, Debug)]
enum Actor {
    Network(Next),
    Seat(usize),
    Client(usize),
    Nemesis,
    Intruder,
}

/// A simulated cluster.
#[derive(Debug)]
pub struct World {
    lab: Rc<Lab>,
    network: Rc<RefCell<Network>>,
    oracle: Rc<RefCell<Oracle>>,
    seats: Vec<Seat>,
    clients: Vec<Client>,
    nemesis: Nemesis,
    intruder: Intruder,
}

impl World {
    /// A new cluster: fresh memories, no connections, no processes yet.
    pub fn new(lab: Rc<Lab>) -> Self {
        let Scenario { config, closed_clients, open_clients, .. } = lab.scenario;
        let format = |id| {
            let incarnation = Incarnation(lab.rng.next() | 1);
            Rc::new(Memory::format(&lab.scenario.config_of(id, 0), incarnation, Promise::fresh(Epoch::FIRST)))
        };
        let memories = ReplicaId::all(config.replicas()).map(format).collect();
        let network = Rc::new(RefCell::new(Network::new(lab.clone(), memories)));
        let oracle = Rc::new(RefCell::new(Oracle::new(lab.clone())));
        let client = |number| Client::new(lab.clone(), oracle.clone(), number >= closed_clients);
        Self {
            seats: ReplicaId::all(config.replicas()).map(Seat::new).collect(),
            clients: (0..closed_clients + open_clients).map(client).collect(),
            nemesis: Nemesis::new(lab.clone(), network.clone()),
            intruder: Intruder::new(lab.clone(), network.clone()),
            lab,
            network,
            oracle,
        }
    }

    /// Runs to the end: first with faults, checking safety; then without, checking that everything recovers.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn run(&mut self) -> Result<(), Violation> {
        while self.lab.now() < self.lab.scenario.chaos_ns {
            self.turn()?;
        }
        self.lab.note("all", &[b'!'.into()], || "the faults are over".into());
        self.lab.calm_down();
        self.nemesis.retire(&mut self.seats);
        self.intruder.retire();
        self.clients.iter_mut().for_each(Client::wind_up);
        let deadline = self.lab.now() + self.lab.scenario.recovery_ns();
        while !self.has_recovered() {
            if self.lab.now() > deadline {
                self.lab.violate(Check::Progress, || self.describe());
            }
            self.turn()?;
        }
        self.check_end()
    }

    fn turn(&mut self) -> Result<(), Violation> {
        let (at, actor) = self.next();
        self.lab.advance(at.max(self.lab.now()));
        self.lab.count(Count::Event);
        match actor {
            Actor::Network(next) => self.network.borrow_mut().happen(next),
            Actor::Seat(index) => self.act(index),
            Actor::Client(index) => self.clients[index].act(&mut self.seats),
            Actor::Nemesis => self.nemesis.act(&mut self.seats),
            Actor::Intruder => self.intruder.act(),
        }
        self.nemesis.spring(&mut self.seats);
        self.lab.verdict()
    }

    fn next(&self) -> (u64, Actor) {
        let (at, next) = self.network.borrow().next();
        let mut earliest = (at, Actor::Network(next));
        let mut consider = |at: u64, actor| {
            if at < earliest.0 {
                earliest = (at, actor);
            }
        };
        self.seats.iter().enumerate().for_each(|(index, seat)| consider(seat.due(), Actor::Seat(index)));
        self.clients.iter().enumerate().for_each(|(index, client)| consider(client.due, Actor::Client(index)));
        consider(self.nemesis.due(), Actor::Nemesis);
        consider(self.intruder.due, Actor::Intruder);
        debug_assert_ne!(earliest.0, NEVER, "replicas poll for ever");
        earliest
    }

    fn act(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if seat.process.is_none() {
            seat.start(&self.network, &self.lab, &self.oracle);
        } else if seat.stopped_until.take().is_some() {
            self.lab.note(seat.life.replica, &[b'w'.into()], || "continues".into());
            self.network.borrow_mut().set_stopped(seat.life.replica, false);
            seat.next_poll = self.lab.now();
        } else {
            seat.poll(&self.network, &self.lab);
            self.spread_news(index);
        }
    }

    fn spread_news(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(process) = seat.process.as_mut() else { return };
        for news in process.host.take_news() {
            self.clients.iter_mut().for_each(|client| client.hear(seat.life, &news));
        }
    }

    /// Everybody is back, follows one leader, has applied everything, and every client is done.
    fn has_recovered(&self) -> bool {
        let last = self.oracle.borrow().last_decided();
        let leaders = self.seats.iter().filter(|seat| seat.role() == Some(Role::Leader)).count();
        leaders == 1
            && self.clients.iter().all(Client::is_done)
            && self.seats.iter().all(|seat| !seat.has_failed() && seat.applied() == last)
    }

    fn check_end(&self) -> Result<(), Violation> {
        self.oracle.borrow().check_acknowledged();
        let digests = self.seats.iter().filter_map(|seat| seat.process.as_ref()).map(|process| process.host.digest());
        let digests: Vec<u64> = digests.collect();
        if digests.iter().any(|&digest| digest != digests[0]) {
            self.lab.violate(Check::Digest, || format!("the replicas end in different states: {digests:x?}"));
        }
        self.lab.verdict()
    }

    fn describe(&self) -> String {
        let last = self.oracle.borrow().last_decided();
        let seats: Vec<String> = self
            .seats
            .iter()
            .map(|seat| format!("{} {:?} applied {} of {}", seat.life.replica, seat.role(), seat.applied(), seat.claim))
            .collect();
        let waiting = self.clients.iter().filter(|client| !client.is_done()).count();
        format!("no recovery: last decided {last}; {}; {waiting} clients wait", seats.join(", "))
    }
}
