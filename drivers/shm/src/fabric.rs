//! The fabric: chains executed by the calling thread on mapped memory.

use crate::news::News;
use crate::watcher::Watcher;
use paxon_acceptor::{Acceptor, Birth, Completions, Directory, Memory, OpenError, execute_chain};
use paxon_fastpath::{Area, Completion, Fabric, FabricEvent, LINE_WORDS, Op, PostError, ReplicaId, Span, Token};
use paxon_region::Region;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// One replica's access to the memory of all acceptors of its host. Fields are dropped in this order.
#[derive(Debug)]
pub struct ShmFabric {
    replica: ReplicaId,
    /// What the replica's own acceptor votes in.
    own: Arc<Acceptor>,
    /// Indexed by replica; `None` while the link is down. The own entry is never set.
    peers: Vec<Option<Memory>>,
    /// Where reads land, indexed by replica.
    scratch: Vec<Region>,
    completions: Completions,
    news: Arc<News>,
    /// Held for its drop, which ends the thread.
    _watcher: Watcher,
}

impl ShmFabric {
    /// Joins the fabric as `replica`, with `scratch_words` words for the reads from each peer
    /// ([`Config::scratch_words`](paxon_fastpath::Config::scratch_words)). Peers are announced as their memory appears.
    ///
    /// # Errors
    /// [`OpenError::Held`] if the replica runs already; [`OpenError::Memory`] if its memory is of another cluster or layout,
    /// or cannot be created; in all cases what is there is left as it is.
    pub fn open(directory: &Directory, replica: ReplicaId, scratch_words: usize) -> Result<Self, OpenError> {
        let own = Arc::new(Acceptor::claim(directory, replica)?);
        let others: Vec<_> = ReplicaId::all(directory.layout().replicas).filter(|&id| id != replica).collect();
        Self::join(directory, own, &others, scratch_words)
    }

    /// Joins the fabric with memory that another fabric may serve too, and looks for the memory of `peers` alone: the others
    /// are on other hosts.
    ///
    /// # Errors
    /// [`OpenError::Scratch`], [`OpenError::Io`].
    pub fn join(
        directory: &Directory,
        own: Arc<Acceptor>,
        peers: &[ReplicaId],
        scratch_words: usize,
    ) -> Result<Self, OpenError> {
        let (replica, replicas) = (own.replica(), directory.layout().replicas);
        let scratch = (0..replicas).map(|_| Region::anonymous(scratch_words)).collect::<Result<_, _>>()?;
        let news = Arc::new(News::default());
        news.push(FabricEvent::LinkUp { peer: replica, incarnation: own.incarnation() }, None);
        let watcher = Watcher::start(directory, replica, peers, news.clone()).map_err(|source| OpenError::Io {
            action: "watch",
            path: directory.path().to_owned(),
            source,
        })?;
        let peers = (0..replicas).map(|_| None).collect();
        Ok(Self { replica, own, peers, scratch, completions: Completions::new(), news, _watcher: watcher })
    }

    /// How this replica came by its memory.
    pub fn birth(&self) -> Birth {
        self.own.birth()
    }

    /// Whether the replica's own memory is locked against swapping (RLIMIT_MEMLOCK decides).
    pub fn is_pinned(&self) -> bool {
        self.own.is_pinned()
    }

    /// Why there is no link to `peer`, in words for an operator; `None` if there is one or nothing is known.
    pub fn problem(&self, peer: ReplicaId) -> Option<String> {
        self.news.problem(peer)
    }

    fn memory(&self, peer: ReplicaId) -> Option<&Memory> {
        if peer == self.replica { Some(&**self.own) } else { self.peers[peer.index()].as_ref() }
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
        for memory in self.peers.iter().flatten().chain([&**self.own]) {
            for line in memory.span(span).chunks(LINE_WORDS) {
                want_line(&line[0]);
            }
        }
    }

    #[inline]
    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let memory = self.memory(peer).ok_or(PostError::Down)?;
        if self.completions.is_full() {
            return Err(PostError::Full);
        }
        let found = execute_chain(&self.own, memory, self.scratch[peer.index()].words(), chain);
        self.completions.push(Completion { peer, token, found });
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
