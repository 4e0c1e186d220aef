//! What the library verifies on one thread, one signature after the other: what verifiers are compared with.

use super::auth::software;
use paxon_fastpath::verify::Request;
use paxon_signed::MESSAGE_BYTES;
use paxon_verify::{PreparedKey, SigningKey};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long each rate is measured.
const RATE_TIME: Duration = Duration::from_millis(500);

/// Single verifications a second on this thread: by the library's function, and with a prepared key.
pub(super) fn rates(key: &SigningKey) -> (f64, f64) {
    let scheme = key.scheme();
    let message = [0x5a; MESSAGE_BYTES];
    let signature = key.sign(&message);
    let request = Request { ticket: 0, scheme, key: key.public_key(), signature: &signature, message: &message };
    let prepared = PreparedKey::new(scheme, key.public_key());
    let plain = rate(|| software(&request) as u8);
    let tables = prepared.map_or(plain, |prepared| rate(|| prepared.verify(&signature, &message) as u8));
    (plain, tables)
}

fn rate(mut verify: impl FnMut() -> u8) -> f64 {
    let start = Instant::now();
    let mut count = 0u32;
    while start.elapsed() < RATE_TIME {
        for _ in 0..16 {
            black_box(verify());
        }
        count += 16;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}
