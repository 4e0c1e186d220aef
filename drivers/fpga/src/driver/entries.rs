//! The requests that a driver has taken and not answered: a table of fixed size.

use crate::completion::DeviceVerdict;
use crate::slot::Slot;
use paxon_fastpath::verify::{Request, Scheme, Verdict};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Bits of a cookie that say where in the table its request stands.
const INDEX_BITS: u32 = 16;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: the entry is free.
    Free,
    /// In a slot or in flight.
    Device,
    /// Completed in this poll, not yet believed.
    Answered(DeviceVerdict),
    /// To be given to the software verifier, with the device's verdict if that is to be compared.
    Waiting(Option<Verdict>),
    /// At the software verifier.
    Software(Option<Verdict>),
}

struct Entry {
    /// The caller's.
    ticket: u64,
    place: Place,
    /// Since when the device has it.
    since: Duration,
    /// What the device was given; of no meaning for a request that went to software at once, but for its cookie.
    slot: Slot,
}

/// Invariant: an entry is free, or its index is not in `free`. No two entries in use have the same cookie, and no two requests
/// ever have had: a counter stands in the upper bits.
pub(super) struct Entries {
    entries: Vec<Entry>,
    free: Vec<u16>,
    /// Counts requests from a random number of 32 bits on; the cookie of all ones is years away at any rate that there is.
    count: u64,
    at_device: usize,
    /// Entries that only the driver's own signatures may use.
    reserved: usize,
}

impl Entries {
    pub(super) fn new(capacity: usize, reserved: usize) -> Self {
        let total = u16::try_from(capacity + reserved).expect("the driver bounds its capacity below 65,536");
        let none = Slot::from_bytes([0; 256]);
        let entry = || Entry { ticket: 0, place: Place::Free, since: Duration::ZERO, slot: none };
        let entries = std::iter::repeat_with(entry).take(total.into()).collect();
        // What an earlier driver asked for does not come back as an answer of this one's.
        let count = RandomState::new().hash_one(total) >> 32 | 1;
        Self { entries, free: (0..total).rev().collect(), count, at_device: 0, reserved }
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.len() - self.reserved
    }

