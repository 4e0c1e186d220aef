//! The memory of three acceptors, seen by replica 0 through a fabric that does at once what it is asked for.

use paxon_fastpath::{
    Area, Completion, Config, Domain, Epoch, Fabric, FabricEvent, Identity, Incarnation, LinkDown, Nanos, Op,
    PostError, Promise, QuorumSizes, ReplicaId, Span, Timing, Token,
};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Whose view it is.
const ME: ReplicaId = ReplicaId(0);
/// Events that wait: more than a turn posts.
const EVENTS_MAX: usize = 4096;

/// Small sizes, so that everything wraps soon.
pub fn config() -> Config {
    let mut config = Config::new(7, ME, QuorumSizes::majority(3).expect("three is a size"));
    config.layout.cells = 64;
    config.layout.arena_words = 256;
    config.layout.snapshot_words = 512;
    config.window = 8;
    config.payload_bytes_max = 256;
    config.timing = Timing { beat: Nanos::from_micros(50), suspect: Nanos::from_micros(400), ..Timing::spinning() };
    config
}

/// See the module.
pub struct Acceptors {
    memories: Vec<HashMap<Area, Vec<AtomicU64>>>,
    scratch: Vec<Vec<AtomicU64>>,
    events: VecDeque<FabricEvent>,
    is_up: [bool; 3],
    /// Xored to what exchanges at the peers are said to have found: their servers answer as they like.
    pub lie: u64,
    /// What begins an identity and seals a status page.
    pub magic: u64,
}

impl Acceptors {
    /// Fresh memory, all links up.
    pub fn new() -> Self {
        let config = config();
        let words = |count| (0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
        let memory = |owner: u8| {
            let areas = config.layout.areas().map(|area| (area, words(config.layout.words(area))));
            let memory: HashMap<_, _> = areas.collect();
            let (domain, incarnation) = (Domain::Processor, Incarnation(100 + u64::from(owner)));
            let (cluster, layout, seal) = (config.cluster, config.layout, config.seal_mark());
            let identity = Identity { cluster, owner, layout, domain, seal, incarnation };
            memory[&Area::Promise][0].store(Promise::fresh(Epoch::FIRST).0, Relaxed);
            memory[&Area::Status].iter().zip(identity.encode()).for_each(|(word, value)| word.store(value, Relaxed));
            memory
        };
        let memories: Vec<_> = (0..3).map(memory).collect();
        let magic = memories[0][&Area::Status][0].load(Relaxed);
        let scratch = (0..3).map(|_| words(config.scratch_words())).collect();
        let mut acceptors = Self { memories, scratch, events: VecDeque::new(), is_up: [false; 3], lie: 0, magic };
        acceptors.reconnect();
        acceptors
    }

    /// All links come up for a process that has just begun.
    pub fn reconnect(&mut self) {
        self.events.clear();
        for at in 0..3 {
            self.up(ReplicaId(at), 100 + u64::from(at));
        }
    }

    /// Stores words as whoever may write there. Returns whether only the replica's own process may: what is there then is
    /// what an earlier life of it has left.
    pub fn store(&self, acceptor: u8, area: Area, start: usize, values: &[u64]) -> bool {
        let at = usize::from(acceptor % 3);
        let words = &self.memories[at][&area];
        for (word, value) in words.iter().cycle().skip(start % words.len()).zip(values) {
            word.store(*value, Relaxed);
        }
        let is_shared = area == Area::Promise || matches!(area, Area::Lane(proposer) if proposer != ME);
        at == ME.index() && !is_shared
    }

    fn tell(&mut self, event: FabricEvent) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }

    /// A link goes down. What was executed and not told yet stays untold.
    pub fn down(&mut self, peer: ReplicaId, is_revoked: bool) {
        if let Some(is_up) = self.is_up.get_mut(peer.index()) {
            *is_up = false;
        }
        self.events.retain(|event| !matches!(event, FabricEvent::Done(done) if done.peer == peer));
        self.tell(FabricEvent::LinkDown {
            peer,
            reason: if is_revoked { LinkDown::Revoked } else { LinkDown::Failed },
        });
    }

    /// A link comes up to some life of a memory.
    pub fn up(&mut self, peer: ReplicaId, incarnation: u64) {
        if let Some(is_up) = self.is_up.get_mut(peer.index()) {
            *is_up = true;
            self.tell(FabricEvent::LinkUp { peer, incarnation: Incarnation(incarnation) });
        }
    }

    /// A process is said to have died.
    pub fn died(&mut self, peer: ReplicaId) {
        self.tell(FabricEvent::ProcessDied { peer });
    }

    fn span(&self, at: usize, span: Span) -> &[AtomicU64] {
        &self.memories[at][&span.area][span.start..][..span.words]
    }

    fn execute(&self, at: usize, op: &Op) -> u64 {
        match *op {
            Op::Write(span) => {
                assert_eq!(span.area, Area::Lane(ME), "a proposer writes its own lane only");
                copy(self.span(ME.index(), span), self.span(at, span));
                0
            }
            Op::Read { span, into } => {
                copy(self.span(at, span), &self.scratch[at][into..][..span.words]);
                0
            }
            Op::Cas { expected, new } => {
                let word = &self.memories[at][&Area::Promise][0];
                let found = word.compare_exchange(expected, new, Relaxed, Relaxed).unwrap_or_else(|found| found);
                if at == ME.index() { found } else { found ^ self.lie }
            }
        }
    }
}

impl Default for Acceptors {
    fn default() -> Self {
        Self::new()
    }
}

fn copy(from: &[AtomicU64], to: &[AtomicU64]) {
    to.iter().zip(from).for_each(|(to, from)| to.store(from.load(Relaxed), Relaxed));
}

impl Fabric for Acceptors {
    fn local(&self, area: Area) -> &[AtomicU64] {
        &self.memories[ME.index()][&area]
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        &self.scratch[peer.index()]
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        if !self.is_up[peer.index()] {
            return Err(PostError::Down);
        }
        if self.events.len() >= EVENTS_MAX {
            return Err(PostError::Full);
        }
        let found = chain.iter().map(|op| self.execute(peer.index(), op)).fold(0, |found, next| found | next);
        self.events.push_back(FabricEvent::Done(Completion { peer, token, found }));
        Ok(())
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        self.events.pop_front()
    }
}
