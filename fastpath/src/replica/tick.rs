//! What a replica does once a beat: heartbeat, pulls, trimming, watching the leader, looking after the slow.

use super::peer::{NEVER_A_PROMISE, Peer, Standing};
use super::token::Kind;
use super::{Replica, Role, Turn};
use crate::config::Timing;
use crate::fabric::{Completion, Fabric, Op};
use crate::host::Host;
use crate::ids::{Nanos, ReplicaId, Seq, Slot};
use crate::layout::Area;
use crate::line::Head;
use crate::promise::{Ballot, Promise};
use crate::status::{STATUS_SPAN, STATUS_WORDS, Status};
use std::sync::atomic::Ordering;

/// Records that heads may leave uncovered though they are applied: a new leader has to read them.
const HEAD_LAG_MAX: u64 = 512;

/// When the next beat is due.
#[derive(Debug)]
pub(crate) struct Clockwork {
    pub(super) next: Nanos,
    /// The heartbeat counter: goes on where an earlier process of this replica stopped.
    counter: u64,
    /// Something waits for news from the peers: do not wait for the beat.
    pub(super) pull_soon: bool,
}

impl Clockwork {
    pub(crate) const fn new(counter: u64) -> Self {
        Self { next: Nanos(0), counter, pull_soon: false }
    }
}

impl Timing {
    /// Beats without a sign of life after which a peer is suspected.
    pub(crate) const fn silent_turns(&self) -> u32 {
        (self.suspect.0 / self.beat.0) as u32
    }
}

