//! All channels of a run, those of dead processes included, and the memories behind them.

use crate::channel::{Break, Channel, NEVER, Origin};
use crate::lab::Lab;
use crate::memory::{Memory, zeroed};
use crate::tally::Count;
use paxon_fastpath::{Config, FabricEvent, LinkDown, Op, PostError, ReplicaId, Token};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

/// Most operations that land between two looks of a replica at its memory.
const MID_POLL_STEPS_MAX: u64 = 4;

/// What happens next in the network.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A channel of a live process executes a little more.
    Step(usize),
    /// A channel's link changes.
    Link(usize),
    /// A channel of a dead process executes a little more.
    Ghost(usize),
}

/// The network.
#[derive(Debug)]
pub struct Network {
    lab: Rc<Lab>,
    replicas: usize,
    /// The channel from `source` to `peer` is number `source * replicas + peer`.
    channels: Vec<Channel>,
    /// Channels of dead processes with something left to execute.
    ghosts: Vec<Channel>,
    /// The present memory of each acceptor.
    memories: Vec<Rc<Memory>>,
    /// Whether an acceptor's memory can be reached; a dead process may take its registrations along.
    reachable: Vec<bool>,
    /// Posts so far.
    serial: u64,
}

impl Network {
    /// A network without connections.
    pub fn new(lab: Rc<Lab>, memories: Vec<Rc<Memory>>) -> Self {
        let replicas = memories.len();
        let mut network = Self {
            lab,
            replicas,
            channels: Vec::new(),
            ghosts: Vec::new(),
            reachable: vec![true; replicas],
            memories,
            serial: 0,
        };
        for source in ReplicaId::all(replicas) {
            for peer in ReplicaId::all(replicas) {
                let memories = [source, peer].map(|id| network.memories[id.index()].clone());
                network.channels.push(Channel::new(source, peer, memories, zeroed(0).into()));
            }
        }
        network
    }

    /// The present memory of an acceptor.
    pub fn memory(&self, of: ReplicaId) -> Rc<Memory> {
        self.memories[of.index()].clone()
    }

    fn index(&self, source: ReplicaId, peer: ReplicaId) -> usize {
        source.index() * self.replicas + peer.index()
    }

    /// A process of `source` starts; its links come up at random times. Returns its scratch memories.
    pub fn attach(&mut self, source: ReplicaId, config: &Config) -> Vec<Rc<[AtomicU64]>> {
        let lab = self.lab.clone();
        self.reachable[source.index()] = true;
        let mut scratches = Vec::new();
        for peer in ReplicaId::all(self.replicas) {
            let scratch: Rc<[AtomicU64]> = zeroed(config.scratch_words()).into();
            scratches.push(scratch.clone());
            let memories = [source, peer].map(|id| self.memories[id.index()].clone());
            let index = self.index(source, peer);
            let cut = self.channels[index].cut;
            self.channels[index] = Channel::new(source, peer, memories, scratch);
            self.channels[index].cut = cut;
            self.channels[index].link_due = lab.now() + lab.rng.around(2 * lab.scenario.latency_ns);
        }
        scratches
    }

    /// Posts a chain.
    ///
    /// # Errors
    /// [`PostError`], as any fabric.
    pub fn post(&mut self, source: ReplicaId, peer: ReplicaId, token: Token, ops: &[Op]) -> Result<(), PostError> {
        self.serial += 1;
        let index = self.index(source, peer);
        let posted = self.channels[index].post(token, ops, self.serial, &self.lab);
        let outcome = match posted {
            Ok(()) => 0,
            Err(PostError::Full) => 1,
            Err(_) => 2,
        };
        self.lab.note(source, &[b'p'.into(), peer.0.into(), token.0, outcome], || {
            format!("> {peer} posts {:#x} ({} operations): {posted:?}", token.0, ops.len())
        });
        posted
    }

    /// The next event for a process, if its time has come.
    pub fn pop(&mut self, source: ReplicaId) -> Option<FabricEvent> {
        let first = source.index() * self.replicas;
        self.channels[first..first + self.replicas].iter_mut().find_map(|channel| channel.pop(&self.lab))
    }

    /// When something happens next, and what.
    pub fn next(&self) -> (u64, Next) {
        let mut earliest = (NEVER, Next::Step(0));
        for (index, channel) in self.channels.iter().enumerate() {
            if channel.due < earliest.0 {
                earliest = (channel.due, Next::Step(index));
            }
            if channel.link_due < earliest.0 {
                earliest = (channel.link_due, Next::Link(index));
            }
        }
        for (index, ghost) in self.ghosts.iter().enumerate() {
            if ghost.due < earliest.0 {
                earliest = (ghost.due, Next::Ghost(index));
            }
        }
        earliest
    }

    /// Lets it happen.
    pub fn happen(&mut self, next: Next) {
        match next {
            Next::Step(index) => self.step(index),
            Next::Link(index) => self.change_link(index),
            Next::Ghost(index) => {
                self.ghosts[index].step(&self.lab);
                if self.ghosts[index].is_idle() {
                    self.ghosts.swap_remove(index);
                }
            }
        }
    }

