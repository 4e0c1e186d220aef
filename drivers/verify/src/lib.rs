//! Verifies signatures in software, by one rule: the verdict is the same for every caller, thread, key table and batch.
//!
//! The rule for Ed25519 is `verify_strict` of ed25519-dalek, see [`Ruleset::STRICT`](paxon_fastpath::verify::Ruleset::STRICT); for
//! ML-DSA-44 it is algorithm 3 of FIPS 204 with an empty context; a hybrid signature is valid when both of its halves are.
//!
//! * [`verify`]: one signature, now.
//! * [`PreparedKey`]: the same for a key that signs often, about twice as fast for Ed25519.
//! * [`InlineVerifier`]: a [`Verifier`](paxon_fastpath::verify::Verifier) on the caller's own thread.
//! * [`SoftwareVerifier`]: a [`Verifier`](paxon_fastpath::verify::Verifier) with a pool of worker threads, pinned to cores or not.
//! * [`SigningKey`]: what clients, tests and benchmarks sign with.
//!
//! Limits: nothing here runs in constant time except signing, since all that is verified is public. Ed25519 allocates nothing
//! after the start; ML-DSA-44 allocates inside its library. Verdicts of the pool come in any order.
//!
//! ```
//! use paxon_fastpath::verify::{Scheme, Verdict};
//!
//! let key = paxon_verify::SigningKey::from_seed(Scheme::Ed25519, &[7; 32]);
//! let signature = key.sign(b"commit");
//! assert_eq!(paxon_verify::verify(Scheme::Ed25519, key.public_key(), &signature, b"commit"), Verdict::Valid);
//! assert_eq!(paxon_verify::verify(Scheme::Ed25519, key.public_key(), &signature, b"abort"), Verdict::Invalid);
//! ```

#![forbid(unsafe_code)]

mod batch;
mod ed25519;
mod inline;
mod key_book;
mod limits;
mod ml_dsa;
mod pool;
mod prepared;
mod signing;

pub use batch::verify;
pub use inline::InlineVerifier;
pub use limits::{Counters, Limits};
pub use pool::{Idle, PoolOptions, SoftwareVerifier, StartError};
pub use prepared::PreparedKey;
pub use signing::{EntropyError, SigningKey};
