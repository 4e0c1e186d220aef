//! A number that commands add to.

use super::Model;

/// Commands are summands, replies the sum after them; a read adds 0.
#[derive(Clone, Copy, Debug)]
pub struct Counter;

impl Model for Counter {
    type Command = u64;
    type Reply = u64;
    type State = u64;
    type Part = ();

    fn part(_: &u64) {}

    fn initial() -> u64 {
        0
    }

    fn apply(sum: &mut u64, summand: &u64) -> u64 {
        *sum = sum.wrapping_add(*summand);
        *sum
    }
}
