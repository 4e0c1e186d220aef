//! The bounds of a model: ballots, quorums and the faults of the fabric.

use crate::journal::Ballot;

/// Acceptors of the slot.
pub const ACCEPTORS: usize = 3;
/// Proposers of the slot.
pub const PROPOSERS: usize = 2;
/// Most ballots a proposer tries; also the cells of a journal, since each attempt appends one record.
pub const ATTEMPTS_MAX: usize = 2;

/// Lanes that must have completed before a phase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorums {
    /// Acceptors that promised and were read.
    pub prepare: usize,
    /// Acceptors whose check passed.
    pub accept: usize,
}

impl Quorums {
    /// Majorities in both phases.
    pub const MAJORITIES: Self = Self { prepare: 2, accept: 2 };
}

/// What the checker may let happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Word by which the command line knows it.
    pub name: &'static str,
    /// Ballots that each proposer tries, ascending; no ballot belongs to both.
    pub ballots: [&'static [Ballot]; PROPOSERS],
    /// Quorums of the two phases.
    pub quorums: Quorums,
    /// A WRITE lands in two halves, with a reader between them.
    pub torn_writes: bool,
    /// Operations that an attempt left behind land later, at any time and in any order; otherwise they are lost.
    pub leftovers: bool,
    /// States that differ only in the names of the acceptors count as one.
    pub symmetry: bool,
}

impl Scenario {
    /// The second proposer comes between the two attempts of the first; the fabric has no faults.
    pub const OVERTAKEN: Self = Self {
        name: "overtaken",
        ballots: [&[1, 3], &[2]],
        quorums: Quorums::MAJORITIES,
        torn_writes: false,
        leftovers: false,
        symmetry: true,
    };

    /// The second proposer comes between the two attempts of the first, and meets torn records.
    pub const TORN: Self = Self { name: "torn", torn_writes: true, ..Self::OVERTAKEN };

    /// The second proposer comes between the two attempts of the first, and what an attempt left behind lands late.
    pub const LATE: Self = Self { name: "late", leftovers: true, ..Self::OVERTAKEN };

    /// One attempt each, torn records and operations that land late.
    pub const BRIEF: Self =
        Self { name: "brief", ballots: [&[1], &[2]], torn_writes: true, leftovers: true, ..Self::OVERTAKEN };

    /// The first proposer tries twice before the second, which meets torn records.
    pub const PERSISTENT: Self = Self { name: "persistent", ballots: [&[1, 2], &[3]], ..Self::TORN };

    /// Both proposers try twice, by turns; the fabric has no faults.
    pub const DUEL: Self = Self { name: "duel", ballots: [&[1, 3], &[2, 4]], ..Self::OVERTAKEN };

    /// A prepare asks every acceptor, so one vote is an accept quorum.
    pub const PREPARE_BY_ALL: Self =
        Self { name: "prepare-by-all", quorums: Quorums { prepare: 3, accept: 1 }, ..Self::OVERTAKEN };

    /// An accept asks every acceptor, so one promise is a prepare quorum.
    pub const ACCEPT_BY_ALL: Self =
        Self { name: "accept-by-all", quorums: Quorums { prepare: 1, accept: 3 }, ..Self::OVERTAKEN };

    /// Every named scenario.
    pub const ALL: [Self; 8] = [
        Self::OVERTAKEN,
        Self::TORN,
        Self::LATE,
        Self::BRIEF,
        Self::PERSISTENT,
        Self::DUEL,
        Self::PREPARE_BY_ALL,
        Self::ACCEPT_BY_ALL,
    ];

    /// The ballot of an attempt, counted from 0, if the proposer may make so many.
    pub fn ballot(&self, proposer: usize, attempt: u8) -> Option<Ballot> {
        self.ballots[proposer].get(usize::from(attempt)).copied()
    }

    /// The scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name == name)
    }
}
