//! Where slots and completions lie: in the device, or in memory of the host.

use crate::bus::HostMemory;
use crate::registers as map;
use crate::slot::Slot;
use std::sync::atomic::Ordering;

/// Slots of the device's own memory.
pub(super) const SLOTS: u16 = 64;
/// Completions of the device's own memory.
pub(super) const COMPLETIONS: u16 = 128;

const SLOT_WORDS: usize = map::SLOT_BYTES as usize / 4;
const COMPLETION_WORDS: usize = map::COMPLETION_BYTES as usize / 4;

pub(super) struct Memory {
    slots: Vec<u32>,
    completions: Vec<u32>,
    host: Option<HostMemory>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let words = |count: u16, words: usize| vec![0; usize::from(count) * words];
        Self { slots: words(SLOTS, SLOT_WORDS), completions: words(COMPLETIONS, COMPLETION_WORDS), host: None }
    }

    pub(super) fn attach(&mut self, host: HostMemory) {
        self.host = Some(host);
    }

    pub(super) fn host(&self) -> Option<HostMemory> {
        self.host.clone()
    }

    /// A host's write somewhere into the window; only slots take it.
    pub(super) fn write(&mut self, address: u32, value: u32) {
        if let Some(word) = word_of(address, map::SLOTS, self.slots.len()) {
            self.slots[word] = value;
        }
    }

    /// A host's read; only completions answer.
    pub(super) fn read(&self, address: u32) -> Option<u32> {
        word_of(address, map::COMPLETIONS, self.completions.len()).map(|word| self.completions[word])
    }

    pub(super) fn slot(&self, index: u16) -> Slot {
        let first = usize::from(index % SLOTS) * SLOT_WORDS;
        slot_of(self.slots[first..first + SLOT_WORDS].iter().flat_map(|word| word.to_le_bytes()))
    }

    pub(super) fn complete(&mut self, index: u16, words: [u32; 4]) {
        let first = usize::from(index % COMPLETIONS) * COMPLETION_WORDS;
        self.completions[first..first + COMPLETION_WORDS].copy_from_slice(&words);
    }

    /// Slot at an address of the device. `None`: the bus answers with an error.
    pub(super) fn host_slot(&self, address: u64) -> Option<Slot> {
        let host = self.host.as_ref()?;
        let first = usize::try_from(address.checked_sub(host.address)? / 8).ok()?;
        let words = host.region.words().get(first..first.checked_add(SLOT_WORDS / 2)?)?;
        Some(slot_of(words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())))
    }

    /// Writes a completion to an address of the device, the cookie first. Whether there is memory.
    pub(super) fn host_complete(&self, address: u64, words: [u32; 4]) -> bool {
        let place = || {
            let host = self.host.as_ref()?;
            let first = usize::try_from(address.checked_sub(host.address)? / 8).ok()?;
            host.region.words().get(first..first.checked_add(2)?)
        };
        let Some([cookie, body]) = place() else { return false };
        cookie.store(u64::from(words[1]) << 32 | u64::from(words[0]), Ordering::Relaxed);
        // The driver's load of the phase, which its acquire fence follows, is the partner.
        body.store(u64::from(words[3]) << 32 | u64::from(words[2]), Ordering::Release);
        true
    }
}

fn word_of(address: u32, base: u32, words: usize) -> Option<usize> {
    let word = address.checked_sub(base)? as usize / 4;
    (word < words).then_some(word)
}

fn slot_of(bytes: impl Iterator<Item = u8>) -> Slot {
    let mut slot = [0; map::SLOT_BYTES as usize];
    for (place, byte) in slot.iter_mut().zip(bytes) {
        *place = byte;
    }
    Slot::from_bytes(slot)
}
