//! One direction of a link: the queue of chains from one process to one acceptor, and everything that can happen to it.

use crate::lab::{Check, Lab};
use crate::memory::Memory;
use crate::tally::Count;
use paxon_fastpath::{Area, CHAIN_OPS_MAX, Completion, FabricEvent, LinkDown, Op, PostError, ReplicaId, Span, Token};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Never: a time that no run reaches.
pub const NEVER: u64 = u64::MAX;
/// Most pieces of a torn operation: more would make runs longer, not wilder.
const PIECES_MAX: usize = 12;
/// Words of a line, the coarser unit of tearing.
const LINE: usize = paxon_fastpath::LINE_WORDS;

/// A posted chain.
#[derive(Debug)]
struct Chain {
    token: Token,
    ops: Vec<Op>,
    /// What the WRITEs copied at the post, one after the other; `None` if they copy when they are executed.
    posted_words: Option<Vec<u64>>,
    /// Position in the order of all posts of its process.
    serial: u64,
    /// When it arrives at the acceptor.
    earliest: u64,
    /// What its compare-and-exchange found.
    found: u64,
}

/// Whose operations a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A process that runs.
    Running,
    /// A process that is stopped.
    Stopped,
    /// A process that has died; its memory may have died with it.
    Dead,
}

/// State of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    /// Nothing more is delivered; so many steps of what was posted before may still land.
    Down {
        leftover: u32,
    },
}

/// A failure that the source has not noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// What the source will be told.
    pub reason: LinkDown,
    /// Only completions are lost: operations go on being executed.
    pub executes: bool,
}

/// A channel. Operations execute one by one and in order, at times drawn at random; channels know nothing of each other.
#[derive(Debug)]
pub struct Channel {
    /// The process whose operations these are.
    pub source: ReplicaId,
    /// The acceptor.
    pub peer: ReplicaId,
    /// Whose operations these are.
    pub origin: Origin,
    /// No new connection succeeds.
    pub cut: bool,
    /// Time of the next step, [`NEVER`] if there is nothing to do.
    pub due: u64,
    /// Time of the next change of the link.
    pub link_due: u64,
    from: Rc<Memory>,
    to: Rc<Memory>,
    scratch: Rc<[AtomicU64]>,
    link: Link,
    /// The link has failed, but the source has not noticed: nothing completes any more.
    broken: Option<Break>,
    /// The source has seen the latest `LinkUp`: what it posts is taken.
    announced: bool,
    /// Until the source sees `LinkDown`, its posts seem to be taken and vanish.
    swallows: bool,
    queue: VecDeque<Chain>,
    /// The next operation of the first chain.
    op: usize,
    /// What is left of the operation that is being executed, as (first word, words) relative to its span.
    pieces: Vec<(usize, usize)>,
    /// Completions and changes of the link on their way to the source; times never decrease.
    inbox: VecDeque<(u64, FabricEvent)>,
}

impl Channel {
    /// A channel whose link comes up at `link_due`.
    pub fn new(source: ReplicaId, peer: ReplicaId, memories: [Rc<Memory>; 2], scratch: Rc<[AtomicU64]>) -> Self {
        let [from, to] = memories;
        Self {
            source,
            peer,
            origin: Origin::Running,
            cut: false,
            due: NEVER,
            link_due: NEVER,
            from,
            to,
            scratch,
            link: Link::Down { leftover: 0 },
            broken: None,
            announced: false,
            swallows: false,
            queue: VecDeque::new(),
            op: 0,
            pieces: Vec::new(),
            inbox: VecDeque::new(),
        }
    }

    /// Whether the link is up, as far as the source can know.
    pub fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// The failure that the source has not noticed yet.
    pub const fn broken(&self) -> Option<Break> {
        self.broken
    }

    /// Whether operations are waiting.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a write to the acceptor is half visible.
    pub fn is_half_visible(&self) -> bool {
        !self.pieces.is_empty() && matches!(self.queue.front().map(|chain| chain.ops[self.op]), Some(Op::Write(_)))
    }

