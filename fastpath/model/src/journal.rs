//! Journals: append-only cells that a proposer writes in an acceptor's memory.

use crate::scenario::ATTEMPTS_MAX;

/// A ballot; 0 stands below every ballot and is what PROMISE holds at first.
pub type Ballot = u8;

/// A value, named after the ballot that first proposed it; 0 is a value nobody proposed.
pub type Value = u8;

/// What is written in a journal cell: a value proposed for the slot under a ballot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    /// Ballot under which the value is proposed.
    pub ballot: Ballot,
    /// The proposed value.
    pub value: Value,
}

/// One cell of a journal. A WRITE lands its header first and its payload later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    header: Ballot,
    /// `payload.ballot` plays the checksum: it fits the header only when both came from one WRITE.
    payload: Record,
}

/// The journal of one proposer at one acceptor, one cell for each `seq`.
pub type Journal = [Cell; ATTEMPTS_MAX];

impl Cell {
    /// Lands the first half of a WRITE of `record`.
    pub fn land_half(&mut self, record: Record) {
        self.header = record.ballot;
    }

    /// Lands all of a WRITE of `record`.
    pub fn land_whole(&mut self, record: Record) {
        *self = Self { header: record.ballot, payload: record };
    }

    /// Whether a WRITE has landed in part only.
    pub fn is_torn(&self) -> bool {
        self.header != self.payload.ballot
    }

    /// The record, if the checksum says that it is whole.
    pub fn record(&self) -> Option<Record> {
        (self.header != 0 && !self.is_torn()).then_some(self.payload)
    }

    /// What a reader without a checksum takes for the record: a ballot with whatever payload lies there.
    pub fn unverified_record(&self) -> Option<Record> {
        (self.header != 0).then_some(Record { ballot: self.header, value: self.payload.value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_cell_holds_no_record() {
        let mut cell = Cell::default();
        assert_eq!(cell.record(), None);
        cell.land_half(Record { ballot: 3, value: 1 });
        assert!(cell.is_torn());
        assert_eq!(cell.record(), None);
        assert_eq!(cell.unverified_record(), Some(Record { ballot: 3, value: 0 }));
        cell.land_whole(Record { ballot: 3, value: 1 });
        assert_eq!(cell.record(), Some(Record { ballot: 3, value: 1 }));
    }

    #[test]
    fn a_rewrite_in_place_hides_the_old_record_until_it_is_whole() {
        let mut cell = Cell::default();
        cell.land_whole(Record { ballot: 1, value: 1 });
        cell.land_half(Record { ballot: 2, value: 1 });
        assert_eq!(cell.record(), None);
    }
}
