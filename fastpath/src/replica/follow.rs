//! Following: polling the own memory for the leader's records and applying what is decided.

use super::apply::ReadError;
use super::journal::line_at;
use super::learner::Place;
use super::{Replica, Role, Turn};
use crate::fabric::Fabric;
use crate::host::{Expected, Host, Notice};
use crate::ids::{ReplicaId, Seq};
use crate::layout::Area;
use crate::line::Head;
use crate::promise::Ballot;
use crate::record::Header;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records that one turn looks at, so that heartbeats go on however far behind this replica is.
const RECORDS_PER_TURN: usize = 256;

/// Where this replica reads.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The highest ballot whose head was seen in the own memory; its proposer's lane is the one that is followed.
    ballot: Ballot,
    /// The next record of that lane.
    next: Seq,
}

impl Cursor {
    pub(crate) const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Starts over from the heads.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Replica {
    /// A turn of a follower.
    pub(super) fn follow<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if self.cursor.ballot != Ballot::NONE {
            let lane = self.cursor.ballot.proposer();
            if !self.take_records(lane, turn) {
                self.take_head(lane, turn.fabric);
            }
        }
        self.apply_decided(turn);
        if self.role == Role::Candidate {
            self.pump_gathers(turn.fabric);
        }
    }

    /// Takes the records that have arrived in `lane`. True if there were any.
    fn take_records<F: Fabric, H: Host>(&mut self, lane: ReplicaId, turn: &mut Turn<'_, F, H>) -> bool {
        let memory = turn.fabric.local(Area::Lane(lane));
        let first = self.cursor.next;
        for _ in 0..RECORDS_PER_TURN {
            let cell = self.config.layout.cell(self.cursor.next);
            // Relaxed, since this memory may be mapped for reading only; whether the cell is whole, its checksum tells.
            if memory[cell].load(Ordering::Relaxed) != self.cursor.next.0 {
                break;
            }
            let Some(header) = self.seals[lane.index()].open_at(memory, cell) else { break };
            if header.seq != self.cursor.next
                || header.slot.0 > self.applied().0.saturating_add(self.config.layout.cells as u64)
            {
                break;
            }
            self.learner.record(lane, &header);
            if turn.host.expects() {
                self.announce(lane, &header, memory, turn.host);
            }
            self.cursor.next = self.cursor.next.plus(1);
        }
        self.cursor.next != first
    }

    /// Tells the host of a record that has arrived. One whose payload is not whole yet goes without: it is only a hint.
    fn announce<H: Host>(&mut self, lane: ReplicaId, header: &Header, memory: &[AtomicU64], host: &mut H) {
        let Header { seq, slot, ballot, .. } = *header;
        if slot <= self.applied() {
            return;
        }
        let place = Place { lane, seq, ballot };
        let seal = &self.seals[lane.index()];
        if let Ok((header, payload)) = self.applied.load(slot, place, memory, &self.config.layout, seal) {
            host.expected(Expected { slot, header: &header, payload });
        }
    }

    /// Takes the commit index from the head of `lane`, and jumps over records that this memory has missed.
    fn take_head<F: Fabric>(&mut self, lane: ReplicaId, fabric: &F) {
        let Some(head) = self.head_of(lane, fabric) else { return };
        if head.ballot < self.cursor.ballot {
            return;
        }
        // A head may vouch for another proposer's ballot; only the lane's own is followed.
        if head.ballot.proposer() == lane {
            self.cursor.ballot = head.ballot;
        }
        for (ballot, commit) in head.evidence() {
            self.learner.committed(ballot, commit);
        }
        if head.live > self.cursor.next && self.records_are_lost(lane, head.live, fabric) {
            self.cursor.next = head.live;
        }
    }

    /// Whether the record at the cursor will not come any more: it was overwritten, or later ones are here. (Records before
    /// `live` may still be on their way: a leader sends a head before the backlog that it covers.)
    fn records_are_lost<F: Fabric>(&self, lane: ReplicaId, live: Seq, fabric: &F) -> bool {
        let memory = fabric.local(Area::Lane(lane));
        let seq_in = |seq| memory[self.config.layout.cell(seq)].load(Ordering::Relaxed);
        let later_is_here = seq_in(live) == live.0;
        let (next, here) = (self.cursor.next, seq_in(self.cursor.next));
        let is_here = || self.seals[lane.index()].open_at(memory, self.config.layout.cell(next)).is_some();
        // Half a record, or a stranger's, will not become one either.
        (here > next.0 || later_is_here || self.transfer.needed) && (here != next.0 || !is_here())
    }

    fn head_of<F: Fabric>(&self, lane: ReplicaId, fabric: &F) -> Option<Head> {
        self.seals[lane.index()].open_head(&line_at(fabric.local(Area::Lane(lane)), 0))
    }

    /// Turns to the lane whose head shows the highest ballot.
    pub(super) fn find_leader<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let me = self.me();
        for lane in ReplicaId::all(self.config.replicas()).filter(|&lane| lane != me) {
            let Some(head) = self.head_of(lane, turn.fabric) else { continue };
            if head.ballot <= self.cursor.ballot || head.ballot.proposer() != lane {
                continue;
            }
            let before = self.cursor.ballot;
            if before != Ballot::NONE && before.proposer() != lane {
                for _ in 0..self.config.layout.cells / RECORDS_PER_TURN + 1 {
                    self.take_records(before.proposer(), turn);
                }
                self.take_head(before.proposer(), turn.fabric);
            }
            if before.proposer() != lane || before == Ballot::NONE {
                self.cursor.next = self.first_needed(lane, head.live, turn.fabric);
            }
            self.fence_old_leader(lane, turn.fabric);
            self.cursor.ballot = head.ballot;
            turn.host.notice(Notice::Following(head.ballot));
        }
    }

    /// `new` leads: the leader that was followed so far has nothing to write here any more.
    pub(super) fn fence_old_leader<F: Fabric>(&self, new: ReplicaId, fabric: &mut F) {
        let old = self.cursor.ballot.proposer();
        if self.cursor.ballot != Ballot::NONE && old != new && old != self.me() {
            fabric.deposed(old);
        }
    }

    /// The first of the records before `live` that this replica has not applied: the head may be ahead of this reader.
    fn first_needed<F: Fabric>(&self, lane: ReplicaId, live: Seq, fabric: &F) -> Seq {
        let memory = fabric.local(Area::Lane(lane));
        let mut first = live;
        for _ in 0..self.config.layout.cells {
            let before = Seq(first.0.saturating_sub(1));
            match self.seals[lane.index()].open_at(memory, self.config.layout.cell(before)) {
                Some(header) if header.seq == before && header.slot > self.applied() => first = before,
                _ => break,
            }
        }
        first
    }

    /// Applies what the learner knows to be decided, as far as the records are here.
    pub(super) fn apply_decided<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let before = self.applied();
        if before >= self.learner.known_commit() {
            return;
        }
        for _ in 0..RECORDS_PER_TURN {
            let Some(place) = self.learner.decided(self.applied().next()) else { break };
            match self.apply(place, turn) {
                Ok(()) => {}
                Err(ReadError::Incomplete) => break,
                Err(ReadError::Gone) => {
                    self.transfer.needed = true;
                    break;
                }
            }
        }
        if self.applied() > before {
            self.learner.forget(self.applied());
            self.status_page(turn.fabric).applied(self.applied());
        }
    }
}
