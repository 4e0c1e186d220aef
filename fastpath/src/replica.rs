//! The engine: one replica of the group, driven by its embedder's thread.
//!
//! ```text
//! propose ─▶ Journal (own memory) ─▶ chain to each acceptor ─▶ completions ─▶ commit ─▶ Host::decided
//!                                                  followers: own memory ─▶ Learner ─▶ Host::decided
//! ```

mod accept;
mod apply;
mod election;
mod epoch;
mod follow;
mod gather;
mod journal;
mod learner;
mod peer;
mod reads;
mod round_trips;
mod takeover;
mod tick;
mod token;
mod transfer;

pub use accept::{ProposeError, Submission};
pub use reads::ReadRound;

use crate::config::{Config, ConfigError};
use crate::fabric::{Completion, Fabric, FabricEvent, LinkDown, Op, PostError};
use crate::host::{Host, Notice};
use crate::ids::{Incarnation, Nanos, ReplicaId, Seq, Slot};
use crate::layout::Area;
use crate::promise::{AcceptorState, Ballot, Promise};
use crate::seal::Seal;
use crate::status::{Configuration, Identity, STATUS_WORDS, Status};
use accept::Tenure;
use apply::Applied;
use election::Election;
use follow::Cursor;
use journal::{Journal, line_at};
use learner::Learner;
use peer::{Peer, Standing};
use reads::Reads;
use std::sync::atomic::Ordering;
use tick::Clockwork;
use token::{Kind, Tag};
use transfer::Transfer;

/// What a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its memory was lost; it votes for nothing until the group readmits it.
    Recovering,
    /// It applies what the leader has decided.
    Follower,
    /// It asks for promises.
    Candidate,
    /// It proposes.
    Leader,
}

/// The protocol engine of one replica.
///
/// It holds no memory of acceptors, no clock and no thread: all three come with each call of [`Replica::poll`].
#[derive(Debug)]
pub struct Replica {
    config: Config,
    /// The seal of each lane.
    seals: Vec<Seal>,
    role: Role,
    /// Counts changes of role, so that completions of an earlier one are recognised.
    generation: u64,
    configuration: Configuration,
    /// The life of the own memory.
    incarnation: Incarnation,
    peers: Vec<Peer>,
    journal: Journal,
    applied: Applied,
    learner: Learner,
    cursor: Cursor,
    tenure: Tenure,
    election: Election,
    reads: Reads,
    transfer: Transfer,
    clockwork: Clockwork,
}

/// What a turn of the engine works with.
struct Turn<'a, F, H> {
    now: Nanos,
    fabric: &'a mut F,
    host: &'a mut H,
}

impl Replica {
    /// A replica over the acceptor memory that `fabric` holds for it: new, left behind by an earlier process, or lost and
    /// made anew as recovering.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration is refused.
    pub fn new(config: Config, fabric: &impl Fabric) -> Result<Self, ConfigError> {
        config.validate()?;
        let me = config.replica;
        let seals: Vec<Seal> =
            ReplicaId::all(config.replicas()).map(|id| config.sealing.lane(config.cluster, id)).collect();
        let status_words: Vec<u64> =
            fabric.local(Area::Status)[..STATUS_WORDS].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let status = Status::parse(&status_words);
        let configuration = status.configuration.unwrap_or_else(Configuration::genesis);
        let incarnation = Identity::decode(&line_at(fabric.local(Area::Status), 0))
            .map_or(Incarnation(0), |identity| identity.incarnation);
        let promise = Promise(fabric.local(Area::Promise)[0].load(Ordering::Acquire));
        let recovering = promise.state() == AcceptorState::Recovering;
        let lane = Area::Lane(me);
        // The line of the configuration may be torn; the promise was exchanged after it was first written.
        let first = Seq::first(configuration.epoch.max(promise.epoch()));
        let seal = seals[me.index()].clone();
        let mut replica = Self {
            seals,
            role: if recovering { Role::Recovering } else { Role::Follower },
            generation: 0,
            configuration,
            incarnation,
            peers: ReplicaId::all(config.replicas()).map(|id| Peer::new(id, config.timing.silent_turns())).collect(),
            journal: Journal::recover(config.layout, lane, seal, fabric.local(lane), first),
            applied: Applied::new(&config),
            learner: Learner::new(),
            cursor: Cursor::default(),
            tenure: Tenure::default(),
            election: Election::new(&config),
            reads: Reads::default(),
            transfer: Transfer::new(status.snapshot),
            clockwork: Clockwork::new(status.heartbeat.unwrap_or(0)),
            config,
        };
        replica.peers[me.index()].promise = promise.0;
        replica.adopt_own_memory(fabric);
        Ok(replica)
    }

