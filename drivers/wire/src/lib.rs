//! A virtual wire for tests: an Ethernet switch in user space that delays, loses, reorders and cuts.
//!
//! [`Wire`] connects [`Port`]s, which are TAP devices or the unix sockets of QEMU, and impairs the traffic of each directed
//! pair of them on its own. [`Namespaces`] makes network namespaces that hang on such a wire (or on veth pairs), runs
//! processes in them and removes everything when it is dropped.
//!
//! ```
//! use paxon_wire::{Impairment, Links, Namespaces};
//! use std::net::TcpListener;
//! use std::time::Duration;
//!
//! let Some(net) = Namespaces::or_skip("example", 3, Links::Wire { seed: 1 }) else { return Ok(()) };
//! net.impair(0, 1, &Impairment { delay: Duration::from_millis(50), ..Impairment::NONE })?;
//! net.impair(1, 2, &Impairment::CUT)?; // 1 still hears 2
//! let status = net.command(0, "ip").args(["address", "show"]).status()?;
//! let listener = net.enter(1, || TcpListener::bind((net.address(1), 7000)))??;
//! net.heal()?;
//! # assert!(status.success());
//! # drop(listener);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! A frame passes two system calls and two copies, so the wire is for tests of behaviour and not of speed. Delays are kept to
//! about a millisecond as long as its thread gets a processor. It runs on Linux only.

mod frame;
mod impairment;
mod namespaces;
mod path;
mod port;
mod switch;
mod traffic;
mod wire;

pub use frame::FRAME_BYTES_MAX;
pub use impairment::Impairment;
pub use namespaces::{Links, NamespaceError, Namespaces};
pub use port::Port;
pub use traffic::Traffic;
pub use wire::{PORTS_MAX, StartError, Wire};
