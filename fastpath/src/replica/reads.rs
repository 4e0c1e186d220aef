//! Linearizable reads (ReadIndex): one check at a quorum, begun after the reads arrived and shared by all that wait.
//!
//! Why it is safe: an accept quorum that still holds our ballot meets every prepare quorum, so no later leader can have
//! committed anything before the check. No clock takes part.

use super::accept::ProposeError;
use super::peer::Standing;
use super::token::{Kind, Tag};
use super::{Replica, Role, Turn};
use crate::bug::{Bug, planted};
use crate::fabric::{Completion, Fabric, Op};
use crate::host::{Host, Notice};
use crate::ids::{ReplicaId, Slot};

/// A group of reads that share one check. Rounds are confirmed in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadRound(pub u64);

/// A round under way.
#[derive(Clone, Copy, Debug)]
struct Round {
    round: ReadRound,
    /// What has to be applied before the reads may be served.
    index: Slot,
    /// Acceptors to which the check was posted, and those where it succeeded; one bit each.
    posted: u8,
    confirmed: u8,
}

/// Reads that wait.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// The round that the next read joins; the one after the last that was begun.
    next: ReadRound,
    waiting: bool,
    round: Option<Round>,
}

impl Reads {
    /// A check that was under way at `peer` will not come back: it has to be posted again.
    pub(super) fn link_lost(&mut self, peer: ReplicaId) {
        if let Some(round) = &mut self.round {
            round.posted &= !(1 << peer.0);
        }
    }

    /// Leadership is lost: no round that was promised will be confirmed.
    pub(super) fn forget(&mut self) {
        self.waiting = false;
        self.round = None;
        self.next.0 += 1;
    }
}

impl Replica {
    /// Asks for a linearizable read. Once [`Notice::ReadReady`] names the returned round or a later one, the applied state may
    /// be read; on [`Notice::Deposed`] the read is void.
    ///
    /// # Errors
    /// [`ProposeError::NotLeader`].
    pub fn read(&mut self) -> Result<ReadRound, ProposeError> {
        if self.role != Role::Leader {
            return Err(ProposeError::NotLeader { leader: self.leader() });
        }
        self.reads.waiting = true;
        Ok(self.reads.next)
    }

    /// Begins a round if reads wait and none is under way; posts its checks.
    pub(super) fn post_reads<F: Fabric>(&mut self, fabric: &mut F) {
        if self.reads.round.is_none() {
            if !self.reads.waiting {
                return;
            }
            let index = self.tenure.commit.max(self.tenure.barrier);
            self.reads.round = Some(Round { round: self.reads.next, index, posted: 0, confirmed: 0 });
            self.reads.next.0 += 1;
            self.reads.waiting = false;
        }
        let Some(mut round) = self.reads.round else { return };
        let ballot = self.tenure.ballot.0;
        for at in 0..self.peers.len() {
            let due = self.peers[at].standing == Standing::Promised && round.posted & 1 << at == 0;
            let check = [Op::Cas { expected: ballot, new: ballot }];
            if due && self.post(fabric, ReplicaId(at as u8), Kind::Read, round.round.0, &check).is_ok() {
                round.posted |= 1 << at;
            }
        }
        self.reads.round = Some(round);
    }

    pub(super) fn on_read_checked<F: Fabric, H: Host>(
        &mut self,
        done: Completion,
        tag: Tag,
        turn: &mut Turn<'_, F, H>,
    ) {
        if done.found != self.tenure.ballot.0 {
            self.on_refused(done.peer, done.found, turn);
            return;
        }
        if let Some(round) = self.reads.round.as_mut().filter(|round| round.round.0 == tag.value) {
            round.confirmed |= 1 << done.peer.index();
            self.reads_applied(turn.host);
        }
    }

    /// Serves the round if its check has succeeded at a quorum and its index is applied.
    pub(super) fn reads_applied<H: Host>(&mut self, host: &mut H) {
        let Some(round) = self.reads.round else { return };
        let confirmed =
            planted(Bug::ReadsUnchecked) || round.confirmed.count_ones() as usize >= self.config.quorums.accept();
        if confirmed && self.applied() >= round.index {
            self.reads.round = None;
            host.notice(Notice::ReadReady(round.round));
        }
    }
}
