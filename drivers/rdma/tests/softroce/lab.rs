//! Two ends of a connection in one process, each on a device of its own.

use paxon_rdma::{
    CompletionQueue, Device, LocalSpan, MemoryRegion, PeerAccess, ProtectionDomain, QueuePair, QueuePairOptions,
    RemoteRegion, RemoteSpan, Source, Status, Timing, WorkCompletion,
};
use paxon_region::Region;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Words of each end's memory: two pages, so that an operation can leave the first without leaving the mapping.
pub const WORDS: usize = 1024;
pub const ALL: PeerAccess = PeerAccess { read: true, write: true, atomic: true };
/// Soon enough for tests of dead peers, late enough for an emulated peer that is well.
pub const TIMING: Timing = Timing::new(12, 3).expect("numbers in range");
/// A wait for a completion that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The devices under test, in the order of their names; at least two.
pub fn devices() -> Vec<Arc<Device>> {
    let mut names = Device::names().expect("RDMA devices: run these tests through drivers/rdma/softroce-vm");
    names.sort();
    assert!(names.len() >= 2, "two devices are needed, there are {names:?}");
    names.iter().map(|name| Device::open(name).expect("a device that is listed can be opened")).collect()
}

/// Memory that no other test sees.
pub fn memory() -> Arc<Region> {
    Arc::new(Region::anonymous(WORDS).expect("two pages of memory"))
}

/// One end: a queue pair with a protection domain, a completion queue and memory of its own.
pub struct End {
    pub queue_pair: QueuePair,
    pub completions: Arc<CompletionQueue>,
    pub memory: MemoryRegion,
    pub region: Arc<Region>,
    pub domain: Arc<ProtectionDomain>,
    next_id: u64,
}

impl End {
    pub fn on(device: &Arc<Device>, access: PeerAccess, options: QueuePairOptions) -> Self {
        let domain = ProtectionDomain::create(device).expect("a domain");
        let completions = CompletionQueue::create(device, 2 * options.send_depth).expect("a completion queue");
        let source = Source::find(device, None).expect("an address");
        let queue_pair = QueuePair::create(&domain, &completions, &source, options).expect("a queue pair");
        let region = memory();
        let memory = MemoryRegion::register(&domain, region.clone(), access).expect("registered memory");
        Self { queue_pair, completions, memory, region, domain, next_id: 1 }
    }

    /// A name for a chain.
    pub fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The next completion.
    pub fn completion(&self) -> WorkCompletion {
        let (mut batch, deadline) = ([WorkCompletion::default()], Instant::now() + PATIENCE);
        while self.completions.poll(&mut batch).expect("a working device") == 0 {
            assert!(Instant::now() < deadline, "no completion for {PATIENCE:?}");
            std::thread::yield_now();
        }
        batch[0]
    }

    /// Waits for the end of the oldest chain.
    pub fn finish(&mut self) -> Result<u64, Status> {
        let completion = self.completion();
        self.queue_pair.retire(&completion).map(|()| completion.id())
    }

    /// Makes a fresh queue pair in the place of the old one, which is destroyed with its completions.
    pub fn renew(&mut self) {
        self.replace();
        while self.completions.poll(&mut [WorkCompletion::default(); 16]).expect("a working device") > 0 {}
    }

    fn replace(&mut self) {
        let source = Source::find(self.domain.device(), None).expect("an address");
        let options = QueuePairOptions::default();
        self.queue_pair = QueuePair::create(&self.domain, &self.completions, &source, options).expect("a queue pair");
    }

    pub fn store(&self, start: usize, values: &[u64]) {
        for (word, &value) in self.memory.words()[start..].iter().zip(values) {
            word.store(value, Relaxed);
        }
    }

    pub fn load(&self, start: usize, words: usize) -> Vec<u64> {
        self.memory.words()[start..][..words].iter().map(|word| word.load(Relaxed)).collect()
    }
}

/// Two connected ends. The tests look from `a` to `b`.
pub struct Pair {
    pub a: End,
    pub b: End,
    /// The memory of `b` as `a` knows it.
    pub there: RemoteRegion,
}

impl Pair {
    pub fn connected() -> Self {
        Self::with(ALL, QueuePairOptions::default())
    }

    /// `access` is what `a` may do with the memory of `b`.
    pub fn with(access: PeerAccess, options: QueuePairOptions) -> Self {
        let devices = devices();
        let (mut a, mut b) = (End::on(&devices[0], ALL, options), End::on(&devices[1], access, options));
        connect(&mut a.queue_pair, &mut b.queue_pair, TIMING);
        let there = RemoteRegion::of(b.memory.claim(), WORDS).expect("a true claim");
        Self { a, b, there }
    }

    /// WRITEs the words of `a` to the same place of `b`.
    pub fn write(&mut self, start: usize, words: usize) -> Result<u64, Status> {
        let id = self.a.id();
        let (from, to) = (self.a.memory.span(start, words), self.there.span(start, words));
        self.a.queue_pair.chain(id).write(from, to).post().expect("room for a chain");
        self.a.finish()
    }

    /// Exchanges a word of `b` and returns what was found.
    pub fn exchange(&mut self, word: usize, expected: u64, new: u64) -> Result<u64, Status> {
        let id = self.a.id();
        let (at, found) = (self.there.span(word, 1), self.a.memory.span(WORDS - 1, 1));
        self.a.queue_pair.chain(id).compare_exchange(at, expected, new, found).post().expect("room for a chain");
        self.a.finish().map(|_| self.a.load(WORDS - 1, 1)[0])
    }

    /// Posts one operation that must fail, and returns how.
    pub fn failure(&mut self, from: usize, words: usize, to: RemoteSpan) -> Status {
        let id = self.a.id();
        let from: LocalSpan<'_> = self.a.memory.span(from, words);
        self.a.queue_pair.chain(id).write(from, to).post().expect("room for a chain");
        self.a.finish().expect_err("the operation must fail")
    }

    /// Lets this pair's `a` reach the memory of `other`'s `b` instead, with all rights.
    pub fn reach(&mut self, other: &Self) {
        let shared = MemoryRegion::register(&self.b.domain, other.b.region.clone(), ALL).expect("registered memory");
        self.there = RemoteRegion::of(shared.claim(), WORDS).expect("a true claim");
        self.b.memory = shared;
    }

    /// Connects both ends anew.
    pub fn reconnect(&mut self) {
        self.a.renew();
        self.b.renew();
        connect(&mut self.a.queue_pair, &mut self.b.queue_pair, TIMING);
    }
}

pub fn connect(a: &mut QueuePair, b: &mut QueuePair, timing: Timing) {
    let (at_a, at_b) = (a.endpoint(), b.endpoint());
    a.connect(&at_b, timing).expect("a connects to b");
    b.connect(&at_a, timing).expect("b connects to a");
}
