//! Registered keys: the same verdicts from combs, and no comb that was not written for the very key.

use super::driver::{Core, agree};
use super::host::Job;
use super::{as_in_the_readme, sustained, sweep};
use crate::cases;
use crate::signature::{EQUAL, KEY_UNDECODABLE, S_OUT_OF_RANGE, Signed};
use paxon_fpga_gen::comb::comb_of;
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// Entries of the model `core_hot`.
const KEYS: usize = 16;

/// Puts the comb of a key into an entry that is not in use.
pub fn register(core: &mut Core, entry: u64, key: &[u8; 32]) {
    let elements = comb_of(key).expect("the key has a comb");
    core.host.now(&mut core.model, entry, Job::Write { elements, valid: true });
}

/// The keys to register for the first so many cases, as far as there is room. Of keys with one case only some, since writing a comb
/// takes longer than verifying.
fn registrable(cases: &[Signed]) -> (Vec<[u8; 32]>, usize) {
    let mut keys = Vec::new();
    let wanted = |key: &[u8; 32]| key[0] % 8 == 1 || cases.iter().filter(|signed| signed.key == *key).count() > 1;
    for (at, signed) in cases.iter().enumerate() {
        if keys.len() == KEYS {
            return (keys, at);
        }
        if !keys.contains(&signed.key) && wanted(&signed.key) && comb_of(&signed.key).is_ok() {
            keys.push(signed.key);
        }
    }
    (keys, cases.len())
}

/// Runs the cases in parts, with the keys of each part registered. Returns how many results came from a comb.
fn run_registered(core: &mut Core, cases: &[Signed], stall: Option<u64>) -> usize {
    let (mut from, mut hot) = (0, 0);
    while from < cases.len() {
        let (keys, count) = registrable(&cases[from..]);
        // The keys of the part before may come again without being among these.
        (0..KEYS as u64).for_each(|entry| core.host.now(&mut core.model, entry, Job::Evict));
        for (entry, key) in keys.iter().enumerate() {
            register(core, entry as u64, key);
        }
        let part = &cases[from..from + count];
        let run = core.run(part, stall);
        agree(part, &run.reasons);
        for (signed, (is_hot, reason)) in part.iter().zip(run.hot.iter().zip(&run.reasons)) {
            let expected = keys.contains(&signed.key) && reason & S_OUT_OF_RANGE == 0;
            assert_eq!(*is_hot, expected, "{signed:02x?}");
        }
        hot += run.hot.iter().filter(|hot| **hot).count();
        from += count;
    }
    hot
}

#[test]
fn edge_cases_of_registered_keys_get_the_reasons_of_software() {
    let mut rng = SmallRng::seed_from_u64(21);
    let cases: Vec<_> = cases::edges(&mut rng, sweep(1, 6_000)).into_iter().step_by(sweep(3, 1)).collect();
    let hot = run_registered(&mut Core::new("core_hot"), &cases, None);
    println!("0 disagreements in {} edge cases, {hot} of them from combs", cases.len());
    assert!(hot * 6 > cases.len(), "{hot} of {}", cases.len());
}

#[test]
fn random_signatures_of_registered_keys_get_the_reasons_of_software_whatever_stalls() {
    let mut rng = SmallRng::seed_from_u64(22);
    let mut cases = cases::of_keys(&mut rng, 8, sweep(300, 10_000));
    cases.extend(cases::wycheproof());
    let hot = run_registered(&mut Core::new("core_hot"), &cases, Some(23));
    println!("0 disagreements in {} random cases, {hot} of them from combs", cases.len());
    assert!(hot * 2 > cases.len(), "{hot} of {}", cases.len());
}

#[test]
fn a_key_that_differs_in_one_bit_is_not_taken_for_a_registered_one() {
    let mut rng = SmallRng::seed_from_u64(24);
    let signed = cases::valid(&mut rng, 9);
    let mut core = Core::new("core_hot");
    register(&mut core, 5, &signed.key);
    let mut cases = vec![signed.clone()];
    for bit in 0..256 {
        let mut key = signed.key;
        key[bit / 8] ^= 1 << (bit % 8);
        cases.push(Signed { key, ..signed.clone() });
    }
    let run = core.run(&cases, None);
    agree(&cases, &run.reasons);
    assert!(run.hot[0] && run.hot[1..].iter().all(|hot| !hot));
    assert!(run.reasons.iter().any(|reason| reason & KEY_UNDECODABLE != 0), "half of them are no points");
}

