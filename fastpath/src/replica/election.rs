//! Standing for election: when, under which ballot, and the reading of a prepare quorum.

use super::gather::{Gather, Step, commits_in_heads};
use super::peer::{Peer, Standing};
use super::token::Kind;
use super::{Replica, Role, Turn};
use crate::bug::{Bug, planted};
use crate::config::Config;
use crate::fabric::{Completion, Fabric, Op, PostError};
use crate::host::{Host, Notice};
use crate::ids::{Nanos, ReplicaId};
use crate::promise::{AcceptorState, Ballot, Promise};

/// Doublings of the back-off between a replica's campaigns.
const BACKOFF_DOUBLINGS_MAX: u32 = 5;

/// Everything about when and how to stand.
#[derive(Debug)]
pub(crate) struct Election {
    ballot: Ballot,
    /// The highest round seen anywhere in any epoch; the next ballot's is higher.
    round: u64,
    /// When to stand, once the leader is suspected.
    stand_at: Option<Nanos>,
    /// Campaigns lost in a row.
    lost: u32,
    /// State of the jitter's generator (SplitMix64).
    jitter: u64,
    /// When the present campaign is given up.
    pub(super) give_up_at: Nanos,
    /// The host has been told that this replica is recovering.
    pub(super) announced_recovering: bool,
}

impl Election {
    pub(crate) fn new(config: &Config) -> Self {
        let jitter = config.seed ^ config.cluster;
        Self {
            ballot: Ballot::NONE,
            round: 0,
            stand_at: None,
            lost: 0,
            jitter,
            give_up_at: Nanos(0),
            announced_recovering: false,
        }
    }

    pub(crate) const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// A ballot was seen: the next one of this replica is higher.
    pub(crate) fn highest_round(&mut self, seen: Ballot) {
        self.round = self.round.max(seen.round());
    }

    /// A number below `limit`, different at each replica and each time.
    fn random(&mut self, limit: u64) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % limit.max(1)
    }

    /// Lets the others go first for a while, at least for as long as they need to hear of each other.
    pub(crate) fn stand_back(&mut self, now: Nanos, config: &Config, path: Nanos) {
        let doublings = self.lost.min(BACKOFF_DOUBLINGS_MAX);
        self.lost += 1;
        let step = (config.timing.stagger.0.max(config.timing.beat.0) << doublings).max(path.0);
        self.stand_at = Some(Nanos(now.0 + step * config.replicas() as u64 + self.random(step * 2)));
    }

    /// This replica leads, or follows a leader that is alive.
    pub(crate) fn settled(&mut self) {
        self.stand_at = None;
        self.lost = 0;
    }
}

