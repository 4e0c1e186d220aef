//! The fabric: chains executed by the calling thread on mapped memory.

use crate::acceptor::AcceptorMemory;
use crate::birth::{Birth, claim};
use crate::completions::Completions;
use crate::directory::Directory;
use crate::error::{Context, OpenError};
use crate::lock::{Refused, ReplicaLock};
use crate::news::News;
use crate::watcher::Watcher;
use paxon_fastpath::{
    Area, CHAIN_OPS_MAX, Completion, Fabric, FabricEvent, LINE_WORDS, Op, PostError, ReplicaId, Span, Token,
};
use paxon_region::Region;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Relaxed, Ordering::SeqCst, compiler_fence, fence};

/// One replica's access to the memory of all acceptors of its host. Fields are dropped in this order.
#[derive(Debug)]
pub struct ShmFabric {
    replica: ReplicaId,
    birth: Birth,
    /// What the replica's own acceptor votes in.
    own: AcceptorMemory,
    /// Indexed by replica; `None` while the link is down. The own entry is never set.
    peers: Vec<Option<AcceptorMemory>>,
    /// Where reads land, indexed by replica.
    scratch: Vec<Region>,
    completions: Completions,
    news: Arc<News>,
    /// Held for its drop, which ends the thread.
    _watcher: Watcher,
    /// Last: another process may take the id over only when this one has unmapped everything.
    _lock: ReplicaLock,
}

impl ShmFabric {
    /// Joins the fabric as `replica`, with `scratch_words` words for the reads from each peer
    /// ([`Config::scratch_words`](paxon_fastpath::Config::scratch_words)). Peers are announced as their memory appears.
    ///
    /// # Errors
    /// [`OpenError::Held`] if the replica runs already; [`OpenError::Memory`] if its memory is of another cluster or layout,
    /// or cannot be created; in all cases what is there is left as it is.
    pub fn open(directory: &Directory, replica: ReplicaId, scratch_words: usize) -> Result<Self, OpenError> {
        let replicas = directory.layout().replicas;
        if replica.index() >= replicas {
            return Err(OpenError::UnknownReplica { replica: replica.0, replicas });
        }
        let lock = take_lock(directory, replica)?;
        let (own, birth) = claim(directory, replica)?;
        let scratch = (0..replicas).map(|_| Region::anonymous(scratch_words)).collect::<Result<_, _>>()?;
        let news = Arc::new(News::default());
        news.push(FabricEvent::LinkUp { peer: replica, incarnation: own.incarnation() }, None);
        let watcher =
            Watcher::start(directory, replica, news.clone()).context::<OpenError>("watch", directory.path())?;
        let peers = (0..replicas).map(|_| None).collect();
        Ok(Self {
            replica,
            birth,
            own,
            peers,
            scratch,
            completions: Completions::new(),
            news,
            _watcher: watcher,
            _lock: lock,
        })
    }

    /// How this replica came by its memory.
    pub const fn birth(&self) -> Birth {
        self.birth
    }

    /// Whether the replica's own memory is locked against swapping (RLIMIT_MEMLOCK decides).
    pub fn is_pinned(&self) -> bool {
        self.own.is_pinned()
    }

    /// Why there is no link to `peer`, in words for an operator; `None` if there is one or nothing is known.
    pub fn problem(&self, peer: ReplicaId) -> Option<String> {
        self.news.problem(peer)
    }

    fn memory(&self, peer: ReplicaId) -> Option<&AcceptorMemory> {
        if peer == self.replica { Some(&self.own) } else { self.peers[peer.index()].as_ref() }
    }

    /// Executes one operation; returns what a compare-and-exchange found.
    #[inline]
    fn execute(&self, peer: ReplicaId, memory: &AcceptorMemory, op: &Op) -> Option<u64> {
        match *op {
            Op::Write(span) => {
                assert!(
                    span.area == Area::Lane(self.replica),
                    "{} writes to {:?}, which is not its own",
                    self.replica,
                    span
                );
                let (from, into) = (slice(&self.own, span), slice(memory, span));
                if peer != self.replica {
                    copy(from, into);
                }
                None
            }
            Op::Read { span, into } => {
                copy(slice(memory, span), &self.scratch[peer.index()].words()[into..][..span.words]);
                None
            }
            Op::Cas { expected, new } => Some(compare_exchange(memory.promise(), expected, new)),
        }
    }

