//! Seeded, deterministic simulator of the production core.
//!
//! A run is one seed: a cluster of production replicas ([`paxon_fastpath::Replica`]) over simulated memories and a simulated
//! network, with clients above and a nemesis beside, on one virtual clock and one thread. The seed decides everything:
//! sizes, quorums, times, which faults strike and when. First faults are injected and safety is checked; then they stop and
//! the cluster has to recover. The same seed gives the same run, event by event.
//!
//! ```text
//!  Nemesis ── kills, stops, cuts ──┐            Oracle ◀── every decided slot, every answer
//!  Client ── propose, read ──▶ Seat: Replica + SimHost
//!                                │ SimFabric
//!                              Network: a Channel per (process, acceptor) ──▶ Memory
//! ```
//!
//! Limits: clocks run at the same rate everywhere; memory is sequentially consistent per word (missing fences are the
//! business of the litmus tests of the drivers); bits do not flip in acceptor memory, which the protocol does not survive.

pub mod channel;
pub mod client;
pub mod fabric;
pub mod host;
pub mod intruder;
pub mod lab;
pub mod memory;
pub mod nemesis;
pub mod network;
pub mod oracle;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod seat;
pub mod stopwatch;
pub mod summary;
pub mod tally;
pub mod workload;
pub mod world;
#[cfg(feature = "bug-zoo")]
pub mod zoo;
