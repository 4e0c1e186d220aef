//! From a prepared quorum to leadership: what may have been chosen is proposed again under the new ballot.

use super::gather::{Found, Gather, Step};
use super::journal::Draft;
use super::peer::Standing;
use super::{Replica, Role, Tenure, Turn};
use crate::bug::{Bug, planted};
use crate::fabric::Fabric;
use crate::host::{Host, Notice};
use crate::ids::{Seq, Slot};
use crate::layout::{Area, REPLICAS_MAX};
use crate::promise::Ballot;
use crate::record::Flags;
use std::collections::{BTreeMap, VecDeque};

/// What a prepare quorum told, merged.
#[derive(Debug, Default)]
struct Prepared {
    /// For each slot above the applied one, the record with the highest ballot.
    highest: BTreeMap<Slot, Found>,
    /// For each such slot, a record that a commit index of its own ballot covers: the chosen value.
    chosen: BTreeMap<Slot, Found>,
    /// Slots up to here may have records that were not read, since a head covers them as committed.
    covered: Slot,
    /// The highest slot that any of them has applied or found called committed: no slot up to here is a hole.
    decided: Slot,
}

impl Prepared {
    fn merge(gathers: &[(Box<Gather>, Slot)]) -> Self {
        let mut commits: BTreeMap<Ballot, Slot> = BTreeMap::new();
        for (ballot, commit) in gathers.iter().flat_map(|(gather, _)| &gather.evidence) {
            let known = commits.entry(*ballot).or_default();
            *known = (*known).max(*commit);
        }
        let mut merged = Self { decided: commits.values().copied().max().unwrap_or_default(), ..Self::default() };
        for (gather, applied) in gathers {
            merged.covered = merged.covered.max(gather.covered);
            merged.decided = merged.decided.max(*applied);
            for found in &gather.records {
                merged.note(found, commits.get(&found.header.ballot).copied().unwrap_or_default());
            }
        }
        merged
    }

    fn note(&mut self, found: &Found, commit: Slot) {
        let slot = found.header.slot;
        if commit >= slot {
            self.chosen.entry(slot).or_insert_with(|| found.clone());
        }
        let best = self.highest.entry(slot).or_insert_with(|| found.clone());
        if (best.header.ballot < found.header.ballot) != planted(Bug::LowestBallotAdopted) {
            *best = found.clone();
        }
    }

    /// What has to be proposed for `slot`: the chosen value where it is known, else that of the highest ballot, which is
    /// the chosen one if any is, provided that no record for the slot was left unread.
    fn value(&self, slot: Slot) -> Result<Option<&Found>, Behind> {
        match self.chosen.get(&slot) {
            Some(found) => Ok(Some(found)),
            None if slot <= self.covered => Err(Behind),
            None => match self.highest.get(&slot) {
                None if slot <= self.decided => Err(Behind),
                found => Ok(found),
            },
        }
    }

    fn last(&self) -> Slot {
        let last = self.highest.keys().next_back().copied().unwrap_or_default();
        last.max(self.covered).max(self.decided)
    }
}

/// Slots were decided whose values this replica cannot learn from the quorum: it needs a snapshot before it may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Behind;

