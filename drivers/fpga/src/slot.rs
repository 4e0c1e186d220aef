//! A request as the device reads it.

use crate::registers as map;

const BYTES: usize = map::SLOT_BYTES as usize;
const MESSAGE: usize = map::SLOT_MESSAGE as usize;

// R and s stand one after the other, as in a signature.
const _: () = assert!(map::SLOT_S == map::SLOT_R + 32 && map::SLOT_KEY == map::SLOT_S + 32);
const _: () = assert!(map::SLOT_MESSAGE + map::SLOT_INLINE_BYTES == map::SLOT_BYTES);

/// 256 bytes: header, cookie, R, s, key, message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    bytes: [u8; BYTES],
}

impl Slot {
    /// Whether key and signature have the lengths of Ed25519 and the message stands in a slot.
    pub const fn fits(key: &[u8], signature: &[u8], message: &[u8]) -> bool {
        key.len() == 32 && signature.len() == 64 && message.len() <= map::SLOT_INLINE_BYTES as usize
    }

    /// A request under the rule of `verify_strict`. `None` if key or signature has a wrong length or the message does not stand
    /// in a slot.
    pub fn verify(cookie: u64, key: &[u8], signature: &[u8], message: &[u8]) -> Option<Self> {
        if !Self::fits(key, signature, message) {
            return None;
        }
        let mut slot = Self { bytes: [0; BYTES] };
        slot.bytes[map::SLOT_OPCODE as usize] = map::OPCODE_VERIFY as u8;
        slot.bytes[map::SLOT_RULESET as usize] = map::RULESET_STRICT as u8;
        slot.put(map::SLOT_MESSAGE_BYTES, &(message.len() as u32).to_le_bytes());
        slot.put(map::SLOT_COOKIE, &cookie.to_le_bytes());
        slot.put(map::SLOT_R, signature);
        slot.put(map::SLOT_KEY, key);
        slot.put(map::SLOT_MESSAGE, message);
        Some(slot)
    }

    /// A slot from what a device's memory holds.
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self { bytes }
    }

    fn put(&mut self, offset: u32, bytes: &[u8]) {
        self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn part<const N: usize>(&self, offset: u32) -> [u8; N] {
        self.bytes[offset as usize..][..N].try_into().expect("a range of N bytes has N bytes")
    }

    /// What its completion repeats.
    pub fn cookie(&self) -> u64 {
        u64::from_le_bytes(self.part(map::SLOT_COOKIE))
    }

    /// What the header says of the message's length; may be more than the slot holds.
    pub fn message_bytes(&self) -> u32 {
        u32::from_le_bytes(self.part(map::SLOT_MESSAGE_BYTES))
    }

    /// The public key.
    pub fn key(&self) -> [u8; 32] {
        self.part(map::SLOT_KEY)
    }

    /// R and s.
    pub fn signature(&self) -> [u8; 64] {
        self.part(map::SLOT_R)
    }

    /// The public key's bytes.
    pub(crate) fn key_bytes(&self) -> &[u8] {
        &self.bytes[map::SLOT_KEY as usize..][..32]
    }

    /// The bytes of R and s.
    pub(crate) fn signature_bytes(&self) -> &[u8] {
        &self.bytes[map::SLOT_R as usize..][..64]
    }

    /// As much of the message as the slot holds.
    pub fn message(&self) -> &[u8] {
        let length = self.message_bytes().min(map::SLOT_INLINE_BYTES) as usize;
        &self.bytes[MESSAGE..MESSAGE + length]
    }

    /// The header's opcode, rule and flags.
    pub fn header(&self) -> (u8, u8, u16) {
        let flags = u16::from_le_bytes(self.part(map::SLOT_FLAGS));
        (self.bytes[map::SLOT_OPCODE as usize], self.bytes[map::SLOT_RULESET as usize], flags)
    }

    /// The words up to the end of the message.
    pub fn words(&self) -> impl ExactSizeIterator<Item = u32> {
        let used = MESSAGE + self.message().len().next_multiple_of(8);
        self.bytes[..used].chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_gives_back_what_was_put_in() {
        let slot = Slot::verify(0x0123_4567_89ab_cdef, &[1; 32], &[2; 64], b"nine byte").expect("it fits");
        assert_eq!((slot.cookie(), slot.key(), slot.signature()), (0x0123_4567_89ab_cdef, [1; 32], [2; 64]));
        assert_eq!((slot.message(), slot.header()), (&b"nine byte"[..], (1, 0, 0)));
        assert_eq!(slot.words().len(), (128 + 16) / 4);
        assert_eq!(slot.words().nth(1), Some(9));
    }

    #[test]
    fn what_does_not_stand_in_a_slot_is_refused() {
        assert!(Slot::verify(0, &[1; 31], &[2; 64], b"").is_none());
        assert!(Slot::verify(0, &[1; 32], &[2; 65], b"").is_none());
        assert!(Slot::verify(0, &[1; 32], &[2; 64], &[0; 129]).is_none());
        assert!(Slot::verify(0, &[1; 32], &[2; 64], &[0; 128]).is_some());
    }

    #[test]
    fn a_length_beyond_the_slot_reads_no_further_than_the_slot() {
        let mut bytes = [0; 256];
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Slot::from_bytes(bytes).message().len(), 128);
    }
}
