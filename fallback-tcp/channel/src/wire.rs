//! What hello and greeting have in common: a fixed size, a magic and a version that never move, a checksum over the rest.
//!
//! ```text
//!  0        8         12        16                          n-8       n
//!  │ magic  │ version │ by message ...                      │ xxh3    │   little-endian
//! ```

use xxhash_rust::xxh3::xxh3_64;

/// The version of hello, greeting and everything behind them. A peer of another version is told so and refused.
pub const VERSION: u32 = 1;
/// Bytes of magic and version: enough to refuse a peer whose messages are laid out differently.
pub const PREFIX_BYTES: usize = 12;

/// Why bytes are not a hello or a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the size of the message.
    #[error("{have} bytes where {need} are expected")]
    Size {
        /// Bytes given.
        have: usize,
        /// Bytes of the message.
        need: usize,
    },
    /// The first eight bytes are of something else.
    #[error("not a message of this protocol: it begins with {found:#018x}")]
    Magic {
        /// The first eight bytes.
        found: u64,
    },
    /// Another version of the protocol.
    #[error("version {theirs} of the protocol, this side speaks {here}")]
    Version {
        /// The version of this build.
        here: u32,
        /// The version of the message.
        theirs: u32,
    },
    /// The checksum does not match: the bytes were changed on the way.
    #[error("the checksum does not match")]
    Checksum,
    /// A field holds what no sender of this version writes.
    #[error("the field {field} holds {value}, which has no meaning")]
    Field {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
}

/// Writes a message field by field.
pub struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    /// A message that begins with `magic` and the version.
    pub fn new(magic: u64) -> Self {
        let mut writer = Self { bytes: [0; N], at: 0 };
        writer.u64(magic).u32(VERSION);
        writer
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn put(&mut self, field: &[u8]) -> &mut Self {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
        self
    }

    /// The message, its checksum behind it; fields not written are zero.
    pub fn finish(mut self) -> [u8; N] {
        assert!(self.at <= N - 8, "the fields leave room for the checksum");
        let sum = xxh3_64(&self.bytes[..N - 8]);
        self.bytes[N - 8..].copy_from_slice(&sum.to_le_bytes());
        self.bytes
    }
}

/// Reads the fields of a message whose size, magic, version and checksum are right.
pub struct Reader<'a> {
    fields: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks everything that does not depend on the fields.
    pub fn new(bytes: &'a [u8], magic: u64, size: usize) -> Result<Self, DecodeError> {
        check_prefix(bytes, magic)?;
        if bytes.len() != size {
            return Err(DecodeError::Size { have: bytes.len(), need: size });
        }
        let (covered, sum) = bytes.split_at(size - 8);
        if xxh3_64(covered).to_le_bytes() != sum {
            return Err(DecodeError::Checksum);
        }
        Ok(Self { fields: &covered[PREFIX_BYTES..] })
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The next field; a message never has fewer fields than its decoder reads, since both have the size of the message.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.fields.split_first_chunk().expect("a decoder reads no more than the message has");
        self.fields = rest;
        *field
    }

    /// What is not used yet must be zero, so that a later version can tell what it was not sent.
    pub fn end(self) -> Result<(), DecodeError> {
        match self.fields.iter().find(|byte| **byte != 0) {
            Some(byte) => Err(DecodeError::Field { field: "reserved", value: u64::from(*byte) }),
            None => Ok(()),
        }
    }
}

/// Whether the first [`PREFIX_BYTES`] begin a message of this protocol and version.
pub fn check_prefix(bytes: &[u8], magic: u64) -> Result<(), DecodeError> {
    let Some((found, rest)) = bytes.split_first_chunk() else {
        return Err(DecodeError::Size { have: bytes.len(), need: PREFIX_BYTES });
    };
    let found = u64::from_le_bytes(*found);
    if found != magic {
        return Err(DecodeError::Magic { found });
    }
    let Some((version, _)) = rest.split_first_chunk() else {
        return Err(DecodeError::Size { have: bytes.len(), need: PREFIX_BYTES });
    };
    match u32::from_le_bytes(*version) {
        VERSION => Ok(()),
        theirs => Err(DecodeError::Version { here: VERSION, theirs }),
    }
}