impl Replica {
    /// A prepare quorum has been read.
    pub(super) fn take_over<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let gathers = self.take_gathers();
        for (ballot, commit) in gathers.iter().flat_map(|(gather, _)| &gather.evidence) {
            self.learner.committed(*ballot, *commit);
        }
        self.apply_decided(turn);
        if self.role != Role::Candidate {
            return;
        }
        if self.promise_is_lost(turn.fabric) {
            self.lose(Ballot::NONE, turn);
            return;
        }
        let prepared = Prepared::merge(&gathers);
        let first = self.applied().next();
        // What was applied since the reading began may be ahead of all that was read.
        let last = prepared.last().max(self.applied());
        let behind = (first.0..=last.0).map(Slot).any(|slot| prepared.value(slot).is_err());
        if behind {
            self.transfer.needed = true;
            self.lose(Ballot::NONE, turn);
            return;
        }
        self.trim(turn.fabric);
        let mut plan = self.history(turn);
        let history = plan.len();
        plan.extend((first.0..=last.0).map(|slot| prepared.value(Slot(slot)).ok().flatten().cloned()));
        let words = |found: &Option<Found>| found.as_ref().map_or(0, |found| found.payload.len());
        if !self.journal.fits_all(plan.iter().map(words)) {
            // History only spares laggards a snapshot; what may be chosen goes first.
            plan.drain(..history);
        }
        self.begin_tenure(last, plan, turn);
        let first = self.tenure.plan.front().map(|next| self.plan_draft(next.as_ref(), turn.fabric).arena_words());
        if first.is_some_and(|words| !self.journal.fits(words)) {
            self.lose(Ballot::NONE, turn);
            return;
        }
        self.begin_leading(turn);
    }

    /// Somebody with a higher ballot has been at the own acceptor since this candidate's reading of it.
    fn promise_is_lost<F: Fabric>(&mut self, fabric: &F) -> bool {
        self.look_at_own_promise(fabric);
        self.peers[self.me().index()].promise != self.election.ballot().0
    }

    fn take_gathers(&mut self) -> Vec<(Box<Gather>, Slot)> {
        let applied = self.applied();
        let peers = self.peers.iter_mut();
        peers
            .filter_map(|peer| {
                let slot =
                    if peer.id == self.config.replica { applied } else { peer.status.applied.unwrap_or_default() };
                peer.gather.take_if(|gather| gather.step() == Step::Done).map(|gather| (gather, slot))
            })
            .collect()
    }

    /// Decided slots that live replicas may not have been able to apply are proposed again, so that they can: a commit index
    /// of the new ballot does not vouch for the records of the old one that they hold.
    fn history<F: Fabric, H: Host>(&mut self, turn: &Turn<'_, F, H>) -> VecDeque<Option<Found>> {
        let live = self.peers.iter().filter(|peer| peer.id != self.me() && peer.up && !peer.score.suspected());
        let lowest = live.map(|peer| peer.status.applied.unwrap_or_default()).min().unwrap_or(self.applied());
        let mut slots = VecDeque::new();
        for slot in (lowest.0 + 1..=self.applied().0).rev().map(Slot) {
            let Some(found) = self.find_applied(slot, turn) else { break };
            slots.push_front(Some(found));
        }
        slots
    }

    /// The record that was applied to `slot`, if it is still in the own memory.
    fn find_applied<F: Fabric, H: Host>(&mut self, slot: Slot, turn: &Turn<'_, F, H>) -> Option<Found> {
        let place = self.applied.place(slot)?;
        let lane = turn.fabric.local(Area::Lane(place.lane));
        let seal = &self.seals[place.lane.index()];
        let (header, payload) = self.applied.load(slot, place, lane, &self.config.layout, seal).ok()?;
        Some(Found { header, lane: place.lane, payload: payload.to_vec() })
    }

    /// A tenure that begins with `plan`, whose last slot is `last`.
    fn begin_tenure<F: Fabric, H: Host>(
        &mut self,
        last: Slot,
        plan: VecDeque<Option<Found>>,
        turn: &mut Turn<'_, F, H>,
    ) {
        let first_slot = Slot(last.next().0 - plan.len() as u64);
        self.journal.begin_tenure(first_slot);
        self.tenure = Tenure {
            ballot: self.election.ballot(),
            first_seq: self.journal.next(),
            first_slot,
            commit: self.applied(),
            acked: [Seq(0); REPLICAS_MAX],
            plan,
            barrier: last,
            busy_at: turn.now,
            supported_at: turn.now,
            trim: self.tenure.trim,
            ..Tenure::default()
        };
        let lane = turn.fabric.local(Area::Lane(self.me()));
        self.journal.publish_head(lane, self.tenure.ballot, self.tenure.commit);
    }

    /// Proposes what was planned, as far as the journal has room. Until the first commit of the tenure it is a single record:
    /// leaders that come and go without committing anything must not fill their journals with what they adopt.
    pub(super) fn propose_plan<F: Fabric, H: Host>(&mut self, turn: &Turn<'_, F, H>) {
        while self.tenure.proven || self.journal.next() == self.tenure.first_seq {
            let Some(next) = self.tenure.plan.pop_front() else { break };
            let draft = self.plan_draft(next.as_ref(), turn.fabric);
            let lane = turn.fabric.local(Area::Lane(self.me()));
            if self.journal.append(lane, &draft).is_err() {
                self.clockwork.pull_soon = true;
                self.tenure.plan.push_front(next);
                break;
            }
            let slot = draft.slot;
            if slot > self.applied() && next.is_some_and(|found| self.opens_next_epoch(&found)) {
                self.tenure.last_of_epoch = Some(slot);
                self.tenure.barrier = slot;
                self.tenure.plan.clear();
            }
        }
    }

    /// The record for the next slot of the plan.
    fn plan_draft<'a, F: Fabric>(&self, planned: Option<&'a Found>, fabric: &F) -> Draft<'a> {
        let Some(found) = planned.filter(|_| !planted(Bug::NothingAdopted)) else { return self.draft(Flags::NOOP) };
        let header = &found.header;
        let in_arena = header.flags.has(Flags::ARENA);
        let own_lane = fabric.local(Area::Lane(self.me()));
        Draft {
            commands: header.commands,
            session: if in_arena { 0 } else { header.session_or_arena },
            sequence: header.sequence,
            payload: &found.payload,
            payload_bytes: header.payload_bytes,
            // Leaders that adopt from each other in turn, and commit nothing, must not fill their arenas with copies.
            stands_at: if in_arena { self.journal.standing(own_lane, header.slot, &found.payload) } else { None },
            ..self.draft(header.flags.with(Flags::ADOPTED))
        }
    }

    fn begin_leading<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let promised: Vec<bool> = self.peers.iter().map(|peer| peer.standing == Standing::Promised).collect();
        self.fence_old_leader(self.me(), turn.fabric);
        self.change_role(Role::Leader);
        self.election.settled();
        for (peer, promised) in self.peers.iter_mut().zip(promised) {
            peer.chains = 0;
            peer.head_live = Seq(0);
            peer.flushed = Slot::NONE;
            peer.posted = self.journal.head().live;
            if promised {
                peer.standing = Standing::Promised;
            }
        }
        self.beat(turn.fabric);
        turn.host.notice(Notice::Leading(self.tenure.ballot));
        self.ask_the_rest(turn.fabric);
        self.lead(turn);
    }
}
