//! The self-test: what the protocol rests on, tried on a device over a loopback connection.

use crate::completion::{CompletionQueue, PollError, Status, WorkCompletion};
use crate::connect::ConnectError;
use crate::create_error::CreateError;
use crate::device::Device;
use crate::memory_region::{ClaimError, MemoryRegion, PeerAccess, RegisterError, RemoteRegion};
use crate::protection_domain::ProtectionDomain;
use crate::queue_pair::{PostError, QueuePair, QueuePairOptions};
use crate::source::{Source, SourceError};
use crate::timing::Timing;
use paxon_region::{Region, RegionError};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::{Duration, Instant};

/// Words of the memory under test.
const WORDS: usize = 512;
/// Words of a record: a journal cell.
const RECORD: usize = 16;
/// The word that exchanges change; a line of its own.
const WORD: usize = 64;
/// A word that plain WRITEs change.
const PLAIN: usize = 128;
/// Where the own sides of operations lie.
const OWN: usize = 256;
const FOUND: usize = 500;
/// Long enough for an emulated device, short enough to end.
const DETECTION: Duration = Duration::from_millis(500);
/// An operation that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the self-test could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the error of the step that its type names")]
pub enum SelfTestError {
    #[error(transparent)]
    Region(#[from] RegionError),
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error(transparent)]
    Poll(#[from] PollError),
    /// An operation failed.
    #[error("an operation over the loopback connection failed: {0}")]
    Operation(String),
    /// An operation did not end.
    #[error("an operation over the loopback connection did not end within {PATIENCE:?}")]
    Stuck,
    /// A compare-and-exchange did not do what it says.
    #[error(
        "a compare-and-exchange of {expected} for {new} found {found} and left {left}: it should have found {should_find} and left {should_leave}"
    )]
    Exchange { expected: u64, new: u64, found: u64, left: u64, should_find: u64, should_leave: u64 },
}

/// What the self-test found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// Chains of a WRITE and an exchange.
    pub rounds: u64,
    /// How often a processor looked meanwhile.
    pub looks: u64,
    /// Of these, how often it saw the exchanged word before the record written before it. Anything but 0 is fatal.
    pub late_records: u64,
    /// How often it saw a word torn that exchanges change. Anything but 0 is fatal.
    pub torn_exchanges: u64,
    /// How often it saw a word torn that plain WRITEs change: records have checksums for that.
    pub torn_writes: u64,
    /// Median time of a chain.
    pub chain_p50: Duration,
    /// Bytes that go inline.
    pub inline_bytes: u32,
}

impl SelfTest {
    /// Runs it on `device` with `rounds` chains (a few thousand take well under a second on hardware).
    ///
    /// # Errors
    /// [`SelfTestError`].
    pub fn run(device: &Arc<Device>, rounds: u64) -> Result<Self, SelfTestError> {
        let mut bench = Bench::on(device)?;
        bench.exchanges()?;
        let stop = AtomicBool::new(false);
        let memory = bench.region.clone();
        let (times, seen) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| watch(&memory, &stop));
            let times = bench.rounds(rounds);
            stop.store(true, Release);
            let seen = watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            times.map(|times| (times, seen))
        })?;
        Ok(Self { rounds, chain_p50: median(times), inline_bytes: bench.queue_pair.inline_bytes(), ..seen })
    }

    /// Whether the device does what the protocol rests on.
    pub const fn is_passed(&self) -> bool {
        self.late_records == 0 && self.torn_exchanges == 0
    }
}

impl Display for SelfTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_passed() { "passed" } else { "FAILED: this device cannot carry the protocol" };
        writeln!(f, "self-test {verdict}")?;
        writeln!(f, "  compare-and-exchange: match and mismatch as they should be")?;
        writeln!(
            f,
            "  WRITE before exchange: {} rounds, {} looks, {} late",
            self.rounds, self.looks, self.late_records
        )?;
        writeln!(f, "  torn reads: {} under exchanges, {} under WRITEs", self.torn_exchanges, self.torn_writes)?;
        writeln!(f, "  chain over loopback: {:?} p50, {} bytes inline", self.chain_p50, self.inline_bytes)
    }
}

/// A queue pair that is its own peer, and the memory that both ends share.
struct Bench {
    queue_pair: QueuePair,
    completions: Arc<CompletionQueue>,
    memory: MemoryRegion,
    there: RemoteRegion,
    region: Arc<Region>,
}

