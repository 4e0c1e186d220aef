//! Keys that are announced.

use crate::{Case, Session, Subject, edges};
use paxon_fastpath::verify::{Scheme, Verifier};
use paxon_verify::SigningKey;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// With every key of every edge case announced (more than any verifier has room for, no points and points of small order
/// among them), and again after all were forgotten: the verdicts are the oracle's.
pub fn prepared_keys_change_no_verdict<S: Subject>() {
    let mut rng = SmallRng::seed_from_u64(21);
    let mut session = Session::<S>::start();
    let mut cases = edges::ed25519(21, S::CASES);
    cases.extend(edges::post_quantum(21, S::CASES.min(100)));
    for case in &cases {
        session.verifier().prepare(case.scheme, &case.key);
    }
    session.check(&cases, &mut rng);
    for case in &cases {
        session.verifier().forget(case.scheme, &case.key);
    }
    session.check(&cases[..cases.len() / 4], &mut rng);
}

/// A few keys sign all the time while they are prepared and forgotten at random.
pub fn keys_may_come_and_go_while_requests_are_under_way<S: Subject>() {
    let mut rng = SmallRng::seed_from_u64(22);
    let mut session = Session::<S>::start();
    let keys: Vec<_> = (0..6).map(|seed| SigningKey::from_seed(Scheme::Ed25519, &[seed; 32])).collect();
    let mut cases = Vec::new();
    for i in 0..S::REQUESTS {
        let key = &keys[i % keys.len()];
        let message = i.to_le_bytes().to_vec();
        let mut signature = key.sign(&message);
        signature[0] ^= u8::from(rng.random_bool(0.3));
        let about = format!("request {i}");
        cases.push(Case { about, scheme: Scheme::Ed25519, key: key.public_key().to_vec(), signature, message });
    }
    for cases in cases.chunks(10) {
        for key in &keys {
            match rng.random_range(0..3) {
                0 => session.verifier().prepare(Scheme::Ed25519, key.public_key()),
                1 => session.verifier().forget(Scheme::Ed25519, key.public_key()),
                _ => {}
            }
        }
        session.check(cases, &mut rng);
    }
}

/// Wrong lengths, other schemes, unknown keys, the same key many times.
pub fn bad_keys_may_be_prepared_and_forgotten<S: Subject>() {
    let mut rng = SmallRng::seed_from_u64(23);
    let mut session = Session::<S>::start();
    let key = SigningKey::from_seed(Scheme::Ed25519, &[3; 32]);
    for scheme in Scheme::ALL {
        for length in [0, 1, 31, 32, 33, 1311, 1312, 1344, 1 << 16] {
            let bytes = vec![0xff; length];
            session.verifier().forget(scheme, &bytes);
            session.verifier().prepare(scheme, &bytes);
            session.verifier().prepare(scheme, &bytes);
        }
    }
    for _ in 0..40 {
        session.verifier().prepare(Scheme::Ed25519, key.public_key());
    }
    session.verifier().forget(Scheme::Ed25519, key.public_key());
    session.verifier().forget(Scheme::Ed25519, key.public_key());
    session.check(&edges::ed25519(23, S::REQUESTS / 4), &mut rng);
}
