//! Which entry of a table was used least recently.

/// The entries of a table of fixed size in the order of their last use: a doubly linked list in two arrays.
///
/// Entry `len` is the sentinel: its successor is the entry used least recently, its predecessor the one used last.
#[derive(Clone, Debug)]
pub(super) struct Recency {
    next: Vec<u32>,
    previous: Vec<u32>,
}

impl Recency {
    /// All `len` entries, entry 0 first in line.
    pub(super) fn new(len: usize) -> Self {
        let ring = len as u32 + 1;
        Self {
            next: (0..ring).map(|entry| (entry + 1) % ring).collect(),
            previous: (0..ring).map(|entry| (entry + ring - 1) % ring).collect(),
        }
    }

    const fn sentinel(&self) -> u32 {
        self.next.len() as u32 - 1
    }

    /// The entry used least recently.
    pub(super) fn oldest(&self) -> u32 {
        self.next[self.sentinel() as usize]
    }

    /// Moves `entry` to the end of the line.
    pub(super) fn touch(&mut self, entry: u32) {
        let (before, after) = (self.previous[entry as usize], self.next[entry as usize]);
        self.next[before as usize] = after;
        self.previous[after as usize] = before;
        let sentinel = self.sentinel();
        let last = self.previous[sentinel as usize];
        self.next[last as usize] = entry;
        self.previous[entry as usize] = last;
        self.next[entry as usize] = sentinel;
        self.previous[sentinel as usize] = entry;
    }

    /// All entries, the one used least recently first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(self.oldest()), |&entry| Some(self.next[entry as usize]))
            .take_while(|&entry| entry != self.sentinel())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_in_the_order_of_their_last_use() {
        let mut recency = Recency::new(4);
        for entry in [2, 0, 2, 2, 3] {
            recency.touch(entry);
        }
        assert_eq!(recency.iter().collect::<Vec<_>>(), [1, 0, 2, 3]);
    }

    #[test]
    fn a_single_entry_stays_the_oldest() {
        let mut recency = Recency::new(1);
        recency.touch(0);
        assert_eq!(recency.oldest(), 0);
        assert_eq!(recency.iter().count(), 1);
    }
}
