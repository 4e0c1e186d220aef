//! Which verdicts there are.

use crate::{Case, Session, Subject, edges};
use paxon_fastpath::verify::{Ruleset, Scheme, Verdict, Verifier};
use paxon_verify::SigningKey;
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// Longest message that is tried of a verifier that takes longer ones.
const LONG: usize = 1 << 20;

/// Small and mixed order, encodings, scalars, flips, lengths: as `verify_strict` says.
pub fn edge_cases_have_the_verdicts_of_the_rule<S: Subject>() {
    let mut rng = SmallRng::seed_from_u64(1);
    Session::<S>::start().check(&edges::ed25519(1, S::CASES), &mut rng);
}

/// Project Wycheproof's cases: as the rule says, and none that its authors want refused is valid.
pub fn published_cases_have_the_verdicts_of_the_rule<S: Subject>() {
    let mut session = Session::<S>::start();
    let mut rng = SmallRng::seed_from_u64(2);
    let (cases, refused): (Vec<_>, Vec<_>) = edges::published().into_iter().unzip();
    let (cases, refused) = (first(cases, S::CASES), first(refused, S::CASES));
    session.check(&cases, &mut rng);
    let verdicts = session.verify_all(&cases, &mut rng);
    for ((case, refused), verdict) in cases.iter().zip(refused).zip(verdicts) {
        assert!(!(refused && verdict == Verdict::Valid), "a forgery is valid: {case:?}");
    }
}

fn first<T>(mut all: Vec<T>, count: usize) -> Vec<T> {
    all.truncate(count);
    all
}

/// ML-DSA-44 and hybrid signatures; malformed to a verifier that does not support them.
pub fn lattice_and_hybrid_cases_have_the_verdicts_of_the_rule<S: Subject>() {
    let mut rng = SmallRng::seed_from_u64(3);
    Session::<S>::start().check(&edges::post_quantum(1, S::CASES.min(200)), &mut rng);
}

/// Honest signatures over messages from none to the longest that the verifier takes, and beyond, which is malformed.
pub fn messages_of_every_length_are_verified_or_malformed<S: Subject>() {
    let mut session = Session::<S>::start();
    let longest = session.verifier().message_bytes_max().min(LONG);
    assert!(longest >= 96, "commands sign 96 bytes, and the verifier takes {longest}");
    let mut lengths: Vec<_> = (0..S::REQUESTS / 4).map(|i| i * longest / (S::REQUESTS / 4)).collect();
    lengths.extend([longest - 1, longest, longest + 1, longest + 2, 2 * longest, longest + 65_536]);
    let mut cases = Vec::new();
    for scheme in session.schemes() {
        let key = SigningKey::from_seed(scheme, &[9; 32]);
        cases.extend(lengths.iter().map(|&length| {
            let message: Vec<u8> = (0_u8..=255).cycle().take(length).collect();
            let about = format!("{length} bytes");
            Case { about, scheme, key: key.public_key().to_vec(), signature: key.sign(&message), message }
        }));
    }
    session.check(&cases, &mut SmallRng::seed_from_u64(4));
}

/// Keys and signatures of every length but the right one, those of the other schemes among them.
pub fn wrong_lengths_are_malformed<S: Subject>() {
    let mut session = Session::<S>::start();
    let mut cases = Vec::new();
    for scheme in Scheme::ALL {
        let key = SigningKey::from_seed(scheme, &[5; 32]);
        let message = b"a message".to_vec();
        let right = Case {
            about: "the right lengths".to_owned(),
            scheme,
            key: key.public_key().to_vec(),
            signature: key.sign(&message),
            message,
        };
        cases.push(right.clone());
        for change in [-1, 1, -32, 32, -(1 << 14), 1 << 14] {
            cases.push(Case { key: resized(&right.key, change), about: format!("key {change:+}"), ..right.clone() });
            let signature = resized(&right.signature, change);
            cases.push(Case { signature, about: format!("signature {change:+}"), ..right.clone() });
        }
        for other in Scheme::ALL {
            cases.push(Case { scheme: other, about: format!("{scheme} said to be {other}"), ..right.clone() });
        }
    }
    session.check(&cases, &mut SmallRng::seed_from_u64(5));
}

/// Longer or shorter by so many bytes, down to none.
fn resized(bytes: &[u8], change: isize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().saturating_add_signed(change), 0);
    bytes
}

/// The verifier names the one set of rules, and supports Ed25519.
pub fn the_rules_are_the_strict_ones<S: Subject>() {
    let mut session = Session::<S>::start();
    assert_eq!(session.verifier().ruleset(), Ruleset::STRICT);
    assert!(session.verifier().supports(Scheme::Ed25519), "every verifier verifies Ed25519");
}
