//! Phase 2: records go to every acceptor that has promised, each chain ends with the check, a quorum of checks commits.

use super::gather::Found;
use super::journal::{Draft, Full, Journal};
use super::peer::Standing;
use super::token::{Kind, Tag};
use super::{Replica, Role, Turn};
use crate::bug::{Bug, planted};
use crate::fabric::{Completion, Fabric, Op};
use crate::host::Host;
use crate::ids::{Nanos, ReplicaId, Seq, Slot};
use crate::layout::{Area, INLINE_BYTES, LINE_WORDS, REPLICAS_MAX, Span};
use crate::line::Head;
use crate::memory::words_of;
use crate::promise::{Ballot, Promise};
use crate::record::Flags;
use std::collections::VecDeque;

/// Windows of the journal that are kept for the records with which a tenure begins (its history and what it adopts).
const RESERVED_WINDOWS: usize = 4;
/// Records that one chain carries at most: bounds what a lost link makes us send again.
const CHAIN_CELLS_MAX: u64 = 256;
/// Chains of records that an acceptor may have outstanding; a longer queue adds latency and no throughput.
const CHAINS_MAX: u32 = 16;

/// What is proposed.
#[derive(Clone, Copy, Debug)]
pub enum Submission<'a> {
    /// One command. Above 64 bytes it travels as a batch of one.
    Command {
        /// The client session; 0 for none.
        session: u64,
        /// The command's number in its session.
        sequence: u64,
        /// At most 64 bytes; larger ones are packed as a batch.
        payload: &'a [u8],
    },
    /// Many commands in one record, packed.
    Batch {
        /// How many.
        commands: u16,
        /// The packed commands, zero-padded to whole words.
        words: &'a [u64],
        /// Bytes of `words` that are meant.
        bytes: usize,
    },
}

/// Why a proposal was not taken. It has not been and will not be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// Somebody else leads.
    #[error("this replica does not lead; {}", match leader { Some(id) => format!("{id} does"), None => "no leader is known".into() })]
    NotLeader {
        /// Who leads, if that is known.
        leader: Option<ReplicaId>,
    },
    /// Too much is in flight, or the followers have not applied enough for the journal to be reused.
    #[error("the window or the journal is full; try again in {} ns", retry_after.0)]
    Full {
        /// When trying again makes sense.
        retry_after: Nanos,
    },
    /// The payload is over the configured limit.
    #[error("the payload has {bytes} bytes; the limit is {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit: 64 bytes of an inline command, otherwise the configured `payload_bytes_max`.
        max: usize,
    },
}

/// The time of this replica as leader under one ballot.
#[derive(Debug, Default)]
pub(crate) struct Tenure {
    pub(super) ballot: Ballot,
    /// The first record of the tenure and its slot; from there on slots and records run in step.
    pub(super) first_seq: Seq,
    pub(super) first_slot: Slot,
    /// All slots up to this one are committed.
    pub(super) commit: Slot,
    /// For each acceptor, the last record that it holds under a check that succeeded. Everything before it in the lane is
    /// there too (from the head's `live` on), so the quorum of a record is a quorum of every earlier one.
    pub(super) acked: [Seq; REPLICAS_MAX],
    /// The last slot that earlier leaders may have committed: reads wait for it.
    pub(super) barrier: Slot,
    /// What is still to be proposed before anything new, for consecutive slots; `None` stands for a no-op.
    pub(super) plan: VecDeque<Option<Found>>,
    /// Something was committed under this ballot.
    pub(super) proven: bool,
    /// No slot after this one belongs to the epoch.
    pub(super) last_of_epoch: Option<Slot>,
    /// TRIM: slots up to here may be overwritten.
    pub(super) trim: Slot,
    /// When an accept quorum was last held by its promise.
    pub(super) supported_at: Nanos,
    /// When something was last committed or proposed.
    pub(super) busy_at: Nanos,
}

impl Tenure {
    pub(super) const fn slot_of(&self, seq: Seq) -> Slot {
        Slot(self.first_slot.0 + seq.since(self.first_seq))
    }

    pub(super) const fn seq_of(&self, slot: Slot) -> Seq {
        self.first_seq.plus(slot.0 - self.first_slot.0)
    }
}

