//! What a replica answers.

use super::{DecodeError, LeaderHint, Refusal, as_bytes, decode};
use serde::{Deserialize, Serialize};

/// What a client of a replica has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Commands of a session that may be without an answer: the highest number sent is less than this above the lowest
    /// without an answer.
    pub session_window: u32,
    /// Longest command in bytes.
    pub command_bytes_max: u32,
    /// Longest body of a request in bytes.
    pub body_bytes_max: u32,
    /// Requests of a connection that the replica works at; it does not read on while there are as many.
    pub in_flight_max: u32,
}

/// What a replica answers. The order of the variants is their number on the wire: later ones are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// To a hello.
    Welcome {
        /// The version that the replica speaks on this connection.
        version: u16,
        /// Which replica it is.
        replica: u8,
        /// Who leads.
        #[serde(borrow)]
        leader: Option<LeaderHint<'a>>,
        /// What to keep to.
        limits: Limits,
    },
    /// The session is open.
    Opened {
        /// Its id.
        session: u64,
        /// The slot in which that was decided.
        slot: u64,
    },
    /// The command was applied; when sent before, this is the reply of that time.
    Applied {
        /// The slot in which it was applied first.
        slot: u64,
        /// What the state machine answered.
        #[serde(borrow, serialize_with = "as_bytes")]
        reply: &'a [u8],
    },
    /// The answer to a query, from the state after a slot.
    Answer {
        /// The slot.
        slot: u64,
        /// The answer.
        #[serde(borrow, serialize_with = "as_bytes")]
        bytes: &'a [u8],
    },
    /// The digest of the state after a slot.
    Digest {
        /// The slot.
        slot: u64,
        /// The digest.
        digest: u64,
    },
    /// A JSON object.
    Document {
        /// Its text.
        json: &'a str,
    },
    /// The request was not granted.
    Refused(#[serde(borrow)] Refusal<'a>),
}

impl<'a> Reply<'a> {
    /// Reads a reply. Bytes of any content and length are fine; nothing is allocated.
    ///
    /// # Errors
    /// [`DecodeError`]: what is wrong with the bytes.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        decode(body)
    }

    /// Its kind in one word, for messages.
    pub const fn name(&self) -> &'static str {
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
    use crate::wire::Code;
    use proptest::prelude::*;

    fn encoded(reply: &Reply<'_>) -> Vec<u8> {
        postcard::to_extend(reply, Vec::new()).expect("it can be encoded")
    }

    #[test]
    fn the_number_of_each_reply_is_its_first_byte() {
        let limits = Limits { session_window: 1, command_bytes_max: 2, body_bytes_max: 3, in_flight_max: 4 };
        let refusal = Refusal { code: Code::Busy, message: "", leader: None, retry_after_us: 0 };
        let all = [
            Reply::Welcome { version: 1, replica: 0, leader: None, limits },
            Reply::Opened { session: 1, slot: 1 },
            Reply::Applied { slot: 1, reply: b"" },
            Reply::Answer { slot: 1, bytes: b"" },
            Reply::Digest { slot: 1, digest: 1 },
            Reply::Document { json: "{}" },
            Reply::Refused(refusal),
        ];
        for (number, reply) in all.iter().enumerate() {
            assert_eq!(usize::from(encoded(reply)[0]), number, "{reply:?}");
            assert_eq!(Reply::decode(&encoded(reply)), Ok(*reply));
        }
    }

    #[test]
    fn a_refusal_has_the_bytes_of_the_documentation() {
        let leader = Some(LeaderHint { replica: 2, address: "a:1" });
        let refusal = Refusal { code: Code::NotLeader, message: "no", leader, retry_after_us: 200 };
        let bytes = [6, 0, 2, b'n', b'o', 1, 2, 3, b'a', b':', b'1', 0xC8, 0x01];
        assert_eq!(encoded(&Reply::Refused(refusal)), bytes);
    }

    #[test]
    fn texts_that_are_not_utf8_are_errors() {
        assert!(Reply::decode(&[5, 2, 0xFF, 0xFE]).is_err());
        assert!(Reply::decode(&[6, 0, 1, 0xFF, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn replies_survive_their_bytes(
            slot in any::<u64>(), bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,40}",
            code in any::<u8>(), replica in any::<u8>(), retry_after_us in any::<u32>(),
        ) {
            let leader = Some(LeaderHint { replica, address: &text });
            let refusal = Refusal { code: Code::from(code), message: &text, leader, retry_after_us };
            for reply in [
                Reply::Applied { slot, reply: &bytes },
                Reply::Answer { slot, bytes: &bytes },
                Reply::Document { json: &text },
                Reply::Refused(refusal),
            ] {
                let bytes = encoded(&reply);
                prop_assert_eq!(Reply::decode(&bytes), Ok(reply));
            }
        }

        #[test]
        fn flipped_bits_panic_nobody(
            text in ".{0,20}", replica in any::<u8>(), bits in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        ) {
            let leader = Some(LeaderHint { replica, address: &text });
            let refusal = Refusal { code: Code::Late, message: &text, leader, retry_after_us: 70_000 };
            let mut bytes = encoded(&Reply::Refused(refusal));
            for bit in bits {
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let _ = Reply::decode(&bytes);
        }
    }
}
