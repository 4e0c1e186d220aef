//! What a replica knows about an acceptor, its own included.

use crate::ids::{Incarnation, ReplicaId, Seq, Slot};
use crate::promise::{Ballot, Promise};
use crate::replica::gather::Gather;
use crate::replica::round_trips::RoundTrips;
use crate::status::Status;

/// A word that no PROMISE holds: a compare-and-exchange that expects it changes nothing and tells what is there.
pub(crate) const NEVER_A_PROMISE: u64 = u64::MAX;

/// How an acceptor stands to the ballot that this replica leads under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not been asked for a promise yet, or the answer was lost.
    Unasked,
    /// The compare-and-exchange is under way.
    Asked,
    /// It has promised: records may be written to it and its checks count.
    Promised,
    /// Its memory was lost and not readmitted.
    Recovering,
}

/// Heartbeat score of a peer: up when it beats, down when it does not, capped, with hysteresis.
///
/// It counts turns of this replica, not time, so that a pause of this replica's own does not make its peers look dead. The
/// cap grows with the round trip to the peer: news that takes long is not news of a death.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    score: u32,
    last: Option<u64>,
    suspected: bool,
}

impl Score {
    /// A peer that is presumed alive and is suspected after `max` silent turns.
    pub(crate) const fn new(max: u32) -> Self {
        Self { score: max, last: None, suspected: false }
    }

    /// One turn has passed; `seen` is the counter that was pulled last, and `max` turns of silence are suspicious.
    pub(crate) fn turn(&mut self, seen: Option<u64>, max: u32) {
        // Beats, not news: of two replicas that take turns on a core, one sees many beats of the other at once.
        let beats = match (seen, self.last) {
            (Some(seen), Some(last)) => seen.saturating_sub(last),
            (Some(_), None) => 1,
            (None, _) => 0,
        };
        self.last = seen.or(self.last);
        self.score = if beats > 0 {
            self.score.saturating_add(beats.min(u64::from(max)) as u32).min(max)
        } else {
            self.score.saturating_sub(1)
        };
        if self.score == 0 {
            self.suspected = true;
        } else if self.score >= max.div_ceil(4) {
            self.suspected = false;
        }
    }

    /// There is evidence that the process has died.
    pub(crate) fn process_died(&mut self) {
        self.score = 0;
        self.suspected = true;
    }

    /// Whether the peer is taken for dead.
    pub(crate) const fn suspected(&self) -> bool {
        self.suspected
    }
}

/// An acceptor as seen from this replica.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ReplicaId,
    pub(crate) up: bool,
    /// The life of the memory behind the link.
    pub(crate) incarnation: Incarnation,
    /// The PROMISE word when it was last seen: what the next compare-and-exchange expects.
    pub(crate) promise: u64,
    pub(crate) status: Status,
    pub(crate) score: Score,
    /// How long its answers take.
    pub(crate) round_trips: RoundTrips,
    /// What the compare-and-exchange that is under way expects.
    pub(crate) asked: u64,
    /// A pull of its status page is under way.
    pub(crate) pulling: bool,
    pub(crate) standing: Standing,
    /// First record not posted in this tenure.
    pub(crate) posted: Seq,
    /// Chains of records without a completion.
    pub(crate) chains: u32,
    /// `live` of the head that was last posted to it on this link.
    pub(crate) head_live: Seq,
    /// The commit index of the head that was last posted to it on this link.
    pub(crate) flushed: Slot,
    /// The reading of its memory while this replica stands for election.
    pub(crate) gather: Option<Box<Gather>>,
}

impl Peer {
    pub(crate) fn new(id: ReplicaId, score_max: u32) -> Self {
        Self {
            id,
            up: false,
            incarnation: Incarnation(0),
            promise: 0,
            status: Status::default(),
            score: Score::new(score_max),
            round_trips: RoundTrips::default(),
            asked: NEVER_A_PROMISE,
            pulling: false,
            standing: Standing::Unasked,
            posted: Seq(0),
            chains: 0,
            head_live: Seq(0),
            flushed: Slot::NONE,
            gather: None,
        }
    }

    /// What a compare-and-exchange that installs `ballot` may expect: never a word that does not permit it.
    pub(crate) fn expectation(&self, ballot: Ballot) -> u64 {
        match Promise(self.promise).ballot() {
            Some(held) if held < ballot => self.promise,
            _ => NEVER_A_PROMISE,
        }
    }

    /// Forgets everything that was under way on the link.
    pub(crate) fn reset_link(&mut self) {
        self.pulling = false;
        self.round_trips.link_changed();
        self.standing = Standing::Unasked;
        self.chains = 0;
        self.head_live = Seq(0);
        self.flushed = Slot::NONE;
        self.gather = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_beats_in_bursts_keeps_its_score() {
        let mut score = Score::new(8);
        for burst in 1..100 {
            for _ in 0..7 {
                score.turn(Some(burst * 16), 8);
            }
            assert!(!score.suspected());
        }
    }

    #[test]
    fn a_silent_peer_is_suspected_after_its_turns_and_trusted_again_only_after_several_beats() {
        let mut score = Score::new(8);
        for _ in 0..7 {
            score.turn(Some(1), 8);
        }
        assert!(!score.suspected());
        score.turn(Some(1), 8);
        score.turn(Some(1), 8);
        assert!(score.suspected());
        score.turn(Some(2), 8);
        assert!(score.suspected(), "one beat is not enough");
        score.turn(Some(3), 8);
        assert!(!score.suspected());
    }
}
