//! Frames between clients and replicas, through the transport that both ends use.

use crate::input::{Input, pieces};
use mio::net::UnixStream;
use paxon_client::transport::{Received, Transport};
use paxon_client::wire::{HEADER_BYTES, Parsed};
use std::io::Write;
use xxhash_rust::xxh3::xxh3_64;

/// Longest body that the receiver takes.
pub const BODY_BYTES_MAX: usize = 1 << 10;

/// Longest stream of an input. A socket takes it at once.
const STREAM_BYTES_MAX: usize = 16 << 10;

/// Reads the frames of an input: `[1: checks made right]`, the cut, and the stream. Calls `each` with the id and the body of
/// every frame.
pub fn read(data: &[u8], mut each: impl FnMut(u64, &[u8])) {
    let mut input = Input::new(data);
    let (choice, cut) = (input.u8(), input.u8());
    let mut stream = input.take(STREAM_BYTES_MAX).to_vec();
    if choice & 1 == 1 {
        repair(&mut stream);
    }
    let frames = frames_at_once(&stream);
    assert_eq!(frames, frames_of_a_transport(&stream, cut), "how the stream is cut decides what is in it");
    for (id, body) in &frames.0 {
        each(*id, body);
    }
}

/// Gives frames that stand one behind the other, of the lengths that they announce, a check that fits.
fn repair(mut stream: &mut [u8]) {
    while stream.len() >= HEADER_BYTES {
        let announced = Input::new(stream).u64() as u32 as usize;
        let length = announced.min(stream.len() - HEADER_BYTES);
        let (frame, rest) = std::mem::take(&mut stream).split_at_mut(HEADER_BYTES + length);
        frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
        let check = xxh3_64(&frame[8..]) as u32;
        frame[4..8].copy_from_slice(&check.to_le_bytes());
        stream = rest;
    }
}

/// Ids and bodies, and whether something that is no frame came after them.
type Frames = (Vec<(u64, Vec<u8>)>, bool);

fn frames_at_once(mut stream: &[u8]) -> Frames {
    let mut frames = Vec::new();
    loop {
        match Parsed::at_start_of(stream, BODY_BYTES_MAX) {
            Parsed::Whole(frame) => {
                assert!(frame.body.len() <= BODY_BYTES_MAX);
                frames.push((frame.id, frame.body.to_vec()));
                stream = &stream[frame.bytes()..];
            }
            Parsed::Part { frame_bytes } => {
                assert!(frame_bytes.is_none_or(|bytes| bytes > stream.len() && bytes <= HEADER_BYTES + BODY_BYTES_MAX));
                return (frames, false);
            }
            Parsed::TooLong { body_bytes, .. } => {
                assert!(body_bytes as usize > BODY_BYTES_MAX);
                return (frames, true);
            }
            Parsed::Damaged => return (frames, true),
        }
    }
}

fn frames_of_a_transport(stream: &[u8], cut: u8) -> Frames {
    let (mut peer, socket) = UnixStream::pair().expect("a pair of sockets");
    let mut transport = Transport::unix(socket);
    let mut frames = Vec::new();
    let mut scratch = [0; 4096];
    for piece in pieces(stream, cut) {
        peer.write_all(piece).expect("the socket has room: everything before was read");
        while let Received::Bytes(_) = transport.receive(&mut scratch).expect("both ends are open") {
            loop {
                match transport.next_frame(BODY_BYTES_MAX) {
                    Parsed::Whole(frame) => {
                        frames.push((frame.id, frame.body.to_vec()));
                        let bytes = frame.bytes();
                        transport.take(bytes);
                    }
                    Parsed::Part { .. } => break,
                    Parsed::TooLong { .. } | Parsed::Damaged => return (frames, true),
                }
            }
            assert!(transport.received().len() < HEADER_BYTES + BODY_BYTES_MAX, "more than a frame is held back");
        }
    }
    (frames, false)
}
