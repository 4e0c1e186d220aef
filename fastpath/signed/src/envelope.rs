//! The envelope: what a signed command looks like in the journal, and what exactly is signed.
//!
//! ```text
//! envelope   version:u8 mode:u8 kind:u8 zero:u8 | key id or MAC session:u32 | expires:u64 | signature or MAC | payload
//! message    "paxon command 1\0" | cluster:u64 | key id or MAC session:u32 mode:u8 kind:u8 zero:u16 | session:u64
//!            | sequence:u64 | expires:u64 | payload bytes:u64 | BLAKE3 of the payload:32          96 bytes, little-endian
//! ```
//!
//! Session and sequence are those under which the command was decided, so they are in the message and not in the envelope:
//! nobody can move a command to another place. One length for all messages suits devices, which take them inline.

use crate::bytes::Reader;
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;

/// The version of the encoding.
pub const VERSION: u8 = 1;
/// Bytes before the signature.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a MAC.
pub const MAC_BYTES: usize = 16;
/// Bytes that are signed.
pub const MESSAGE_BYTES: usize = 96;

/// Says what is signed, so that no other program's signatures can be mistaken for it.
const TAG: &[u8; 16] = b"paxon command 1\0";
/// The number of [`Mode::Mac`]; those of schemes are below.
const MAC_MODE: u8 = 16;

/// How a command proves where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By a signature of a registered key.
    Signed(Scheme),
    /// By the MAC of a session that a registered key has begun.
    Mac,
}

impl Mode {
    const fn from_number(number: u8) -> Option<Self> {
        match (number, Scheme::from_number(number)) {
            (MAC_MODE, _) => Some(Self::Mac),
            (_, Some(scheme)) => Some(Self::Signed(scheme)),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Signed(scheme) => scheme as u8,
            Self::Mac => MAC_MODE,
        }
    }

    /// Bytes of the signature or MAC.
    pub const fn proof_bytes(self) -> usize {
        match self {
            Self::Signed(scheme) => scheme.signature_bytes(),
            Self::Mac => MAC_BYTES,
        }
    }

    /// Bytes that the envelope adds to a payload.
    pub const fn overhead_bytes(self) -> usize {
        HEADER_BYTES + self.proof_bytes()
    }
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The payload is a command of the state machine inside.
    Command = 1,
    /// The payload is a [`crate::RegistryCommand`].
    Registry = 2,
    /// The payload is the client's ephemeral X25519 key: a MAC session begins.
    Handshake = 3,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Command),
            2 => Some(Self::Registry),
            3 => Some(Self::Handshake),
            _ => None,
        }
    }
}

/// Why bytes are no envelope. Every envelope has exactly one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// They end too early.
    #[error("{bytes} bytes are too few for the envelope that they begin")]
    Short {
        /// Bytes that there are.
        bytes: usize,
    },
    /// A version that this crate does not know.
    #[error("version {version}; this is version {VERSION}")]
    Version {
        /// The version.
        version: u8,
    },
    /// Not a mode.
    #[error("{mode} is no mode")]
    Mode {
        /// The number.
        mode: u8,
    },
    /// Not a kind, or not one of this mode: only commands may carry MACs.
    #[error("{kind} is no kind of command in this mode")]
    Kind {
        /// The number.
        kind: u8,
    },
    /// The byte that has to be zero is not.
    #[error("padding is not zero")]
    Padding,
}

/// Where a command stands: nobody can sign for one place and be heard in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The client session, not 0.
    pub session: u64,
    /// The command's number in it.
    pub sequence: u64,
}

