//! Requests: what a client sends to a replica. The input is as [`client_frames`](crate::client_frames) says.

use crate::client_frames::{BODY_BYTES_MAX, read};
use paxon_client::wire::{Frame, OVERHEAD_BYTES, Parsed, Request, append};

/// Runs one input.
pub fn run(data: &[u8]) {
    read(data, |id, body| match Request::decode(body) {
        Ok(request) => survives(id, &request),
        Err(error) => assert!(error.to_string().len() < 200),
    });
}

fn survives(id: u64, request: &Request<'_>) {
    let mut bytes = Vec::new();
    append(&mut bytes, id, request, BODY_BYTES_MAX + OVERHEAD_BYTES).expect("no longer than what was decoded");
    let Parsed::Whole(Frame { id: again, body }) = Parsed::at_start_of(&bytes, usize::MAX) else {
        panic!("{request:?} is sent as what is no frame")
    };
    assert_eq!((again, Request::decode(body)), (id, Ok(*request)));
}