/// The chain that brings records to an acceptor: the same for all that lack the same.
#[derive(Debug)]
struct RecordChain {
    from: Seq,
    upto: Seq,
    with_head: bool,
    ops: [Op; 6],
    len: usize,
}

impl Default for RecordChain {
    fn default() -> Self {
        let ops = [Op::Cas { expected: 0, new: 0 }; 6];
        Self { from: Seq(0), upto: Seq(0), with_head: false, ops, len: 0 }
    }
}

impl RecordChain {
    #[inline]
    fn new(journal: &Journal, from: Seq, upto: Seq, with_head: bool, ballot: Ballot) -> Self {
        let mut chain = Self { from, upto, with_head, ..Self::default() };
        if with_head {
            chain.push(Op::Write(Head::span(journal.area())));
        }
        journal.arena_spans(from, upto).iter().for_each(|span| chain.push_write(*span));
        journal.cell_spans(from, upto).iter().for_each(|span| chain.push_write(*span));
        if !planted(Bug::NoCheck) {
            chain.push(Op::Cas { expected: ballot.0, new: ballot.0 });
        }
        if planted(Bug::CheckBeforeWrites) {
            chain.ops[..chain.len].rotate_right(1);
        }
        chain
    }

    #[inline]
    fn push_write(&mut self, span: Span) {
        if span.words > 0 {
            self.push(Op::Write(span));
        }
    }

    #[inline]
    fn push(&mut self, op: Op) {
        self.ops[self.len] = op;
        self.len += 1;
    }

    fn all(&self) -> &[Op] {
        &self.ops[..self.len]
    }

    /// For the own acceptor, where the records are already.
    fn check(&self) -> &[Op] {
        self.ops[..self.len].last().map_or(&[], std::slice::from_ref)
    }
}

