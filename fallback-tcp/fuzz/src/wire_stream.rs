//! Frames of the tests' virtual wire on a stream: whoever runs a machine of QEMU on it may send anything.
//!
//! The input is how the stream is cut, and the stream. What must come out at the other port is worked out here as well.

use crate::input::{Input, pieces};
use paxon_wire::{FRAME_BYTES_MAX, Port, Wire};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest stream of an input: all its frames together fit in a socket and in the wire's memory.
const STREAM_BYTES_MAX: usize = 4 << 10;
/// Two addresses and a type.
const HEADER_BYTES: usize = 14;
/// A frame to everybody that ends a run. Its source is a group, which is never learned as a station.
const LAST: [u8; HEADER_BYTES + 8] = *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x08\x00the last";

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = input.u8();
    let mut stream = input.take(STREAM_BYTES_MAX).to_vec();
    let expected = loop {
        match expected_of(&stream) {
            Ok(frames) => break frames,
            // What has begun is brought to its end: a length, and then the frame of that length.
            Err(missing) => stream.resize(stream.len() + missing, 0),
        }
    };
    let (mut sender, plugged) = UnixStream::pair().expect("a pair of sockets");
    let (receiver, other) = UnixStream::pair().expect("a pair of sockets");
    let ports = [plugged, other].map(|socket| Port::stream(socket).expect("a socket"));
    let wire = Wire::start(ports.into(), 1).expect("a thread");
    for socket in [&sender, &receiver] {
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time-out");
    }
    let is_sent = pieces(&stream, cut).all(|piece| sender.write_all(piece).is_ok());
    match expected {
        Some(frames) => {
            assert!(is_sent, "the wire has closed a stream that keeps to the format");
            sender.write_all(&framed(&LAST)).expect("the wire reads on");
            receive(receiver, &frames);
        }
        None => assert_closed(sender),
    }
    drop(wire);
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes()[..], frame].concat()
}

/// The frames that go to the other port, or `None` if the stream is to be closed.
///
/// # Errors
/// The bytes that its last frame lacks.
fn expected_of(mut stream: &[u8]) -> Result<Option<Vec<Vec<u8>>>, usize> {
    let (mut frames, mut stations) = (Vec::new(), BTreeSet::new());
    while !stream.is_empty() {
        let Some((length, rest)) = stream.split_first_chunk::<4>() else { return Err(4 - stream.len()) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Ok(None);
        }
        let Some((frame, rest)) = rest.split_at_checked(length) else { return Err(length - rest.len()) };
        stream = rest;
        if frame.len() < HEADER_BYTES {
            continue;
        }
        let (to, from) = (&frame[..6], &frame[6..12]);
        if from[0] & 1 == 0 {
            stations.insert(from.to_vec());
        }
        if !stations.contains(to) {
            frames.push(frame.to_vec());
        }
    }
    Ok(Some(frames))
}

fn receive(mut receiver: UnixStream, frames: &[Vec<u8>]) {
    for expected in frames.iter().map(Vec::as_slice).chain([&LAST[..]]) {
        let mut found = vec![0; 4 + expected.len()];
        receiver.read_exact(&mut found).expect("the wire delivers within the time");
        assert_eq!(found, framed(expected));
    }
}

/// The wire has closed its end: there is nothing to read, at once or when it has looked.
fn assert_closed(mut sender: UnixStream) {
    match sender.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("a stream with an impossible length stays open: {other:?}"),
    }
}