    #[cold]
    fn next_news(&mut self) -> Option<FabricEvent> {
        let item = self.news.pop()?;
        match item.event {
            FabricEvent::LinkUp { peer, .. } if peer != self.replica => {
                self.peers[peer.index()] = item.memory.map(|memory| *memory);
            }
            FabricEvent::LinkDown { peer, .. } => {
                if let Some(memory) = self.peers[peer.index()].take() {
                    self.news.retire(memory);
                }
            }
            _ => {}
        }
        Some(item.event)
    }
}

impl Fabric for ShmFabric {
    #[inline]
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.own.words(area)
    }

    #[inline]
    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        self.scratch[peer.index()].words()
    }

    #[inline]
    fn expect_write(&self, span: Span) {
        for memory in self.peers.iter().flatten().chain([&self.own]) {
            for line in slice(memory, span).chunks(LINE_WORDS) {
                want_line(&line[0]);
            }
        }
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        assert!(chain.len() <= CHAIN_OPS_MAX, "a chain of {} operations, {CHAIN_OPS_MAX} are allowed", chain.len());
        let memory = self.memory(peer).ok_or(PostError::Down)?;
        if self.completions.is_full() {
            return Err(PostError::Full);
        }
        let mut found = None;
        for op in chain {
            let result = self.execute(peer, memory, op);
            assert!(found.is_none() || result.is_none(), "a chain has at most one compare-and-exchange");
            found = found.or(result);
        }
        self.completions.push(Completion { peer, token, found: found.unwrap_or(0) });
        Ok(())
    }

    #[inline]
    fn poll(&mut self) -> Option<FabricEvent> {
        if let Some(completion) = self.completions.pop() {
            return Some(FabricEvent::Done(completion));
        }
        if self.news.is_pending() { self.next_news() } else { None }
    }
}

fn take_lock(directory: &Directory, replica: ReplicaId) -> Result<ReplicaLock, OpenError> {
    let path = directory.lock(replica);
    ReplicaLock::take(&path).map_err(|refused| match refused {
        Refused::Held(pid) => OpenError::Held { replica: replica.0, pid },
        Refused::Io(source) => OpenError::Io { action: "lock", path, source },
    })
}

#[inline]
fn slice(memory: &AcceptorMemory, span: Span) -> &[AtomicU64] {
    &memory.words(span.area)[span.start..][..span.words]
}

/// Copies words. Operations of a chain are in order: what a later one writes is not seen before what an earlier one wrote,
/// and what a later one reads is not older. x86-64 keeps stores in order and loads in order by itself.
#[inline]
fn copy(from: &[AtomicU64], into: &[AtomicU64]) {
    if cfg!(target_arch = "x86_64") {
        compiler_fence(AcqRel);
    } else {
        // Partner: the same fence of whoever reads this memory, between two of its own copies.
        fence(AcqRel);
    }
    for (into, from) in into.iter().zip(from) {
        into.store(from.load(Relaxed), Relaxed);
    }
}

/// Asks for the cache line of `word` in a state that permits writing. The followers poll these lines, so each has to be
/// fetched from their caches; asked for early, the lines of all acceptors come at once and while the record is being made.
#[inline(always)]
fn want_line(word: &AtomicU64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `prefetchw` reads and writes no memory that the program could notice, faults on no address, and is a no-op on
    // processors that lack it; it changes no register and no flag.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) std::ptr::from_ref(word), options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = word;
}

/// Exchanges `expected` for `new` and returns what was found, as a full fence.
///
/// The fence pairs with that of every other proposer's exchange on the same word: of a leader that stores a record and
/// checks PROMISE, and a candidate that raises PROMISE and reads the records, at least one sees the other.
#[inline]
fn compare_exchange(promise: &AtomicU64, expected: u64, new: u64) -> u64 {
    // On x86-64 `lock cmpxchg` is a full fence whether it succeeds or not. Elsewhere SeqCst orders it only with other SeqCst
    // operations, and a failed one may be a mere load.
    if cfg!(not(target_arch = "x86_64")) {
        fence(SeqCst);
    }
    let found = promise.compare_exchange(expected, new, SeqCst, SeqCst).unwrap_or_else(|found| found);
    if cfg!(not(target_arch = "x86_64")) {
        fence(SeqCst);
    }
    found
}