impl Replica {
    /// The journal is full: asks the followers at once how far they are.
    pub(super) fn make_room<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        self.clockwork.pull_soon = false;
        self.pull(turn.now, turn.fabric);
        self.drain(turn);
        if self.role == Role::Leader {
            self.trim(turn.fabric);
        }
    }

    /// Appends a record to the own journal; the next [`Replica::poll`] sends it. Returns its slot.
    ///
    /// # Errors
    /// [`ProposeError`]; nothing was proposed then.
    pub fn propose<F: Fabric>(&mut self, fabric: &mut F, submission: Submission<'_>) -> Result<Slot, ProposeError> {
        if self.role != Role::Leader {
            return Err(ProposeError::NotLeader { leader: self.leader() });
        }
        fabric.expect_write(self.journal.next_cell());
        match submission {
            Submission::Command { session, sequence, payload } => {
                if payload.len() > INLINE_BYTES {
                    return Err(ProposeError::TooLarge { bytes: payload.len(), max: INLINE_BYTES });
                }
                let mut inline = [0u64; LINE_WORDS];
                bytemuck::bytes_of_mut(&mut inline)[..payload.len()].copy_from_slice(payload);
                let draft = Draft {
                    commands: 1,
                    session,
                    sequence,
                    payload: &inline[..words_of(payload.len())],
                    payload_bytes: payload.len() as u32,
                    ..self.draft(Flags::default())
                };
                self.append(fabric, &draft)
            }
            Submission::Batch { commands, words, bytes } => {
                if bytes > self.config.payload_bytes_max {
                    return Err(ProposeError::TooLarge { bytes, max: self.config.payload_bytes_max });
                }
                assert_eq!(words.len(), words_of(bytes), "a batch is given in whole words");
                let flags = Flags::ARENA.with(Flags::BATCH);
                let payload_bytes = bytes as u32;
                let draft = Draft { commands, payload: words, payload_bytes, ..self.draft(flags) };
                self.append(fabric, &draft)
            }
        }
    }

    pub(super) fn next_slot(&self) -> Slot {
        self.tenure.slot_of(self.journal.next())
    }

    /// Slots that were proposed and are not known to be committed.
    fn in_flight(&self) -> u64 {
        // What a tenure begins with may be committed already.
        self.next_slot().0.saturating_sub(1 + self.tenure.commit.0)
    }

    /// An empty record for the next slot.
    pub(super) fn draft(&self, flags: Flags) -> Draft<'static> {
        Draft {
            slot: self.next_slot(),
            ballot: self.tenure.ballot,
            commit: self.tenure.commit,
            commands: 0,
            flags,
            session: 0,
            sequence: 0,
            payload: &[],
            payload_bytes: 0,
            stands_at: None,
        }
    }

    /// Slots that may be proposed before the window or the journal is full. A part of the journal is kept for the records
    /// that a tenure begins with: a journal without room for them could never lead again.
    pub fn room(&self) -> usize {
        if self.role != Role::Leader || self.tenure.last_of_epoch.is_some() || !self.tenure.plan.is_empty() {
            return 0;
        }
        let in_flight = self.in_flight() as usize;
        let reserve = RESERVED_WINDOWS * self.config.window;
        self.config.window.saturating_sub(in_flight).min(self.journal.room().saturating_sub(reserve))
    }

    pub(super) fn append<F: Fabric>(&mut self, fabric: &F, draft: &Draft<'_>) -> Result<Slot, ProposeError> {
        let lane = fabric.local(Area::Lane(self.me()));
        let fits = self.room() > 0 && self.journal.fits_half(draft.arena_words());
        let appended = if fits { self.journal.append(lane, draft) } else { Err(Full) };
        match appended {
            Ok(_) => Ok(draft.slot),
            Err(Full) => {
                // A full window drains by itself; the journal and the arena need to know what the followers have applied.
                self.clockwork.pull_soon = self.in_flight() < self.config.window as u64;
                Err(ProposeError::Full { retry_after: self.config.timing.beat })
            }
        }
    }

    /// A turn of a leader.
    pub(super) fn lead<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        if !self.tenure.plan.is_empty() {
            self.propose_plan(turn);
        }
        if self.post_records(turn.fabric) {
            self.tenure.busy_at = turn.now;
        }
        self.post_reads(turn.fabric);
        self.drain(turn);
        if self.role != Role::Leader {
            return;
        }
        self.commit(turn);
        if self.role == Role::Leader && turn.now.since(self.tenure.busy_at) >= self.config.timing.flush {
            self.flush_commit(turn.fabric);
        }
    }

    /// Sends every acceptor what it lacks. True if something was sent.
    fn post_records<F: Fabric>(&mut self, fabric: &mut F) -> bool {
        let next = self.journal.next();
        let mut chain = RecordChain::default();
        let mut sent = false;
        for at in 0..self.peers.len() {
            if self.peers[at].posted < self.journal.free() && self.peers[at].standing == Standing::Promised {
                self.skip_recycled(at, fabric);
            }
            let peer = &self.peers[at];
            if peer.posted < next && peer.standing == Standing::Promised && peer.chains < CHAINS_MAX {
                sent |= self.post_chain(at, &mut chain, fabric);
            }
        }
        sent
    }

    /// An acceptor is so far behind that what it lacks may have been overwritten: it goes on with what the head covers not,
    /// and its owner needs a snapshot.
    #[cold]
    fn skip_recycled<F: Fabric>(&mut self, at: usize, fabric: &F) {
        if self.journal.head().live < self.journal.free() {
            let lane = fabric.local(Area::Lane(self.me()));
            self.journal.publish_head(lane, self.tenure.ballot, self.tenure.commit);
        }
        let peer = &mut self.peers[at];
        peer.posted = self.journal.head().live;
        peer.head_live = Seq(0);
        self.covers_before(at);
    }

    /// What an acceptor will not be sent is committed without it: it counts as if it were there.
    pub(super) fn covers_before(&mut self, at: usize) {
        let acked = &mut self.tenure.acked[at];
        *acked = Seq(self.peers[at].posted.0 - 1).max(*acked);
    }

    #[inline]
    fn post_chain<F: Fabric>(&mut self, at: usize, chain: &mut RecordChain, fabric: &mut F) -> bool {
        let peer = &self.peers[at];
        let from = peer.posted;
        let upto = self.journal.next().min(from.plus(CHAIN_CELLS_MAX));
        // The head goes before the first records of a tenure, and whenever it was moved: what comes next may reuse cells or
        // parts of the arena that the head which the acceptor shows does not give up.
        let stale = peer.head_live == Seq(0) || peer.head_live < self.journal.head().live;
        if (chain.from, chain.upto, chain.with_head) != (from, upto, stale) {
            *chain = RecordChain::new(&self.journal, from, upto, stale, self.tenure.ballot);
        }
        // Zero while only records of earlier tenures are sent again: a check behind those counts for nothing.
        let value = upto.0.saturating_sub(self.tenure.first_seq.0);
        let ops = if at == self.me().index() { chain.check() } else { chain.all() };
        if self.post(fabric, ReplicaId(at as u8), Kind::Accept, value, ops).is_err() {
            return false;
        }
        let head_live = self.journal.head().live;
        let peer = &mut self.peers[at];
        peer.posted = upto;
        peer.chains += 1;
        if stale {
            peer.head_live = head_live;
        }
        true
    }

    /// The usual end of a chain of records, without detours: a check of this tenure that found our ballot.
    #[inline]
    pub(super) fn acknowledges(&mut self, done: &Completion) -> bool {
        let Some(upto) = Tag::value_of(done.token, Kind::Accept, self.generation) else { return false };
        if self.role != Role::Leader || done.found != self.tenure.ballot.0 {
            return false;
        }
        self.acknowledge(done.peer, upto);
        true
    }

    #[inline]
    fn acknowledge(&mut self, from: ReplicaId, upto: u64) {
        let peer = &mut self.peers[from.index()];
        // Saturating: an acceptor that refused and was asked again starts its count anew while old chains still come back.
        peer.chains = peer.chains.saturating_sub(1);
        let upto = Seq(self.tenure.first_seq.0 + upto - 1);
        let acked = &mut self.tenure.acked[from.index()];
        *acked = upto.max(*acked);
    }

    /// A check came back that did not simply succeed.
    pub(super) fn on_checked<F: Fabric, H: Host>(&mut self, done: Completion, tag: Tag, turn: &mut Turn<'_, F, H>) {
        if !tag.is_of(self.generation) || self.role != Role::Leader {
            return;
        }
        if planted(Bug::FailedCheckCounted) || planted(Bug::NoCheck) {
            self.acknowledge(done.peer, tag.value);
        } else {
            self.on_refused(done.peer, done.found, turn);
        }
    }

    /// An acceptor holds another word than our ballot.
    pub(super) fn on_refused<F: Fabric, H: Host>(&mut self, peer: ReplicaId, found: u64, turn: &mut Turn<'_, F, H>) {
        let peer = &mut self.peers[peer.index()];
        peer.promise = found;
        peer.standing = Standing::Unasked;
        match Promise(found).ballot() {
            Some(by) if by > self.tenure.ballot => self.step_down(by, turn.host),
            Some(_) => {}
            None => peer.standing = Standing::Recovering,
        }
    }

    /// Commits what an accept quorum holds, and applies it.
    fn commit<F: Fabric, H: Host>(&mut self, turn: &mut Turn<'_, F, H>) {
        let reached = self.config.quorums.reached_by_accept_quorum(&self.tenure.acked[..self.config.replicas()]);
        if reached < self.tenure.first_seq {
            return;
        }
        self.tenure.proven = true;
        let commit = self.tenure.slot_of(reached);
        if commit <= self.tenure.commit {
            return;
        }
        self.tenure.commit = commit;
        self.tenure.busy_at = turn.now;
        while self.applied() < commit && self.role == Role::Leader {
            self.apply_own(turn);
        }
        self.status_page(turn.fabric).applied(self.applied());
        self.reads_applied(turn.host);
    }

    /// Shows the commit index to the followers when no further record will carry it soon.
    fn flush_commit<F: Fabric>(&mut self, fabric: &mut F) {
        let (lane, commit) = (Area::Lane(self.me()), self.tenure.commit);
        if self.journal.head().commit < commit {
            self.journal.publish_head(fabric.local(lane), self.tenure.ballot, commit);
        }
        let live = self.journal.head().live;
        for at in 0..self.peers.len() {
            let peer = &self.peers[at];
            let complete = peer.standing == Standing::Promised && peer.posted == self.journal.next();
            let due = complete && peer.flushed < commit && at != self.me().index();
            let write = [Op::Write(Head::span(lane))];
            if due && self.post(fabric, ReplicaId(at as u8), Kind::Flush, 0, &write).is_ok() {
                self.peers[at].head_live = live;
                self.peers[at].flushed = commit;
            }
        }
    }
}
