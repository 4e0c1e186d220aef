//! The verifier: requests to the device as long as it is sound, to software otherwise, exactly one verdict for each.
//!
//! * **What the device gets**: Ed25519 with key and signature of the right length and a message that stands in a slot (128
//!   bytes). Everything else goes to the software verifier, so that `supports` and `message_bytes_max` are those of the software.
//! * **What is believed**: a completion whose every bit a sound device could have written, for a request that is in flight. The
//!   verdicts of one poll are handed out together or, if one completion among them is wrong, not at all. A share of the verdicts
//!   is compared with software before it is handed out.
//! * **What happens on a fault**: everything in flight is verified in software; the device is reset and has to verify two
//!   signatures of the driver's own before it gets requests again. A wrong verdict, a device that is gone, and the third fault
//!   in a row take it out of service for good.
//! * **Time**: the clock is given by the caller and asked once in a submit or a poll with requests at the device. Nothing blocks.

mod counters;
mod entries;
mod fault;
mod hot_keys;
mod probe;
mod queue;
mod recovery;
mod sampler;

pub use counters::Counters;
pub use fault::Fault;

use crate::bus::Bus;
use crate::completion::DeviceVerdict;
use crate::identity::{Identity, OpenError};
use crate::slot::Slot;
use entries::Entries;
use hot_keys::{HotKeys, Step};
use paxon_fastpath::verify::{Request, Ruleset, Scheme, Verdict, Verified, Verifier};
use probe::Probe;
use queue::Queue;
use sampler::Sampler;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Requests that are handed to the software verifier in one call.
const SOFTWARE_BATCH: usize = 64;

/// Most requests of the software verifier that are counted on: a bound for the driver's memory.
const SOFTWARE_CAPACITY_MAX: usize = 4_096;

/// Most requests that are counted on at the device: half a queue of free-running 16-bit indices leaves nothing ambiguous.
const DEVICE_CAPACITY_MAX: usize = 1_024;

/// How a driver treats its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A request that the device has had for so long makes it a fault.
    pub timeout: Duration,
    /// The lowest clock of the device in hertz. With the capabilities it says how many requests the device can have without one
    /// of them waiting for half the time-out.
    pub clock_hz: u64,
    /// Of 1,000 verdicts so many are compared with software before they are handed out.
    pub sample_per_mille: u16,
    /// Chooses which verdicts are compared.
    pub sample_seed: u64,
    /// So many times a poll that found nothing looks again.
    pub spins: u32,
    /// So many faults, with fewer than 1,000 sound verdicts between one and the next, end the device's service.
    pub faults_max: u32,
    /// Cycles after which the device resets itself; 0 never, since the driver's own time-out does the same.
    pub watchdog_cycles: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(5),
            clock_hz: 100_000_000,
            sample_per_mille: 10,
            sample_seed: 1,
            spins: 0,
            faults_max: 3,
            watchdog_cycles: 0,
        }
    }
}

/// What a driver does with its device at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The device is being reset; requests are verified in software.
    Resetting,
    /// The device has to verify the driver's own signatures; requests are verified in software.
    Probing,
    /// The device verifies requests.
    Serving,
    /// The device is out of service; requests are verified in software.
    Retired,
}

/// A time since any moment that does not move.
type Clock = Box<dyn FnMut() -> Duration + Send>;

/// Drives one device. The module's documentation says what it promises.
pub struct Driver<B: Bus> {
    queue: Queue<B>,
    place: String,
    identity: Identity,
    settings: Settings,
    software: Box<dyn Verifier + Send>,
    clock: Clock,
    condition: Condition,
    entries: Entries,
    /// Entries that the software verifier has to get; each of them is [`Place::Waiting`].
    waiting: VecDeque<u16>,
    /// Entries whose completions this poll found; each of them is [`Place::Answered`].
    answered: Vec<u16>,
    /// Verdicts of the software verifier of this poll.
    software_verdicts: Vec<Verified>,
    /// Most requests at the device.
    window: usize,
    /// No request at the device is too old before this moment.
    deadline: Duration,
    /// When the reset began that goes on.
    reset_at: Duration,
    /// Faults that were followed by fewer than [`recovery::FORGIVEN_AFTER`] sound verdicts.
    strikes: u32,
    /// Sound verdicts since the last fault.
    sound: u32,
    probe: Probe,
    sampler: Sampler,
    hot_keys: HotKeys,
    counters: Counters,
    fault: Option<Fault>,
}

impl<B: Bus> Driver<B> {
    /// Looks at what stands behind the bus and begins to reset it; polls do the rest, and until then `software` verifies. Time is
    /// that of the monotonic clock.
    ///
    /// # Errors
    /// [`OpenError`] when there is no device that this driver can use, or `software` could not stand in for it.
    pub fn open(bus: B, software: Box<dyn Verifier + Send>, settings: Settings) -> Result<Self, OpenError> {
        let start = Instant::now();
        Self::open_with_clock(bus, software, settings, move || start.elapsed())
    }

