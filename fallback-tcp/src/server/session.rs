//! The session of one proposer.

use crate::backend::{Key, Received};
use crate::frame::{
    Chain, HEADER_BYTES, Inbox, Receiver, ReplyEncoder, Request, Seed, ServerLimits, Violation, reply_bytes,
};
use crate::io::Io;
use crate::problem::Problem;
use paxon_acceptor::{Memory, between_operations};
use paxon_channel::{Cipher, Hello};
use paxon_fastpath::{ReplicaId, Span};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A proposer that has been welcomed.
pub(super) struct Session {
    pub(super) key: Key,
    /// The hello that it began with.
    pub(super) hello: Hello,
    cipher: Cipher,
    /// What `cipher` has opened and what it has sealed, kept for their memory.
    plain: Vec<u8>,
    wire: Vec<u8>,
    inbox: Inbox,
    executor: Executor,
    /// What has ended it, if something has; nothing more is executed.
    problem: Option<Problem>,
}

impl Session {
    pub(super) fn new(key: Key, hello: Hello, cipher: Cipher, executor: Executor) -> Self {
        let (plain, wire, inbox) = (Vec::new(), Vec::new(), Inbox::default());
        Self { key, hello, cipher, plain, wire, inbox, executor, problem: None }
    }

    pub(super) const fn proposer(&self) -> ReplicaId {
        self.executor.limits.proposer
    }

    /// What has ended it.
    pub(super) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// Ends it; the first reason counts.
    pub(super) fn fail(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    /// Takes what came in one TLS record with the hello.
    pub(super) fn take_early(&mut self, plain: &[u8]) {
        if let Err(violation) = self.take(plain) {
            self.fail(violation.into());
        }
    }

    /// Something arrived from the socket.
    #[inline]
    pub(super) fn received(&mut self, news: Received<'_>) {
        if self.problem.is_some() {
            return;
        }
        let taken = match news {
            Received::Bytes(bytes) if matches!(self.cipher, Cipher::User(_)) => self.take_sealed(bytes),
            Received::Bytes(bytes) => self.take(bytes).map_err(Problem::from),
            Received::Closed(reason) => Err(Problem::closed(reason)),
        };
        if let Err(problem) = taken {
            self.fail(problem);
        }
    }

    fn take_sealed(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let mut plain = std::mem::take(&mut self.plain);
        let opened = self.cipher.open(bytes, &mut plain);
        // What was opened before an error is what the proposer sent.
        let taken = self.take(&plain);
        plain.clear();
        self.plain = plain;
        taken?;
        Ok(opened?)
    }

    #[inline]
    fn take(&mut self, plain: &[u8]) -> Result<(), Violation> {
        self.inbox.feed(plain, &mut self.executor)
    }

    /// Sends the replies that have gathered; true if there were any.
    #[inline]
    pub(super) fn reply(&mut self, io: &mut Io) -> bool {
        if self.executor.replies.bytes().is_empty() {
            // Replies of earlier turns may have left since.
            if self.executor.waiting > 0 {
                self.executor.waiting = io.unsent(self.key);
            }
            return false;
        }
        let sent = if matches!(self.cipher, Cipher::User(_)) { self.send_sealed(io) } else { self.send_plain(io) };
        self.executor.replies.clear();
        self.executor.waiting = io.unsent(self.key);
        if let Err(problem) = sent {
            self.fail(problem);
        }
        true
    }

    #[inline]
    fn send_plain(&self, io: &mut Io) -> Result<(), Problem> {
        Ok(io.send(self.key, self.executor.replies.bytes())?)
    }

    fn send_sealed(&mut self, io: &mut Io) -> Result<(), Problem> {
        self.wire.clear();
        self.cipher.seal(self.executor.replies.bytes(), &mut self.wire)?;
        Ok(io.send(self.key, &self.wire)?)
    }
}

/// Executes the chains of one session on the memory that it may touch.
pub(super) struct Executor {
    /// The memory with the rights of the proposer.
    view: Arc<Memory>,
    limits: ServerLimits,
    seed: Seed,
    /// The number of the next chain.
    next: u64,
    replies: ReplyEncoder,
    /// Bytes of earlier replies that the kernel had not taken when it was last asked.
    waiting: usize,
    /// Bytes that `waiting` and `replies` may reach together.
    waiting_max: usize,
}

impl Executor {
    pub(super) fn new(view: Arc<Memory>, limits: ServerLimits, seed: Seed, waiting_max: usize) -> Self {
        Self { view, limits, seed, next: 1, replies: ReplyEncoder::default(), waiting: 0, waiting_max }
    }

    #[inline]
    fn execute(&mut self, chain: &Chain<'_>) {
        let mut found = 0;
        self.replies.begin();
        for request in chain.requests() {
            match request {
                Request::Write { span, words } => self.write(span, words),
                Request::Read(span) => {
                    between_operations();
                    self.replies.read(self.view.span(span));
                }
                Request::Cas { expected, new } => found = self.view.exchange(expected, new),
            }
        }
        self.replies.finish(chain.number, found, self.seed);
    }

    #[inline]
    fn write(&self, span: Span, words: &[[u8; 8]]) {
        between_operations();
        for (place, word) in self.view.span(span).iter().zip(words) {
            place.store(u64::from_le_bytes(*word), Relaxed);
        }
    }
}

impl Receiver for Executor {
    #[inline]
    fn length(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Violation> {
        Chain::length(header, self.seed, &self.limits)
    }

    #[inline]
    fn frame(&mut self, frame: &[u8]) -> Result<(), Violation> {
        let chain = Chain::decode(frame, self.seed, &self.limits)?;
        if chain.number != self.next {
            return Err(Violation::Order);
        }
        let waiting = self.waiting + self.replies.bytes().len();
        // Nothing waits for a proposer that is owed nothing, so the first chain always passes.
        if waiting > 0 && waiting + reply_bytes(chain.read_words) > self.waiting_max {
            return Err(Violation::Unread);
        }
        self.next += 1;
        self.execute(&chain);
        Ok(())
    }
}
