//! State transfer: a replica that fell behind the journals reads a snapshot from the memory of one that did not.
//!
//! The laggard writes the slot that it needs into its own status; whoever has applied it (a follower at once, the leader
//! only if nobody else does) puts a snapshot into its own snapshot area; the laggard reads it one-sidedly in chunks.

use super::peer::Peer;
use super::token::{Kind, Tag};
use super::{Replica, Role, Turn};
use crate::checksum;
use crate::config::SNAPSHOT_CHUNK_WORDS;
use crate::fabric::{Fabric, Op};
use crate::host::{Host, Notice};
use crate::ids::{Nanos, ReplicaId, Slot};
use crate::layout::{Area, Span};
use crate::memory::{copy_in, copy_out, words_of};
use crate::status::{Configuration, SnapshotOffer};
use std::sync::atomic::{Ordering, fence};

/// Beats that a leader leaves to the followers before it serves a snapshot itself.
const LEADER_PATIENCE: u32 = 16;

/// State transfer, both sides.
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    /// This replica cannot go on from the journals.
    pub(super) needed: bool,
    /// The slot that a snapshot has to cover.
    request: Slot,
    /// How far it was when it was last seen moving, and when that was.
    progress: (Slot, Nanos),
    fetch: Option<Fetch>,
    /// Counts chunks, so that late ones are recognised.
    chunks: u64,
    /// What this replica offers.
    offer: SnapshotOffer,
    /// The own offer was left by an earlier process and has not been restored yet.
    inherited: bool,
    /// Beats for which a peer has been asking the leader.
    asked: u32,
}

/// A snapshot being read.
#[derive(Debug)]
struct Fetch {
    from: ReplicaId,
    offer: SnapshotOffer,
    words: Vec<u64>,
    /// The number of the chunk that is under way.
    chunk: u64,
    posted: bool,
}

impl Transfer {
    /// `offer` is what the own status page shows: an earlier process may have left its state there.
    pub(super) fn new(offer: Option<SnapshotOffer>) -> Self {
        let offer = offer.unwrap_or_default();
        Self { offer, inherited: offer.upto > Slot::NONE, ..Self::default() }
    }

    /// A chunk that was under way from `peer` will not come.
    pub(super) fn link_lost(&mut self, peer: ReplicaId) {
        self.fetch.take_if(|fetch| fetch.from == peer);
    }

    /// Whether a peer that is alive can help with a snapshot.
    pub(super) fn can_be_served(&self, peers: &[Peer]) -> bool {
        let helps =
            |peer: &Peer| peer.up && !peer.score.suspected() && peer.status.applied.unwrap_or_default() >= self.request;
        self.needed && peers.iter().any(helps)
    }

    /// A snapshot that covers `slot` is needed.
    pub(super) fn need(&mut self, slot: Slot) {
        self.needed = true;
        self.request = self.request.max(slot);
    }
}

