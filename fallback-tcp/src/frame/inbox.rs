//! Frames out of a stream of bytes that is cut anywhere.

use super::{HEADER_BYTES, Violation};

/// Who the frames are for.
pub trait Receiver {
    /// The length of the frame that begins with `header`, at least [`super::FRAME_BYTES_MIN`].
    ///
    /// # Errors
    /// [`Violation`] if no such frame is expected.
    fn length(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Violation>;

    /// A whole frame.
    ///
    /// # Errors
    /// [`Violation`] if it is not to be had.
    fn frame(&mut self, frame: &[u8]) -> Result<(), Violation>;
}

/// The beginning of a frame whose end has not arrived.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Invariant: shorter than the frame that it begins, whose header was accepted as soon as it was whole.
    partial: Vec<u8>,
}

impl Inbox {
    /// Gives every whole frame to `receiver`, straight from `bytes` unless it began earlier. Holds back no more than has
    /// arrived of one frame.
    ///
    /// # Errors
    /// The receiver's, at the first frame that it refuses; the rest is not looked at.
    #[inline]
    pub fn feed(&mut self, mut bytes: &[u8], receiver: &mut impl Receiver) -> Result<(), Violation> {
        if !self.partial.is_empty() {
            bytes = self.complete(bytes, receiver)?;
        }
        while let Some(header) = bytes.first_chunk() {
            let length = receiver.length(header)?;
            let Some((frame, rest)) = bytes.split_at_checked(length) else { break };
            receiver.frame(frame)?;
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds to the frame that has begun; returns what belongs to the next one.
    fn complete<'a>(&mut self, bytes: &'a [u8], receiver: &mut impl Receiver) -> Result<&'a [u8], Violation> {
        let rest = self.fill(bytes, HEADER_BYTES);
        let Some(header) = self.partial.first_chunk() else { return Ok(rest) };
        let length = receiver.length(header)?;
        let rest = self.fill(rest, length);
        if self.partial.len() == length {
            receiver.frame(&self.partial)?;
            self.partial.clear();
        }
        Ok(rest)
    }

    /// Takes what is missing to `length`, as far as it is there; returns the rest.
    fn fill<'a>(&mut self, bytes: &'a [u8], length: usize) -> &'a [u8] {
        let missing = length.saturating_sub(self.partial.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.partial.extend_from_slice(taken);
        rest
    }

    /// Bytes held back.
    pub fn held(&self) -> usize {
        self.partial.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes frames whose first byte is their length.
    #[derive(Default)]
    struct Lengths(Vec<Vec<u8>>);

    impl Receiver for Lengths {
        fn length(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Violation> {
            if usize::from(header[0]) < HEADER_BYTES { Err(Violation::Length) } else { Ok(header[0].into()) }
        }

        fn frame(&mut self, frame: &[u8]) -> Result<(), Violation> {
            self.0.push(frame.to_vec());
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_stream_is_cut(
            lengths in prop::collection::vec(HEADER_BYTES as u8..=255, 0..20),
            cuts in prop::collection::vec(1usize..300, 1..40),
        ) {
            let sent: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(at, &length)| [&[length][..], &vec![at as u8; length as usize - 1]].concat()).collect();
            let stream = sent.concat();
            let (mut inbox, mut got, mut rest) = (Inbox::default(), Lengths::default(), &stream[..]);
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(rest.len().min(*cut));
                inbox.feed(piece, &mut got).expect("lengths are right");
                prop_assert!(inbox.held() < 255);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(inbox.held(), 0);
            prop_assert_eq!(got.0, sent);
        }
    }

    #[test]
    fn a_bad_header_is_refused_as_soon_as_it_is_whole() {
        let (mut inbox, mut got) = (Inbox::default(), Lengths::default());
        for at in 0..HEADER_BYTES - 1 {
            assert_eq!(inbox.feed(&[3], &mut got), Ok(()), "byte {at}");
        }
        assert_eq!(inbox.feed(&[3], &mut got), Err(Violation::Length));
    }
}