impl Bench {
    fn on(device: &Arc<Device>) -> Result<Self, SelfTestError> {
        let options = QueuePairOptions { send_depth: 32, ..QueuePairOptions::default() };
        let domain = ProtectionDomain::create(device)?;
        let completions = CompletionQueue::create(device, options.send_depth)?;
        let source = Source::find(device, None)?;
        let mut queue_pair = QueuePair::create(&domain, &completions, &source, options)?;
        let own = queue_pair.endpoint();
        queue_pair.connect(&own, Timing::for_detection(DETECTION))?;
        let region = Arc::new(Region::anonymous(WORDS)?);
        let all = PeerAccess { read: true, write: true, atomic: true };
        let memory = MemoryRegion::register(&domain, region.clone(), all)?;
        let there = RemoteRegion::of(memory.claim(), WORDS)?;
        Ok(Self { queue_pair, completions, memory, there, region })
    }

    /// One exchange that matches, one that does not, and one that checks.
    fn exchanges(&mut self) -> Result<(), SelfTestError> {
        for (expected, new, should_find, should_leave) in [(0, 1, 0, 1), (0, 2, 1, 1), (1, 1, 1, 1), (1, 0, 1, 0)] {
            let chain = self.queue_pair.chain(0);
            chain.compare_exchange(self.there.span(WORD, 1), expected, new, self.memory.span(FOUND, 1)).post()?;
            self.finish()?;
            let (found, left) = (self.load(FOUND), self.load(WORD));
            if (found, left) != (should_find, should_leave) {
                return Err(SelfTestError::Exchange { expected, new, found, left, should_find, should_leave });
            }
        }
        Ok(())
    }

    /// Writes a record, a plain word, and exchanges a word, all for the number of the round spread over all their bytes.
    fn rounds(&mut self, rounds: u64) -> Result<Vec<Duration>, SelfTestError> {
        let mut times = Vec::new();
        for round in 1..=rounds {
            let value = pattern(round);
            for own in &self.memory.words()[OWN..][..RECORD] {
                own.store(value, Relaxed);
            }
            let started = Instant::now();
            self.queue_pair
                .chain(round)
                .write(self.memory.span(OWN, RECORD), self.there.span(0, RECORD))
                .write(self.memory.span(OWN, 1), self.there.span(PLAIN, 1))
                .compare_exchange(self.there.span(WORD, 1), pattern(round - 1), value, self.memory.span(FOUND, 1))
                .post()?;
            self.finish()?;
            times.push(started.elapsed());
        }
        Ok(times)
    }

    fn finish(&mut self) -> Result<(), SelfTestError> {
        let (mut batch, deadline) = ([WorkCompletion::default()], Instant::now() + PATIENCE);
        while self.completions.poll(&mut batch)? == 0 {
            if Instant::now() > deadline {
                return Err(SelfTestError::Stuck);
            }
            std::thread::yield_now();
        }
        let completions = &self.completions;
        let explain = |_: Status| SelfTestError::Operation(completions.explain(&batch[0]));
        self.queue_pair.retire(&batch[0]).map_err(explain)
    }

    fn load(&self, word: usize) -> u64 {
        self.memory.words()[word].load(Relaxed)
    }
}

/// A number whose bytes are all the same, so that a torn word is told from a whole one. Grows with `round` for 255 rounds,
/// and then starts over.
const fn pattern(round: u64) -> u64 {
    (round % 256) * 0x0101_0101_0101_0101
}

/// Looks on as a follower does, until told to stop.
fn watch(memory: &Region, stop: &AtomicBool) -> SelfTest {
    let mut seen = SelfTest {
        rounds: 0,
        looks: 0,
        late_records: 0,
        torn_exchanges: 0,
        torn_writes: 0,
        chain_p50: Duration::ZERO,
        inline_bytes: 0,
    };
    while !stop.load(Relaxed) {
        let words = memory.words();
        // Partner: the device's own order of a WRITE and the exchange behind it.
        let exchanged = words[WORD].load(Acquire);
        let record = words[0..RECORD].iter().map(|word| word.load(Relaxed) as u8);
        let plain = words[PLAIN].load(Relaxed);
        // Rounds go on meanwhile, so a record may be ahead; of half the numbers of a byte it counts as behind.
        let late = record.filter(|byte| byte.wrapping_sub(exchanged as u8) >= 128).count();
        seen.looks += 1;
        seen.late_records += u64::from(late > 0);
        seen.torn_exchanges += u64::from(exchanged != pattern(exchanged & 0xff));
        seen.torn_writes += u64::from(plain != pattern(plain & 0xff));
        std::thread::yield_now();
    }
    seen
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_repeat_one_byte() {
        assert_eq!((pattern(0), pattern(1), pattern(255)), (0, 0x0101_0101_0101_0101, u64::MAX));
        assert_eq!(pattern(257), pattern(1));
        assert_ne!(pattern(3), pattern(3) + 1, "a word of two patterns is none");
    }

    #[test]
    fn the_median_of_nothing_is_zero() {
        assert_eq!(median(vec![]), Duration::ZERO);
        assert_eq!(median([5, 1, 3].map(Duration::from_nanos).to_vec()), Duration::from_nanos(3));
    }
}
