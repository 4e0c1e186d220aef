//! What the measuring leader hears of its commands.

use crate::clock::Clock;
use paxon_fastpath::{Answer, Ballot, Nanos, Outcome, Outcomes, Slot};

/// Remembers the last answer, and when the last slot was decided.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// The clock of the node.
    pub(super) clock: Option<Clock>,
    /// When the last slot was decided.
    pub(super) quorum: Nanos,
    /// The session that was opened last.
    pub(super) session: u64,
    /// The first bytes of the last reply.
    pub(super) reply: [u8; 4],
    /// Commands that were applied.
    pub(super) applied: u64,
    /// Commands that were not.
    pub(super) refused: u64,
}

impl Outcomes for Ear {
    fn slot_decided(&mut self, _: Slot, _: Ballot) {
        if let Some(clock) = &self.clock {
            self.quorum = clock.now();
        }
    }

    fn answered(&mut self, answer: Answer<'_>) {
        match answer.outcome {
            Outcome::Applied { reply, .. } => {
                self.applied += 1;
                if let Some(reply) = reply.first_chunk() {
                    self.reply = *reply;
                }
            }
            Outcome::SessionOpened { session } => self.session = session,
            _ => self.refused += 1,
        }
    }
}
