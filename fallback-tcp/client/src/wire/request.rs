//! What a client asks a replica.

use super::{DecodeError, as_bytes, decode};
use serde::{Deserialize, Serialize};

/// What a client asks a replica. The order of the variants is their number on the wire: later ones are appended.
///
/// `wait_ms` is how long the replica may take before it answers [`Code::Late`](super::Code::Late).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// The first request of a connection, and only that.
    Hello {
        /// The version of the protocol that the client speaks.
        version: u16,
    },
    /// Open a session.
    OpenSession {
        /// See above.
        wait_ms: u32,
    },
    /// Apply a command. Session 0 is none: the command is applied as often as it is proposed.
    Propose {
        /// The session.
        session: u64,
        /// The command's number in the session, from 1; 0 without a session.
        sequence: u64,
        /// Grows whenever commands of the session are sent again on the same connection. A replica that has refused one of a
        /// round refuses all that come later in it: that keeps their order.
        round: u64,
        /// See above.
        wait_ms: u32,
        /// The command.
        #[serde(borrow, serialize_with = "as_bytes")]
        payload: &'a [u8],
    },
    /// Answer a query from a state that holds every command that was answered before (linearizable).
    Read {
        /// See above.
        wait_ms: u32,
        /// The query.
        #[serde(borrow, serialize_with = "as_bytes")]
        query: &'a [u8],
    },
    /// Answer a query from the replica's own state once it has applied a slot.
    ReadLocal {
        /// The slot, 0 for any.
        at_least: u64,
        /// See above.
        wait_ms: u32,
        /// The query.
        #[serde(borrow, serialize_with = "as_bytes")]
        query: &'a [u8],
    },
    /// Tell the digest of the replica's own state once it has applied a slot.
    Digest {
        /// The slot, 0 for any.
        at_least: u64,
        /// See above.
        wait_ms: u32,
    },
    /// Tell how the replica is.
    Status,
    /// Tell how long commands took at this replica, as leader.
    Stages,
}

impl<'a> Request<'a> {
    /// Reads a request. Bytes of any content and length are fine; nothing is allocated.
    ///
    /// # Errors
    /// [`DecodeError`]: what is wrong with the bytes.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        decode(body)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(request: &Request<'_>) -> Vec<u8> {
        postcard::to_extend(request, Vec::new()).expect("it can be encoded")
    }

    #[test]
    fn the_number_of_each_request_is_its_first_byte() {
        let none = &[][..];
        let all = [
            Request::Hello { version: 1 },
            Request::OpenSession { wait_ms: 1 },
            Request::Propose { session: 1, sequence: 1, round: 0, wait_ms: 1, payload: none },
            Request::Read { wait_ms: 1, query: none },
            Request::ReadLocal { at_least: 1, wait_ms: 1, query: none },
            Request::Digest { at_least: 1, wait_ms: 1 },
            Request::Status,
            Request::Stages,
        ];
        for (number, request) in all.iter().enumerate() {
            assert_eq!(usize::from(encoded(request)[0]), number, "{request:?}");
        }
    }

    #[test]
    fn unknown_numbers_cut_and_trailing_bytes_are_errors() {
        assert_eq!(Request::decode(&[8]), Err(DecodeError::Malformed { bytes: 1 }));
        assert_eq!(Request::decode(&[]), Err(DecodeError::Malformed { bytes: 0 }));
        assert_eq!(Request::decode(&[6, 0, 0]), Err(DecodeError::Trailing { bytes: 2 }));
        // A payload that says to be longer than everything.
        let endless = [3, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 7];
        assert_eq!(Request::decode(&endless), Err(DecodeError::Malformed { bytes: endless.len() }));
    }

    proptest! {
        #[test]
        fn a_command_survives_its_bytes(
            session in any::<u64>(), sequence in any::<u64>(), round in any::<u64>(), wait_ms in any::<u32>(),
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let request = Request::Propose { session, sequence, round, wait_ms, payload: &payload };
            let bytes = encoded(&request);
            prop_assert!(bytes.len() <= payload.len() + crate::wire::OVERHEAD_BYTES);
            prop_assert_eq!(Request::decode(&bytes), Ok(request));
        }

        #[test]
        fn flipped_bits_panic_nobody(
            at_least in any::<u64>(), query in prop::collection::vec(any::<u8>(), 0..50),
            bits in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        ) {
            let mut bytes = encoded(&Request::ReadLocal { at_least, wait_ms: 9, query: &query });
            for bit in bits {
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let _ = Request::decode(&bytes);
        }
    }
}
