//! A group in which everyone is linked with everyone, and the small steps that checks are made of.

use crate::{Group, Setup};
use paxon_fastpath::{Area, Completion, Fabric, FabricEvent, Incarnation, Op, PostError, Promise, ReplicaId, Token};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A check that waits longer than this for an event has failed; the slowest fabric (emulated verbs) takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Turns a wait for ever into a failed check.
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// # Panics
    /// If too much time has passed.
    pub(crate) fn check(&self) {
        assert!(Instant::now() < self.0, "nothing happened for {PATIENCE:?}");
    }
}

/// A linked group under test.
pub struct Linked<G: Group> {
    group: G,
    setup: Setup,
    /// Events that were polled while waiting for others, per member.
    events: Vec<VecDeque<FabricEvent>>,
    /// Which life each member was told each peer's memory has: `[member][peer]`.
    lives: Vec<Vec<Option<Incarnation>>>,
    next_token: u64,
}

impl<G: Group> Linked<G> {
    /// Starts a small group and waits until all links are up.
    pub fn start() -> Self {
        Self::start_as(&Setup::SMALL)
    }

    /// Starts a group and waits until all links are up.
    pub fn start_as(setup: &Setup) -> Self {
        let replicas = setup.layout.replicas;
        let mut linked = Self {
            group: G::start(setup),
            setup: *setup,
            events: vec![VecDeque::new(); replicas],
            lives: vec![vec![None; replicas]; replicas],
            next_token: 1,
        };
        for member in ReplicaId::all(replicas) {
            while linked.lives[member.index()].contains(&None) {
                match linked.event(member) {
                    FabricEvent::LinkUp { peer, incarnation } => linked.note_life(member, peer, incarnation),
                    other => panic!("{member} reports {other:?} before all links are up"),
                }
            }
        }
        linked
    }

    /// How the group was set up.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The members' fabrics.
    pub fn members(&mut self) -> &mut [G::Fabric] {
        self.group.members()
    }

    /// The group itself.
    pub fn group(&mut self) -> &mut G {
        &mut self.group
    }

    /// A member's fabric.
    pub fn member(&mut self, member: ReplicaId) -> &mut G::Fabric {
        &mut self.group.members()[member.index()]
    }

    /// The life of `peer`'s memory as `member` was last told.
    pub fn life(&self, member: ReplicaId, peer: ReplicaId) -> Option<Incarnation> {
        self.lives[member.index()][peer.index()]
    }

    /// Notes what `member` was told about `peer`.
    pub fn note_life(&mut self, member: ReplicaId, peer: ReplicaId, incarnation: Incarnation) {
        self.lives[member.index()][peer.index()] = Some(incarnation);
    }

    /// The next event at `member`, hints about processes aside.
    pub fn event(&mut self, member: ReplicaId) -> FabricEvent {
        let patience = Patience::new();
        loop {
            if let Some(event) = self.events[member.index()].pop_front() {
                return event;
            }
            if !self.poll_all() {
                patience.check();
                self.group.pass_time();
            }
        }
    }

    /// Polls every member once, because a fabric may need its peers' turns to make progress; not more than once, because a
    /// check may want to act between two events. Returns whether anybody had news.
    fn poll_all(&mut self) -> bool {
        let mut any = false;
        for (fabric, events) in self.group.members().iter_mut().zip(&mut self.events) {
            if let Some(event) = fabric.poll().filter(|event| !matches!(event, FabricEvent::ProcessDied { .. })) {
                events.push_back(event);
                any = true;
            }
        }
        any
    }

    /// The next completion at `member`; any other event fails the check.
    pub fn completion(&mut self, member: ReplicaId) -> Completion {
        match self.event(member) {
            FabricEvent::Done(completion) => completion,
            other => panic!("{member} waits for a completion and gets {other:?}"),
        }
    }

    /// Posts a chain under a token of its own.
    ///
    /// # Errors
    /// What the fabric says.
    pub fn try_post(&mut self, from: ReplicaId, to: ReplicaId, chain: &[Op]) -> Result<Token, PostError> {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.member(from).post(to, token, chain).map(|()| token)
    }

    /// Posts a chain that must be taken.
    pub fn post(&mut self, from: ReplicaId, to: ReplicaId, chain: &[Op]) -> Token {
        self.try_post(from, to, chain).unwrap_or_else(|error| panic!("a post from {from} to {to} was refused: {error}"))
    }

    /// Posts a chain and waits for its end, which must be the next thing reported. Returns what its exchange found.
    pub fn run(&mut self, from: ReplicaId, to: ReplicaId, chain: &[Op]) -> u64 {
        let token = self.post(from, to, chain);
        let done = self.completion(from);
        assert_eq!((done.peer, done.token), (to, token), "another chain completed");
        done.found
    }

    /// The owner's view of an area of its own memory.
    pub fn memory(&mut self, owner: ReplicaId, area: Area) -> Vec<u64> {
        self.member(owner).local(area).iter().map(|word| word.load(Relaxed)).collect()
    }

    /// An acceptor's PROMISE word, read by its owner.
    pub fn promise(&mut self, owner: ReplicaId) -> Promise {
        Promise(self.member(owner).local(Area::Promise)[0].load(Relaxed))
    }

    /// What reads from `peer` have brought to `member`.
    pub fn scratch(&mut self, member: ReplicaId, peer: ReplicaId) -> Vec<u64> {
        self.member(member).scratch(peer).iter().map(|word| word.load(Relaxed)).collect()
    }

    /// Stores `words` to an area of `member`'s own memory.
    pub fn store(&mut self, member: ReplicaId, area: Area, start: usize, words: &[u64]) {
        for (shared, &word) in self.member(member).local(area)[start..].iter().zip(words) {
            shared.store(word, Relaxed);
        }
    }
}
