//! Why there is no better answer.

use serde::{Deserialize, Serialize};

/// What a client can do about a refusal. On the wire it is its number; later versions append numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
#[non_exhaustive]
pub enum Code {
    /// Ask the leader. Nothing was executed.
    NotLeader,
    /// Ask again, later. Nothing was executed.
    Busy,
    /// Leadership was lost under way: a command may be or become executed. Ask again, in a session that is safe.
    Unknown,
    /// No outcome within the time of the request: a command may be or become executed. Ask again, perhaps another.
    Late,
    /// The replica is ending: a command under way may be or become executed. Ask another.
    Stopped,
    /// An earlier command of the session was refused in this round and has to come again first. Nothing was executed.
    Behind,
    /// Send less. Nothing was executed.
    TooLarge,
    /// The session is not open (any more). The command was not executed now.
    SessionExpired,
    /// The command's number is too old for its session: whether it was executed is forgotten.
    TooOld,
    /// The command was executed; its reply was too large. Or an answer was.
    ReplyTooLarge,
    /// Correct the request. Nothing was executed.
    Malformed,
    /// The replica does not have what was asked for.
    NotKept,
    /// The replica does not speak the client's version.
    Version,
    /// A number that a later version has appended.
    Other(u8),
}

/// The codes by their numbers.
const CODES: [Code; 13] = [
    Code::NotLeader,
    Code::Busy,
    Code::Unknown,
    Code::Late,
    Code::Stopped,
    Code::Behind,
    Code::TooLarge,
    Code::SessionExpired,
    Code::TooOld,
    Code::ReplyTooLarge,
    Code::Malformed,
    Code::NotKept,
    Code::Version,
];

impl Code {
    /// Whether the same request may be answered later or elsewhere. Commands without a session are the exception: after
    /// [`Code::Unknown`], [`Code::Late`] and [`Code::Stopped`] they may have been executed.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::NotLeader | Self::Busy | Self::Unknown | Self::Late | Self::Stopped | Self::Behind)
    }

    /// Whether a command that met this was certainly not executed and never will be because of that request.
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::NotLeader | Self::Busy | Self::Behind)
    }
}

impl From<u8> for Code {
    fn from(number: u8) -> Self {
        CODES.get(usize::from(number)).copied().unwrap_or(Self::Other(number))
    }
}

impl From<Code> for u8 {
    fn from(code: Code) -> Self {
        match code {
            Code::Other(number) => number,
            known => (0..).zip(CODES).find(|(_, listed)| *listed == known).map_or(Self::MAX, |(number, _)| number),
        }
    }
}

/// Who leads, as far as a replica knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderHint<'a> {
    /// Its id.
    pub replica: u8,
    /// Where it serves clients; empty if the replica does not know.
    pub address: &'a str,
}

/// Why there is no better answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal<'a> {
    /// What can be done about it.
    pub code: Code,
    /// The same for people, with the numbers.
    pub message: &'a str,
    /// Whom to ask instead.
    #[serde(borrow)]
    pub leader: Option<LeaderHint<'a>>,
    /// How long to wait before asking again, in microseconds; 0 for at once.
    pub retry_after_us: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_and_unknown_ones_stay_what_they_are() {
        for number in 0..=u8::MAX {
            assert_eq!(u8::from(Code::from(number)), number);
        }
        assert_eq!((Code::from(1), Code::from(200)), (Code::Busy, Code::Other(200)));
    }

    #[test]
    fn only_what_was_not_executed_is_harmless() {
        let codes = (0..=u8::MAX).map(Code::from);
        let harmless: Vec<_> = codes.filter(|code| code.is_harmless()).collect();
        assert_eq!(harmless, [Code::NotLeader, Code::Busy, Code::Behind]);
        assert!(harmless.iter().all(|code| code.is_passing()));
    }
}
