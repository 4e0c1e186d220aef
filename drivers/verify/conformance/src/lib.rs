//! What every [`Verifier`] has to do, as a test suite to run on each implementation, and the signatures where verifiers
//! disagree, as a library ([`edges`]).
//!
//! An implementation says how one of its verifiers is started ([`Subject`]) and calls [`conformance!`], which makes one test of
//! each check.
//!
//! ```ignore
//! struct MySubject;
//! impl paxon_verify_conformance::Subject for MySubject { /* ... */ }
//! paxon_verify_conformance::conformance!(MySubject);
//! ```
//!
//! Verdicts are held against an [`oracle`] that is none of the project's own code: `verify_strict` of ed25519-dalek, and an
//! implementation of FIPS 204 in Rust. Everything is the same in every run: cases are made from seeds.

#![forbid(unsafe_code)]

mod case;
mod session;

pub mod edges;
pub mod keys;
pub mod requests;
pub mod verdicts;

pub use case::{Case, oracle};
pub use session::Session;

use paxon_fastpath::verify::Verifier;

/// An implementation under test.
pub trait Subject {
    /// The implementation.
    type Verifier: Verifier;

    /// Cases of a check that goes through edge cases: about one round of all families. A slow model takes fewer, and still
    /// some of each family.
    const CASES: usize = 2_400;

    /// Requests of a check that is about requests, not verdicts. At least 40.
    const REQUESTS: usize = 400;

    /// Starts one.
    fn start() -> Self::Verifier;

    /// Lets time pass while there is no verdict to be polled.
    fn pass_time(_verifier: &mut Self::Verifier) {
        std::thread::yield_now();
    }
}

/// Makes a test of each check.
#[macro_export]
macro_rules! conformance {
    ($subject:ty) => {
        $crate::tests_of! { $subject, conformance:
            verdicts::edge_cases_have_the_verdicts_of_the_rule,
            verdicts::published_cases_have_the_verdicts_of_the_rule,
            verdicts::lattice_and_hybrid_cases_have_the_verdicts_of_the_rule,
            verdicts::messages_of_every_length_are_verified_or_malformed,
            verdicts::wrong_lengths_are_malformed,
            verdicts::the_rules_are_the_strict_ones,
            requests::each_request_has_one_verdict_under_any_batching,
            requests::tickets_are_echoed_though_they_are_equal,
            requests::capacity_is_honoured_and_comes_back,
            requests::requests_are_copied,
            requests::verdicts_are_appended_and_counted,
            requests::nothing_comes_of_nothing,
            keys::prepared_keys_change_no_verdict,
            keys::keys_may_come_and_go_while_requests_are_under_way,
            keys::bad_keys_may_be_prepared_and_forgotten,
        }
    };
}

/// Makes a test of each named check.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of {
    ($subject:ty, $module:ident: $($file:ident::$check:ident,)*) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $check() {
                    $crate::$file::$check::<$subject>();
                }
            )*
        }
    };
}