    pub(super) fn used(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether a request of the caller finds a place.
    pub(super) fn has_room(&self) -> bool {
        self.free.len() > self.reserved
    }

    /// Requests in slots and in flight.
    pub(super) const fn at_device(&self) -> usize {
        self.at_device
    }

    /// The cookie of the request that is taken next.
    pub(super) fn next_cookie(&self) -> u64 {
        let index = *self.free.last().expect("a request is taken only where there is room");
        self.count << INDEX_BITS | u64::from(index)
    }

    fn take(&mut self, ticket: u64, place: Place, slot: Slot, since: Duration) -> u16 {
        let index = self.free.pop().expect("a request is taken only where there is room");
        self.entries[usize::from(index)] = Entry { ticket, place, since, slot };
        self.count += 1;
        index
    }

    /// The slot's cookie is [`Self::next_cookie`].
    pub(super) fn take_for_device(&mut self, ticket: u64, slot: Slot, now: Duration) {
        self.take(ticket, Place::Device, slot, now);
        self.at_device += 1;
    }

    /// Returns the cookie, for which the software verifier takes it as a ticket.
    pub(super) fn take_for_software(&mut self, ticket: u64) -> u64 {
        let cookie = self.next_cookie();
        let slot = Slot::verify(cookie, &[0; 32], &[0; 64], &[]).expect("the lengths are those of Ed25519");
        self.take(ticket, Place::Software(None), slot, Duration::ZERO);
        cookie
    }

    /// The entry of a cookie, if the cookie is the entry's.
    fn find(&self, cookie: u64) -> Option<u16> {
        let index = cookie as u16;
        let entry = self.entries.get(usize::from(index))?;
        (entry.place != Place::Free && entry.slot.cookie() == cookie).then_some(index)
    }

    /// Gives an entry back that no verifier has taken.
    pub(super) fn free(&mut self, cookie: u64) {
        let index = self.find(cookie).expect("the driver frees what it has just taken");
        self.end(index);
    }

    /// Whether a request in a slot or in flight has this cookie.
    pub(super) fn has_at_device(&self, cookie: u64) -> bool {
        self.find(cookie).is_some_and(|index| self.entries[usize::from(index)].place == Place::Device)
    }

    /// The device has answered a request. `None` if none that is in flight has this cookie.
    pub(super) fn mark_answered(&mut self, cookie: u64, verdict: DeviceVerdict) -> Option<u16> {
        let index = self.find(cookie)?;
        let entry = &mut self.entries[usize::from(index)];
        if entry.place != Place::Device {
            return None;
        }
        entry.place = Place::Answered(verdict);
        self.at_device -= 1;
        Some(index)
    }

    /// What the device has answered in this poll.
    pub(super) fn answer(&self, index: u16) -> DeviceVerdict {
        match self.entries[usize::from(index)].place {
            Place::Answered(verdict) => verdict,
            place => panic!("an entry with an answer is {place:?}"),
        }
    }

    pub(super) fn cookie(&self, index: u16) -> u64 {
        self.entries[usize::from(index)].slot.cookie()
    }

    /// The request goes to the software verifier.
    pub(super) fn wait(&mut self, index: u16, device: Option<Verdict>) {
        let entry = &mut self.entries[usize::from(index)];
        if entry.place == Place::Device {
            self.at_device -= 1;
        }
        entry.place = Place::Waiting(device);
    }

    /// What the software verifier is asked.
    pub(super) fn request(&self, index: u16) -> Request<'_> {
        let slot = &self.entries[usize::from(index)].slot;
        let (key, signature) = (slot.key_bytes(), slot.signature_bytes());
        Request { ticket: slot.cookie(), scheme: Scheme::Ed25519, key, signature, message: slot.message() }
    }

    /// The software verifier has taken it.
    pub(super) fn begin_software(&mut self, index: u16) {
        let place = &mut self.entries[usize::from(index)].place;
        match *place {
            Place::Waiting(device) => *place = Place::Software(device),
            other => panic!("an entry that waits for software is {other:?}"),
        }
    }

    /// The software verifier has a verdict. Returns the caller's ticket, and the device's verdict if that is to be compared.
    ///
    /// # Panics
    /// When the software verifier answers what it was not asked: nothing that follows could be right.
    pub(super) fn end_software(&mut self, cookie: u64) -> (u64, Option<Verdict>) {
        let index = self.find(cookie);
        let place = index.map(|index| (index, self.entries[usize::from(index)].place));
        let Some((index, Place::Software(device))) = place else {
            panic!("the software verifier answers request {cookie:#x}, which it does not have: {place:?}");
        };
        (self.end(index), device)
    }

    /// The entry is free. Returns the caller's ticket.
    pub(super) fn end(&mut self, index: u16) -> u64 {
        let entry = &mut self.entries[usize::from(index)];
        if entry.place == Place::Device {
            self.at_device -= 1;
        }
        entry.place = Place::Free;
        self.free.push(index);
        entry.ticket
    }

    /// What the device has or has answered without being believed, the first taken first.
    pub(super) fn left_at_device(&self) -> Vec<u16> {
        let at = |index: &u16| matches!(self.entries[usize::from(*index)].place, Place::Device | Place::Answered(_));
        let mut left: Vec<_> = (0..self.entries.len() as u16).filter(at).collect();
        left.sort_unstable_by_key(|index| self.cookie(*index));
        left
    }

    /// Since when the device has the request that it has had for longest.
    pub(super) fn oldest_at_device(&self) -> Option<Duration> {
        let at_device = self.entries.iter().filter(|entry| entry.place == Place::Device);
        at_device.map(|entry| entry.since).min()
    }
}