    /// Position of the first chain in the order of posts, if none of it was executed yet.
    pub fn untouched_serial(&self) -> Option<u64> {
        self.queue.front().filter(|_| self.op == 0 && self.pieces.is_empty()).map(|chain| chain.serial)
    }

    /// Takes a chain.
    pub fn post(&mut self, token: Token, ops: &[Op], serial: u64, lab: &Lab) -> Result<(), PostError> {
        if !self.is_legal(ops) {
            let (from, to, layout) = (self.source, self.peer, lab.scenario.config.layout);
            lab.violate(Check::Memory, || format!("{from} posted an illegal chain to {to}: {ops:?} in {layout:?}"));
            return Err(PostError::Down);
        }
        if !self.announced {
            return if self.swallows { Ok(()) } else { Err(PostError::Down) };
        }
        let undelivered = self.inbox.iter().filter(|(_, event)| matches!(event, FabricEvent::Done(_))).count();
        let outstanding = self.queue.len() + undelivered;
        if outstanding >= lab.scenario.depth || (outstanding > 0 && lab.strikes(lab.scenario.rates.full)) {
            lab.count(Count::Full);
            return Err(PostError::Full);
        }
        let gather = lab.rng.chance(lab.scenario.rates.gather);
        let posted_words = (!gather).then(|| self.copy_writes(ops));
        let was_idle = self.queue.is_empty();
        let earliest = lab.now() + lab.scenario.distance(self.source, self.peer);
        self.queue.push_back(Chain { token, ops: ops.to_vec(), posted_words, serial, earliest, found: 0 });
        if was_idle && self.broken.is_none() && lab.rng.chance(lab.scenario.rates.synchronous) {
            self.execute_now(lab);
        } else if was_idle && !self.hangs() {
            self.due = lab.now() + lab.rng.around(lab.scenario.latency_ns);
        }
        Ok(())
    }

    /// Nothing is executed, though the source believes that the link is up.
    fn hangs(&self) -> bool {
        self.broken.is_some_and(|broken| !broken.executes)
    }

    fn copy_writes(&self, ops: &[Op]) -> Vec<u64> {
        let mut words = Vec::new();
        for op in ops {
            if let Op::Write(span) = op {
                words.extend(self.from.span(*span).into_iter().flatten().map(|word| word.load(Relaxed)));
            }
        }
        words
    }

    /// The contract of the fabric, from the caller's side.
    fn is_legal(&self, ops: &[Op]) -> bool {
        let legal = |op: &Op| match op {
            Op::Write(span) => span.area == Area::Lane(self.source) && self.from.span(*span).is_some(),
            Op::Read { span, into } => self.to.span(*span).is_some() && into + span.words <= self.scratch.len(),
            Op::Cas { .. } => true,
        };
        let exchanges = ops.iter().filter(|op| matches!(op, Op::Cas { .. })).count();
        (1..=CHAIN_OPS_MAX).contains(&ops.len()) && exchanges <= 1 && ops.iter().all(legal)
    }

    /// Executes the only chain inside its post, as on shared memory.
    fn execute_now(&mut self, lab: &Lab) {
        let before = self.inbox.len();
        while !self.queue.is_empty() && self.is_up() {
            self.step(lab);
        }
        if self.is_up() {
            self.inbox.iter_mut().skip(before).for_each(|(due, _)| *due = lab.now());
        }
    }

    /// Executes a little more of what is queued.
    pub fn step(&mut self, lab: &Lab) {
        self.due = NEVER;
        if let Some(earliest) = self.still_travelling(lab) {
            self.due = earliest;
            return;
        }
        if !self.may_execute(lab) {
            return;
        }
        while self.execute_piece(lab) {
            let Some(chain) = self.queue.front() else { break };
            if self.pieces.is_empty() && self.op == chain.ops.len() {
                self.finish(lab);
                break;
            }
            if !self.pieces.is_empty() || lab.strikes(lab.scenario.rates.pause) {
                break;
            }
        }
        if !self.queue.is_empty() {
            self.due = lab.now() + self.gap(lab);
        }
    }