    /// Makes the own status and head say what this process knows, which is less than what an earlier one knew.
    fn adopt_own_memory(&mut self, fabric: &impl Fabric) {
        let page = self.status_page(fabric);
        page.applied(Slot::NONE);
        page.request(Slot::NONE);
        page.configuration(&self.configuration);
        if self.role != Role::Recovering {
            self.show_closed_epoch(fabric);
        }
    }

    /// One turn: takes the fabric's events, leads or follows, applies what is decided. Never blocks.
    pub fn poll<F: Fabric, H: Host>(&mut self, now: Nanos, fabric: &mut F, host: &mut H) {
        let mut turn = Turn { now, fabric, host };
        self.drain(&mut turn);
        match self.role {
            Role::Leader => self.lead(&mut turn),
            Role::Follower | Role::Candidate | Role::Recovering => self.follow(&mut turn),
        }
        if now >= self.clockwork.next {
            self.tick(&mut turn);
        } else if self.clockwork.pull_soon {
            self.make_room(&mut turn);
        }
    }

    #[inline]
    fn drain<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        while let Some(event) = turn.fabric.poll() {
            match event {
                FabricEvent::Done(done) if self.acknowledges(&done) => {}
                event => self.on_event(event, turn),
            }
        }
    }

    fn on_event<F: Fabric, H: Host>(&mut self, event: FabricEvent, turn: &mut Turn<'_, F, H>) {
        match event {
            FabricEvent::Done(done) => self.on_done(done, turn),
            FabricEvent::LinkUp { peer, incarnation } => self.on_link_up(peer, incarnation),
            FabricEvent::LinkDown { peer, reason } => self.on_link_down(peer, reason),
            FabricEvent::ProcessDied { peer } => self.on_process_died(peer),
        }
    }

    fn on_done<F: Fabric, H: Host>(&mut self, done: Completion, turn: &mut Turn<'_, F, H>) {
        let Some(tag) = Tag::of(done.token) else { return };
        match tag.kind {
            Kind::Accept => self.on_checked(done, tag, turn),
            Kind::Pull => self.on_pulled(done.peer, turn),
            Kind::Snapshot => self.on_chunk(done.peer, tag, turn),
            _ if !tag.is_of(self.generation) => {}
            Kind::Promise | Kind::Cells | Kind::Payload | Kind::Recheck => self.on_gathered(done, tag.kind, turn),
            Kind::Ask => self.on_asked(done, turn),
            Kind::Read => self.on_read_checked(done, tag, turn),
            Kind::Admit => self.on_admitted(done, turn),
            Kind::Flush => {}
        }
    }

    fn on_link_up(&mut self, peer: ReplicaId, incarnation: Incarnation) {
        let Some(peer) = self.peers.get_mut(peer.index()) else { return };
        peer.reset_link();
        if peer.incarnation != incarnation {
            peer.status = Status::default();
            self.tenure.acked[peer.id.index()] = Seq(0);
        }
        peer.up = true;
        peer.incarnation = incarnation;
    }

    fn on_link_down(&mut self, peer: ReplicaId, reason: LinkDown) {
        let Some(peer) = self.peers.get_mut(peer.index()) else { return };
        self.transfer.link_lost(peer.id);
        self.reads.link_lost(peer.id);
        peer.up = false;
        peer.reset_link();
        if reason == LinkDown::Revoked {
            peer.score.process_died();
        }
    }

    fn on_process_died(&mut self, peer: ReplicaId) {
        if let Some(peer) = self.peers.get_mut(peer.index()) {
            peer.score.process_died();
            self.clockwork.next = Nanos(0);
        }
    }

    /// Posts a chain for the present role.
    fn post<F: Fabric>(
        &self,
        fabric: &mut F,
        to: ReplicaId,
        kind: Kind,
        value: u64,
        chain: &[Op],
    ) -> Result<(), PostError> {
        fabric.post(to, Tag { kind, generation: self.generation, value }.token(), chain)
    }

    /// Leaves a role: whatever was under way belongs to the past.
    fn change_role(&mut self, role: Role) {
        self.generation += 1;
        self.role = role;
        for peer in &mut self.peers {
            peer.gather = None;
            if peer.standing != Standing::Recovering {
                peer.standing = Standing::Unasked;
            }
        }
    }

    /// No longer leader or candidate. `by` is the ballot that took its place, if one is known.
    fn step_down<H: Host>(&mut self, by: Ballot, host: &mut H) {
        if self.role == Role::Leader {
            host.notice(Notice::Deposed { ballot: self.tenure.ballot, by });
        }
        self.election.highest_round(by);
        self.reads.forget();
        self.cursor.forget();
        self.change_role(Role::Follower);
    }

    /// Gives up leadership; the others elect somebody. Does nothing to a replica that does not lead.
    pub fn resign<H: Host>(&mut self, now: Nanos, host: &mut H) {
        if self.role == Role::Leader {
            self.step_down(Ballot::NONE, host);
            let path = self.path();
            self.election.stand_back(now, &self.config, path);
        }
    }

    const fn me(&self) -> ReplicaId {
        self.config.replica
    }

    fn status_page<'a>(&self, fabric: &'a impl Fabric) -> crate::status::StatusPage<'a> {
        crate::status::StatusPage(fabric.local(Area::Status))
    }

    /// Whether the memory behind the link to `peer` is the one that the present epoch counts.
    fn is_member(&self, peer: &Peer) -> bool {
        let counted = self.configuration.incarnations[peer.id.index()];
        counted == Incarnation(0) || counted == peer.incarnation
    }

    /// What this replica is doing.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The ballot that it leads or stands under, otherwise the one that it follows.
    pub const fn ballot(&self) -> Ballot {
        match self.role {
            Role::Leader => self.tenure.ballot,
            Role::Candidate => self.election.ballot(),
            Role::Follower | Role::Recovering => self.cursor.ballot(),
        }
    }

    /// Who leads, as far as this replica knows and believes to be alive.
    pub fn leader(&self) -> Option<ReplicaId> {
        match self.role {
            Role::Leader => Some(self.me()),
            Role::Candidate | Role::Recovering => None,
            Role::Follower => {
                let live = self.peers.iter().filter(|peer| peer.id != self.me() && !peer.score.suspected());
                let highest = live.max_by_key(|peer| peer.status.leading)?;
                let leads = highest.status.leading != Ballot::NONE && highest.status.leading >= self.cursor.ballot();
                leads.then_some(highest.id)
            }
        }
    }

    /// The highest slot that this replica knows to be committed.
    pub const fn committed(&self) -> Slot {
        match self.role {
            Role::Leader => self.tenure.commit,
            _ => self.learner.known_commit(),
        }
    }

    /// The highest slot that it has applied.
    pub const fn applied(&self) -> Slot {
        self.applied.slot()
    }

    /// The highest slot that `peer` had applied when its status was last pulled; `None` if it is not known.
    pub fn peer_applied(&self, peer: ReplicaId) -> Option<Slot> {
        if peer == self.me() {
            return Some(self.applied());
        }
        self.peers.get(peer.index())?.status.applied
    }

    /// Whether `peer` is taken for alive.
    pub fn peer_alive(&self, peer: ReplicaId) -> bool {
        peer == self.me() || self.peers.get(peer.index()).is_some_and(|peer| peer.up && !peer.score.suspected())
    }

    /// The membership in force.
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The configuration that it was started with.
    pub const fn config(&self) -> &Config {
        &self.config
    }
}
