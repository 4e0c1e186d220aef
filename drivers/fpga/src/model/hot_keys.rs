//! The device's table of keys, as far as a host sees it.

use crate::registers as map;

/// Entries, and the one that is being written. What the words say changes no verdict, so that they are only counted.
pub(super) struct HotTable {
    valid: Vec<bool>,
    selected: u32,
    /// Entry and words so far.
    open: Option<(usize, u32)>,
}

impl HotTable {
    pub(super) fn new(entries: u16) -> Self {
        Self { valid: vec![false; entries.into()], selected: 0, open: None }
    }

    pub(super) const fn selected(&self) -> u32 {
        self.selected
    }

    /// The state of the selected entry. No signature is ever caught in the use of one.
    pub(super) fn state(&self) -> u32 {
        let entry = self.selected as usize;
        let valid = self.valid.get(entry).is_some_and(|valid| *valid);
        let open = self.open.is_some_and(|(open, _)| open == entry);
        let bit = |is: bool, bit: u32| if is { bit } else { 0 };
        bit(valid, map::HOT_STATE_VALID) | bit(open, map::HOT_STATE_OPEN)
    }

    /// Whether there is such an entry; so for all that follow: whether the write was in order.
    pub(super) fn select(&mut self, entry: u32) -> bool {
        self.selected = entry;
        (entry as usize) < self.valid.len()
    }

    pub(super) fn command(&mut self, command: u32) -> bool {
        let entry = self.selected as usize;
        let Some(valid) = self.valid.get_mut(entry) else { return false };
        match command {
            map::HOT_EVICT => {
                *valid = false;
                self.open = self.open.filter(|(open, _)| *open != entry);
                true
            }
            map::HOT_BEGIN if !*valid => {
                self.open = Some((entry, 0));
                true
            }
            map::HOT_COMMIT => {
                *valid |= self.open.take() == Some((entry, map::HOT_TABLE_WORDS));
                *valid
            }
            _ => false,
        }
    }

    /// Word `at` of the open entry: the next, or the entry is closed.
    pub(super) fn write(&mut self, at: u32) -> bool {
        match &mut self.open {
            Some((_, words)) if *words == at && at < map::HOT_TABLE_WORDS => {
                *words += 1;
                true
            }
            _ => {
                self.open = None;
                false
            }
        }
    }
}