impl Replica {
    /// Looks whether somebody leads; stands for election if nobody has for long enough.
    pub(super) fn watch_leader<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if self.somebody_leads() {
            self.election.settled();
            return;
        }
        let stand_at = match self.election.stand_at {
            Some(at) => at,
            None => {
                let stagger = self.config.timing.stagger.max(self.path()).0;
                // At least one more pull: a peer that has just begun to stand shows it in its status.
                let at = Nanos(
                    turn.now.0 + self.config.timing.beat.0 + self.rank() * stagger + self.election.random(stagger / 4),
                );
                *self.election.stand_at.insert(at)
            }
        };
        if turn.now >= stand_at && self.may_stand() {
            self.campaign(turn);
        }
    }

    /// Whether a live peer leads or stands under the highest ballot that we know.
    fn somebody_leads(&self) -> bool {
        let known =
            self.cursor.ballot().max(Promise(self.peers[self.me().index()].promise).ballot().unwrap_or_default());
        self.peers.iter().any(|peer| {
            let leads = peer.status.leading != Ballot::NONE && peer.status.leading >= known;
            peer.id != self.me() && leads && !peer.score.suspected()
        })
    }

    /// How many live peers should stand before this one: those that have applied more, and the next in turn after the last leader.
    fn rank(&self) -> u64 {
        let n = self.config.replicas();
        let last = if self.cursor.ballot() == Ballot::NONE { n - 1 } else { self.cursor.ballot().proposer().index() };
        let turns_after = |id: ReplicaId| (id.index() + n - last - 1) % n;
        let window = self.config.window as u64;
        let before_me = |id: ReplicaId, applied: u64| {
            applied > self.applied().0 + window
                || (applied + window >= self.applied().0 && turns_after(id) < turns_after(self.me()))
        };
        let live = self.peers.iter().filter(|peer| peer.id != self.me() && peer.up && !peer.score.suspected());
        live.filter(|peer| before_me(peer.id, peer.status.applied.unwrap_or_default().0)).count() as u64
    }

    /// What the paths to the quickest members that make any quorum add to a round trip through memory.
    pub(super) fn path(&self) -> Nanos {
        let mut allowances = [Nanos(0); crate::REPLICAS_MAX];
        let others = self.peers.iter().filter(|peer| peer.up && peer.id != self.me());
        let mut count = 0;
        for peer in others {
            allowances[count] = peer.round_trips.allowance();
            count += 1;
        }
        allowances[..count].sort_unstable();
        let quorums = self.config.quorums;
        let needed = (quorums.prepare().max(quorums.accept()) - 1).min(count);
        allowances[..needed].last().copied().unwrap_or_default()
    }

    /// How long this replica waits for a quorum before it gives up leading or standing: long enough to ask and to hear.
    pub(super) fn patience(&self) -> Nanos {
        self.config.timing.suspect.plus(self.path()).plus(self.path())
    }

    fn may_stand(&self) -> bool {
        let proven = |peer: &&Peer| peer.id == self.me() || peer.round_trips.is_proven();
        let reachable = self.peers.iter().filter(|peer| peer.up && self.is_member(peer)).filter(proven).count();
        let better = self.transfer.can_be_served(&self.peers);
        reachable >= self.config.quorums.prepare() && !better && self.peers[self.me().index()].up
    }

    /// Stands for election. The own acceptor comes first: a ballot that its proposer's own PROMISE does not hold could be
    /// used again after a crash.
    pub(super) fn campaign<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        self.change_role(Role::Candidate);
        self.look_at_own_promise(turn.fabric);
        let seen = self.peers.iter().filter_map(|peer| Promise(peer.promise).ballot()).chain([self.cursor.ballot()]);
        let round = seen.map(Ballot::round).fold(self.election.round, u64::max) + 1;
        if round > Ballot::ROUND_MAX {
            // Only nonsense in some memory claims that round: there is no higher ballot to stand with.
            self.lose(Ballot::NONE, turn);
            return;
        }
        self.election.round = round;
        self.election.ballot = Ballot::new(self.configuration.epoch, round, self.me());
        self.election.give_up_at = turn.now.plus(self.patience());
        self.beat(turn.fabric);
        turn.host.notice(Notice::Campaigning(self.election.ballot));
        self.begin_gather(self.me());
        if planted(Bug::OthersAskedFirst) {
            self.ask_the_others();
        }
        self.pump_gathers(turn.fabric);
    }

    fn begin_gather(&mut self, id: ReplicaId) {
        let (ballot, base) = (self.election.ballot, self.applied());
        let peer = &mut self.peers[id.index()];
        peer.gather = Some(Box::new(Gather::new(ballot, peer.expectation(ballot), base)));
    }

    /// Posts the chains of readings that could not be posted before.
    pub(super) fn pump_gathers<F: Fabric>(&mut self, fabric: &mut F) {
        for at in 0..self.peers.len() {
            let mut chain = [Op::Cas { expected: 0, new: 0 }; crate::CHAIN_OPS_MAX];
            let pending = self.peers[at].gather.as_ref().filter(|gather| !gather.posted);
            let Some((kind, ops)) = pending.and_then(|gather| gather.chain(&self.config, &mut chain)) else { continue };
            let posted = self.post(fabric, ReplicaId(at as u8), kind, 0, &chain[..ops]);
            if let Some(gather) = &mut self.peers[at].gather {
                match posted {
                    Ok(()) => gather.posted = true,
                    Err(PostError::Full) => {}
                    Err(PostError::Down) => gather.fail(),
                }
            }
        }
    }

    /// A chain of a reading is complete.
    pub(super) fn on_gathered<F: Fabric, H: Host>(&mut self, done: Completion, kind: Kind, turn: &mut Turn<'_, F, H>) {
        if self.role != Role::Candidate {
            return;
        }
        let config = &self.config;
        let scratch = turn.fabric.scratch(done.peer);
        let Some(gather) = &mut self.peers[done.peer.index()].gather else { return };
        match kind {
            Kind::Cells if gather.step() == Step::Cells => gather.cells_read(config, &self.seals, scratch),
            Kind::Payload if gather.step() == Step::Payload => gather.payload_read(config, scratch),
            Kind::Recheck if gather.step() == Step::Recheck => gather.rechecked(config, &self.seals, scratch),
            Kind::Promise if gather.step() == Step::Promise => self.on_promise(done, turn),
            _ => return,
        }
        if self.role == Role::Candidate {
            // A long window takes many reads; giving up while they come back would start them all over.
            self.election.give_up_at = turn.now.plus(self.patience());
        }
        self.pump_gathers(turn.fabric);
        self.lead_if_prepared(turn);
    }

    /// The compare-and-exchange of PROMISE came back.
    fn on_promise<F: Fabric, H: Host>(&mut self, done: Completion, turn: &mut Turn<'_, F, H>) {
        let ballot = self.election.ballot;
        let peer = &mut self.peers[done.peer.index()];
        let Some(gather) = &mut peer.gather else { return };
        // Ballots are unique: a word that holds ours was exchanged by us, even if an earlier answer was lost.
        if done.found == gather.expected || done.found == ballot.0 {
            peer.promise = ballot.0;
            peer.standing = Standing::Promised;
            gather.promised(&self.config, &self.seals, turn.fabric.scratch(done.peer));
            if done.peer == self.me() {
                self.ask_the_others();
            }
            return;
        }
        peer.promise = done.found;
        for (ballot, commit) in commits_in_heads(&self.config, &self.seals, turn.fabric.scratch(done.peer)) {
            self.learner.committed(ballot, commit);
        }
        match Promise(done.found).state() {
            AcceptorState::Normal if done.found < ballot.0 => gather.expect(done.found),
            AcceptorState::Normal => self.lose(Ballot(done.found), turn),
            _ => {
                peer.standing = Standing::Recovering;
                gather.fail();
            }
        }
    }

    /// The own promise is made: now the others'.
    fn ask_the_others(&mut self) {
        let me = self.me();
        for id in ReplicaId::all(self.config.replicas()) {
            let peer = &self.peers[id.index()];
            if id != me && peer.up && self.is_member(peer) {
                self.begin_gather(id);
            }
        }
    }

    /// The campaign is lost to `by`, or given up.
    pub(super) fn lose<F: Fabric, H: Host>(&mut self, by: Ballot, turn: &mut Turn<'_, F, H>) {
        self.step_down(by, turn.host);
        let path = self.path();
        self.election.stand_back(turn.now, &self.config, path);
        self.beat(turn.fabric);
    }

    fn promises_needed(&self) -> usize {
        let prepare = self.config.quorums.prepare();
        if planted(Bug::SmallPrepareQuorum) { (prepare - 1).max(1) } else { prepare }
    }

    fn lead_if_prepared<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if self.role != Role::Candidate {
            return;
        }
        let gathers = || self.peers.iter().filter_map(|peer| peer.gather.as_ref());
        let done = gathers().filter(|gather| gather.step() == Step::Done).count();
        let own = self.peers[self.me().index()].gather.as_ref().map(|own| own.step());
        // The own acceptor is always a part of the quorum: what this replica once wrote there is then proposed again, and its
        // journal does not fill with records that nobody will ever commit.
        if own == Some(Step::Done) && done >= self.promises_needed() {
            self.take_over(turn);
        } else if own == Some(Step::Failed) {
            self.lose(Ballot::NONE, turn);
        }
    }
}
