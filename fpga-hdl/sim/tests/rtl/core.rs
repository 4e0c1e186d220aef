//! The verification core against `verify_strict` and `verify`, given the digest of each message.

mod driver;
mod host;
mod hot;

use crate::cases;
use crate::signature::{EQUAL, Signed};
use driver::{Core, agree};
use rand::SeedableRng;
use rand::rngs::SmallRng;

#[test]
fn one_valid_signature_is_valid_and_one_of_another_message_is_not() {
    let mut rng = SmallRng::seed_from_u64(11);
    let signed = cases::valid(&mut rng, 10);
    let other = Signed { message: vec![1], ..signed.clone() };
    let run = Core::new("core_11").run(&[signed, other], None);
    assert_eq!(run.reasons, [EQUAL, 0]);
}

/// How many cases a sweep has: `quick` of them, or `full` when PAXON_FPGA_SWEEP is set.
fn sweep(quick: usize, full: usize) -> usize {
    if std::env::var_os("PAXON_FPGA_SWEEP").is_some() { full } else { quick }
}

#[test]
fn project_wycheproof_gets_the_verdicts_of_software() {
    let cases = cases::wycheproof();
    agree(&cases, &Core::new("core_11").run(&cases, Some(12)).reasons);
    println!("0 disagreements in {} cases of Wycheproof", cases.len());
}

#[test]
fn edge_cases_get_the_reasons_of_software() {
    let mut rng = SmallRng::seed_from_u64(13);
    let cases = cases::edges(&mut rng, sweep(1, 20_000));
    agree(&cases, &Core::new("core_11").run(&cases, None).reasons);
    println!("0 disagreements in {} edge cases", cases.len());
}

#[test]
fn random_signatures_get_the_reasons_of_software_whatever_stalls() {
    let mut rng = SmallRng::seed_from_u64(14);
    let cases = cases::random(&mut rng, sweep(300, 10_000));
    agree(&cases, &Core::new("core_11").run(&cases, Some(15)).reasons);
    println!("0 disagreements in {} random cases", cases.len());
}

#[test]
fn every_number_of_rows_and_the_tiles_give_the_same_reasons() {
    let mut rng = SmallRng::seed_from_u64(16);
    let mut cases = cases::random(&mut rng, 24);
    let edges = cases::edges(&mut rng, 1);
    cases.extend(edges.iter().step_by(edges.len() / 24).cloned());
    cases.extend(cases::of_keys(&mut rng, 2, 24));
    let keys = [cases[cases.len() - 2].key, cases[cases.len() - 1].key];
    for (model, room) in [("core_tiled", 2), ("core_4", 2), ("core_2", 1), ("core_1", 0)] {
        let mut core = Core::new(model);
        for (entry, key) in keys.iter().take(room).enumerate() {
            hot::register(&mut core, entry as u64, key);
        }
        let run = core.run(&cases, Some(17));
        agree(&cases, &run.reasons);
        assert_eq!(run.hot.iter().filter(|hot| **hot).count(), 12 * room, "{model}");
    }
}

/// Requests after which an engine runs as it will for ever: all its contexts are full and batches follow each other.
const WARM: usize = 80;

/// Cycles a verification and the share of cycles in which a multiplier that starts a product every `interval` cycles is busy.
///
/// Contexts that start together would end together for long; the first requests come one by one, `pace` cycles apart, so that
/// contexts are spread out as they are in the long run.
fn sustained(
    model: &str,
    interval: u64,
    pace: u64,
    count: usize,
    prepare: impl FnOnce(&mut Core, &[Signed]),
) -> (f64, f64) {
    let mut rng = SmallRng::seed_from_u64(18);
    let cases = cases::valid_of_keys(&mut rng, 4, WARM + count);
    // From one taken request to another, so that the start and the end, where contexts stand idle, are left out.
    let mut core = Core::new(model);
    core.pace = pace;
    prepare(&mut core, &cases);
    let taken = core.run(&cases, None).taken;
    let ((from, before), (to, after)) = (taken[WARM - 1], taken[WARM + count - 1]);
    let (cycles, products) = (to - from, after - before);
    (cycles as f64 / count as f64, (products * interval) as f64 / cycles as f64)
}

/// The numbers of a row of the README's table.
fn readme(row: &str) -> Vec<f64> {
    let readme = include_str!("../../../README.md");
    let line = readme.lines().find(|line| line.starts_with(&format!("| {row} |"))).expect("the README has the row");
    let cells = line.split('|').skip(2).map(|cell| cell.replace([',', '%'], ""));
    cells.filter_map(|cell| cell.trim().parse().ok()).collect()
}

/// The README says what was measured, to one part in a hundred: the signatures differ with the length of the run.
fn as_in_the_readme(row: &str, column: usize, measured: f64) {
    let claimed = readme(row)[column];
    assert!((measured / claimed - 1.0).abs() < 0.01, "{row}: the README says {claimed}, measured {measured}");
}

#[test]
fn eleven_rows_take_at_most_2500_cycles_and_keep_the_multiplier_busy() {
    let (cycles, busy) = sustained("core_11", 1, 2_145, sweep(320, 1_600), |_, _| ());
    println!("11 rows: {cycles:.0} cycles a verification, multiplier busy {:.2} %", 100.0 * busy);
    assert!(cycles <= 2_500.0, "{cycles} cycles");
    as_in_the_readme("cycles a verification, cold key, sustained", 0, cycles);
    as_in_the_readme("multiplier busy", 0, 100.0 * busy);
    assert!(busy >= 0.95, "busy {busy}");
}

#[test]
fn one_row_takes_at_most_35000_cycles() {
    let (cycles, busy) = sustained("core_1", 11, 23_600, sweep(48, 160), |_, _| ());
    println!("1 row: {cycles:.0} cycles a verification, multiplier busy {:.2} %", 100.0 * busy);
    assert!(cycles <= 35_000.0, "{cycles} cycles");
    assert!(busy >= 0.95, "busy {busy}");
}

/// Signatures whose keys are no points end early, and each makes room for another.
#[test]
fn a_stream_of_early_failures_holds_no_signature_back() {
    let mut rng = SmallRng::seed_from_u64(20);
    let failing = Signed { key: cases::undecodable(), ..cases::valid(&mut rng, 8) };
    let mut cases = vec![cases::valid(&mut rng, 8)];
    cases.resize(400, failing);
    let run = Core::new("core_11").run(&cases, None);
    agree(&cases, &run.reasons);
    let last = run.taken[399].0;
    // Its own slots, 16 ends of others, an inversion: while there was always another request to take.
    assert!(run.done[0] <= 16 * 2_300 + 16 * 700 && run.done[0] < last, "done at {}, fed until {last}", run.done[0]);
}

#[test]
fn a_lone_signature_on_eleven_rows_is_done_within_its_slots() {
    let mut rng = SmallRng::seed_from_u64(19);
    let run = Core::new("core_11").run(&[cases::valid(&mut rng, 32)], None);
    println!("11 rows, idle: {} cycles from digest to verdict", run.cycles);
    assert!(run.cycles <= 16 * 2_300 + 2_000, "{} cycles", run.cycles);
    // One signature has more or fewer digits than another.
    let claimed = readme("cycles from digest to verdict, idle")[0];
    assert!((run.cycles as f64 / claimed - 1.0).abs() < 0.05, "the README says {claimed}");
}
