//! The keys that were announced, found by their bytes.

use crate::PreparedKey;
use paxon_fastpath::verify::Scheme;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// A key that was announced. Whoever prepares it may be another thread.
pub(crate) struct Entry {
    scheme: Scheme,
    key: Box<[u8]>,
    /// Filled once; [`None`] inside for a key that needs no preparation.
    prepared: OnceLock<Option<PreparedKey>>,
}

impl Entry {
    pub(crate) fn prepare(&self) {
        self.prepared.get_or_init(|| PreparedKey::new(self.scheme, &self.key));
    }

    /// The key, once it is prepared.
    pub(crate) fn prepared(&self) -> Option<&PreparedKey> {
        self.prepared.get()?.as_ref()
    }
}

/// Announced keys, at most a fixed number of them.
pub(crate) struct KeyBook {
    /// By scheme, in the order of [`Scheme::ALL`]: a lookup needs no key of its own making.
    entries: [HashMap<Box<[u8]>, Arc<Entry>>; Scheme::ALL.len()],
    entries_max: usize,
    unprepared: u64,
}

impl KeyBook {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries: Default::default(), entries_max, unprepared: 0 }
    }

    pub(crate) fn find(&self, scheme: Scheme, key: &[u8]) -> Option<&Arc<Entry>> {
        self.entries[place(scheme)?].get(key)
    }

    /// Enters a key. Returns its entry if it is new, of the right length and has room.
    pub(crate) fn enter(&mut self, scheme: Scheme, key: &[u8]) -> Option<Arc<Entry>> {
        if key.len() != scheme.key_bytes() || self.find(scheme, key).is_some() {
            return None;
        }
        if self.entries.iter().map(HashMap::len).sum::<usize>() >= self.entries_max {
            self.unprepared += 1;
            return None;
        }
        let entry = Arc::new(Entry { scheme, key: key.into(), prepared: OnceLock::new() });
        self.entries[place(scheme)?].insert(key.into(), Arc::clone(&entry));
        Some(entry)
    }

    pub(crate) fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        if let Some(place) = place(scheme) {
            self.entries[place].remove(key);
        }
    }

    /// Takes back an entry that nobody can prepare now.
    pub(crate) fn give_up(&mut self, entry: &Entry) {
        self.forget(entry.scheme, &entry.key);
        self.unprepared += 1;
    }

    pub(crate) fn prepared(&self) -> u64 {
        let entries = self.entries.iter().flat_map(HashMap::values);
        entries.filter(|entry| entry.prepared().is_some()).map(|_| 1).sum()
    }

    pub(crate) const fn unprepared(&self) -> u64 {
        self.unprepared
    }
}

fn place(scheme: Scheme) -> Option<usize> {
    Scheme::ALL.iter().position(|&known| known == scheme)
}
