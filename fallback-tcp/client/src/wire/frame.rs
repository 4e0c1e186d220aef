//! Frames: a header of sixteen bytes and a body.

use super::Message;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a frame before its body.
pub const HEADER_BYTES: usize = 16;
/// The request id of the hello and the welcome, and of what a replica says without being asked: why it closes the connection.
pub const OWN_WORDS: u64 = 0;

/// A whole frame whose check fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The request that it is, or answers.
    pub id: u64,
    /// The encoded message.
    pub body: &'a [u8],
}

/// What stands at the start of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Less than a frame. `frame_bytes` is the length of the whole frame, once that can be told.
    Part {
        /// Bytes of the frame, header included.
        frame_bytes: Option<usize>,
    },
    /// A frame.
    Whole(Frame<'a>),
    /// A frame whose body is longer than the limit. Nothing after it can be read.
    TooLong {
        /// The request that it belongs to; nothing vouches for it.
        id: u64,
        /// What the header says.
        body_bytes: u32,
    },
    /// The check does not fit: nothing here can be trusted, not even where the frame ends.
    Damaged,
}

impl<'a> Parsed<'a> {
    /// Reads the frame at the start of `bytes`, whose body may have up to `body_bytes_max` bytes. Allocates nothing.
    pub fn at_start_of(bytes: &'a [u8], body_bytes_max: usize) -> Self {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Self::Part { frame_bytes: None };
        };
        let [a, b, c, d, e, f, g, h, id @ ..] = *header;
        let (body_bytes, check) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let id = u64::from_le_bytes(id);
        let length = match usize::try_from(body_bytes) {
            Ok(length) if length <= body_bytes_max => length,
            _ => return Self::TooLong { id, body_bytes },
        };
        let Some(body) = rest.get(..length) else {
            return Self::Part { frame_bytes: Some(HEADER_BYTES + length) };
        };
        if check == check_of(&bytes[HEADER_BYTES - 8..HEADER_BYTES + length]) {
            Self::Whole(Frame { id, body })
        } else {
            Self::Damaged
        }
    }
}

impl Frame<'_> {
    /// Bytes of the whole frame.
    pub const fn bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// Appends the frame of a message to `into`. Of a message whose body has more than `body_bytes_max` bytes it appends
/// nothing and returns their number.
///
/// # Errors
/// The bytes that the body has.
pub fn append(into: &mut Vec<u8>, id: u64, message: &impl Message, body_bytes_max: usize) -> Result<(), usize> {
    let start = into.len();
    into.extend_from_slice(&[0; HEADER_BYTES - 8]);
    into.extend_from_slice(&id.to_le_bytes());
    let mut grown = postcard::to_extend(message, std::mem::take(into))
        .expect("messages hold nothing that postcard cannot encode, and a vector takes everything");
    let body_bytes = grown.len() - start - HEADER_BYTES;
    let fits = u32::try_from(body_bytes).ok().filter(|_| body_bytes <= body_bytes_max);
    if let Some(length) = fits {
        let check = check_of(&grown[start + HEADER_BYTES - 8..]);
        grown[start..start + 4].copy_from_slice(&length.to_le_bytes());
        grown[start + 4..start + 8].copy_from_slice(&check.to_le_bytes());
    } else {
        grown.truncate(start);
    }
    *into = grown;
    fits.map(|_| ()).ok_or(body_bytes)
}

/// The check of a frame: the low half of XXH3-64 over id and body. It finds accidents, not intent.
fn check_of(id_and_body: &[u8]) -> u32 {
    xxh3_64(id_and_body) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Reply, Request};
    use proptest::prelude::*;

    const MAX: usize = 1 << 10;

    fn frame(id: u64, request: &Request<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&mut bytes, id, request, MAX).expect("it is short");
        bytes
    }

    #[test]
    fn the_bytes_of_a_put_are_those_of_the_documentation() {
        let request = Request::Propose { session: 7, sequence: 300, round: 0, wait_ms: 1500, payload: b"hi" };
        let bytes = frame(2, &request);
        assert_eq!(bytes[..4], 10u32.to_le_bytes());
        assert_eq!(bytes[8..16], 2u64.to_le_bytes());
        assert_eq!(bytes[4..8], xxh3_64(&bytes[8..]).to_le_bytes()[..4]);
        assert_eq!(bytes[16..], [2, 7, 0xAC, 0x02, 0, 0xDC, 0x0B, 2, b'h', b'i']);
    }

    #[test]
    fn an_announced_length_of_four_gigabytes_is_refused_at_once() {
        let mut bytes = frame(9, &Request::Status);
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Parsed::at_start_of(&bytes, MAX), Parsed::TooLong { id: 9, body_bytes: u32::MAX });
        assert!(matches!(Parsed::at_start_of(&bytes, usize::MAX), Parsed::Part { .. } | Parsed::TooLong { .. }));
    }

    #[test]
    fn what_is_too_long_to_send_is_not_half_sent() {
        let mut bytes = b"before".to_vec();
        let query = [0; MAX];
        assert_eq!(append(&mut bytes, 1, &Request::Read { wait_ms: 1, query: &query }, MAX), Err(MAX + 4));
        assert_eq!(bytes, b"before");
    }

    #[test]
    fn frames_that_follow_each_other_are_read_in_their_order() {
        let mut bytes = frame(1, &Request::Status);
        let first = bytes.len();
        bytes.extend(frame(2, &Request::Stages));
        let Parsed::Whole(one) = Parsed::at_start_of(&bytes, MAX) else { panic!("a frame") };
        assert_eq!((one.id, one.bytes()), (1, first));
        let Parsed::Whole(two) = Parsed::at_start_of(&bytes[first..], MAX) else { panic!("a frame") };
        assert_eq!((two.id, Request::decode(two.body)), (2, Ok(Request::Stages)));
    }

    proptest! {
        #[test]
        fn a_cut_frame_is_a_part_and_asks_for_the_rest(
            id in any::<u64>(), query in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>(),
        ) {
            let whole = frame(id, &Request::Read { wait_ms: 5, query: &query });
            let part = &whole[..cut.index(whole.len())];
            let frame_bytes = (part.len() >= HEADER_BYTES).then_some(whole.len());
            prop_assert_eq!(Parsed::at_start_of(part, MAX), Parsed::Part { frame_bytes });
        }

        #[test]
        fn a_flipped_bit_never_yields_another_frame(
            id in any::<u64>(), query in prop::collection::vec(any::<u8>(), 0..200), bit in any::<prop::sample::Index>(),
        ) {
            let mut bytes = frame(id, &Request::Read { wait_ms: 5, query: &query });
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(Parsed::at_start_of(&bytes, MAX), Parsed::Whole(_)));
        }

        #[test]
        fn random_bytes_panic_nobody(bytes in prop::collection::vec(any::<u8>(), 0..400), most in any::<usize>()) {
            let _ = Parsed::at_start_of(&bytes, most);
            let _ = Request::decode(&bytes);
            let _ = Reply::decode(&bytes);
        }
    }
}
