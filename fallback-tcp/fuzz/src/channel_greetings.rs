//! Hello and greeting: the first bytes that a stranger, and an acceptor, may send.
//!
//! The input is a message, read as it is and once more with a prefix and a checksum that fit, behind which its fields are
//! reached.

use paxon_channel::{GREETING_BYTES, Greeting, HELLO_BYTES, Hello, Welcome};
use paxon_tcp::frame::Seed;
use xxhash_rust::xxh3::xxh3_64;

/// Magic and version.
const PREFIX_BYTES: usize = 12;
const WELCOME: Welcome = Welcome { incarnation: 1, frame_bytes_max: 2, outstanding_max: 3 };

/// Runs one input.
pub fn run(data: &[u8]) {
    hello(data);
    greeting(data);
    // Any greeting and any hello have the prefix of the kind.
    greeting(&repaired::<GREETING_BYTES>(data, &Greeting::Welcome(WELCOME).encode()));
    if let Some(example) = crate::seeds::hellos().first() {
        hello(&repaired::<HELLO_BYTES>(data, &example.encode()));
    }
}

fn hello(bytes: &[u8]) {
    match Hello::decode(bytes) {
        Ok(hello) => {
            assert_eq!(hello.encode(), bytes, "one hello has two encodings");
            assert!(!hello.is_older_than(&hello));
            let _ = Seed::of(&hello, &WELCOME).opened(hello.attempt);
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
}

fn greeting(bytes: &[u8]) {
    match Greeting::decode(bytes) {
        Ok(greeting) => {
            assert_eq!(greeting.encode(), bytes, "one greeting has two encodings");
            if let Greeting::Refused(refusal) = greeting {
                assert!(refusal.to_string().len() < 300);
            }
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
}

fn repaired<const N: usize>(data: &[u8], like: &[u8; N]) -> [u8; N] {
    let mut bytes = [0; N];
    let taken = data.len().min(N);
    bytes[..taken].copy_from_slice(&data[..taken]);
    bytes[..PREFIX_BYTES].copy_from_slice(&like[..PREFIX_BYTES]);
    let sum = xxh3_64(&bytes[..N - 8]);
    bytes[N - 8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}
