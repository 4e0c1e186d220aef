//! What every [`Fabric`] has to do, as a test suite to run on each implementation.
//!
//! An implementation says how a group of its fabrics is brought up ([`Group`]) and calls [`conformance!`], which makes one
//! test of each check; if its fabrics are `Send`, [`conformance_threaded!`] adds the races. The checks look at the memory
//! of an acceptor through its owner's [`Fabric::local`], so all members of a group live in the process of the test.
//!
//! ```ignore
//! struct MyGroup { /* ... */ }
//! impl paxon_conformance::Group for MyGroup { /* ... */ }
//! paxon_conformance::conformance!(MyGroup);
//! paxon_conformance::conformance_threaded!(MyGroup);
//! ```

mod linked;

pub mod limits;
pub mod links;
pub mod operations;
pub mod order;
pub mod races;

pub use linked::Linked;

use paxon_fastpath::{Fabric, Layout, ReplicaId};

/// How the members of a group are to be set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The cluster.
    pub cluster: u64,
    /// The memory map, the number of members included.
    pub layout: Layout,
    /// Words of scratch for the reads from each peer.
    pub scratch_words: usize,
    /// Whose memory starts out as lost: PROMISE is [`Promise::recovering`](paxon_fastpath::Promise::recovering) and not fresh.
    pub recovering: Option<ReplicaId>,
}

impl Setup {
    /// Three members with memory that is small enough to make hundreds of, and lanes of more than one page.
    pub const SMALL: Self = Self {
        cluster: 0xC0F0,
        layout: Layout { replicas: 3, cells: 64, arena_words: 256, snapshot_words: 512 },
        scratch_words: 1024,
        recovering: None,
    };
}

/// A group of fabrics of one implementation, all in this process.
pub trait Group {
    /// The implementation.
    type Fabric: Fabric;

    /// Brings up all members with memory of their own: zero but for PROMISE and the identity on the status page.
    fn start(setup: &Setup) -> Self;

    /// The members, indexed by replica.
    fn members(&mut self) -> &mut [Self::Fabric];

    /// Lets time pass while no member has anything to report.
    fn pass_time(&mut self) {
        std::thread::yield_now();
    }

    /// Ends the memory of `member` and gives it a new life, if the implementation can do that under a running group.
    /// Returns whether it did.
    fn replace_memory(&mut self, _member: ReplicaId) -> bool {
        false
    }
}

/// Makes a test of each check that one thread can do.
#[macro_export]
macro_rules! conformance {
    ($group:ty) => {
        $crate::tests_of! { $group, conformance:
            links::every_link_is_announced_with_the_life_of_the_memory,
            links::replaced_memory_takes_the_link_down_and_up,
            operations::a_write_mirrors_its_span_and_nothing_else,
            operations::a_write_to_oneself_changes_nothing,
            operations::a_matching_exchange_leaves_the_new_word,
            operations::a_mismatch_changes_nothing_and_tells_what_it_found,
            operations::reads_land_where_they_were_asked_to,
            operations::an_empty_chain_completes,
            operations::recovering_memory_fails_every_check,
            order::operations_of_a_chain_execute_in_order,
            order::chains_to_one_acceptor_execute_in_order,
            order::completions_carry_the_tokens_of_their_chains,
            limits::a_full_queue_is_reported_and_recovers,
            limits::spans_outside_their_area_are_refused,
            limits::writes_outside_the_own_lane_are_refused,
            limits::overlong_chains_are_refused,
        }
    };
}

/// Makes a test of each check that needs members on threads of their own.
#[macro_export]
macro_rules! conformance_threaded {
    ($group:ty) => {
        $crate::tests_of! { $group, conformance_threaded:
            races::one_of_many_candidates_wins_each_round,
            races::every_exchange_counts,
            races::a_vote_is_seen_or_refused,
        }
    };
}

/// Makes a test of each named check.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of {
    ($group:ty, $module:ident: $($file:ident::$check:ident,)*) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $check() {
                    $crate::$file::$check::<$group>();
                }
            )*
        }
    };
}