    /// The same with a clock of the caller, which tells the time since any moment that does not move.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_clock(
        mut bus: B,
        software: Box<dyn Verifier + Send>,
        settings: Settings,
        mut clock: impl FnMut() -> Duration + Send + 'static,
    ) -> Result<Self, OpenError> {
        if !software.supports(Scheme::Ed25519) {
            return Err(OpenError::Software);
        }
        let identity = Identity::read(&mut bus)?;
        let place = bus.place();
        log::info!("fpga verifier {place}: {identity}");
        let mut queue = Queue::new(bus, &identity, settings.watchdog_cycles);
        queue.reset();
        let window = window(&identity, &settings);
        let capacity = window + software.capacity().min(SOFTWARE_CAPACITY_MAX);
        Ok(Self {
            queue,
            place,
            identity,
            settings,
            software,
            condition: Condition::Resetting,
            entries: Entries::new(capacity, probe::COUNT),
            waiting: VecDeque::with_capacity(capacity + probe::COUNT),
            answered: Vec::with_capacity(capacity + probe::COUNT),
            software_verdicts: Vec::with_capacity(capacity),
            window,
            deadline: Duration::MAX,
            reset_at: clock(),
            clock: Box::new(clock),
            strikes: 0,
            sound: 0,
            probe: Probe::new(),
            sampler: Sampler::new(settings.sample_per_mille, settings.sample_seed),
            hot_keys: HotKeys::new(identity.hot_keys),
            counters: Counters::default(),
            fault: None,
        })
    }

    /// Gives a device that has entries for them the tables of keys that are [prepared](Verifier::prepare). `make` computes the
    /// table of a key on a thread of its own: the elements in the order of writing, the key last; `None` for a key that has none.
    /// A device without hot keys never asks.
    pub fn with_tables(mut self, make: impl FnMut(&[u8; 32]) -> Option<Vec<[u8; 32]>> + Send + 'static) -> Self {
        self.hot_keys.make_tables_by(make);
        self
    }

    /// What the device says of itself.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the driver does with its device at the moment.
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// What was counted since the driver was opened.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The last fault of the device.
    pub const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The bus, for tests that break the device.
    pub const fn bus_mut(&mut self) -> &mut B {
        self.queue.bus_mut()
    }

    /// Requests of the caller that are under way.
    pub fn under_way(&self) -> usize {
        self.entries.used() - self.probe.pending()
    }

    /// Whether the device may have this request, as far as the request goes.
    fn is_for_device(request: &Request<'_>) -> bool {
        request.scheme == Scheme::Ed25519 && Slot::fits(request.key, request.signature, request.message)
    }

    /// Fills slots with requests from the front, as many as there is room for.
    fn submit_to_device(&mut self, requests: &[Request<'_>], now: Duration) -> usize {
        let mut taken = 0;
        for request in requests {
            let room = self.entries.has_room() && self.entries.at_device() < self.window && self.queue.has_room();
            if !room || request.scheme != Scheme::Ed25519 {
                break;
            }
            let cookie = self.entries.next_cookie();
            let Some(slot) = Slot::verify(cookie, request.key, request.signature, request.message) else { break };
            self.entries.take_for_device(request.ticket, slot, now);
            self.queue.put(&slot);
            taken += 1;
        }
        if taken > 0 {
            self.deadline = self.deadline.min(now.saturating_add(self.settings.timeout));
            self.counters.to_device += taken as u64;
        }
        taken
    }

    /// Hands requests from the front to the software verifier; those that are for the device end the run.
    fn submit_to_software(&mut self, requests: &[Request<'_>]) -> usize {
        let serving = self.condition == Condition::Serving;
        // Those that the device left behind came first.
        if !self.waiting.is_empty() {
            return 0;
        }
        let mut batch: SmallVec<[Request<'_>; SOFTWARE_BATCH]> = SmallVec::new();
        for request in requests.iter().take(SOFTWARE_BATCH) {
            if !self.entries.has_room() || (serving && Self::is_for_device(request)) {
                break;
            }
            let ticket = self.entries.take_for_software(request.ticket);
            batch.push(Request { ticket, ..*request });
        }
        let taken = self.software.submit(&batch);
        for request in &batch[taken..] {
            self.entries.free(request.ticket);
        }
        self.counters.to_software += taken as u64;
        taken
    }

    /// What the software verifier has to say: verdicts for the caller, and whether the device was right.
    fn poll_software(&mut self, verdicts: &mut Vec<Verified>) {
        let mut found = std::mem::take(&mut self.software_verdicts);
        self.software.poll(&mut found);
        for verified in found.drain(..) {
            let (ticket, device) = self.entries.end_software(verified.ticket);
            verdicts.push(Verified { ticket, verdict: verified.verdict });
            match device {
                Some(verdict) if verdict != verified.verdict => {
                    self.counters.mismatches += 1;
                    self.fail(Fault::Mismatch { ticket, device: verdict, software: verified.verdict });
                }
                Some(_) => self.counters.sampled += 1,
                None => {}
            }
        }
        self.software_verdicts = found;
    }

    /// Gives the software verifier what waits for it, as far as it has room.
    fn hand_to_software(&mut self) {
        while !self.waiting.is_empty() {
            let (entries, waiting) = (&self.entries, &self.waiting);
            let batch: SmallVec<[Request<'_>; SOFTWARE_BATCH]> =
                waiting.iter().take(SOFTWARE_BATCH).map(|index| entries.request(*index)).collect();
            let taken = self.software.submit(&batch);
            drop(batch);
            for index in self.waiting.drain(..taken) {
                self.entries.begin_software(index);
            }
            if taken == 0 {
                break;
            }
        }
    }

    /// Goes on with the table of a key.
    fn load_tables(&mut self) {
        if self.condition != Condition::Serving {
            return;
        }
        match self.hot_keys.step(self.queue.bus_mut()) {
            Step::Quiet => {}
            Step::Loaded => self.counters.tables += 1,
            Step::Refused(entry) => {
                log::warn!(
                    "fpga verifier {}: the device takes no table for entry {entry}: its key stays without",
                    self.place
                );
            }
        }
    }

    /// Hands out what this poll found.
    fn deliver(&mut self, verdicts: &mut Vec<Verified>) {
        for index in self.answered.drain(..) {
            let verdict = match self.entries.answer(index) {
                DeviceVerdict::Valid => Verdict::Valid,
                DeviceVerdict::Invalid => Verdict::Invalid,
                DeviceVerdict::Malformed | DeviceVerdict::Aborted => {
                    self.entries.wait(index, None);
                    self.waiting.push_back(index);
                    self.counters.reverified += 1;
                    continue;
                }
            };
            self.sound = self.sound.saturating_add(1);
            if self.sampler.chooses() {
                self.entries.wait(index, Some(verdict));
                self.waiting.push_back(index);
            } else {
                let ticket = self.entries.end(index);
                self.counters.by_device += 1;
                verdicts.push(Verified { ticket, verdict });
            }
        }
    }
}

impl<B: Bus> Verifier for Driver<B> {
    fn ruleset(&self) -> Ruleset {
        Ruleset::STRICT
    }

    fn supports(&self, scheme: Scheme) -> bool {
        self.software.supports(scheme)
    }

    fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    fn message_bytes_max(&self) -> usize {
        self.software.message_bytes_max()
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        self.hand_to_software();
        let serving = self.condition == Condition::Serving;
        let now = if serving { (self.clock)() } else { Duration::ZERO };
        let mut taken = 0;
        while taken < requests.len() && self.entries.has_room() {
            let rest = &requests[taken..];
            let more = if serving && Self::is_for_device(&rest[0]) {
                self.submit_to_device(rest, now)
            } else {
                self.submit_to_software(rest)
            };
            if more == 0 {
                break;
            }
            taken += more;
        }
        if self.queue.ring() {
            self.counters.doorbells += 1;
        }
        taken
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        let before = verdicts.len();
        self.poll_software(verdicts);
        match self.condition {
            Condition::Retired => {}
            Condition::Resetting => self.go_on_with_reset(),
            Condition::Probing | Condition::Serving => self.poll_device(verdicts),
        }
        self.hand_to_software();
        self.load_tables();
        verdicts.len() - before
    }

    fn prepare(&mut self, scheme: Scheme, key: &[u8]) {
        self.software.prepare(scheme, key);
        if scheme == Scheme::Ed25519 {
            self.hot_keys.prepare(key);
        }
    }

    fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        self.software.forget(scheme, key);
        if scheme == Scheme::Ed25519
            && let Some(entry) = self.hot_keys.forget(key)
            && self.condition == Condition::Serving
        {
            self.hot_keys.evict(self.queue.bus_mut(), entry);
        }
    }
}

/// How many requests the device may have: none of them waits for more than half the time-out, but each engine has two.
fn window(identity: &Identity, settings: &Settings) -> usize {
    let cycles = (settings.timeout.as_nanos() / 2).saturating_mul(settings.clock_hz.into()) / 1_000_000_000;
    let in_time = cycles.saturating_mul(identity.engines.into()) / u128::from(identity.cycles_per_signature());
    let least = 2 * usize::from(identity.engines);
    let most = (identity.in_flight as usize).clamp(least, DEVICE_CAPACITY_MAX);
    usize::try_from(in_time).unwrap_or(usize::MAX).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Shape};

    #[test]
    fn a_device_has_as_many_requests_as_it_can_answer_in_half_the_time_out() {
        let requests = |shape, settings| {
            let identity = Identity::read(&mut Model::new(shape)).expect("a model is a device");
            window(&identity, &settings)
        };
        let default = Settings::default();
        // 2.5 ms at 100 MHz are 250,000 cycles.
        assert_eq!(requests(Shape::zynq7020(), default), 250_000 / 2_919);
        assert_eq!(requests(Shape::compact(), default), 250_000 / (11 * 2_919));
        assert_eq!(requests(Shape::pair(), Settings { clock_hz: 250_000_000, ..default }), 128);
        assert_eq!(requests(Shape::pair(), Settings { timeout: Duration::from_micros(1), ..default }), 4);
    }
}
