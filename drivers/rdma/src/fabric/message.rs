//! What replicas tell each other to set a connection up: one offer, one welcome.
//!
//! A proposer offers a queue pair; the acceptor answers with one of its own and with where its memory lies. Both are sequences
//! of little-endian 64-bit words. What comes in is bounded, and checked before anything is made of it.

use crate::Gid;
use crate::connect::Endpoint;
use crate::memory_region::RegionClaim;
use crate::port::{Address, Mtu};
use paxon_fastpath::{Incarnation, Layout, REPLICAS_MAX, ReplicaId, SealMark};

/// `"PAXRDMA"` and the version of the messages.
const MAGIC: u64 = u64::from_le_bytes(*b"PAXRDMA\x02");
const OFFER: u64 = 1;
const WELCOME: u64 = 2;
const BY_GID: u64 = 1;
const BY_LID: u64 = 2;
/// Words that both kinds begin with, and those of an endpoint.
const FRAME_WORDS: usize = 10;
const ENDPOINT_WORDS: usize = 4;
/// Areas of the largest cluster.
const AREAS_MAX: usize = 3 + REPLICAS_MAX;
/// No message is longer.
pub const MESSAGE_BYTES_MAX: usize = 8 * (FRAME_WORDS + ENDPOINT_WORDS + 2 + 3 * AREAS_MAX);

/// Which cluster, who to whom, and which attempt of the proposer: the same in an offer and in the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) cluster: u64,
    pub(crate) layout: Layout,
    /// How records are sealed.
    pub(crate) seal: SealMark,
    pub(crate) proposer: ReplicaId,
    pub(crate) acceptor: ReplicaId,
    /// Random number of the proposer's process: attempts are counted within one.
    pub(crate) process: u64,
    /// Grows with every queue pair that the process offers to this acceptor.
    pub(crate) attempt: u64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// From a proposer: connect this queue pair.
    Offer { frame: Frame, endpoint: Endpoint },
    /// From an acceptor, whose process has drawn the number `by`: connected; here is its memory, an area each in the order of
    /// [`Layout::areas`].
    Welcome { frame: Frame, endpoint: Endpoint, by: u64, incarnation: Incarnation, areas: Vec<RegionClaim> },
}

/// Why a message is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("{0} bytes are not a message")]
    Length(usize),
    #[error("not a message of this version")]
    Foreign,
    #[error("a {0} that cannot be")]
    Field(&'static str),
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut words = Vec::with_capacity(MESSAGE_BYTES_MAX / 8);
        match self {
            Self::Offer { frame, endpoint } => {
                words.extend([MAGIC, OFFER]);
                put_frame(&mut words, frame);
                put_endpoint(&mut words, endpoint);
            }
            Self::Welcome { frame, endpoint, by, incarnation, areas } => {
                words.extend([MAGIC, WELCOME]);
                put_frame(&mut words, frame);
                put_endpoint(&mut words, endpoint);
                words.extend([*by, incarnation.0]);
                words.extend(areas.iter().flat_map(|area| [area.address, area.bytes, u64::from(area.key)]));
            }
        }
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (chunks, []) = bytes.as_chunks() else { return Err(MessageError::Length(bytes.len())) };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::Length(bytes.len()));
        }
        let mut words = Words(chunks.iter());
        if words.next()? != MAGIC {
            return Err(MessageError::Foreign);
        }
        let kind = words.next()?;
        let (frame, endpoint) = (words.frame()?, words.endpoint()?);
        let message = match kind {
            OFFER => Self::Offer { frame, endpoint },
            WELCOME => {
                let (by, incarnation) = (words.next()?, Incarnation(words.next()?));
                let areas = frame.layout.areas().map(|_| words.claim()).collect::<Result<_, _>>()?;
                Self::Welcome { frame, endpoint, by, incarnation, areas }
            }
            _ => return Err(MessageError::Field("kind of message")),
        };
        if words.0.len() == 0 { Ok(message) } else { Err(MessageError::Length(bytes.len())) }
    }
}

fn put_frame(words: &mut Vec<u64>, frame: &Frame) {
    let Layout { replicas, cells, arena_words, snapshot_words } = frame.layout;
    words.push(frame.cluster);
    words.push(u64::from(frame.proposer.0) | u64::from(frame.acceptor.0) << 8 | u64::from(frame.seal.0) << 16);
    words.extend([replicas, cells, arena_words, snapshot_words].map(|number| number as u64));
    words.extend([frame.process, frame.attempt]);
}

fn put_endpoint(words: &mut Vec<u64>, endpoint: &Endpoint) {
    let (kind, high, low) = match endpoint.address {
        Address::Gid(Gid(bytes)) => {
            let number = u128::from_be_bytes(bytes);
            (BY_GID, (number >> 64) as u64, number as u64)
        }
        Address::Lid(lid) => (BY_LID, 0, u64::from(lid)),
    };
    words.push(u64::from(endpoint.queue_pair) | u64::from(endpoint.packet_sequence) << 32);
    words.push(kind | u64::from(endpoint.mtu.code()) << 8 | u64::from(endpoint.reads_in_max) << 16);
    words.extend([high, low]);
}

