//! What travels: whole Ethernet frames, without preamble and check sequence.

use std::sync::Arc;

/// Longest frame in bytes. QEMU's own buffer for a packet is this long; a TAP device stays far below.
pub const FRAME_BYTES_MAX: usize = 4096 + 65536;
/// Two addresses and a type: what is shorter is no frame and is ignored.
const HEADER_BYTES: usize = 14;

/// A station's address on the wire.
pub(crate) type Mac = [u8; 6];

/// A frame; flooding it to many ports copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Invariant: at least a header, at most [`FRAME_BYTES_MAX`].
    bytes: Arc<[u8]>,
}

impl Frame {
    /// The frame in `bytes`; `None` if its length is not that of one.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        (HEADER_BYTES..=FRAME_BYTES_MAX).contains(&bytes.len()).then(|| Self { bytes: bytes.into() })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn destination(&self) -> Mac {
        self.mac_at(0)
    }

    pub(crate) fn source(&self) -> Mac {
        self.mac_at(6)
    }

    fn mac_at(&self, start: usize) -> Mac {
        std::array::from_fn(|byte| self.bytes[start + byte])
    }
}

/// Whether an address names a group of stations, such as all of them.
pub(crate) const fn is_group(mac: Mac) -> bool {
    mac[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_a_header_and_ends_where_buffers_do() {
        assert_eq!(Frame::new(&[0; HEADER_BYTES - 1]), None);
        assert_eq!(Frame::new(&[0; FRAME_BYTES_MAX + 1]), None);
        let bytes: Vec<u8> = (1..=14).collect();
        let frame = Frame::new(&bytes).expect("long enough");
        assert_eq!((frame.destination(), frame.source()), ([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]));
        assert!(is_group(frame.destination()) && is_group([0xff; 6]) && !is_group([2, 0, 0, 0, 0, 1]));
    }
}
