//! Epochs: a member whose memory was lost is readmitted by a decided configuration record.
//!
//! Each epoch is Multi-Paxos over fixed incarnations of the acceptors' memory. The configuration record is the last slot of
//! its epoch; nobody stands in the next one before having applied it, so everything up to it is decided and known to every
//! candidate. Lost memory never votes: its PROMISE is not equal to any ballot until its owner, having restored a state that
//! covers the record, moves it into the new epoch.

use super::gather::Found;
use super::journal::{Draft, Journal};
use super::peer::Standing;
use super::token::Kind;
use super::{Replica, Role, Turn};
use crate::bug::{Bug, planted};
use crate::fabric::{Completion, Fabric, Op};
use crate::host::{Host, Notice};
use crate::ids::{Epoch, Seq, Slot};
use crate::layout::Area;
use crate::promise::{Ballot, Promise};
use crate::record::Flags;
use crate::status::Configuration;

impl Replica {
    /// Proposes to readmit a member whose memory was lost, if there is one that is alive.
    pub(super) fn readmit<F: Fabric>(&mut self, fabric: &F) {
        if self.tenure.last_of_epoch.is_some() || self.configuration.epoch == Epoch::LAST {
            return;
        }
        let waiting = self.peers.iter().find(|peer| {
            let counted = self.configuration.incarnations[peer.id.index()];
            peer.up && peer.standing == Standing::Recovering && counted != peer.incarnation && !peer.score.suspected()
        });
        let Some(peer) = waiting else { return };
        let slot = self.next_slot();
        let mut next = Configuration {
            epoch: Epoch(self.configuration.epoch.0 + 1),
            slot,
            ballot: Ballot::NONE,
            ..self.configuration
        };
        next.incarnations[peer.id.index()] = peer.incarnation;
        let payload = next.encode();
        let payload_bytes = (payload.len() * 8) as u32;
        let draft = Draft { payload: &payload, payload_bytes, ..self.draft(Flags::CONFIG.with(Flags::ARENA)) };
        if self.append(fabric, &draft).is_ok() && !planted(Bug::EpochNotEnded) {
            self.tenure.last_of_epoch = Some(slot);
        }
    }

    /// Whether a record that a new leader adopts ends the epoch.
    pub(super) fn opens_next_epoch(&self, found: &Found) -> bool {
        let next = found.header.flags.has(Flags::CONFIG).then(|| Configuration::decode(&found.payload)).flatten();
        next.is_some_and(|next| next.epoch.0 == self.configuration.epoch.0 + 1)
    }

    /// A configuration record was applied that `ballot` has decided.
    ///
    /// The own head says so from now on, and goes to every acceptor before the compare-and-exchange of the next epoch: who
    /// finds a promise of an epoch that it does not know finds there also that the record which opened it is committed.
    pub(super) fn on_configuration<F: Fabric, H: Host>(
        &mut self,
        slot: Slot,
        next: Configuration,
        ballot: Ballot,
        turn: &mut Turn<'_, F, H>,
    ) {
        if next.epoch.0 != self.configuration.epoch.0 + 1 {
            return;
        }
        let led = self.role == Role::Leader;
        self.enter(Configuration { slot, ballot, ..next }, turn);
        if matches!(self.role, Role::Leader | Role::Candidate) {
            self.step_down(Ballot::NONE, turn.host);
        }
        if led {
            self.campaign(turn);
        }
    }

    /// Takes a configuration for the one in force and shows it.
    pub(super) fn enter<F: Fabric, H: Host>(&mut self, configuration: Configuration, turn: &mut Turn<'_, F, H>) {
        self.configuration = configuration;
        // A recovering member has no journal yet.
        if self.role != Role::Recovering {
            self.show_closed_epoch(turn.fabric);
        }
        self.status_page(turn.fabric).configuration(&configuration);
        turn.host.notice(Notice::EpochBegan(configuration.epoch));
    }

    /// Shows in the own head how the latest epoch ended. A journal that is new, since the memory is, begins there: whatever an
    /// earlier life left in the lane at other acceptors is covered by that slot.
    pub(super) fn show_closed_epoch<F: Fabric>(&mut self, fabric: &F) {
        let Configuration { ballot, slot, .. } = self.configuration;
        let head = self.journal.head();
        let (ballot, commit) = if head.commit < slot { (ballot, slot) } else { (head.ballot, head.commit) };
        self.journal.close_epoch(self.configuration.ballot, slot);
        let readmitted = self.configuration.incarnations[self.me().index()] == self.incarnation;
        if readmitted && self.journal.is_untouched() {
            self.journal.cover_earlier_life(slot);
        }
        self.journal.publish_head(fabric.local(Area::Lane(self.me())), ballot, commit);
    }

    /// A beat of a member that lost its memory: waits for a configuration that counts its new life, and for its state.
    pub(super) fn recovering_tick<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let counts_me =
            |configuration: &Configuration| configuration.incarnations[self.me().index()] == self.incarnation;
        let restored = counts_me(&self.configuration) && self.applied() >= self.configuration.slot;
        if restored || planted(Bug::LostMemoryVotes) {
            let admit =
                [Op::Cas { expected: Promise::recovering().0, new: Promise::fresh(self.configuration.epoch).0 }];
            // A full queue or a link that is down: the next beat tries again.
            let _ = self.post(turn.fabric, self.me(), Kind::Admit, 0, &admit);
            return;
        }
        let admitted = self.peers.iter().filter_map(|peer| peer.status.configuration).find(|config| counts_me(config));
        if let Some(configuration) = admitted {
            self.transfer.need(configuration.slot);
        } else if !self.election.announced_recovering {
            self.election.announced_recovering = true;
            turn.host.notice(Notice::Recovering);
        }
    }

    pub(super) fn on_admitted<F: Fabric, H: Host>(&mut self, done: Completion, turn: &mut Turn<'_, F, H>) {
        // A word that is normal already was exchanged by an earlier attempt whose answer was lost; a leader may have raised it since.
        let admitted = done.found == Promise::recovering().0 || Promise(done.found).ballot().is_some();
        if self.role != Role::Recovering || !admitted {
            return;
        }
        let lane = Area::Lane(self.me());
        let first = Seq::first(self.configuration.epoch);
        let seal = self.seals[self.me().index()].clone();
        self.journal = Journal::recover(self.config.layout, lane, seal, turn.fabric.local(lane), first);
        self.show_closed_epoch(turn.fabric);
        self.change_role(Role::Follower);
    }
}
