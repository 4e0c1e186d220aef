//! The verifiers of this package, under the suite that every verifier passes.

use paxon_fastpath::verify::{Scheme, Verdict};
use paxon_verify::{Idle, InlineVerifier, Limits, PoolOptions, PreparedKey, SoftwareVerifier, verify};
use paxon_verify_conformance::{Case, Subject, edges, oracle};
use std::time::Duration;

/// Cases for the functions without a verifier around them; the variable `PAXON_VERIFY_SWEEP` holds another number.
const CASES: usize = 5_000;

fn cases() -> Vec<Case> {
    let count = std::env::var("PAXON_VERIFY_SWEEP").map_or(CASES, |count| count.parse().expect("a number of cases"));
    let mut all = edges::ed25519(100, count);
    all.extend(edges::post_quantum(100, count / 20));
    all.extend(edges::published().into_iter().map(|(case, _)| case));
    all
}

#[test]
fn the_function_and_prepared_keys_say_what_the_oracle_says() {
    let mut prepared = 0;
    for case in cases() {
        let Case { scheme, key, signature, message, .. } = &case;
        let expected = oracle(&case);
        assert_eq!(verify(*scheme, key, signature, message), expected, "{case:?}");
        match PreparedKey::new(*scheme, key) {
            Some(key) => {
                assert_eq!(key.scheme(), *scheme);
                assert_eq!(key.verify(signature, message), expected, "prepared: {case:?}");
                prepared += 1;
            }
            None => assert_ne!(expected, Verdict::Valid, "not prepared: {case:?}"),
        }
    }
    assert!(prepared > CASES / 2, "only {prepared} keys were worth preparing");
}

#[test]
fn a_key_of_one_scheme_does_not_verify_another() {
    let key = paxon_verify::SigningKey::from_seed(Scheme::Ed25519, &[1; 32]);
    let prepared = PreparedKey::new(Scheme::Ed25519, key.public_key()).expect("a key of its own making");
    assert_eq!(prepared.verify(&[0; 2420], b""), Verdict::Malformed);
    assert_eq!(prepared.verify(&key.sign(b"x"), b"x"), Verdict::Valid);
}

mod inline {
    use super::*;

    struct Inline;

    impl Subject for Inline {
        type Verifier = InlineVerifier;

        fn start() -> InlineVerifier {
            InlineVerifier::default()
        }
    }

    paxon_verify_conformance::conformance!(Inline);
}

mod pool {
    use super::*;

    /// Workers that sleep at once, little room, few prepared keys.
    struct Narrow;

    impl Subject for Narrow {
        type Verifier = SoftwareVerifier;

        fn start() -> SoftwareVerifier {
            let limits = Limits { capacity: 5, message_bytes_max: 200, prepared_keys_max: 3 };
            let idle = Idle::Park { after: Duration::ZERO };
            SoftwareVerifier::start(PoolOptions { workers: 1, cores: Vec::new(), limits, idle })
                .expect("a worker starts")
        }
    }

    paxon_verify_conformance::conformance!(Narrow);
}

mod wide_pool {
    use super::*;

    /// More workers than this machine may have cores.
    struct Wide;

    impl Subject for Wide {
        type Verifier = SoftwareVerifier;

        fn start() -> SoftwareVerifier {
            let options = PoolOptions { workers: 3, ..PoolOptions::default() };
            SoftwareVerifier::start(options).expect("three workers start")
        }
    }

    paxon_verify_conformance::conformance!(Wide);
}
