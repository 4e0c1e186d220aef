//! A small cluster in one thread, for tests that read like a story: memory is shared words, chains execute when posted
//! unless the link is held, and nothing happens that the test does not ask for.
#![allow(dead_code, reason = "each test binary uses its part")]

use paxon_fastpath::{
    Area, Completion, Config, Decided, Domain, Fabric, FabricEvent, Flags, Host, Identity, Incarnation, LinkDown,
    Nanos, Notice, Op, PostError, Promise, QuorumSizes, Replica, ReplicaId, Role, Slot, SnapshotError, Span,
    Submission, Timing, Token,
};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The memory of one acceptor.
pub type Memory = Rc<HashMap<Area, Vec<AtomicU64>>>;

/// Fresh memory, or memory that was lost and made anew.
pub fn memory(config: &Config, owner: u8, incarnation: u64, promise: Promise) -> Memory {
    let layout = config.layout;
    let areas = layout.areas().map(|area| (area, (0..layout.words(area)).map(|_| AtomicU64::new(0)).collect()));
    let memory: HashMap<Area, Vec<AtomicU64>> = areas.collect();
    memory[&Area::Promise][0].store(promise.0, SeqCst);
    let identity = Identity {
        cluster: config.cluster,
        owner,
        layout,
        domain: Domain::Processor,
        seal: config.seal_mark(),
        incarnation: Incarnation(incarnation),
    };
    for (word, value) in memory[&Area::Status].iter().zip(identity.encode()) {
        word.store(value, SeqCst);
    }
    Rc::new(memory)
}

/// One replica's view of the memories.
pub struct TestFabric {
    me: usize,
    pub memories: Vec<Memory>,
    scratch: Vec<Vec<AtomicU64>>,
    events: VecDeque<FabricEvent>,
    /// Chains to these acceptors wait.
    pub held: Vec<bool>,
    waiting: Vec<VecDeque<(Token, Vec<Op>)>>,
    up: Vec<bool>,
}

impl TestFabric {
    fn new(me: usize, memories: Vec<Memory>, incarnations: &[u64], config: &Config) -> Self {
        let n = memories.len();
        let scratch = (0..n).map(|_| (0..config.scratch_words()).map(|_| AtomicU64::new(0)).collect()).collect();
        let up =
            |at: usize| FabricEvent::LinkUp { peer: ReplicaId(at as u8), incarnation: Incarnation(incarnations[at]) };
        let events = (0..n).map(up).collect();
        let waiting = (0..n).map(|_| VecDeque::new()).collect();
        Self { me, memories, scratch, events, held: vec![false; n], waiting, up: vec![true; n] }
    }

    fn area(&self, at: usize, span: &Span) -> &[AtomicU64] {
        &self.memories[at][&span.area][span.start..span.start + span.words]
    }

    fn execute(&mut self, at: usize, token: Token, chain: &[Op]) {
        let mut found = 0;
        for op in chain {
            match op {
                Op::Write(span) => {
                    assert_eq!(span.area, Area::Lane(ReplicaId(self.me as u8)), "a proposer writes its own lane only");
                    for (to, from) in self.area(at, span).iter().zip(self.area(self.me, span)) {
                        to.store(from.load(SeqCst), SeqCst);
                    }
                }
                Op::Read { span, into } => {
                    for (to, from) in self.scratch[at][*into..].iter().zip(self.area(at, span)) {
                        to.store(from.load(SeqCst), SeqCst);
                    }
                }
                Op::Cas { expected, new } => {
                    let word = &self.memories[at][&Area::Promise][0];
                    found = word.compare_exchange(*expected, *new, SeqCst, SeqCst).unwrap_or_else(|found| found);
                }
            }
        }
        let peer = ReplicaId(at as u8);
        self.events.push_back(FabricEvent::Done(Completion { peer, token, found }));
    }

    /// Executes the chains that wait for `at`.
    pub fn release(&mut self, at: usize) {
        self.held[at] = false;
        while let Some((token, chain)) = self.waiting[at].pop_front() {
            self.execute(at, token, &chain);
        }
    }

    /// Cuts the link to `at`: what waits is lost.
    pub fn cut(&mut self, at: usize) {
        self.up[at] = false;
        self.waiting[at].clear();
        let stale = |event: &FabricEvent| !matches!(event, FabricEvent::Done(done) if done.peer.index() == at);
        self.events.retain(stale);
        self.events.push_back(FabricEvent::LinkDown { peer: ReplicaId(at as u8), reason: LinkDown::Failed });
    }

    /// Mends the link to `at`, behind which lies `incarnation`.
    pub fn mend(&mut self, at: usize, incarnation: u64) {
        self.up[at] = true;
        self.events.push_back(FabricEvent::LinkUp { peer: ReplicaId(at as u8), incarnation: Incarnation(incarnation) });
    }
}

impl Fabric for TestFabric {
    fn local(&self, area: Area) -> &[AtomicU64] {
        &self.memories[self.me][&area]
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        &self.scratch[peer.index()]
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let at = peer.index();
        if !self.up[at] {
            return Err(PostError::Down);
        }
        if self.held[at] {
            self.waiting[at].push_back((token, chain.to_vec()));
        } else {
            self.execute(at, token, chain);
        }
        Ok(())
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        self.events.pop_front()
    }
}

/// A host that keeps everything.
#[derive(Default)]
pub struct Ledger {
    /// What was decided, as text; `-` for a no-op, `config` for a configuration record.
    pub log: Vec<(u64, String)>,
    pub notices: Vec<Notice>,
}

