//! A reply, taken out of the buffer that it came in.

use crate::call::{Kind, Outcome};
use crate::wire::{Code, Limits, Refusal, Reply};
use paxon_fastpath::{ReplicaId, Slot};
use std::time::Duration;

/// A refusal of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) leader: Option<ReplicaId>,
    pub(super) retry_after: Duration,
}

impl From<Refusal<'_>> for Refused {
    fn from(refusal: Refusal<'_>) -> Self {
        Self {
            code: refusal.code,
            message: refusal.message.to_owned(),
            leader: refusal.leader.map(|leader| ReplicaId(leader.replica)),
            retry_after: Duration::from_micros(u64::from(refusal.retry_after_us)),
        }
    }
}

/// What a replica said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    Welcome { replica: ReplicaId, limits: Limits },
    Opened { session: u64, slot: Slot },
    Applied { slot: Slot, bytes: Vec<u8> },
    Answer { slot: Slot, bytes: Vec<u8> },
    Digest { slot: Slot, digest: u64 },
    Document { bytes: Vec<u8> },
    Refused(Refused),
}

impl From<Reply<'_>> for Word {
    fn from(reply: Reply<'_>) -> Self {
        match reply {
            Reply::Welcome { replica, limits, .. } => Self::Welcome { replica: ReplicaId(replica), limits },
            Reply::Opened { session, slot } => Self::Opened { session, slot: Slot(slot) },
            Reply::Applied { slot, reply } => Self::Applied { slot: Slot(slot), bytes: reply.to_vec() },
            Reply::Answer { slot, bytes } => Self::Answer { slot: Slot(slot), bytes: bytes.to_vec() },
            Reply::Digest { slot, digest } => Self::Digest { slot: Slot(slot), digest },
            Reply::Document { json } => Self::Document { bytes: json.as_bytes().to_vec() },
            Reply::Refused(refusal) => Self::Refused(refusal.into()),
        }
    }
}

impl Word {
    /// What the word amounts to as the answer to a request of this kind, or the refusal that it is.
    ///
    /// # Errors
    /// The word itself, if it answers something else.
    pub(super) fn answer_to(self, kind: Kind, replica: ReplicaId) -> Result<Result<Outcome, Refused>, Self> {
        let outcome = |slot, number, bytes| Ok(Ok(Outcome { replica, slot, number, bytes }));
        match (kind, self) {
            (_, Self::Refused(refused)) => Ok(Err(refused)),
            (Kind::OpenSession, Self::Opened { session, slot }) => outcome(slot, session, Vec::new()),
            (Kind::Propose { .. }, Self::Applied { slot, bytes })
            | (Kind::Read | Kind::ReadLocal { .. }, Self::Answer { slot, bytes }) => outcome(slot, 0, bytes),
            (Kind::Digest { .. }, Self::Digest { slot, digest }) => outcome(slot, digest, Vec::new()),
            (Kind::Status | Kind::Stages, Self::Document { bytes }) => outcome(Slot::NONE, 0, bytes),
            (_, other) => Err(other),
        }
    }

    /// Its kind in one word.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "welcome",
            Self::Opened { .. } => "opened",
            Self::Applied { .. } => "applied",
            Self::Answer { .. } => "answer",
            Self::Digest { .. } => "digest",
            Self::Document { .. } => "document",
            Self::Refused(_) => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_something_else_is_none() {
        let replica = ReplicaId(1);
        let word = || Word::from(Reply::Applied { slot: 4, reply: b"yes" });
        let propose = Kind::Propose { session: 1, sequence: 1 };
        let outcome = Outcome { replica, slot: Slot(4), number: 0, bytes: b"yes".to_vec() };
        assert_eq!(word().answer_to(propose, replica), Ok(Ok(outcome)));
        for kind in [Kind::Read, Kind::OpenSession, Kind::Status, Kind::Digest { at_least: Slot(1) }] {
            assert_eq!(word().answer_to(kind, replica), Err(word()));
        }
        let refusal = Refusal { code: Code::Busy, message: "later", leader: None, retry_after_us: 7 };
        let refused = Word::from(Reply::Refused(refusal)).answer_to(Kind::Read, replica);
        assert!(matches!(refused, Ok(Err(Refused { code: Code::Busy, .. }))), "{refused:?}");
    }
}
