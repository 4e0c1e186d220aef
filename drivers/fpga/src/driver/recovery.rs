//! What comes of completions, and of a device that fails.

use super::fault::Fault;
use super::{Condition, Driver, probe};
use crate::bus::Bus;
use crate::completion::DeviceVerdict;
use paxon_fastpath::verify::{Verdict, Verified};

/// Sound verdicts after which the faults before them do not count any more.
pub(super) const FORGIVEN_AFTER: u32 = 1_000;

impl<B: Bus> Driver<B> {
    /// Takes completions, believes them or does not, and looks for what is overdue.
    pub(super) fn poll_device(&mut self, verdicts: &mut Vec<Verified>) {
        if self.entries.at_device() == 0 {
            return;
        }
        if let Err(fault) = self.collect() {
            return self.fail(fault);
        }
        self.queue.acknowledge();
        let unverified = self.count_unverified();
        self.deliver(verdicts);
        let fault = unverified.or_else(|| self.overdue());
        if let Some(fault) = fault {
            self.fail(fault);
        }
    }

    /// Takes the completions that are there, at least looking as often as the settings say.
    fn collect(&mut self) -> Result<(), Fault> {
        let mut looks = 0;
        loop {
            let more = self.take_completions()?;
            if more || looks > self.settings.spins {
                return Ok(());
            }
            looks += 1;
            self.queue.pause();
        }
    }

    /// Takes every completion that is there. Whether there was one.
    fn take_completions(&mut self) -> Result<bool, Fault> {
        let mut any = false;
        // One look more than there can be completions finds one that was not asked for.
        for _ in 0..=self.entries.at_device() {
            let entries = &self.entries;
            let Some((index, completion)) = self.queue.take(|cookie| entries.has_at_device(cookie))? else { break };
            any = true;
            let cookie = completion.cookie;
            let unasked = Fault::Unasked { index, cookie };
            let entry = self.entries.mark_answered(cookie, completion.verdict).ok_or(unasked)?;
            let Some(expected) = self.probe.answered(cookie) else {
                self.answered.push(entry);
                continue;
            };
            self.entries.end(entry);
            self.check_probe(completion.verdict, expected)?;
        }
        if self.condition == Condition::Probing && self.probe.is_over() {
            self.condition = Condition::Serving;
            log::info!("fpga verifier {}: in service", self.place);
        }
        Ok(any)
    }

    fn check_probe(&mut self, answer: DeviceVerdict, expected: Verdict) -> Result<(), Fault> {
        let found = match answer {
            DeviceVerdict::Valid => Verdict::Valid,
            DeviceVerdict::Invalid => Verdict::Invalid,
            DeviceVerdict::Malformed => return Err(Fault::Malformed),
            DeviceVerdict::Aborted => return Err(Fault::Aborted { count: 1, error: self.queue.error() }),
        };
        if found == expected { Ok(()) } else { Err(Fault::Probe { found, expected }) }
    }

    /// The fault that lies in requests which came back without a verdict.
    fn count_unverified(&mut self) -> Option<Fault> {
        let answers = self.answered.iter().map(|index| self.entries.answer(*index));
        let (mut aborted, mut malformed) = (0, false);
        for answer in answers {
            aborted += usize::from(answer == DeviceVerdict::Aborted);
            malformed |= answer == DeviceVerdict::Malformed;
        }
        if malformed {
            return Some(Fault::Malformed);
        }
        (aborted > 0).then(|| Fault::Aborted { count: aborted, error: self.queue.error() })
    }

    /// Whether a request has been at the device for too long.
    fn overdue(&mut self) -> Option<Fault> {
        let now = (self.clock)();
        if now < self.deadline {
            return None;
        }
        let Some(oldest) = self.entries.oldest_at_device() else {
            self.deadline = std::time::Duration::MAX;
            return None;
        };
        self.deadline = oldest.saturating_add(self.settings.timeout);
        let waited = now.saturating_sub(oldest);
        (now >= self.deadline).then(|| Fault::TimedOut { waited, outstanding: self.entries.at_device() })
    }

    /// Takes everything from the device and resets it, or ends its service.
    pub(super) fn fail(&mut self, fault: Fault) {
        if self.condition == Condition::Retired {
            return;
        }
        // All ones look like garbage, an unknown cookie or silence: what is so, MAGIC says.
        let fault = if !matches!(fault, Fault::Mismatch { .. }) && self.queue.is_gone() { Fault::Gone } else { fault };
        let left = self.take_back();
        self.strikes = if self.sound >= FORGIVEN_AFTER { 1 } else { self.strikes + 1 };
        self.sound = 0;
        self.counters.faults += 1;
        self.counters.timeouts += u64::from(matches!(fault, Fault::TimedOut { .. }));
        self.counters.reverified += left as u64;
        self.fault = Some(fault);
        if fault != Fault::Gone {
            self.queue.reset();
        }
        if fault.is_final() || self.strikes >= self.settings.faults_max {
            self.condition = Condition::Retired;
            log::error!(
                "fpga verifier {}: OUT OF SERVICE after {} fault(s): {fault}; {left} request(s) are verified in software now, and all that follow",
                self.place,
                self.strikes
            );
        } else {
            self.condition = Condition::Resetting;
            self.reset_at = (self.clock)();
            log::warn!(
                "fpga verifier {}: fault {} of {}: {fault}; reset, {left} request(s) are verified in software meanwhile",
                self.place,
                self.strikes,
                self.settings.faults_max
            );
        }
    }

    /// Gives everything that the device has to software. Returns how many requests that is.
    fn take_back(&mut self) -> usize {
        self.answered.clear();
        let mut count = 0;
        for index in self.entries.left_at_device() {
            if self.probe.forget(self.entries.cookie(index)) {
                self.entries.end(index);
            } else {
                self.entries.wait(index, None);
                self.waiting.push_back(index);
                count += 1;
            }
        }
        self.deadline = std::time::Duration::MAX;
        count
    }

    /// A look at a reset that goes on: when it is over the device is probed.
    pub(super) fn go_on_with_reset(&mut self) {
        let status = self.queue.status();
        if status != 0 {
            let waited = (self.clock)().saturating_sub(self.reset_at);
            if status == u32::MAX || waited >= self.settings.timeout {
                self.fail(Fault::ResetTimedOut { waited, status });
            } else {
                self.queue.pause();
            }
            return;
        }
        match self.queue.start() {
            Ok(()) => self.begin_probe(),
            Err(fault) => self.fail(fault),
        }
    }

    fn begin_probe(&mut self) {
        self.hot_keys.restart(self.queue.bus_mut());
        let now = (self.clock)();
        for which in 0..probe::COUNT {
            let slot = self.probe.slot(which, self.entries.next_cookie());
            self.entries.take_for_device(0, slot, now);
            self.queue.put(&slot);
        }
        self.queue.ring();
        self.deadline = now.saturating_add(self.settings.timeout);
        self.condition = Condition::Probing;
        self.counters.resets += u64::from(self.fault.is_some());
    }
}
