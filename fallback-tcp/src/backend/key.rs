//! Names of connections.

/// Names one connection of one back end; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The key of the `generation`-th connection in the slot `index`.
    pub(crate) fn new(index: u32, generation: u32) -> Key {
        Key { index, generation }
    }

    /// The slot of the connection, below [`Options::connections_max`](super::Options::connections_max): an index for
    /// tables. A later connection may have the same slot, but then another key.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Which connection of its slot this is.
    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}