/// The words of a message that were not read yet.
struct Words<'a>(std::slice::Iter<'a, [u8; 8]>);

impl Words<'_> {
    fn next(&mut self) -> Result<u64, MessageError> {
        self.0.next().map(|bytes| u64::from_le_bytes(*bytes)).ok_or(MessageError::Field("length"))
    }

    fn size(&mut self) -> Result<usize, MessageError> {
        usize::try_from(self.next()?).map_err(|_| MessageError::Field("size"))
    }

    fn frame(&mut self) -> Result<Frame, MessageError> {
        let cluster = self.next()?;
        let [proposer, acceptor, seal_low, seal_high, rest @ ..] = self.next()?.to_le_bytes();
        let seal = SealMark(u16::from_le_bytes([seal_low, seal_high]));
        let layout = Layout {
            replicas: self.size()?,
            cells: self.size()?,
            arena_words: self.size()?,
            snapshot_words: self.size()?,
        };
        let is_member = |id: u8| usize::from(id) < layout.replicas;
        if rest != [0; 4] || layout.replicas > REPLICAS_MAX || !is_member(proposer) || !is_member(acceptor) {
            return Err(MessageError::Field("pair of replicas"));
        }
        let (process, attempt) = (self.next()?, self.next()?);
        let (proposer, acceptor) = (ReplicaId(proposer), ReplicaId(acceptor));
        Ok(Frame { cluster, layout, seal, proposer, acceptor, process, attempt })
    }

    fn endpoint(&mut self) -> Result<Endpoint, MessageError> {
        let numbers = self.next()?;
        let [kind, mtu, reads_in_max, rest @ ..] = self.next()?.to_le_bytes();
        let (high, low) = (self.next()?, self.next()?);
        let address = match u64::from(kind) {
            BY_GID => Address::Gid(Gid((u128::from(high) << 64 | u128::from(low)).to_be_bytes())),
            BY_LID if high == 0 => Address::Lid(u16::try_from(low).map_err(|_| MessageError::Field("LID"))?),
            _ => return Err(MessageError::Field("kind of address")),
        };
        if rest != [0; 5] {
            return Err(MessageError::Field("endpoint"));
        }
        let mtu = Mtu::from_code(u32::from(mtu)).ok_or(MessageError::Field("MTU"))?;
        let (queue_pair, packet_sequence) = (numbers as u32, (numbers >> 32) as u32);
        Ok(Endpoint { queue_pair, packet_sequence, address, mtu, reads_in_max })
    }

    fn claim(&mut self) -> Result<RegionClaim, MessageError> {
        let (address, bytes) = (self.next()?, self.next()?);
        let key = u32::try_from(self.next()?).map_err(|_| MessageError::Field("key"))?;
        Ok(RegionClaim { address, bytes, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAYOUT: Layout = Layout { replicas: 7, cells: 64, arena_words: 256, snapshot_words: 512 };

    fn examples() -> Vec<Message> {
        let frame = Frame {
            cluster: 0xC1,
            layout: LAYOUT,
            seal: SealMark(0x8123),
            proposer: ReplicaId(2),
            acceptor: ReplicaId(6),
            process: u64::MAX,
            attempt: 3,
        };
        let endpoint = Endpoint {
            queue_pair: 0xff_ffff,
            packet_sequence: 0x12_3456,
            address: Address::Gid(Gid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])),
            mtu: Mtu::Bytes4096,
            reads_in_max: 16,
        };
        let by_lid = Endpoint { address: Address::Lid(0xbeef), ..endpoint };
        let areas =
            (0..10).map(|i| RegionClaim { address: i << 32, bytes: 4096 + i, key: u32::MAX - i as u32 }).collect();
        let welcome = Message::Welcome { frame, endpoint: by_lid, by: 77, incarnation: Incarnation(9), areas };
        vec![Message::Offer { frame, endpoint }, welcome]
    }

    #[test]
    fn messages_come_back_as_they_were() {
        for message in examples() {
            let bytes = message.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            assert_eq!(Message::decode(&bytes), Ok(message));
        }
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        for message in examples() {
            let bytes = message.encode();
            for length in 0..bytes.len() {
                assert!(Message::decode(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
            }
            assert!(Message::decode(&[bytes, vec![0; 8]].concat()).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..MESSAGE_BYTES_MAX + 16)) {
            let _ = Message::decode(&bytes);
        }

        #[test]
        fn no_damage_panics_or_passes_for_more_areas(place in 0usize..400, bit in 0u8..8, which in 0usize..2) {
            let mut bytes = examples()[which].encode();
            let place = place % bytes.len();
            bytes[place] ^= 1 << bit;
            if let Ok(Message::Welcome { frame, areas, .. }) = Message::decode(&bytes) {
                prop_assert_eq!(areas.len(), frame.layout.areas().count());
            }
        }
    }
}
