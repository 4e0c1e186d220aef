//! Refusals, from what the replica says to what the client hears.

use crate::failure::{Failure, ProposeError};
use paxon_client::wire::{Code, LeaderHint, Refusal};
use paxon_fastpath::ReplicaId;
use std::borrow::Cow;
use std::time::Duration;

/// Why a request is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusing {
    pub(super) code: Code,
    pub(super) message: Cow<'static, str>,
    pub(super) leader: Option<ReplicaId>,
    pub(super) retry_after: Duration,
}

impl Refusing {
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), leader: None, retry_after: Duration::ZERO }
    }

    /// The same, with the time to come again.
    pub(super) const fn again_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// As it is sent; `addresses` are those of the replicas.
    pub(super) fn as_refusal<'a>(&'a self, addresses: &'a [String]) -> Refusal<'a> {
        Refusal {
            code: self.code,
            message: &self.message,
            leader: self.leader.map(|leader| hint(leader, addresses)),
            retry_after_us: u32::try_from(self.retry_after.as_micros()).unwrap_or(u32::MAX),
        }
    }
}

/// A leader and where it serves clients, if that is known.
pub(super) fn hint(leader: ReplicaId, addresses: &[String]) -> LeaderHint<'_> {
    LeaderHint { replica: leader.0, address: addresses.get(leader.index()).map_or("", String::as_str) }
}

impl From<ProposeError> for Refusing {
    fn from(error: ProposeError) -> Self {
        let message = error.to_string();
        match error {
            ProposeError::NotLeader { leader } => Self { leader, ..Self::new(Code::NotLeader, message) },
            ProposeError::Busy { retry_after } => Self::new(Code::Busy, message).again_after(retry_after),
            ProposeError::TooLarge { .. } => Self::new(Code::TooLarge, message),
            ProposeError::Stopped => Self::new(Code::Stopped, message),
        }
    }
}

impl From<Failure> for Refusing {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::NotLeader { leader } => Self { leader, ..Self::new(Code::NotLeader, message) },
            Failure::Unknown => Self::new(Code::Unknown, message),
            Failure::TooOld => Self::new(Code::TooOld, message),
            Failure::SessionExpired => Self::new(Code::SessionExpired, message),
            Failure::ReplyTooLarge => Self::new(Code::ReplyTooLarge, message),
            Failure::Refused { code } => Self::new(Code::screened(code), message),
            Failure::Stopped => Self::new(Code::Stopped, message),
        }
    }
}
