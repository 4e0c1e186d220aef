//! Reading fixed-length numbers from bytes that somebody else wrote.

/// What is left of some bytes. Every method is `None` once they end, and takes nothing then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// All that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes of the checksum that ends files and snapshots.
pub(crate) const CHECKSUM_BYTES: usize = 32;

/// Appends the checksum of `into[from..]`.
pub(crate) fn seal(into: &mut Vec<u8>, from: usize) {
    let checksum = blake3::hash(&into[from..]);
    into.extend_from_slice(checksum.as_bytes());
}

/// The bytes before a checksum that matches them; `None` if it does not.
pub(crate) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    (blake3::hash(body) == *checksum).then_some(body)
}
