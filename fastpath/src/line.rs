//! The head line of a lane: what its proposer last said about its journal.

use crate::checksum;
use crate::ids::{Seq, Slot};
use crate::layout::{Area, LINE_WORDS, Span};
use crate::promise::Ballot;

/// First line of a lane's head page, written by the proposer (COMMIT of the protocol).
///
/// `w0 ballot  w1 commit  w2 live  w3 closed_by  w4 closed_at  w5 scattered  w6 covered  w7 check`. At every acceptor, two things hold of a head that it shows:
///
/// * every record of the lane before `live` is for a slot at or below `covered`, which enough replicas have applied (TRIM);
/// * the lane's records from `live` on are contiguous there, and none of them is overwritten before a later head shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The proposer's latest ballot.
    pub ballot: Ballot,
    /// The highest slot that it knows to be committed: `ballot` decides all slots up to it.
    pub commit: Slot,
    /// The first record that a new leader must look at.
    pub live: Seq,
    /// Records before `live` are for slots up to this one.
    pub covered: Slot,
    /// A ballot that has decided all slots up to [`Self::closed_at`], the configuration record of the latest epoch that the
    /// proposer has seen end. Who finds a promise of an epoch that it does not know learns here how it came about.
    pub closed_by: Ballot,
    /// The last slot of that epoch.
    pub closed_at: Slot,
    /// The proposer's own head was damaged when its process died: nobody knows from where on the lane is contiguous at other
    /// acceptors, so readers look at all cells. It stays so for the life of the memory.
    pub scattered: bool,
}

impl Head {
    /// Where the head of `lane` lies.
    pub const fn span(lane: Area) -> Span {
        Span::line(lane, 0)
    }

    /// Which ballots the head says have decided all slots up to which.
    pub const fn evidence(&self) -> [(Ballot, Slot); 2] {
        [(self.ballot, self.commit), (self.closed_by, self.closed_at)]
    }

    /// The head as a line, not sealed yet.
    pub(crate) const fn words(&self) -> [u64; LINE_WORDS] {
        let (ballot, closed_by) = (self.ballot.0, self.closed_by.0);
        [ballot, self.commit.0, self.live.0, closed_by, self.closed_at.0, self.scattered as u64, self.covered.0, 0]
    }

    /// The head as a line with a checksum.
    pub fn encode(&self, seed: u64) -> [u64; LINE_WORDS] {
        let mut line = self.words();
        line[LINE_WORDS - 1] = checksum::of_words(&line[..LINE_WORDS - 1], seed);
        line
    }

    /// Reads a head with a checksum. An untouched line is the default head; `None` is a torn, foreign or damaged one.
    pub fn decode(line: &[u64; LINE_WORDS], seed: u64) -> Option<Self> {
        if line.iter().all(|&word| word == 0) {
            return Some(Self::default());
        }
        (line[LINE_WORDS - 1] == checksum::of_words(&line[..LINE_WORDS - 1], seed)).then(|| Self::unpack(line))
    }

    /// The words of a line whose seal was looked at.
    pub(crate) const fn unpack(line: &[u64; LINE_WORDS]) -> Self {
        Self {
            ballot: Ballot(line[0]),
            commit: Slot(line[1]),
            live: Seq(line[2]),
            closed_by: Ballot(line[3]),
            closed_at: Slot(line[4]),
            scattered: line[5] != 0,
            covered: Slot(line[6]),
        }
    }
}
