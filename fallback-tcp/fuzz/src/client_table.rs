//! The client table of a peer's snapshot, and what commands meet in one that was accepted.
//!
//! The input is `[1: the first words made right]`, the length of the table in two bytes, the table, and operations on it.

use crate::input::Input;
use paxon_fastpath::{Admission, ClientTable, Reply, SessionLimits, Slot};

/// A table of few places, all of which a fuzzer reaches.
pub const LIMITS: SessionLimits = SessionLimits { sessions_max: 4, window: 4, reply_bytes_max: 16 };
/// The words in front of a table that only its limits decide: magic, sessions, window, bytes of a reply.
const PREFIX_BYTES: usize = 32;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, bytes) = (input.u8(), input.u16());
    let mut encoded = input.take(bytes.into()).to_vec();
    let fresh = ClientTable::new(LIMITS).expect("the limits are in range");
    if choice & 1 == 1 && encoded.len() >= PREFIX_BYTES {
        encoded[..PREFIX_BYTES].copy_from_slice(&encoding_of(&fresh)[..PREFIX_BYTES]);
    }
    let table = ClientTable::decode(LIMITS, &encoded).inspect(|table| {
        assert_eq!(encoding_of(table), encoded, "one table has two encodings");
    });
    use_table(table.unwrap_or(fresh), input);
}

fn encoding_of(table: &ClientTable) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    assert!(bytes.len() <= LIMITS.encoded_bytes_max());
    bytes
}

fn use_table(mut table: ClientTable, mut input: Input<'_>) {
    let (mut session, mut reply) = (0, Reply::new(LIMITS.reply_bytes_max));
    while !input.is_empty() {
        match input.u8() % 4 {
            0 => {
                if let Some(opened) = table.open() {
                    session = opened;
                    assert_eq!(table.admit(session, 1), Admission::New, "a session that was opened now is not open");
                }
            }
            1 => session = input.u64(),
            _ => {
                let sequence = input.odd_u64();
                if table.admit(session, sequence) == Admission::New {
                    reply.clear();
                    let bytes = input.u8() % 24;
                    reply.write(input.take(bytes.into()));
                    table.keep(session, sequence, Slot(sequence ^ 5), &reply);
                    assert!(matches!(table.admit(session, sequence), Admission::Duplicate { .. }));
                }
            }
        }
        assert!(table.open_sessions() <= LIMITS.sessions_max);
    }
    let encoded = encoding_of(&table);
    let again = ClientTable::decode(LIMITS, &encoded).expect("what a table has written can be read");
    assert_eq!(encoding_of(&again), encoded);
}