impl Replica {
    /// A beat of state transfer.
    pub(super) fn transfer_turn<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if std::mem::take(&mut self.transfer.inherited) {
            self.restore_own_snapshot(turn);
        }
        if self.role != Role::Recovering {
            self.serve(turn);
        }
        if self.role != Role::Leader {
            self.notice_lag(turn);
            self.fetch(turn);
        }
    }

    /// Decides whether this replica has fallen behind the journals.
    fn notice_lag<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let peers = self.peers.iter().filter(|peer| peer.up).filter_map(|peer| peer.status.applied);
        // What others have applied counts too: nobody may be writing to this replica.
        let known = peers.fold(self.learner.known_commit(), Slot::max);
        let moved = self.applied() != self.transfer.progress.0;
        if moved || known <= self.applied() {
            self.transfer.progress = (self.applied(), turn.now);
        }
        let patience = Nanos(self.config.timing.suspect.0 / 4).plus(self.path());
        if turn.now.since(self.transfer.progress.1) > patience {
            self.transfer.needed = true;
        }
        if !self.transfer.needed {
            return;
        }
        let served = self.transfer.request != Slot::NONE && self.applied() >= self.transfer.request;
        if self.role != Role::Recovering && (known <= self.applied() || served) {
            self.transfer.needed = false;
            self.transfer.fetch = None;
            self.ask_for(Slot::NONE, turn);
        } else if self.transfer.fetch.is_none() && self.transfer.request <= self.applied() {
            turn.host.notice(Notice::Lagging { needs: known });
            self.ask_for(known, turn);
        } else {
            self.ask_for(self.transfer.request, turn);
        }
    }

    fn ask_for<F: Fabric, H: Host>(&mut self, slot: Slot, turn: &Turn<'_, F, H>) {
        self.transfer.request = slot;
        self.status_page(turn.fabric).request(slot);
    }

    /// Puts a snapshot into the own memory for a peer that asks for one.
    fn serve<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let (me, applied) = (self.me(), self.applied());
        let requests = self.peers.iter().filter(|peer| peer.id != me).filter_map(|peer| peer.status.request);
        let wanted = requests.filter(|&slot| slot <= applied).max().unwrap_or_default();
        if wanted == Slot::NONE || wanted <= self.transfer.offer.upto {
            self.transfer.asked = 0;
            return;
        }
        self.transfer.asked += 1;
        if self.role != Role::Leader || self.transfer.asked > LEADER_PATIENCE {
            self.offer_snapshot(turn.fabric, turn.host);
        }
    }

    /// Puts a snapshot of the applied state into the own snapshot area, for peers that fell behind and for the next process
    /// of this replica. False if it does not fit.
    pub fn offer_snapshot<F: Fabric, H: Host>(&mut self, fabric: &F, host: &mut H) -> bool {
        let mut bytes: Vec<u8> = bytemuck::cast_slice(&self.configuration.encode()).to_vec();
        host.snapshot(&mut bytes);
        let length = bytes.len();
        let capacity = self.config.layout.snapshot_words * 8;
        if length > capacity {
            host.notice(Notice::SnapshotTooLarge { bytes: length, capacity });
            self.transfer.asked = 0;
            return false;
        }
        bytes.resize(words_of(length) * 8, 0);
        let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let page = self.status_page(fabric);
        page.snapshot(SnapshotOffer::default());
        // Release before and after: who sees a word of the new snapshot sees that the old offer is gone, and who sees the
        // new offer sees the whole snapshot (partner: the peers' reads; the hash is what they rely on).
        fence(Ordering::Release);
        copy_in(&words, fabric.local(Area::Snapshot));
        fence(Ordering::Release);
        let hash = checksum::of_words(&words, self.config.cluster);
        self.transfer.offer = SnapshotOffer { upto: self.applied(), bytes: length as u64, hash };
        page.snapshot(self.transfer.offer);
        true
    }

    /// Reads on, or begins to read, a snapshot that a peer offers.
    fn fetch<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if !self.transfer.needed {
            return;
        }
        if self.transfer.fetch.is_none() {
            let (me, request, applied) = (self.me(), self.transfer.request, self.applied());
            let capacity = self.config.layout.snapshot_words as u64 * 8;
            let helpful =
                |offer: &SnapshotOffer| offer.upto >= request && offer.upto > applied && offer.bytes <= capacity;
            let found = self.peers.iter().filter(|peer| peer.up && peer.id != me).find_map(|peer| {
                let offer = peer.status.snapshot.filter(helpful)?;
                Some((peer.id, offer))
            });
            let Some((from, offer)) = found else { return };
            self.transfer.fetch = Some(Fetch { from, offer, words: Vec::new(), chunk: 0, posted: false });
        }
        self.post_chunk(turn.fabric);
    }

    fn post_chunk<F: Fabric>(&mut self, fabric: &mut F) {
        let into = self.config.scratch_snapshot();
        let Some(fetch) = self.transfer.fetch.as_ref().filter(|fetch| !fetch.posted) else { return };
        let (from, start) = (fetch.from, fetch.words.len());
        let words = (words_of(fetch.offer.bytes as usize) - start).min(SNAPSHOT_CHUNK_WORDS);
        let read = [Op::Read { span: Span { area: Area::Snapshot, start, words }, into }];
        self.transfer.chunks += 1;
        let chunk = self.transfer.chunks;
        let posted = self.post(fabric, from, Kind::Snapshot, chunk, &read).is_ok();
        if let Some(fetch) = &mut self.transfer.fetch {
            fetch.chunk = chunk;
            fetch.posted = posted;
        }
    }

    /// A chunk has arrived.
    pub(super) fn on_chunk<F: Fabric, H: Host>(&mut self, from: ReplicaId, tag: Tag, turn: &mut Turn<'_, F, H>) {
        let into = self.config.scratch_snapshot();
        let Some(fetch) = self.transfer.fetch.as_mut().filter(|fetch| fetch.from == from && fetch.chunk == tag.value)
        else {
            return;
        };
        let start = fetch.words.len();
        let total = words_of(fetch.offer.bytes as usize);
        let words = (total - start).min(SNAPSHOT_CHUNK_WORDS);
        fetch.words.resize(start + words, 0);
        copy_out(&turn.fabric.scratch(from)[into..], &mut fetch.words[start..]);
        fetch.posted = false;
        if fetch.words.len() < total {
            self.post_chunk(turn.fabric);
        } else if let Some(fetch) = self.transfer.fetch.take()
            && self.role != Role::Leader
            && self.restore(&fetch.words, fetch.offer, turn)
        {
            turn.host.notice(Notice::Restored { from, upto: fetch.offer.upto });
        }
    }

    /// Installs a snapshot if it is whole and newer than what is applied.
    fn restore<F: Fabric, H: Host>(&mut self, words: &[u64], offer: SnapshotOffer, turn: &mut Turn<'_, F, H>) -> bool {
        let whole = checksum::of_words(words, self.config.cluster) == offer.hash;
        let Some(configuration) = Configuration::decode(words).filter(|_| whole && offer.upto > self.applied()) else {
            return false;
        };
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let Some(state) = bytes.get(Configuration::WORDS * 8..offer.bytes as usize) else { return false };
        if turn.host.restore(offer.upto, state).is_err() {
            return false;
        }
        self.applied.restored(offer.upto);
        self.learner.forget(offer.upto);
        self.transfer.needed = false;
        self.transfer.progress = (offer.upto, turn.now);
        self.ask_for(Slot::NONE, turn);
        self.status_page(turn.fabric).applied(offer.upto);
        if configuration.epoch > self.configuration.epoch {
            if self.role == Role::Candidate {
                self.step_down(crate::Ballot::NONE, turn.host);
            }
            self.enter(configuration, turn);
        }
        true
    }

    /// The state that an earlier process of this replica left in the own memory.
    fn restore_own_snapshot<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let offer = self.transfer.offer;
        let mut words = vec![0; words_of(offer.bytes as usize).min(self.config.layout.snapshot_words)];
        copy_out(turn.fabric.local(Area::Snapshot), &mut words);
        if self.restore(&words, offer, turn) {
            turn.host.notice(Notice::Restored { from: self.me(), upto: offer.upto });
        } else {
            self.transfer.offer = SnapshotOffer::default();
            self.status_page(turn.fabric).snapshot(self.transfer.offer);
        }
    }
}