    /// When the first chain arrives, if it is still on its way.
    fn still_travelling(&self, lab: &Lab) -> Option<u64> {
        let untouched = self.op == 0 && self.pieces.is_empty();
        self.queue.front().map(|chain| chain.earliest).filter(|&earliest| untouched && earliest > lab.now())
    }

    fn may_execute(&mut self, lab: &Lab) -> bool {
        match &mut self.link {
            Link::Up => !self.hangs(),
            Link::Down { leftover: 0 } => {
                self.abandon();
                false
            }
            Link::Down { leftover } => {
                *leftover -= 1;
                lab.count(Count::Leftover);
                true
            }
        }
    }

    /// Time to the next step.
    fn gap(&self, lab: &Lab) -> u64 {
        let latency = lab.scenario.latency_ns;
        let suspect = lab.scenario.config.timing.suspect.0;
        if !self.is_up() {
            return lab.rng.within(1, if lab.rng.chance(2_000) { 4 * suspect } else { 2 * latency });
        }
        if lab.strikes(lab.scenario.rates.stall) {
            lab.count(Count::Stall);
            return lab.rng.within(1, 2 * suspect);
        }
        lab.rng.around(latency / 4 + 4)
    }

    /// Executes one piece of the current operation; false if the chain failed instead.
    fn execute_piece(&mut self, lab: &Lab) -> bool {
        let Some(chain) = self.queue.front() else { return false };
        let op = chain.ops[self.op];
        if self.is_up() && lab.strikes(lab.scenario.rates.queue_pair_error) {
            lab.count(Count::QueuePairError);
            self.fail(LinkDown::Failed, 0, lab);
            return false;
        }
        if self.pieces.is_empty() {
            self.begin(op, lab);
        }
        match op {
            Op::Cas { expected, new } => self.compare_exchange(expected, new, lab),
            Op::Write(span) if self.source != self.peer => self.write(span),
            Op::Write(_) => {}
            Op::Read { span, into } => self.read(span, into),
        }
        self.pieces.pop();
        if self.pieces.is_empty() {
            self.op += 1;
        }
        true
    }

    /// Splits an operation into the pieces in which it will be executed.
    fn begin(&mut self, op: Op, lab: &Lab) {
        self.note_landing(op, lab);
        let rates = &lab.scenario.rates;
        let (words, unit, count) = match op {
            Op::Cas { .. } => (1, 1, None),
            Op::Write(span) if lab.strikes(rates.torn_words) => (span.words, 1, Some(Count::TornWords)),
            Op::Write(span) if lab.strikes(rates.torn_lines) => (span.words, LINE, Some(Count::TornLines)),
            Op::Read { span, .. } if lab.strikes(rates.torn_read) => (span.words, 1, Some(Count::TornRead)),
            Op::Write(span) | Op::Read { span, .. } => (span.words, span.words.max(1), None),
        };
        let cuts = if words > unit { lab.rng.within(1, PIECES_MAX as u64 - 1) } else { 0 };
        let mut at = 0;
        for _ in 0..cuts {
            let units = (words - at).div_ceil(unit) as u64;
            let next = at + lab.rng.within(0, units / 2) as usize * unit;
            if next > at {
                self.pieces.push((at, next - at));
                at = next;
            }
        }
        self.pieces.push((at, words - at));
        if let (Some(count), true) = (count, self.pieces.len() > 1) {
            lab.count(count);
            lab.rng.shuffle(&mut self.pieces);
        }
    }

    fn note_landing(&self, op: Op, lab: &Lab) {
        lab.count(Count::Operation);
        match self.origin {
            Origin::Running => {}
            Origin::Stopped => lab.count(Count::OfStopped),
            Origin::Dead => lab.count(Count::Ghost),
        }
        let (kind, at) = match op {
            Op::Write(span) => (1, span.start as u64),
            Op::Read { span, .. } => (2, span.start as u64),
            Op::Cas { new, .. } => (3, new),
        };
        if kind == 1 && self.to.promise().load(Relaxed) as u8 != self.source.0 {
            lab.count(Count::Deposed);
        }
        lab.note(self.source, &[b'x'.into(), self.peer.0.into(), kind, at], || {
            let whose = if self.origin == Origin::Dead { " (ghost)" } else { "" };
            format!("> {} executes {}{whose}", self.peer, describe(&op))
        });
    }

