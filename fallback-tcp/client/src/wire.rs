//! The messages of the protocol and the frames that carry them; the crate's documentation has the bytes.

mod frame;
mod refusal;
mod reply;
mod request;

pub use frame::{Frame, HEADER_BYTES, OWN_WORDS, Parsed, append};
pub use refusal::{Code, LeaderHint, Refusal};
pub use reply::{Limits, Reply};
pub use request::Request;

use serde::{Deserialize, Serialize, Serializer};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;
/// Bytes that a request or a reply needs at most beside its payload, query, reply or document.
pub const OVERHEAD_BYTES: usize = 64;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not follow the encoding, or end too early.
    #[error("the {bytes} bytes are no message of version {VERSION}")]
    Malformed {
        /// Bytes that there were.
        bytes: usize,
    },
    /// A message and something after it.
    #[error("{bytes} bytes follow the message")]
    Trailing {
        /// Bytes after the message.
        bytes: usize,
    },
}

/// Reads a message that takes all of `bytes`. Borrows from them and allocates nothing.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(DecodeError::Trailing { bytes: rest.len() }),
        Err(_) => Err(DecodeError::Malformed { bytes: bytes.len() }),
    }
}

/// Encodes bytes as a whole; serde would take them one by one.
fn as_bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// A message that goes into a frame.
pub trait Message: Serialize {}

impl Message for Request<'_> {}
impl Message for Reply<'_> {}
