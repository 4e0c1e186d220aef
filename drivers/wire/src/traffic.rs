//! Counters of what happened to frames.

use std::ops::AddAssign;

/// What happened to the frames from one port to another since the start. A frame that is flooded to several ports counts
/// once for each.
///
/// Once nothing is under way, `offered + duplicated == forwarded + cut + lost + dropped + undeliverable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Came in for this direction.
    pub offered: u64,
    /// Was handed to the port of its destination.
    pub forwarded: u64,
    /// Met a cut, or was under way when it was made.
    pub cut: u64,
    /// Was lost by chance.
    pub lost: u64,
    /// Found the queue for the rate, or the memory of this direction, full.
    pub dropped: u64,
    /// Was sent a second time by chance.
    pub duplicated: u64,
    /// Arrived after a frame that had been offered later.
    pub reordered: u64,
    /// Was refused by the port of its destination: nobody is there, or it has stopped reading.
    pub undeliverable: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.forwarded += other.forwarded;
        self.cut += other.cut;
        self.lost += other.lost;
        self.dropped += other.dropped;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.undeliverable += other.undeliverable;
    }
}