    fn step(&mut self, index: usize) {
        if let Some(serial) = self.channels[index].untouched_serial() {
            let first = index - index % self.replicas;
            let others = &self.channels[first..first + self.replicas];
            if others.iter().filter_map(Channel::untouched_serial).any(|other| other < serial) {
                self.lab.count(Count::Reordered);
            }
        }
        self.channels[index].step(&self.lab);
    }

    fn change_link(&mut self, index: usize) {
        let lab = self.lab.clone();
        let channel = &mut self.channels[index];
        if let Some(Break { reason, executes }) = channel.broken() {
            let leftover = if executes { lab.rng.pick(&[0, 2, 10, 1_000]) } else { 0 };
            channel.fail(reason, leftover, &lab);
        } else if channel.is_up() {
            channel.link_due = NEVER;
        } else if channel.cut || !self.reachable[channel.peer.index()] {
            channel.link_due = lab.now() + lab.rng.around(20 * lab.scenario.latency_ns);
        } else {
            let (source, peer) = (channel.source, channel.peer);
            channel.connect(self.memories[peer.index()].clone(), &lab);
            self.ghosts.retain(|ghost| (ghost.source, ghost.peer) != (source, peer));
        }
    }

    /// Operations of any process land while a replica is in the middle of a poll.
    pub fn interfere(&mut self) {
        for _ in 0..self.lab.rng.within(1, MID_POLL_STEPS_MAX) {
            let start = self.lab.rng.below(self.channels.len() as u64) as usize;
            let around = (start..self.channels.len()).chain(0..start);
            let Some(index) = around.into_iter().find(|&index| self.channels[index].due != NEVER) else { return };
            self.lab.count(Count::MidPoll);
            self.step(index);
        }
    }

    /// Whether a write to the acceptor is half visible.
    pub fn is_half_visible(&self, acceptor: ReplicaId) -> bool {
        let all = self.channels.iter().chain(&self.ghosts);
        all.filter(|channel| channel.peer == acceptor).any(Channel::is_half_visible)
    }

    /// Whether a write of the process of `source` is half visible anywhere.
    pub fn is_writing(&self, source: ReplicaId) -> bool {
        self.channels.iter().any(|channel| channel.source == source && channel.is_half_visible())
    }

    /// The process of `source` is stopped or continues; its operations are executed all the same.
    pub fn set_stopped(&mut self, source: ReplicaId, stopped: bool) {
        let first = source.index() * self.replicas;
        for channel in &mut self.channels[first..first + self.replicas] {
            channel.origin = if stopped { Origin::Stopped } else { Origin::Running };
        }
    }

    /// The process of `source` dies. What it posted may still land until its successor connects.
    pub fn kill(&mut self, source: ReplicaId) {
        for peer in ReplicaId::all(self.replicas) {
            let index = self.index(source, peer);
            let memories = [source, peer].map(|id| self.memories[id.index()].clone());
            let mut successor = Channel::new(source, peer, memories, zeroed(0).into());
            successor.cut = self.channels[index].cut;
            let mut ghost = std::mem::replace(&mut self.channels[index], successor);
            ghost.orphan(&self.lab);
            if !ghost.is_idle() {
                self.ghosts.push(ghost);
            }
        }
    }

    /// The memory of `acceptor` cannot be reached any more: nothing is executed on it until its next process starts.
    pub fn withdraw(&mut self, acceptor: ReplicaId, reason: LinkDown) {
        self.reachable[acceptor.index()] = false;
        self.ghosts.retain(|ghost| ghost.peer != acceptor);
        for channel in self.channels.iter_mut().filter(|channel| channel.peer == acceptor) {
            channel.revoke(reason, &self.lab);
        }
    }

    /// Replaces the memory of an acceptor.
    pub fn replace_memory(&mut self, acceptor: ReplicaId, memory: Memory) {
        self.memories[acceptor.index()] = Rc::new(memory);
    }

    /// Cuts the way from `source` to `peer`.
    pub fn cut(&mut self, source: ReplicaId, peer: ReplicaId) {
        let index = self.index(source, peer);
        let executes = self.lab.rng.chance(5_000);
        self.channels[index].cut = true;
        self.channels[index].break_silently(Break { reason: LinkDown::Failed, executes }, &self.lab);
    }

    /// Mends the way from `source` to `peer`.
    pub fn mend(&mut self, source: ReplicaId, peer: ReplicaId) {
        let index = self.index(source, peer);
        self.channels[index].cut = false;
    }

    /// Whether the way is cut.
    pub fn is_cut(&self, source: ReplicaId, peer: ReplicaId) -> bool {
        self.channels[self.index(source, peer)].cut
    }

    /// Tells everybody that the process of `peer` has died, truly or not.
    pub fn report_death(&mut self, peer: ReplicaId) {
        for source in ReplicaId::all(self.replicas).filter(|&source| source != peer) {
            if self.lab.rng.chance(6_000) {
                let index = self.index(source, peer);
                let delay = self.lab.rng.around(5 * self.lab.scenario.latency_ns);
                self.channels[index].deliver(FabricEvent::ProcessDied { peer }, delay, &self.lab);
            }
        }
    }
}