impl Host for Ledger {
    fn decided(&mut self, decided: Decided<'_>) {
        let flags = decided.header.flags;
        let text = if flags.has(Flags::NOOP) {
            "-".into()
        } else if flags.has(Flags::CONFIG) {
            "config".into()
        } else {
            String::from_utf8_lossy(decided.bytes()).into_owned()
        };
        if let Some((last, _)) = self.log.last() {
            assert_eq!(decided.slot.0, last + 1, "slots come in order");
        }
        self.log.push((decided.slot.0, text));
    }

    fn snapshot(&mut self, into: &mut Vec<u8>) {
        for (slot, text) in &self.log {
            into.extend(format!("{slot} {text}\n").bytes());
        }
    }

    fn restore(&mut self, _upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SnapshotError)?;
        let parse =
            |line: &str| line.split_once(' ').and_then(|(slot, text)| Some((slot.parse().ok()?, text.to_owned())));
        self.log = text.lines().map(parse).collect::<Option<_>>().ok_or(SnapshotError)?;
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}

/// A cluster whose time is moved by hand.
pub struct Cluster {
    pub config: Config,
    pub now: Nanos,
    pub incarnations: Vec<u64>,
    pub replicas: Vec<Replica>,
    pub fabrics: Vec<TestFabric>,
    pub hosts: Vec<Ledger>,
    /// Replicas that are stopped: not polled.
    pub stopped: Vec<bool>,
}

impl Cluster {
    /// A cluster of `n` with small memories, so that everything wraps soon.
    pub fn new(n: usize) -> Self {
        Self::with(n, |_| {})
    }

    /// The same, with a change to its configuration.
    pub fn with(n: usize, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(7, ReplicaId(0), QuorumSizes::majority(n).expect("a size"));
        config.layout.cells = 64;
        config.layout.arena_words = 256;
        config.layout.snapshot_words = 4096;
        config.window = 8;
        config.payload_bytes_max = 256;
        config.timing = Timing::spinning();
        change(&mut config);
        let incarnations: Vec<u64> = (0..n as u64).map(|at| 100 + at).collect();
        let fresh = Promise::fresh(paxon_fastpath::Epoch::FIRST);
        let memories: Vec<Memory> = (0..n).map(|at| memory(&config, at as u8, incarnations[at], fresh)).collect();
        let fabrics: Vec<TestFabric> =
            (0..n).map(|me| TestFabric::new(me, memories.clone(), &incarnations, &config)).collect();
        let replicas = (0..n).map(|me| Self::replica(&config, me, &fabrics[me])).collect();
        let hosts = (0..n).map(|_| Ledger::default()).collect();
        Self { config, now: Nanos(0), incarnations, replicas, fabrics, hosts, stopped: vec![false; n] }
    }

    fn replica(config: &Config, me: usize, fabric: &TestFabric) -> Replica {
        let config = Config { replica: ReplicaId(me as u8), seed: me as u64 + 1, ..*config };
        Replica::new(config, fabric).expect("the configuration is valid")
    }

    /// One turn of replica `at`.
    pub fn poll(&mut self, at: usize) {
        self.replicas[at].poll(self.now, &mut self.fabrics[at], &mut self.hosts[at]);
    }

    /// Lets `micros` pass in steps of 10 µs, every running replica taking a turn in each.
    pub fn run(&mut self, micros: u64) {
        for _ in 0..micros / 10 {
            self.now = self.now.plus(Nanos::from_micros(10));
            for at in 0..self.replicas.len() {
                if !self.stopped[at] {
                    self.poll(at);
                }
            }
        }
    }

    /// Runs until one replica leads and returns it.
    pub fn elect(&mut self) -> usize {
        for _ in 0..10_000 {
            self.run(10);
            if let Some(leader) = self.leader() {
                return leader;
            }
        }
        panic!("nobody was elected in 100 ms of virtual time");
    }

    /// The running replica that leads.
    pub fn leader(&self) -> Option<usize> {
        (0..self.replicas.len()).find(|&at| !self.stopped[at] && self.replicas[at].role() == Role::Leader)
    }

    /// Proposes `text` at `at`.
    pub fn propose(&mut self, at: usize, text: &str) -> Slot {
        let submission = Submission::Command { session: 0, sequence: 0, payload: text.as_bytes() };
        self.replicas[at].propose(&mut self.fabrics[at], submission).expect("room for a proposal")
    }

    /// Replica `at`'s process ends and another begins over the same memory.
    pub fn restart(&mut self, at: usize) {
        self.fabrics[at] = TestFabric::new(at, self.fabrics[at].memories.clone(), &self.incarnations, &self.config);
        self.replicas[at] = Self::replica(&self.config, at, &self.fabrics[at]);
        self.hosts[at] = Ledger::default();
        self.stopped[at] = false;
    }

    /// Replica `at` loses its memory and comes back with new, recovering memory.
    pub fn wipe(&mut self, at: usize) {
        self.incarnations[at] += 1000;
        let incarnation = self.incarnations[at];
        let lost = memory(&self.config, at as u8, incarnation, Promise::recovering());
        for fabric in &mut self.fabrics {
            fabric.cut(at);
            fabric.memories[at] = Rc::clone(&lost);
            fabric.mend(at, incarnation);
        }
        self.restart(at);
    }

    /// The decided texts at `at`, no-ops left out.
    pub fn texts(&self, at: usize) -> Vec<&str> {
        self.hosts[at].log.iter().map(|(_, text)| text.as_str()).filter(|text| *text != "-").collect()
    }
}
