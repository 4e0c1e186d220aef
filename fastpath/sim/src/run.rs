//! Running seeds: one, or many on several threads.

use crate::lab::{Check, Lab, Violation};
use crate::scenario::Scenario;
use crate::tally::Tally;
use crate::world::World;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What it broke, if anything.
    pub violation: Option<Violation>,
    /// Faults and wildness.
    pub tally: Tally,
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// Virtual time at the end.
    pub virtual_ns: u64,
    /// The readable trace, if it was asked for.
    pub trace: Vec<String>,
}

thread_local! {
    /// Message and place of the last panic of this thread.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
    /// The seed that this thread runs.
    static SEED: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Makes assertions of the engine violations of the seed that is being run, instead of messages in between.
///
/// In a build that aborts on panic the seed is printed, as nothing can be done after the panic.
pub fn catch_assertions() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| match SEED.get() {
        Some(_) if cfg!(panic = "unwind") => {
            LAST_PANIC.with_borrow_mut(|last| *last = info.to_string().replace('\n', " "))
        }
        seed => {
            default(info);
            report_abort(seed);
        }
    }));
}

fn report_abort(seed: Option<u64>) {
    use std::io::Write;
    if let Some(seed) = seed {
        // Nothing is left to do if even the error stream is gone.
        let _ = writeln!(std::io::stderr(), "while running seed {seed}; replay it with: paxon-sim replay {seed}");
    }
}

/// Runs one seed.
pub fn run_seed(seed: u64, keep_trace: bool) -> Outcome {
    SEED.set(Some(seed));
    let lab = Rc::new(Lab::new(Scenario::new(seed), keep_trace));
    let result = catch_unwind(AssertUnwindSafe(|| World::new(lab.clone()).run()));
    SEED.set(None);
    let violation = result.unwrap_or_else(|_| {
        let message = LAST_PANIC.with_borrow_mut(std::mem::take);
        Err(Violation { check: Check::Assertion, message })
    });
    let tally = Tally::default();
    tally.add(&lab.tally);
    Outcome {
        seed,
        violation: violation.err(),
        tally,
        trace_hash: lab.trace_hash(),
        virtual_ns: lab.now(),
        trace: lab.trace(),
    }
}

/// Runs seeds from `start` on `jobs` threads and hands each outcome to `take`, which says whether to go on.
pub fn run_seeds(start: u64, seeds: u64, jobs: usize, mut take: impl FnMut(Outcome) -> bool) {
    let next = AtomicU64::new(start);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let sender = sender.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                // Relaxed: seeds are independent of each other, and the channel orders their outcomes.
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= start + seeds || sender.send(run_seed(seed, false)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for outcome in receiver {
            if !take(outcome) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
}
