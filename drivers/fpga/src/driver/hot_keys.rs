//! Keys whose tables the device holds, so that their signatures take a fraction of the work.
//!
//! A table is computed on a thread of its own and written a few words in each poll. As many keys have one as the device has entries,
//! those that were announced first; the others are verified without, with the same verdict. After a reset every table is
//! written anew.

use crate::bus::Bus;
use crate::registers as map;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Words that one poll writes: some microseconds of uncached stores.
const WORDS_PER_STEP: usize = 64;

/// Tables that the thread makes before one of them is taken: 49 KB each.
const TABLES_AHEAD: usize = 2;

/// So often a table is written that the device does not take.
const TRIES: u32 = 3;

type Key = [u8; 32];
/// Elements of 32 bytes, in the order of writing; the key is the last.
type Table = Vec<[u8; 32]>;

/// Where the load of a table stands.
enum Stage {
    /// The entry was evicted and may still be in use.
    Evicting,
    /// So many words are written.
    Writing(usize),
    /// The device was told that the table is complete.
    Committed,
}

struct Loading {
    entry: usize,
    table: Table,
    stage: Stage,
    tries: u32,
}

/// The thread that computes tables. It ends when `keys` is dropped.
struct Maker {
    keys: SyncSender<(usize, Key)>,
    tables: Receiver<(usize, Key, Option<Table>)>,
}

/// What a step came to.
pub(super) enum Step {
    /// Nothing that a counter would tell of.
    Quiet,
    /// One more key has its table.
    Loaded,
    /// The device does not take a table: its key stays without.
    Refused(usize),
}

pub(super) struct HotKeys {
    maker: Option<Maker>,
    /// The key of each entry: its table is there or on its way.
    entries: Vec<Option<Key>>,
    loading: Option<Loading>,
    ready: VecDeque<(usize, Table)>,
}

impl HotKeys {
    pub(super) fn new(entries: u16) -> Self {
        Self { maker: None, entries: vec![None; entries.into()], loading: None, ready: VecDeque::new() }
    }

    /// Starts the thread, if the device has a use for it.
    pub(super) fn make_tables_by(&mut self, mut make: impl FnMut(&Key) -> Option<Table> + Send + 'static) {
        if self.entries.is_empty() {
            return;
        }
        let (keys, asked) = sync_channel::<(usize, Key)>(2 * self.entries.len());
        let (made, tables) = sync_channel(TABLES_AHEAD);
        let work = move || {
            for (entry, key) in asked {
                let table = make(&key);
                if made.send((entry, key, table)).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("paxon-fpga-keys".to_owned()).spawn(work) {
            Ok(_detached) => self.maker = Some(Maker { keys, tables }),
            Err(error) => log::warn!("fpga verifier: no thread for tables of hot keys, keys stay without: {error}"),
        }
    }

    /// Wants a table for a key, if an entry is free.
    pub(super) fn prepare(&mut self, key: &[u8]) {
        let (Ok(key), true) = (Key::try_from(key), self.maker.is_some()) else { return };
        if self.entries.contains(&Some(key)) {
            return;
        }
        if let Some(entry) = self.entries.iter().position(Option::is_none) {
            self.entries[entry] = Some(key);
            self.ask(entry, key);
        }
    }

    /// Has a table made. When the thread is behind by twice the entries, or has panicked, the key stays without.
    fn ask(&mut self, entry: usize, key: Key) {
        let asked = self.maker.as_ref().is_some_and(|maker| maker.keys.try_send((entry, key)).is_ok());
        if !asked {
            self.entries[entry] = None;
        }
    }

    /// The entry of a key that is not wanted any more, which is to be evicted if the device serves.
    pub(super) fn forget(&mut self, key: &[u8]) -> Option<usize> {
        let entry = self.entries.iter().position(|held| held.as_ref().is_some_and(|held| held == key))?;
        self.give_up(entry);
        Some(entry)
    }

    fn give_up(&mut self, entry: usize) {
        self.entries[entry] = None;
        self.ready.retain(|(ready, _)| *ready != entry);
        if self.loading.as_ref().is_some_and(|loading| loading.entry == entry) {
            self.loading = None;
        }
    }

    /// No signature uses the entry from now on.
    pub(super) fn evict(&self, bus: &mut impl Bus, entry: usize) {
        bus.write(map::HOT_ENTRY, entry as u32);
        bus.write(map::HOT_COMMAND, map::HOT_EVICT);
    }

    /// The device starts: what an earlier user wrote is not trusted, and every key's table is computed and written anew.
    pub(super) fn restart(&mut self, bus: &mut impl Bus) {
        (self.loading, self.ready) = (None, VecDeque::new());
        for entry in 0..self.entries.len() {
            self.evict(bus, entry);
            if let Some(key) = self.entries[entry] {
                self.ask(entry, key);
            }
        }
    }

    /// A bounded piece of work.
    pub(super) fn step(&mut self, bus: &mut impl Bus) -> Step {
        let Some(maker) = &self.maker else { return Step::Quiet };
        if let Ok((entry, key, table)) = maker.tables.try_recv()
            && self.entries[entry] == Some(key)
        {
            match table.filter(|table| table.len() * 8 == map::HOT_TABLE_WORDS as usize) {
                Some(table) => self.ready.push_back((entry, table)),
                None => self.entries[entry] = None,
            }
        }
        if self.loading.is_none()
            && let Some((entry, table)) = self.ready.pop_front()
        {
            self.evict(bus, entry);
            self.loading = Some(Loading { entry, table, stage: Stage::Evicting, tries: 0 });
            return Step::Quiet;
        }
        self.load(bus)
    }

    fn load(&mut self, bus: &mut impl Bus) -> Step {
        let Some(loading) = &mut self.loading else { return Step::Quiet };
        bus.write(map::HOT_ENTRY, loading.entry as u32);
        match loading.stage {
            Stage::Evicting => {
                if bus.read(map::HOT_STATE) & (map::HOT_STATE_VALID | map::HOT_STATE_BUSY) == 0 {
                    bus.write(map::HOT_COMMAND, map::HOT_BEGIN);
                    loading.stage = Stage::Writing(0);
                }
            }
            Stage::Writing(from) => {
                let to = (from + WORDS_PER_STEP).min(map::HOT_TABLE_WORDS as usize);
                for at in from..to {
                    bus.write(map::HOT_TABLE + 4 * at as u32, word(&loading.table, at));
                }
                loading.stage = Stage::Writing(to);
                if to == map::HOT_TABLE_WORDS as usize {
                    bus.store_fence();
                    bus.write(map::HOT_COMMAND, map::HOT_COMMIT);
                    loading.stage = Stage::Committed;
                }
            }
            Stage::Committed => return self.check(bus),
        }
        Step::Quiet
    }

    /// Whether the device has taken the table.
    fn check(&mut self, bus: &mut impl Bus) -> Step {
        let Some(loading) = &mut self.loading else { return Step::Quiet };
        let entry = loading.entry;
        if bus.read(map::HOT_STATE) & map::HOT_STATE_VALID != 0 {
            self.loading = None;
            return Step::Loaded;
        }
        loading.tries += 1;
        loading.stage = Stage::Evicting;
        let refused = loading.tries == TRIES;
        self.evict(bus, entry);
        if refused {
            self.give_up(entry);
            return Step::Refused(entry);
        }
        Step::Quiet
    }
}

/// Word `at` of a table: each element has eight, the lowest first.
fn word(table: &Table, at: usize) -> u32 {
    let bytes = &table[at / 8][4 * (at % 8)..][..4];
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}