impl Replica {
    /// A beat.
    pub(super) fn tick<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        self.clockwork.next = turn.now.plus(self.config.timing.beat);
        self.beat(turn.fabric);
        self.look_at_own_promise(turn.fabric);
        self.pull(turn.now, turn.fabric);
        self.drain(turn);
        let Timing { beat, .. } = self.config.timing;
        let silent_turns = self.config.timing.silent_turns();
        for peer in &mut self.peers {
            let allowed = peer.round_trips.allowance().0.div_ceil(beat.0);
            let max = silent_turns.saturating_add(u32::try_from(allowed).unwrap_or(u32::MAX));
            peer.score.turn(peer.status.heartbeat, max);
        }
        self.transfer_turn(turn);
        match self.role {
            Role::Leader => self.leader_tick(turn),
            Role::Follower => {
                self.find_leader(turn);
                self.watch_leader(turn);
            }
            Role::Candidate => {
                self.find_leader(turn);
                if turn.now >= self.election.give_up_at {
                    self.lose(Ballot::NONE, turn);
                }
            }
            Role::Recovering => self.recovering_tick(turn),
        }
    }

    /// Shows that this thread runs, and under which ballot it leads or stands.
    pub(super) fn beat<F: Fabric>(&mut self, fabric: &F) {
        // Wrapping: it goes on from what an earlier process left in the memory.
        self.clockwork.counter = self.clockwork.counter.wrapping_add(1);
        let leading = match self.role {
            Role::Leader | Role::Candidate => self.ballot(),
            Role::Follower | Role::Recovering => Ballot::NONE,
        };
        self.status_page(fabric).beat(self.clockwork.counter, leading);
    }

    pub(super) fn look_at_own_promise<F: Fabric>(&mut self, fabric: &F) {
        let me = self.me().index();
        self.peers[me].promise = fabric.local(Area::Promise)[0].load(Ordering::Acquire);
    }

    /// Reads the peers' status pages.
    pub(super) fn pull<F: Fabric>(&mut self, now: Nanos, fabric: &mut F) {
        for at in 0..self.peers.len() {
            let peer = &self.peers[at];
            if !peer.up || peer.pulling || at == self.me().index() {
                continue;
            }
            let read = [Op::Read { span: STATUS_SPAN, into: 0 }];
            let posted = self.post(fabric, ReplicaId(at as u8), Kind::Pull, 0, &read).is_ok();
            let peer = &mut self.peers[at];
            peer.pulling = posted;
            peer.round_trips.asked(now);
        }
    }

    pub(super) fn on_pulled<F: Fabric, H: Host>(&mut self, from: ReplicaId, turn: &mut Turn<'_, F, H>) {
        let mut words = [0; STATUS_WORDS];
        crate::memory::copy_out(turn.fabric.scratch(from), &mut words);
        let seen = Status::parse(&words);
        let peer = &mut self.peers[from.index()];
        peer.pulling = false;
        peer.round_trips.answered(turn.now, &self.config.timing);
        // Fields that were being written keep their last value.
        peer.status = Status {
            heartbeat: seen.heartbeat.or(peer.status.heartbeat),
            leading: if seen.heartbeat.is_some() { seen.leading } else { peer.status.leading },
            applied: seen.applied.or(peer.status.applied),
            snapshot: seen.snapshot,
            request: seen.request.or(peer.status.request),
            configuration: seen.configuration.or(peer.status.configuration),
        };
    }

    fn leader_tick<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if let Some(by) = Promise(self.peers[self.me().index()].promise).ballot().filter(|&by| by > self.tenure.ballot)
        {
            self.step_down(by, turn.host);
            return;
        }
        let promised = self.peers.iter().filter(|peer| peer.standing == Standing::Promised).count();
        if promised >= self.config.quorums.accept() {
            self.tenure.supported_at = turn.now;
        } else if turn.now.since(self.tenure.supported_at) > self.patience() {
            // It can commit nothing, but its heartbeat keeps the others from standing.
            self.resign(turn.now, turn.host);
            return;
        }
        self.trim(turn.fabric);
        if self.journal.free().since(self.journal.head().live.min(self.journal.free())) >= HEAD_LAG_MAX {
            let lane = turn.fabric.local(Area::Lane(self.me()));
            self.journal.publish_head(lane, self.tenure.ballot, self.tenure.commit);
        }
        self.readmit(turn.fabric);
        self.ask_the_rest(turn.fabric);
    }

    /// Lets the journal be reused up to TRIM.
    pub(super) fn trim<F: Fabric>(&mut self, fabric: &F) {
        let mut applied = [Slot::NONE; crate::REPLICAS_MAX];
        for peer in &self.peers {
            applied[peer.id.index()] = peer.status.applied.unwrap_or_default();
        }
        applied[self.me().index()] = self.applied();
        let trim = self.config.quorums.trim(&applied[..self.config.replicas()]).min(self.applied());
        self.tenure.trim = self.tenure.trim.max(trim);
        self.journal.release(fabric.local(Area::Lane(self.me())), self.tenure.trim);
    }

    /// Asks acceptors outside the prepare quorum for their promise, so that they take part. At memory that the epoch does not
    /// count it only looks.
    pub(super) fn ask_the_rest<F: Fabric>(&mut self, fabric: &mut F) {
        let ballot = self.tenure.ballot;
        for at in 0..self.peers.len() {
            let peer = &self.peers[at];
            if !peer.up || !matches!(peer.standing, Standing::Unasked | Standing::Recovering) {
                continue;
            }
            let head = Op::Write(Head::span(Area::Lane(self.me())));
            let asked = self.expectation(peer, ballot);
            let exchange = Op::Cas { expected: asked, new: ballot.0 };
            let chain = [head, exchange];
            let ask = if self.is_member(peer) { &chain[..] } else { &chain[1..] };
            if self.post(fabric, ReplicaId(at as u8), Kind::Ask, 0, ask).is_ok() {
                self.peers[at].standing = Standing::Asked;
                self.peers[at].asked = asked;
            }
        }
    }

    fn expectation(&self, peer: &Peer, ballot: Ballot) -> u64 {
        if self.is_member(peer) { peer.expectation(ballot) } else { NEVER_A_PROMISE }
    }

    pub(super) fn on_asked<F: Fabric, H: Host>(&mut self, done: Completion, turn: &mut Turn<'_, F, H>) {
        if self.role != Role::Leader {
            return;
        }
        let at = done.peer.index();
        let ballot = self.tenure.ballot;
        let member = self.is_member(&self.peers[at]);
        if !member || (done.found != ballot.0 && done.found != self.peers[at].asked) {
            self.on_refused(done.peer, done.found, turn);
            return;
        }
        let resume = self.tenure.acked[at].plus(1);
        let kept = self.journal.keeps(resume);
        let peer = &mut self.peers[at];
        peer.promise = ballot.0;
        peer.standing = Standing::Promised;
        peer.chains = 0;
        peer.head_live = Seq(0);
        peer.flushed = Slot::NONE;
        peer.posted = if kept { resume } else { self.journal.head().live };
        self.covers_before(at);
    }
}
