//! Signatures where verifiers disagree, and some where they should not.
//!
//! Every function makes the same cases from the same seed. A count bounds how many; as few as a hundred hold some of every
//! family, and 10,000 hold each family several times with other messages and keys.

mod encodings;
mod forge;
mod lattice;
mod orders;
mod plain;
mod published;

pub use published::published;

use crate::Case;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet};

/// Rounds of families that are made at most, so that a count cannot ask for unbounded work: about 2,400 cases each.
const ROUNDS_MAX: usize = 64;

/// `count` cases for Ed25519 (fewer only beyond 64 rounds of all families).
pub fn ed25519(seed: u64, count: usize) -> Vec<Case> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut all = Vec::new();
    for _ in 0..ROUNDS_MAX {
        orders::small(&mut rng, &mut all);
        orders::mixed(&mut rng, &mut all);
        orders::negated(&mut rng, &mut all);
        encodings::scalars(&mut rng, &mut all);
        encodings::coordinates(&mut rng, &mut all);
        plain::flips(&mut rng, &mut all);
        plain::lengths(&mut rng, &mut all);
        plain::swaps(&mut rng, &mut all);
        if all.len() >= count {
            break;
        }
    }
    thinned(all, count)
}

/// `count` cases for ML-DSA-44 and hybrid keys (fewer only beyond 64 rounds of all families).
pub fn post_quantum(seed: u64, count: usize) -> Vec<Case> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut all = Vec::new();
    for _ in 0..ROUNDS_MAX {
        lattice::lattice(&mut rng, &mut all);
        lattice::hybrid(&mut rng, &mut all);
        if all.len() >= count {
            break;
        }
    }
    thinned(all, count)
}

/// Cases of all families, in the order that they were made: half of them in equal shares, so that a family of four is not
/// lost among hundreds, and the others evenly from what is left.
fn thinned(all: Vec<Case>, count: usize) -> Vec<Case> {
    let mut families = BTreeMap::<String, Vec<usize>>::new();
    for (i, case) in all.iter().enumerate() {
        families.entry(case.family().to_owned()).or_default().push(i);
    }
    let share = count / (2 * families.len().max(1));
    let mut kept: BTreeSet<usize> = families.values().flat_map(|members| evenly(members, share)).collect();
    let others: Vec<_> = (0..all.len()).filter(|i| !kept.contains(i)).collect();
    kept.extend(evenly(&others, count - kept.len()));
    all.into_iter().enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, case)| case).collect()
}

/// So many of them, or all if they are fewer.
fn evenly(all: &[usize], count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(all.len());
    (0..count).map(move |i| all[i * all.len() / count])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;
    use paxon_fastpath::verify::Verdict;

    #[test]
    fn the_same_seed_makes_the_same_cases_and_another_seed_others() {
        assert_eq!(ed25519(7, 500), ed25519(7, 500));
        assert_ne!(ed25519(7, 500), ed25519(8, 500));
    }

    #[test]
    fn the_count_is_kept_and_every_family_is_there() {
        let families =
            |cases: &[Case]| -> BTreeSet<String> { cases.iter().map(|case| case.family().to_owned()).collect() };
        let many = families(&ed25519(1, 3_000));
        assert_eq!(many.len(), 8, "{many:?}");
        for count in [100, 1_000, 3_000, 6_000] {
            let cases = ed25519(1, count);
            assert_eq!(cases.len(), count);
            assert_eq!(families(&cases), many, "{count}");
        }
    }

    #[test]
    fn the_rule_says_yes_to_some_of_the_cases_and_no_to_others() {
        let cases = ed25519(1, 6_000);
        let valid = cases.iter().filter(|case| oracle(case) == Verdict::Valid).count();
        assert!((100..3_000).contains(&valid), "{valid}");
        // A key of mixed order can sign: the rule has no cofactor, so it is right for some messages only.
        let mixed = cases.iter().filter(|case| case.about.starts_with("mixed order"));
        let valid = mixed.clone().filter(|case| oracle(case) == Verdict::Valid).count();
        assert!(valid > 50 && valid < mixed.count(), "{valid}");
    }
}
