//! The verification core against `verify_strict` and `verify`, given the digest of each message.

use crate::cases;
use crate::signature::{EQUAL, Signed};
use crate::stream::{Handshake, Stalls};
use paxon_fpga_sim::{Model, Port};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// What a run of the core measured.
struct Run {
    reasons: Vec<u64>,
    /// From the first request that was offered to the last result.
    cycles: u64,
    /// When each request was taken, and the products that had been started by then.
    taken: Vec<(u64, u64)>,
    /// When each result came.
    done: Vec<u64>,
}

struct Core {
    model: Model,
    input: Handshake,
    output: Handshake,
    inputs: [Port; 5],
    outputs: [Port; 3],
    /// Cycles between the first requests, until every context has one: 0 unless set.
    pace: u64,
}

impl Core {
    fn new(name: &str) -> Self {
        let model = Model::new(name).expect("the model is in models.txt");
        let port = |name: &str| model.port(name).expect("a port of ed25519_verify_core");
        let inputs = ["tag_i", "key_i", "r_i", "s_i", "digest_i"].map(port);
        let outputs = ["tag_o", "reason_o", "multiplying_o"].map(port);
        let input = Handshake::new(&model, "valid_i", "ready_o");
        let output = Handshake::new(&model, "valid_o", "ready_i");
        Self { model, input, output, inputs, outputs, pace: 0 }
    }

    fn put(&mut self, tag: usize, signed: &Signed) {
        let [tag_i, key, r, s, digest] = self.inputs;
        self.model.set(tag_i, tag as u64);
        self.model.set_bytes(key, &signed.key);
        self.model.set_bytes(r, &signed.r);
        self.model.set_bytes(s, &signed.s);
        self.model.set_bytes(digest, &signed.digest());
    }

    /// Verifies all cases and returns their reasons in order.
    fn run(&mut self, cases: &[Signed], stall: Option<u64>) -> Run {
        let mut rng = SmallRng::seed_from_u64(stall.unwrap_or(0));
        let (mut feeding, mut taking) = (Stalls::new(), Stalls::new());
        let mut reasons = vec![None; cases.len()];
        let (mut taken, mut done_at) = (Vec::new(), vec![0; cases.len()]);
        let (mut next, mut offered, mut done, mut products) = (0, false, 0, 0);
        let start = self.model.cycles();
        while done < cases.len() {
            let now = self.model.cycles() - start;
            let early = next < 16 && now < next as u64 * self.pace;
            let offer = next < cases.len() && !early && (offered || stall.is_none() || feeding.go(&mut rng));
            if offer && !offered {
                self.put(next, &cases[next]);
            }
            offered = offer;
            self.input.offer(&mut self.model, offer);
            self.output.accept(&mut self.model, stall.is_none() || taking.go(&mut rng));
            self.model.eval();
            if self.output.moves(&self.model) {
                let tag = self.model.get(self.outputs[0]) as usize;
                let reason = self.model.get(self.outputs[1]);
                assert!(reasons[tag].replace(reason).is_none(), "request {tag} got a second result");
                done_at[tag] = now;
                done += 1;
            }
            if self.input.moves(&self.model) {
                next += 1;
                offered = false;
                taken.push((now, products));
            }
            self.model.clock(1);
            products += self.model.get(self.outputs[2]);
            assert!(self.model.cycles() - start < 1_000_000 + 60_000 * cases.len() as u64, "{done} results, then none");
        }
        let reasons = reasons.into_iter().map(|reason| reason.expect("all are done")).collect();
        Run { reasons, cycles: self.model.cycles() - start, taken, done: done_at }
    }
}

/// Every reason is that of software, and so both verdicts are.
fn agree(cases: &[Signed], reasons: &[u64]) {
    for (at, (signed, reason)) in cases.iter().zip(reasons).enumerate() {
        assert_eq!(*reason, signed.reason(), "case {at} of {}: {signed:02x?}", cases.len());
        assert_eq!(*reason == EQUAL, signed.strict(), "case {at}: {signed:02x?}");
    }
}

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
    for model in ["core_tiled", "core_4", "core_2", "core_1"] {
        agree(&cases, &Core::new(model).run(&cases, Some(17)).reasons);
    }
}

/// Requests after which an engine runs as it will for ever: all its contexts are full and batches follow each other.
const WARM: usize = 80;

/// Cycles a verification and the share of cycles in which a multiplier that starts a product every `interval` cycles is busy.
///
/// Contexts that start together would end together for long; the first requests come one by one, `pace` cycles apart, so that
/// contexts are spread out as they are in the long run.
fn sustained(model: &str, interval: u64, pace: u64, count: usize) -> (f64, f64) {
    let mut rng = SmallRng::seed_from_u64(18);
    let cases: Vec<_> = (0..WARM + count).map(|_| cases::valid(&mut rng, 32)).collect();
    // From one taken request to another, so that the start and the end, where contexts stand idle, are left out.
    let mut core = Core::new(model);
    core.pace = pace;
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
fn eleven_rows_take_at_most_3000_cycles_and_keep_the_multiplier_busy() {
    let (cycles, busy) = sustained("core_11", 1, 2_690, sweep(320, 1_600));
    println!("11 rows: {cycles:.0} cycles a verification, multiplier busy {:.2} %", 100.0 * busy);
    assert!(cycles <= 3_000.0, "{cycles} cycles");
    as_in_the_readme("cycles a verification, cold key, sustained", 0, cycles);
    as_in_the_readme("multiplier busy", 0, 100.0 * busy);
    assert!(busy >= 0.95, "busy {busy}");
}

#[test]
fn one_row_takes_at_most_35000_cycles() {
    let (cycles, busy) = sustained("core_1", 11, 29_700, sweep(48, 160));
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
    assert!(run.done[0] <= 16 * 3_000 + 16 * 700 && run.done[0] < last, "done at {}, fed until {last}", run.done[0]);
}

#[test]
fn a_lone_signature_on_eleven_rows_is_done_within_its_slots() {
    let mut rng = SmallRng::seed_from_u64(19);
    let run = Core::new("core_11").run(&[cases::valid(&mut rng, 32)], None);
    println!("11 rows, idle: {} cycles from digest to verdict", run.cycles);
    assert!(run.cycles <= 16 * 3_000 + 600, "{} cycles", run.cycles);
    // One signature has more or fewer digits than another.
    let claimed = readme("cycles from digest to verdict, idle")[0];
    assert!((run.cycles as f64 / claimed - 1.0).abs() < 0.05, "the README says {claimed}");
}
