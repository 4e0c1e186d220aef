//! Contenders in turns: a block of each, then again, so that what the machine does meanwhile hits all of them.

use crate::contender::{BlockError, Contender, Latencies, OUTSTANDING};
use serde::Serialize;
use std::cmp::Ordering;

/// How much is measured, of each contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Operations one at a time, over all blocks.
    pub samples: u64,
    /// Operations with [`OUTSTANDING`] on their way, over all blocks.
    pub operations: u64,
    /// Turns of each contender; at least 1, and at most as many as there are samples.
    pub blocks: u64,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A block of a contender cannot be used.
    #[error("{contender}")]
    Block {
        /// Which contender.
        contender: String,
        /// Why.
        source: BlockError,
    },
    /// Somebody wanted it to end.
    #[error("interrupted")]
    Interrupted,
}

/// What one contender did in one turn.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Block {
    /// One at a time.
    #[serde(flatten)]
    pub latencies: Latencies,
    /// With many outstanding, operations a second.
    pub ops_per_s: f64,
}

/// What one contender did in all of its turns. A figure is the median of that figure over the blocks (the lower of the two in
/// the middle), so that one disturbed block does not decide; `max_ns` is the longest of all blocks.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The contender.
    pub name: String,
    /// Figures of all blocks; `samples` is their sum.
    #[serde(flatten)]
    pub latencies: Latencies,
    /// With many outstanding, operations a second.
    pub ops_per_s: f64,
    /// In the order in which they ran; at least one.
    pub blocks: Vec<Block>,
}

impl Row {
    /// The row of a contender that had at least one turn.
    fn new(name: String, blocks: Vec<Block>) -> Self {
        let latency =
            |figure: fn(&Latencies) -> u64| median(blocks.iter().map(|block| figure(&block.latencies)), u64::cmp);
        let latencies = Latencies {
            p50_ns: latency(|block| block.p50_ns),
            p99_ns: latency(|block| block.p99_ns),
            p999_ns: latency(|block| block.p999_ns),
            max_ns: blocks.iter().map(|block| block.latencies.max_ns).max().unwrap_or_default(),
            samples: blocks.iter().map(|block| block.latencies.samples).sum(),
        };
        let ops_per_s = median(blocks.iter().map(|block| block.ops_per_s), f64::total_cmp);
        Self { name, latencies, ops_per_s, blocks }
    }
}

/// Measures all contenders in turns; `go_on` is told what comes next and says whether to do it.
///
/// # Errors
/// [`CompareError`] as soon as a block cannot be used.
pub fn alternate(
    contenders: &mut [&mut dyn Contender],
    plan: Plan,
    mut go_on: impl FnMut(&str) -> bool,
) -> Result<Vec<Row>, CompareError> {
    let mut blocks = vec![Vec::new(); contenders.len()];
    for turn in 1..=plan.blocks {
        for (contender, blocks) in contenders.iter_mut().zip(&mut blocks) {
            if !go_on(&format!("block {turn} of {}: {}", plan.blocks, contender.name())) {
                return Err(CompareError::Interrupted);
            }
            blocks.push(block(*contender, plan)?);
        }
    }
    Ok(contenders.iter().zip(blocks).map(|(contender, blocks)| Row::new(contender.name(), blocks)).collect())
}

fn block(contender: &mut dyn Contender, plan: Plan) -> Result<Block, CompareError> {
    let name = contender.name();
    let failed = |source| CompareError::Block { contender: name.clone(), source };
    let latencies = contender.one_at_a_time(plan.samples.div_ceil(plan.blocks)).map_err(failed)?;
    let ops_per_s = contender.outstanding(OUTSTANDING, plan.operations.div_ceil(plan.blocks)).map_err(failed)?;
    Ok(Block { latencies, ops_per_s })
}

/// The lower of the two in the middle; 0 of none.
fn median<T: Copy + Default>(values: impl Iterator<Item = T>, order: fn(&T, &T) -> Ordering) -> T {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(order);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Each block is slower than the one before; `log` has who did what.
    struct Tiring<'a> {
        name: &'static str,
        turn: u64,
        log: &'a RefCell<Vec<String>>,
    }

    impl Contender for Tiring<'_> {
        fn name(&self) -> String {
            self.name.to_owned()
        }

        fn one_at_a_time(&mut self, operations: u64) -> Result<Latencies, BlockError> {
            self.turn += 1;
            self.log.borrow_mut().push(format!("{}{} {operations}", self.name, self.turn));
            let [p50_ns, p99_ns, p999_ns, max_ns] = [10, 20, 30, 40].map(|factor| factor * self.turn);
            Ok(Latencies { p50_ns, p99_ns, p999_ns, max_ns, samples: operations })
        }

        fn outstanding(&mut self, width: usize, operations: u64) -> Result<f64, BlockError> {
            if self.turn == 9 {
                return Err(BlockError::Miscounted { asked: operations, counted: 0 });
            }
            self.log.borrow_mut().push(format!("{}{} {width}x{operations}", self.name, self.turn));
            Ok(1000.0 / self.turn as f64)
        }
    }

    fn run(turn: u64, go_on: impl FnMut(&str) -> bool) -> (Result<Vec<Row>, CompareError>, Vec<String>) {
        let log = RefCell::new(Vec::new());
        let mut a = Tiring { name: "a", turn, log: &log };
        let mut b = Tiring { name: "b", turn, log: &log };
        let rows = alternate(&mut [&mut a, &mut b], Plan { samples: 10, operations: 90, blocks: 3 }, go_on);
        (rows, log.into_inner())
    }

    #[test]
    fn contenders_take_turns_and_each_gets_the_same_work() {
        let (rows, log) = run(0, |_| true);
        let expected = ["a1 4", "a1 64x30", "b1 4", "b1 64x30", "a2 4", "a2 64x30", "b2 4"];
        assert_eq!(log[..7], expected);
        assert_eq!((log.len(), rows.expect("nothing fails").len()), (12, 2));
    }

    #[test]
    fn a_row_has_the_median_of_its_blocks_and_the_longest_of_all() {
        let rows = run(0, |_| true).0.expect("nothing fails");
        let expected = Latencies { p50_ns: 20, p99_ns: 40, p999_ns: 60, max_ns: 120, samples: 12 };
        assert_eq!((rows[1].latencies, rows[1].ops_per_s), (expected, 500.0));
        assert_eq!(rows[1].blocks.len(), 3);
    }

    #[test]
    fn a_failed_block_names_its_contender_and_ends_the_run() {
        let (rows, log) = run(8, |_| true);
        assert!(matches!(rows, Err(CompareError::Block { contender, .. }) if contender == "a"));
        assert_eq!(log, ["a9 4"]);
    }

    #[test]
    fn an_interrupt_is_heeded_before_the_next_block() {
        let mut told = Vec::new();
        let (rows, log) = run(0, |what| {
            told.push(what.to_owned());
            told.len() < 2
        });
        assert!(matches!(rows, Err(CompareError::Interrupted)));
        assert_eq!((told, log.len()), (vec!["block 1 of 3: a".to_owned(), "block 1 of 3: b".to_owned()], 2));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_lower_in_the_middle() {
        assert_eq!(median([4, 1, 3, 2].into_iter(), u64::cmp), 2);
        assert_eq!((median([7].into_iter(), u64::cmp), median(std::iter::empty(), u64::cmp)), (7, 0));
    }
}
