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
    /// The state machine refused the command, with this code of its own (0 to 127; see [`Code::screened`]): a signature that is not
    /// valid, say. The command was not executed now, its number is free. A client that sends the same again is told the same,
    /// until the state of the machine allows it.
    Screened(u8),
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

/// Numbers from here on are those of [`Code::Screened`], in the order of the machine's codes.
const SCREENED: u8 = 128;

impl Code {
    /// The code of a command that the state machine refused. The machine's own codes above 127 have no number here and become 127.
    pub const fn screened(code: u8) -> Self {
        Self::Screened(if code < SCREENED { code } else { SCREENED - 1 })
    }

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
        match number.checked_sub(SCREENED) {
            Some(code) => Self::Screened(code),
            None => CODES.get(usize::from(number)).copied().unwrap_or(Self::Other(number)),
        }
    }
}

impl From<Code> for u8 {
    fn from(code: Code) -> Self {
        match code {
            Code::Other(number) => number,
            Code::Screened(code) => code.saturating_add(SCREENED),
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
        assert_eq!((Code::from(1), Code::from(100)), (Code::Busy, Code::Other(100)));
    }

    #[test]
    fn the_codes_of_the_state_machine_have_the_upper_half_of_the_numbers() {
        assert_eq!((Code::from(128), Code::from(255)), (Code::Screened(0), Code::Screened(127)));
        assert_eq!((u8::from(Code::screened(5)), u8::from(Code::screened(200))), (133, 255));
        assert!(!Code::screened(5).is_passing(), "asking again does not help");
    }

    #[test]
    fn only_what_was_not_executed_is_harmless() {
        let codes = (0..=u8::MAX).map(Code::from);
        let harmless: Vec<_> = codes.filter(|code| code.is_harmless()).collect();
        assert_eq!(harmless, [Code::NotLeader, Code::Busy, Code::Behind]);
        assert!(harmless.iter().all(|code| code.is_passing()));
    }
}
