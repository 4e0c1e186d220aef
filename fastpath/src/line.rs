//! The head line of a lane: what its proposer last said about its journal.

use crate::checksum;
use crate::ids::{Seq, Slot};
use crate::layout::{Area, LINE_WORDS, Span};
use crate::promise::Ballot;

/// First line of a lane's head page, written by the proposer (COMMIT of the protocol).
///
/// `w0 ballot  w1 commit  w2 live  w3..w6 zero  w7 check`. At every acceptor, two things hold of a head that it shows:
///
/// * every record of the lane before `live` is for a slot at or below `commit`;
/// * the lane's records from `live` on are contiguous there, and none of them is overwritten before a later head shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The proposer's latest ballot.
    pub ballot: Ballot,
    /// The highest slot that it knows to be committed: `ballot` decides all slots up to it.
    pub commit: Slot,
    /// The first record that a new leader must look at.
    pub live: Seq,
}

impl Head {
    /// Where the head of `lane` lies.
    pub const fn span(lane: Area) -> Span {
        Span::line(lane, 0)
    }

    /// The head as a line.
    pub fn encode(&self, seed: u64) -> [u64; LINE_WORDS] {
        let mut line = [self.ballot.0, self.commit.0, self.live.0, 0, 0, 0, 0, 0];
        line[LINE_WORDS - 1] = checksum::of_words(&line[..LINE_WORDS - 1], seed);
        line
    }

    /// Reads a head. An untouched line is the default head; `None` is a torn, foreign or damaged one.
    pub fn decode(line: &[u64; LINE_WORDS], seed: u64) -> Option<Self> {
        if line.iter().all(|&word| word == 0) {
            return Some(Self::default());
        }
        (line[LINE_WORDS - 1] == checksum::of_words(&line[..LINE_WORDS - 1], seed)).then_some(Self {
            ballot: Ballot(line[0]),
            commit: Slot(line[1]),
            live: Seq(line[2]),
        })
    }
}
