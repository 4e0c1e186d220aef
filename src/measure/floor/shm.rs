//! On shared memory: the stores and compare-and-exchanges of a commit.

use super::{Counterpart, Floor};
use crate::measure::cluster::Cluster;
use crate::measure::{MeasureError, Options};
use paxon_fastpath::{Area, CELL_WORDS, ENTRY_WORDS, INLINE_BYTES, LINE_WORDS, Layout, ReplicaId, Seq};
use paxon_region::Region;
use paxon_shm::Directory;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// The proposer whose journals the bare records go to. It never leads in a measurement.
const SILENT: ReplicaId = ReplicaId(1);

/// The memory of one acceptor that bare rounds touch.
struct Acceptor {
    promise: Region,
    lane: Region,
}

/// The lane of the silent proposer at one acceptor, and the layout it follows.
fn lane(cluster: &Cluster, owner: u8) -> Result<(Region, Layout), MeasureError> {
    let config = cluster.builder(owner).config()?;
    let files = Directory::open(&cluster.directory, config.cluster, config.layout).map_err(crate::BuildError::from)?;
    let files = files.sealed(config.seal_mark());
    let area = Area::Lane(SILENT);
    let words = config.layout.words(area);
    // A cluster of one has no silent proposer; nobody polls there either, so any memory is the same.
    let region = if cluster.replicas > 1 {
        Region::open(&files.file(ReplicaId(owner), area), words)?
    } else {
        Region::anonymous(words)?
    };
    Ok((region, config.layout))
}

/// Bare rounds.
pub(in crate::measure) struct ShmFloor {
    acceptors: Vec<Acceptor>,
    layout: Layout,
    /// Words behind the header that a record carries in its cell, or else in the arena.
    inline_words: usize,
    arena_words: usize,
    /// Records of a round, all behind one check.
    records: u64,
    /// The number of the last record.
    seq: u64,
}

impl ShmFloor {
    pub(in crate::measure) fn open(options: &Options, cluster: &Cluster) -> Result<Self, MeasureError> {
        let config = cluster.builder(0).config()?;
        let files =
            Directory::open(&cluster.directory, config.cluster, config.layout).map_err(crate::BuildError::from)?;
        let files = files.sealed(config.seal_mark());
        let open = |owner: ReplicaId| {
            let words = config.layout.words(Area::Promise);
            let promise = Region::open(&files.file(owner, Area::Promise), words)?;
            let (lane, _) = lane(cluster, owner.0)?;
            Ok(Acceptor { promise, lane })
        };
        let acceptors = ReplicaId::all(options.replicas).map(open).collect::<Result<_, MeasureError>>()?;
        let inline = options.batch == 1 && options.payload <= INLINE_BYTES;
        let words = options.payload.div_ceil(8);
        Ok(Self {
            acceptors,
            layout: config.layout,
            inline_words: if inline { words } else { 0 },
            arena_words: if inline { 0 } else { options.batch * (ENTRY_WORDS + words) },
            records: options.outstanding as u64,
            seq: 0,
        })
    }

    #[inline]
    fn store_record(&self, lane: &[AtomicU64], seq: u64) {
        self.store_arena(lane, seq);
        let cell = self.layout.cell(Seq(seq));
        let words = LINE_WORDS + self.inline_words;
        for (at, word) in lane[cell + 1..cell + words].iter().enumerate() {
            word.store(seq + at as u64, Relaxed);
        }
        // Release: a follower that sees the number sees the record (partner: `Reader::poll`).
        lane[cell].store(seq, Release);
    }

    #[inline]
    fn store_arena(&self, lane: &[AtomicU64], seq: u64) {
        if let Some(places) = self.layout.arena_words.checked_div(self.arena_words) {
            let start = self.layout.arena((seq as usize % places * self.arena_words) as u64);
            for word in &lane[start..start + self.arena_words] {
                word.store(seq, Relaxed);
            }
        }
    }
}

impl<F> Floor<F> for ShmFloor {
    /// Stores the records into the memory of every acceptor, the own first, each time followed by the check.
    #[inline]
    fn round(&mut self, _: &mut F) -> Result<(), MeasureError> {
        let first = self.seq + 1;
        self.seq += self.records;
        for acceptor in &self.acceptors {
            let lane = acceptor.lane.words();
            for seq in first..=self.seq {
                self.store_record(lane, seq);
            }
            let promise = &acceptor.promise.words()[0];
            let ballot = promise.load(Relaxed);
            let checked = promise.compare_exchange(ballot, ballot, SeqCst, SeqCst);
            std::hint::black_box(checked.is_ok());
        }
        Ok(())
    }
}

/// A follower's side of the bare rounds: polls for the next record and reads it, as a learner has to.
pub(in crate::measure) struct Reader {
    lane: Region,
    layout: Layout,
    next: u64,
    /// Keeps the reads from being optimised away.
    sum: u64,
}

impl Reader {
    pub(in crate::measure) fn open(cluster: &Cluster, owner: u8) -> Result<Self, MeasureError> {
        let (lane, layout) = lane(cluster, owner)?;
        Ok(Self { lane, layout, next: 1, sum: 0 })
    }
}

impl Counterpart for Reader {
    /// As often as the engine polls for records.
    const TURNS_PER_ENGINE: u32 = 1;

    /// Reads the records that have arrived; true if there were any.
    #[inline]
    fn poll(&mut self) -> Result<bool, MeasureError> {
        let first = self.next;
        loop {
            let cell = self.layout.cell(Seq(self.next));
            let words = &self.lane.words()[cell..cell + CELL_WORDS];
            let found = words[0].load(Acquire);
            if found < self.next || found > self.next + self.layout.cells as u64 * 1024 {
                break;
            }
            // A reader that was overtaken goes on with what is there.
            self.next = found;
            for word in &words[1..] {
                self.sum = self.sum.wrapping_add(word.load(Relaxed));
            }
            self.next += 1;
        }
        std::hint::black_box(self.sum);
        Ok(self.next != first)
    }
}
