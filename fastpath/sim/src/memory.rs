//! The memory of one simulated acceptor.

use paxon_fastpath::{Area, Config, Domain, Identity, Incarnation, LINE_WORDS, PAGE_WORDS, Promise, Span};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// All areas of an acceptor, in one life of its memory.
#[derive(Debug)]
pub struct Memory {
    /// In the order of [`paxon_fastpath::Layout::areas`].
    areas: Vec<Box<[AtomicU64]>>,
    /// Which life of the memory this is.
    pub incarnation: Incarnation,
}

/// Zeroed shared words.
pub fn zeroed(words: usize) -> Box<[AtomicU64]> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

impl Memory {
    /// Zeroed memory with the identity of its owner and a first PROMISE, as a driver formats it.
    pub fn format(config: &Config, incarnation: Incarnation, promise: Promise) -> Self {
        let areas = config.layout.areas().map(|area| zeroed(config.layout.words(area))).collect();
        let memory = Self { areas, incarnation };
        let identity = Identity {
            cluster: config.cluster,
            owner: config.replica.0,
            layout: config.layout,
            domain: Domain::Processor,
            seal: config.seal_mark(),
            incarnation,
        };
        for (word, value) in memory.area(Area::Status).iter().zip(identity.encode()) {
            word.store(value, Relaxed);
        }
        memory.promise().store(promise.0, Relaxed);
        memory
    }

    /// The words of `area`.
    pub fn area(&self, area: Area) -> &[AtomicU64] {
        let index = match area {
            Area::Promise => 0,
            Area::Status => 1,
            Area::Lane(proposer) => 2 + proposer.index(),
            Area::Snapshot => self.areas.len() - 1,
        };
        &self.areas[index]
    }

    /// The words of `span`; `None` if it leaves its area.
    pub fn span(&self, span: Span) -> Option<&[AtomicU64]> {
        self.area(span.area).get(span.start..)?.get(..span.words)
    }

    /// The PROMISE word.
    pub fn promise(&self) -> &AtomicU64 {
        &self.area(Area::Promise)[0]
    }
}

const _: () = assert!(PAGE_WORDS >= LINE_WORDS, "the identity line fits into the status page");
