//! The bytes of one stream on their way out.

use crate::SendError;

/// Bytes in the order they were taken: those under way with the kernel, then those that wait.
///
/// Two vectors change roles, so that a stream allocates only while its traffic grows.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Bytes that wait.
    pending: Vec<u8>,
    /// Empty; memory for `pending` while the other vector is with the kernel.
    spare: Vec<u8>,
    /// Bytes of the vector with the kernel that were sent before.
    offset: usize,
    /// Bytes of the vector with the kernel from `offset` on; 0 exactly if none is with it.
    under_way: usize,
}

impl Outgoing {
    /// Bytes taken that are not known to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.pending.len() + self.under_way
    }

    /// Takes all of `bytes` unless that makes more than `limit` unsent.
    pub(crate) fn take(&mut self, bytes: &[u8], limit: usize) -> Result<(), SendError> {
        let unsent = self.unsent();
        if bytes.len() > limit.saturating_sub(unsent) {
            return Err(SendError::Full { unsent, limit, refused: bytes.len() });
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// What to send next, unless something is under way or nothing waits.
    pub(crate) fn depart(&mut self) -> Option<Vec<u8>> {
        if self.under_way > 0 || self.pending.is_empty() {
            return None;
        }
        self.under_way = self.pending.len();
        self.offset = 0;
        Some(std::mem::replace(&mut self.pending, std::mem::take(&mut self.spare)))
    }

    /// The bytes that wait, if there are any and none are under way.
    pub(crate) fn waiting(&self) -> Option<&[u8]> {
        (self.under_way == 0 && !self.pending.is_empty()).then_some(&self.pending)
    }

    /// Forgets the first `sent` of the bytes that wait.
    pub(crate) fn went(&mut self, sent: usize) {
        self.pending.drain(..sent);
    }

    /// Takes back what [`depart`](Self::depart) gave, of which `sent` more bytes were sent. Gives it out again, with the
    /// offset to go on from, if that was not all.
    pub(crate) fn returned(&mut self, mut bytes: Vec<u8>, sent: usize) -> Option<(Vec<u8>, usize)> {
        assert!(sent <= self.under_way, "{sent} bytes sent of {}", self.under_way);
        self.under_way -= sent;
        self.offset += sent;
        if self.under_way > 0 {
            return Some((bytes, self.offset));
        }
        bytes.clear();
        self.spare = bytes;
        None
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_departs_together_and_in_order() {
        let mut outgoing = Outgoing::default();
        outgoing.take(b"ab", 8).expect("room");
        outgoing.take(b"cd", 8).expect("room");
        let bytes = outgoing.depart().expect("something waits");
        assert_eq!(bytes, b"abcd");
        outgoing.take(b"ef", 8).expect("room");
        assert_eq!((outgoing.depart(), outgoing.unsent()), (None, 6));
        let (bytes, offset) = outgoing.returned(bytes, 3).expect("one byte is left");
        assert_eq!(&bytes[offset..], b"d");
        assert_eq!(outgoing.returned(bytes, 1), None);
        assert_eq!((outgoing.depart(), outgoing.unsent()), (Some(b"ef".to_vec()), 2));
    }

    #[test]
    fn the_limit_counts_what_is_under_way() {
        let mut outgoing = Outgoing::default();
        outgoing.take(b"abcd", 6).expect("room");
        let bytes = outgoing.depart().expect("something waits");
        let full = SendError::Full { unsent: 4, limit: 6, refused: 3 };
        assert_eq!(outgoing.take(b"efg", 6), Err(full));
        outgoing.returned(bytes, 1);
        outgoing.take(b"efg", 6).expect("room was made");
    }

    #[test]
    fn what_went_without_departing_is_forgotten() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.waiting(), None);
        outgoing.take(b"abcd", 8).expect("room");
        assert_eq!(outgoing.waiting(), Some(&b"abcd"[..]));
        outgoing.went(3);
        assert_eq!((outgoing.unsent(), outgoing.depart()), (1, Some(b"d".to_vec())));
        outgoing.take(b"ef", 8).expect("room");
        assert_eq!(outgoing.waiting(), None, "d is under way and comes first");
    }
}
