//! Replies: what a replica sends to a client. The input is as [`client_frames`](crate::client_frames) says.

use crate::client_frames::{BODY_BYTES_MAX, read};
use paxon_client::wire::{Code, Frame, OVERHEAD_BYTES, Parsed, Reply, append};

/// Runs one input.
pub fn run(data: &[u8]) {
    read(data, |id, body| match Reply::decode(body) {
        Ok(reply) => survives(id, &reply),
        Err(error) => assert!(error.to_string().len() < 200),
    });
}

fn survives(id: u64, reply: &Reply<'_>) {
    if let Reply::Refused(refusal) = reply {
        assert_eq!(Code::from(u8::from(refusal.code)), refusal.code);
        assert!(refusal.code.is_passing() || !refusal.code.is_harmless());
    }
    let mut bytes = Vec::new();
    append(&mut bytes, id, reply, BODY_BYTES_MAX + OVERHEAD_BYTES).expect("no longer than what was decoded");
    let Parsed::Whole(Frame { id: again, body }) = Parsed::at_start_of(&bytes, usize::MAX) else {
        panic!("{reply:?} is sent as what is no frame")
    };
    assert_eq!((again, Reply::decode(body)), (id, Ok(*reply)));
}