/// A signed command, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// How it proves where it comes from.
    pub mode: Mode,
    /// What it is for.
    pub kind: Kind,
    /// The id of the key, or that of the MAC session.
    pub key: u32,
    /// The last slot in which it is valid; [`Slot::NONE`] for any.
    pub expires: Slot,
    /// The signature or MAC, of the length that the mode says.
    pub proof: &'a [u8],
    /// What it is about.
    pub payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads an envelope. Bytes of any content and length are fine.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let short = EnvelopeError::Short { bytes: bytes.len() };
        let mut reader = Reader::new(bytes);
        let [version, mode, kind, zero] = reader.array().ok_or(short)?;
        if version != VERSION {
            return Err(EnvelopeError::Version { version });
        }
        let parsed_mode = Mode::from_number(mode).ok_or(EnvelopeError::Mode { mode })?;
        let parsed_kind = Kind::from_number(kind).ok_or(EnvelopeError::Kind { kind })?;
        if parsed_mode == Mode::Mac && parsed_kind != Kind::Command {
            return Err(EnvelopeError::Kind { kind });
        }
        if zero != 0 {
            return Err(EnvelopeError::Padding);
        }
        Ok(Self {
            mode: parsed_mode,
            kind: parsed_kind,
            key: reader.u32().ok_or(short)?,
            expires: Slot(reader.u64().ok_or(short)?),
            proof: reader.take(parsed_mode.proof_bytes()).ok_or(short)?,
            payload: reader.rest(),
        })
    }

    /// Appends the envelope.
    pub fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&[VERSION, self.mode.number(), self.kind as u8, 0]);
        into.extend_from_slice(&self.key.to_le_bytes());
        into.extend_from_slice(&self.expires.0.to_le_bytes());
        into.extend_from_slice(self.proof);
        into.extend_from_slice(self.payload);
    }

    /// The bytes that are signed. The proof is not among them.
    pub fn message(&self, cluster: u64, at: Position) -> [u8; MESSAGE_BYTES] {
        let mut message = [0; MESSAGE_BYTES];
        let mut end = 0;
        let mut put = |bytes: &[u8]| {
            message[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
        };
        put(TAG);
        put(&cluster.to_le_bytes());
        put(&self.key.to_le_bytes());
        put(&[self.mode.number(), self.kind as u8, 0, 0]);
        put(&at.session.to_le_bytes());
        put(&at.sequence.to_le_bytes());
        put(&self.expires.0.to_le_bytes());
        put(&(self.payload.len() as u64).to_le_bytes());
        put(blake3::hash(self.payload).as_bytes());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn modes() -> impl Strategy<Value = (Mode, Kind)> {
        prop_oneof![
            Just((Mode::Mac, Kind::Command)),
            Just((Mode::Signed(Scheme::Ed25519), Kind::Command)),
            Just((Mode::Signed(Scheme::Ed25519), Kind::Registry)),
            Just((Mode::Signed(Scheme::MlDsa44), Kind::Command)),
            Just((Mode::Signed(Scheme::Hybrid), Kind::Handshake)),
        ]
    }

    #[test]
    fn the_message_is_what_the_header_of_this_file_draws() {
        let envelope = Envelope {
            mode: Mode::Signed(Scheme::Ed25519),
            kind: Kind::Registry,
            key: 0x0403_0201,
            expires: Slot(5),
            proof: &[],
            payload: b"payload",
        };
        let message = envelope.message(0xc1, Position { session: 0x5e, sequence: 9 });
        let mut expected = b"paxon command 1\0".to_vec();
        expected.extend_from_slice(&[0xc1, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(&[1, 2, 3, 4, 1, 2, 0, 0]);
        expected.extend_from_slice(&[
            0x5e, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
        ]);
        expected.extend_from_slice(blake3::hash(b"payload").as_bytes());
        assert_eq!(message.as_slice(), expected);
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        let parse = |header: [u8; 4]| Envelope::parse(&[&header[..], &[0; 100]].concat()).map(|_| ());
        assert_eq!(parse([1, 1, 1, 0]), Ok(()));
        assert_eq!(parse([2, 1, 1, 0]), Err(EnvelopeError::Version { version: 2 }));
        assert_eq!(parse([1, 9, 1, 0]), Err(EnvelopeError::Mode { mode: 9 }));
        assert_eq!(parse([1, 1, 4, 0]), Err(EnvelopeError::Kind { kind: 4 }));
        assert_eq!(parse([1, 16, 2, 0]), Err(EnvelopeError::Kind { kind: 2 }));
        assert_eq!(parse([1, 1, 1, 1]), Err(EnvelopeError::Padding));
        assert_eq!(Envelope::parse(&[1, 1, 1, 0, 7]), Err(EnvelopeError::Short { bytes: 5 }));
    }

    proptest! {
        #[test]
        fn an_envelope_survives_its_bytes(
            (mode, kind) in modes(), key: u32, expires: u64, payload in prop::collection::vec(any::<u8>(), 0..200), fill: u8,
        ) {
            let proof = vec![fill; mode.proof_bytes()];
            let envelope = Envelope { mode, kind, key, expires: Slot(expires), proof: &proof, payload: &payload };
            let mut bytes = Vec::new();
            envelope.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), mode.overhead_bytes() + payload.len());
            prop_assert_eq!(Envelope::parse(&bytes), Ok(envelope));
            prop_assert!(Envelope::parse(&bytes[..mode.overhead_bytes() - 1]).is_err());
        }

        #[test]
        fn arbitrary_bytes_panic_nobody_and_what_parses_has_one_encoding(
            head in prop::collection::vec(0u8..18, 0..4), tail in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [head, tail].concat();
            if let Ok(envelope) = Envelope::parse(&bytes) {
                let mut again = Vec::new();
                envelope.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }

        #[test]
        fn messages_differ_wherever_anything_that_is_signed_differs(
            one: [u64; 4], other: [u64; 4], payloads in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..20)),
        ) {
            let message = |[cluster, session, sequence, rest]: [u64; 4], payload: &[u8]| {
                let envelope = Envelope {
                    mode: Mode::Mac, kind: Kind::Command, key: rest as u32, expires: Slot(rest >> 32), proof: &[], payload,
                };
                envelope.message(cluster, Position { session, sequence })
            };
            let same = one == other && payloads[0] == payloads[1];
            prop_assert_eq!(message(one, &payloads[0]) == message(other, &payloads[1]), same);
            prop_assert_eq!(message(one, &payloads[0]), message(one, &payloads[0]));
        }
    }
}