    fn compare_exchange(&mut self, expected: u64, new: u64, lab: &Lab) {
        let word = self.to.promise();
        let found = word.load(Relaxed);
        if found == expected {
            word.store(new, Relaxed);
            if new < expected {
                let (source, peer) = (self.source, self.peer);
                lab.violate(Check::Memory, || format!("{source} moved PROMISE of {peer} back: {found:#x} to {new:#x}"));
            }
        } else if expected == new && self.is_up() {
            lab.count(Count::CheckRefused);
        }
        self.queue[0].found = found;
    }

    fn write(&self, span: Span) {
        let Some(&(at, words)) = self.pieces.last() else { return };
        let chain = &self.queue[0];
        let target = self.to.span(span).into_iter().flatten().skip(at).take(words);
        if let Some(posted) = &chain.posted_words {
            let before: usize = chain.ops[..self.op].iter().map(written_words).sum();
            target.zip(&posted[before + at..]).for_each(|(word, value)| word.store(*value, Relaxed));
        } else {
            let source = self.from.span(span).into_iter().flatten().skip(at);
            target.zip(source).for_each(|(word, value)| word.store(value.load(Relaxed), Relaxed));
        }
    }

    fn read(&self, span: Span, into: usize) {
        let Some(&(at, words)) = self.pieces.last() else { return };
        let source = self.to.span(span).into_iter().flatten().skip(at).take(words);
        let target = self.scratch.iter().skip(into + at);
        target.zip(source).for_each(|(word, value)| word.store(value.load(Relaxed), Relaxed));
    }

    /// The first chain was executed to its end.
    fn finish(&mut self, lab: &Lab) {
        let Some(chain) = self.queue.pop_front() else { return };
        self.op = 0;
        let exchanges = chain.ops.iter().any(|op| matches!(op, Op::Cas { .. }));
        if !self.is_up() {
            return;
        }
        let lost = lab.strikes(lab.scenario.rates.lose_completion);
        if lost || self.broken.is_some() {
            lab.count(if exchanges { Count::CasReplyLost } else { Count::CompletionLost });
        }
        if lost {
            let leftover = lab.rng.pick(&[0, 1, 4, 1_000]);
            self.fail(LinkDown::Failed, leftover, lab);
        } else if self.broken.is_none() {
            let Chain { token, found, .. } = chain;
            let done = FabricEvent::Done(Completion { peer: self.peer, token, found });
            let distance = lab.scenario.distance(self.source, self.peer);
            self.deliver(done, distance + lab.rng.around(lab.scenario.latency_ns / 2 + 1), lab);
        }
    }

    /// Sends an event to the source.
    pub fn deliver(&mut self, event: FabricEvent, delay: u64, lab: &Lab) {
        let earliest = self.inbox.back().map_or(0, |(due, _)| *due);
        self.inbox.push_back((earliest.max(lab.now() + delay), event));
    }

    /// The next event for the source, if its time has come.
    pub fn pop(&mut self, lab: &Lab) -> Option<FabricEvent> {
        let event = self.inbox.front().filter(|(due, _)| *due <= lab.now())?.1;
        self.inbox.pop_front();
        match event {
            FabricEvent::LinkUp { .. } => self.announced = self.is_up() && !self.is_changing(),
            FabricEvent::LinkDown { .. } => self.swallows = false,
            FabricEvent::Done(_) | FabricEvent::ProcessDied { .. } => {}
        }
        let words = match event {
            FabricEvent::Done(Completion { token, found, .. }) => [token.0, found],
            FabricEvent::LinkUp { incarnation, .. } => [1, incarnation.0],
            FabricEvent::LinkDown { .. } => [2, 0],
            FabricEvent::ProcessDied { .. } => [3, 0],
        };
        lab.note(self.source, &words, || format!("< {event:?}"));
        Some(event)
    }

