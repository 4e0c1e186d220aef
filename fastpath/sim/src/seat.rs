//! A member of the cluster: its processes come and go, one at a time.

use crate::channel::NEVER;
use crate::fabric::SimFabric;
use crate::host::SimHost;
use crate::lab::{Check, Lab};
use crate::network::Network;
use crate::oracle::Oracle;
use crate::tally::Count;
use paxon_fastpath::{Nanos, Replica, ReplicaId, Role, Slot};
use std::cell::RefCell;
use std::rc::Rc;

/// A running process.
#[derive(Debug)]
pub struct Process {
    /// The production core.
    pub replica: Replica,
    /// Its end of the network.
    pub fabric: SimFabric,
    /// The program above it.
    pub host: SimHost,
    /// Its clock shows this much more than virtual time.
    clock_ahead: u64,
}

/// One process of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The member.
    pub replica: ReplicaId,
    /// The how-manieth process of the member.
    pub life: u64,
}

/// A member.
#[derive(Debug)]
pub struct Seat {
    /// The present process, or the last one.
    pub life: Life,
    /// The process, unless it is dead.
    pub process: Option<Process>,
    /// It is stopped until then.
    pub stopped_until: Option<u64>,
    /// It is dead until then.
    pub restart_at: u64,
    /// Time of the next poll.
    pub next_poll: u64,
    /// The highest slot that any process of the member has applied: others may have trimmed by it.
    pub claim: Slot,
}

impl Seat {
    /// A member without a process.
    pub const fn new(replica: ReplicaId) -> Self {
        let life = Life { replica, life: 0 };
        Self { life, process: None, stopped_until: None, restart_at: 0, next_poll: NEVER, claim: Slot::NONE }
    }

    /// When something happens next.
    pub fn due(&self) -> u64 {
        match (&self.process, self.stopped_until) {
            (None, _) => self.restart_at,
            (Some(_), Some(until)) => until,
            (Some(_), None) => self.next_poll,
        }
    }

    /// The process, if it runs.
    pub fn running(&mut self) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| self.stopped_until.is_none())
    }

    /// Whether a process runs.
    pub const fn is_running(&self) -> bool {
        self.process.is_some() && self.stopped_until.is_none()
    }

    /// What its process is doing.
    pub fn role(&self) -> Option<Role> {
        self.process.as_ref().map(|process| process.replica.role())
    }

    /// The last slot that its process has applied.
    pub fn applied(&self) -> Slot {
        self.process.as_ref().map_or(Slot::NONE, |process| process.host.applied())
    }

    /// Whether it has lost state or memory that the others may count on.
    pub fn has_failed(&self) -> bool {
        self.applied() < self.claim || matches!(self.role(), None | Some(Role::Recovering))
    }

    /// Starts a process on the member's present memory.
    pub fn start(&mut self, network: &Rc<RefCell<Network>>, lab: &Rc<Lab>, oracle: &Rc<RefCell<Oracle>>) {
        self.life.life += 1;
        let Life { replica: me, life } = self.life;
        let config = lab.scenario.config_of(me, life);
        let scratches = network.borrow_mut().attach(me, &config);
        let fabric = SimFabric::new(network.clone(), me, scratches, lab.scenario.mid_poll_one_in);
        let replica = match Replica::new(config, &fabric) {
            Ok(replica) => replica,
            Err(error) => {
                lab.violate(Check::Memory, || format!("{me} does not start: {error}"));
                return;
            }
        };
        lab.note(me, &[b's'.into()], || format!("process {life} starts as {:?}", replica.role()));
        let host = SimHost::new(me, lab.clone(), oracle.clone());
        self.process = Some(Process { replica, fabric, host, clock_ahead: lab.rng.below(1 << 40) });
        self.stopped_until = None;
        self.restart_at = NEVER;
        self.next_poll = lab.now() + lab.rng.around(lab.scenario.poll_ns);
    }

    /// Asks the process to give up leadership.
    pub fn resign(&mut self, lab: &Lab) {
        if let Some(process) = self.process.as_mut() {
            process.replica.resign(Nanos(lab.now() + process.clock_ahead), &mut process.host);
        }
    }

    /// One turn of the engine.
    pub fn poll(&mut self, network: &RefCell<Network>, lab: &Lab) {
        let Some(process) = self.process.as_mut() else { return };
        lab.count(Count::Poll);
        if network.borrow().is_half_visible(self.life.replica) {
            lab.count(Count::PolledTorn);
        }
        let now = Nanos(lab.now() + process.clock_ahead);
        process.replica.poll(now, &mut process.fabric, &mut process.host);
        let (engine, host) = (process.replica.applied(), process.host.applied());
        if engine != host {
            let me = self.life.replica;
            lab.violate(Check::SlotOrder, || format!("{me} says that it applied {engine}, it was given {host}"));
        }
        self.claim = self.claim.max(host);
        self.next_poll = lab.now() + lab.rng.around(lab.scenario.poll_ns);
        if lab.strikes(lab.scenario.rates.hiccup) {
            lab.count(Count::Hiccup);
            self.next_poll += lab.rng.below(3 * lab.scenario.config.timing.suspect.0);
        }
    }
}
