//! The layer over libibverbs, on devices: in the machine of `softroce-vm`, or on a host that has at least two.
//!
//! The tests share the devices' packets but nothing else. Each waits for a bounded time only.

mod allocation;
mod cluster;
mod conformance;
mod deposed;
mod doctor;
mod engine;
mod errors;
mod fencing;
mod lab;
mod links;
mod lost_messages;
mod operations;
mod order;
mod setup;