    /// Whether a change of the link is still on its way to the source.
    fn is_changing(&self) -> bool {
        self.inbox.iter().any(|(_, event)| matches!(event, FabricEvent::LinkUp { .. } | FabricEvent::LinkDown { .. }))
    }

    /// The link fails without anybody noticing for a while.
    pub fn break_silently(&mut self, broken: Break, lab: &Lab) {
        if self.is_up() && self.broken.is_none() {
            self.broken = Some(broken);
            self.link_due = lab.now() + lab.rng.within(1, lab.scenario.config.timing.suspect.0);
        }
        if !broken.executes {
            self.due = NEVER;
        }
    }

    /// The acceptor's memory is withdrawn: nothing is executed on it from now on.
    pub fn revoke(&mut self, reason: LinkDown, lab: &Lab) {
        match &mut self.link {
            Link::Down { leftover } => *leftover = 0,
            Link::Up => self.broken = None,
        }
        self.break_silently(Break { reason, executes: false }, lab);
    }

    /// The link goes down; `leftover` more steps of what was posted may land before it comes up again.
    pub fn fail(&mut self, reason: LinkDown, leftover: u32, lab: &Lab) {
        let latency = lab.scenario.latency_ns;
        if lab.rng.chance(5_000) {
            self.lose_undelivered(lab);
        }
        if reason == LinkDown::Revoked && !self.is_idle() {
            lab.count(Count::Revoked);
        }
        self.broken = None;
        self.announced = false;
        self.link = Link::Down { leftover };
        self.swallows = lab.rng.chance(5_000);
        self.deliver(FabricEvent::LinkDown { peer: self.peer, reason }, lab.rng.around(2 * latency), lab);
        self.link_due = lab.now() + lab.rng.around(10 * latency);
        self.due = if self.is_idle() { NEVER } else { lab.now() + self.gap(lab) };
    }

    fn lose_undelivered(&mut self, lab: &Lab) {
        let before = self.inbox.len();
        self.inbox.retain(|(_, event)| !matches!(event, FabricEvent::Done(_)));
        lab.tally.more(Count::CompletionLost, (before - self.inbox.len()) as u64);
    }

    /// The process dies: what it posted lives on without anybody to complete to.
    pub fn orphan(&mut self, lab: &Lab) {
        let lands = !self.hangs();
        self.origin = Origin::Dead;
        self.broken = None;
        self.inbox.clear();
        self.link_due = NEVER;
        self.link = Link::Down { leftover: if lands { lab.rng.pick(&[0, 2, 10, 1_000]) } else { 0 } };
        self.due = if self.is_idle() { NEVER } else { lab.now() + self.gap(lab) };
    }

    /// The link comes up to the memory `to`; nothing that was posted before is executed any more.
    pub fn connect(&mut self, to: Rc<Memory>, lab: &Lab) {
        self.abandon();
        self.to = to;
        self.link = Link::Up;
        self.link_due = NEVER;
        let up = FabricEvent::LinkUp { peer: self.peer, incarnation: self.to.incarnation };
        let distance = lab.scenario.distance(self.source, self.peer);
        self.deliver(up, distance + lab.rng.around(lab.scenario.latency_ns), lab);
    }

    fn abandon(&mut self) {
        self.queue.clear();
        self.pieces.clear();
        self.op = 0;
        self.due = NEVER;
    }
}

const fn written_words(op: &Op) -> usize {
    match op {
        Op::Write(span) => span.words,
        Op::Read { .. } | Op::Cas { .. } => 0,
    }
}

/// An operation in few words.
fn describe(op: &Op) -> String {
    let place = |span: &Span| format!("{:?}[{}..{}]", span.area, span.start, span.start + span.words);
    match op {
        Op::Write(span) => format!("WRITE {}", place(span)),
        Op::Read { span, .. } => format!("READ {}", place(span)),
        Op::Cas { expected, new } => {
            format!("CAS {:?} -> {:?}", paxon_fastpath::Promise(*expected), paxon_fastpath::Promise(*new))
        }
    }
}
