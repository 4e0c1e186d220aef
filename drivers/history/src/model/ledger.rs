//! An append-only list of lines.

use super::Model;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Commands are lines; a reply is the line's number, from 1, and a hash that chains it to all lines before. Two lines at one
/// number, or a line in two places, cannot have the replies of one ledger. There are no reads.
#[derive(Clone, Copy, Debug)]
pub struct Ledger;

impl Model for Ledger {
    type Command = Vec<u8>;
    type Reply = (u64, u64);
    /// Lines so far, and the last line's hash, seeded by the one before.
    type State = (u64, u64);
    type Part = ();

    fn part(_: &Vec<u8>) {}

    fn initial() -> (u64, u64) {
        (0, 0)
    }

    fn apply((lines, head): &mut (u64, u64), line: &Vec<u8>) -> (u64, u64) {
        *lines += 1;
        *head = xxh3_64_with_seed(line, *head);
        (*lines, *head)
    }
}
