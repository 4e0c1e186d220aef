//! Paxon beside a three-member etcd: the same work, in one run, on one machine.
//!
//! `cargo run --release -p paxon-bench-etcd` starts three members of etcd on loopback and measures every contender in turns
//! ([`comparison::alternate`]): puts of 64 bytes one at a time, and with 64 outstanding.
//!
//! What is done so that etcd is measured at its best:
//! - its data lies on a tmpfs, so that its `fsync` costs next to nothing;
//! - its [`client`] is gRPC over HTTP/2, connected to the leader, without TLS, with the threads and connections that were
//!   fastest for etcd when several were tried at the begin of the run ([`etcd::CANDIDATES`]);
//! - its settings are its makers' (see [`cluster`]), without a log of what it does;
//! - a block in which its leader changed is an error, and so is one whose puts it did not count exactly once.
//!
//! Limits: one host, one payload, one size of cluster; puts only. The asynchronous runtime serves the client of etcd alone:
//! nothing of Paxon runs on it.

#![forbid(unsafe_code)]

pub mod client;
pub mod cluster;
pub mod comparison;
pub mod contender;
pub mod etcd;
mod machine;
pub mod messages;
pub mod paxon_clients;
pub mod paxon_command;
pub mod report;
pub mod tethered;

pub use machine::Machine;
