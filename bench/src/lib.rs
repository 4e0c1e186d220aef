//! Benchmarks: one question each, peers included.
//!
//! A peer is measured by a library module, so that a criterion bench and the `paxon bench` command ask the same code in the
//! same run on the same machine. [`omnipaxos_loop`] is the peer that an embedded replica is compared with.

pub mod omnipaxos_loop;
mod stopwatch;

pub use stopwatch::{Report, Stopwatch};