#[test]
fn keys_are_evicted_and_registered_again_in_the_middle_of_a_stream() {
    let mut rng = SmallRng::seed_from_u64(25);
    let cases = cases::of_keys(&mut rng, 2, 400);
    let keys: Vec<_> = cases.iter().take(2).map(|signed| signed.key).collect();
    let combs: Vec<_> = keys.iter().map(|key| comb_of(key).expect("the key has a comb")).collect();
    for stall in [None, Some(26)] {
        let mut core = Core::new("core_hot");
        register(&mut core, 0, &keys[0]);
        // The key leaves, another one takes its place, and that one gives way to the first again, each while signatures run.
        core.host.later(100, 0, Job::Evict);
        core.host.later(200, 0, Job::Write { elements: combs[1].clone(), valid: true });
        core.host.later(300, 0, Job::Write { elements: combs[0].clone(), valid: true });
        let run = core.run(&cases, stall);
        agree(&cases, &run.reasons);
        let is_hot = &run.hot;
        let hot =
            |from: usize, to: usize, key: usize| (from..to).filter(move |at| at % 2 == key).map(move |at| is_hot[at]);
        // A key is looked up some cycles after its request was taken.
        assert!(hot(0, 98, 0).all(|hot| hot) && hot(102, 300, 0).all(|hot| !hot));
        assert!(hot(0, 200, 1).all(|hot| !hot) && hot(280, 298, 1).all(|hot| hot));
        assert!(hot(380, 400, 0).all(|hot| hot) && hot(302, 400, 1).all(|hot| !hot));
        assert!(core.host.busy > 0, "the entry was in use when it was to be written");
    }
}

#[test]
fn a_comb_that_is_not_written_whole_is_never_used() {
    let mut rng = SmallRng::seed_from_u64(27);
    let cases = cases::of_keys(&mut rng, 2, 6);
    let comb = comb_of(&cases[0].key).expect("the key has a comb");
    let mut core = Core::new("core_hot");
    register(&mut core, 0, &cases[0].key);
    let mut longer = comb.clone();
    longer.push([0; 32]);
    // Each of them takes the valid comb away.
    for elements in [comb[..comb.len() - 1].to_vec(), longer, Vec::new(), comb[comb.len() - 1..].to_vec()] {
        register(&mut core, 0, &cases[0].key);
        assert!(core.host.is_valid(&mut core.model, 0));
        core.host.now(&mut core.model, 0, Job::Write { elements, valid: false });
        let run = core.run(&cases, None);
        agree(&cases, &run.reasons);
        assert!(run.hot.iter().all(|hot| !hot));
    }
    // Signatures of the key while its comb is written.
    core.host.later(0, 0, Job::Write { elements: comb, valid: true });
    let many: Vec<_> = (0..100).map(|_| cases[0].clone()).collect();
    let run = core.run(&many, None);
    agree(&many, &run.reasons);
    assert!(!run.hot[0] && run.hot[99]);
}

#[test]
fn a_wrong_comb_harms_no_signature_of_another_key() {
    let mut rng = SmallRng::seed_from_u64(28);
    let cases = cases::of_keys(&mut rng, 2, 64);
    let mut comb = comb_of(&cases[0].key).expect("the key has a comb");
    let last = comb.len() - 1;
    // From zeros the formulas make a Z of 0, which no comb of a point does.
    comb[..last].fill([0; 32]);
    let mut core = Core::new("core_hot");
    core.host.now(&mut core.model, 0, Job::Write { elements: comb, valid: true });
    register(&mut core, 1, &cases[1].key);
    let run = core.run(&cases, None);
    assert!(run.hot.iter().all(|hot| *hot));
    for (at, (signed, reason)) in cases.iter().zip(&run.reasons).enumerate() {
        let expected = if at % 2 == 0 { 0 } else { signed.reason() };
        assert_eq!(*reason, expected, "case {at}");
    }
    assert!(run.reasons.contains(&EQUAL));
}

#[test]
fn registered_keys_take_at_most_800_cycles_and_keep_the_multiplier_busy() {
    let keys = |core: &mut Core, cases: &[Signed]| {
        for (entry, signed) in cases.iter().take(4).enumerate() {
            register(core, entry as u64, &signed.key);
        }
    };
    let (cycles, busy) = sustained("core_hot", 1, 530, sweep(800, 8_000), keys);
    println!("11 rows: {cycles:.0} cycles a verification with a hot key, multiplier busy {:.2} %", 100.0 * busy);
    assert!(cycles <= 800.0, "{cycles} cycles");
    assert!(busy >= 0.95, "busy {busy}");
    as_in_the_readme("cycles a verification, hot key, sustained", 0, cycles);
}

/// Only jobs of registered keys share inversions: those of other keys end by themselves, and each end counts.
#[test]
fn a_hot_signature_among_cold_ones_is_not_held_back() {
    let mut rng = SmallRng::seed_from_u64(29);
    let (hot, mut cases) = (cases::valid(&mut rng, 32), cases::valid_of_keys(&mut rng, 1, 80));
    cases.insert(20, hot);
    let mut core = Core::new("core_hot");
    register(&mut core, 0, &cases[20].key);
    let run = core.run(&cases, None);
    agree(&cases, &run.reasons);
    assert_eq!(run.hot.iter().position(|hot| *hot), Some(20));
    // While there was always another request to take.
    let (done, last) = (run.done[20], run.taken[80].0);
    assert!(done < last, "done at {done}, fed until {last}");
}
