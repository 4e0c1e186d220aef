//! Fabric over TCP for ordinary NICs.
//!
//! [`TcpFabric`] gives the engine the operations of one-sided memory on hosts without an RDMA adapter: a peer's server
//! executes WRITE, READ and compare-and-exchange on the acceptor's memory in their order, so that the protocol and its
//! proof stay as they are. A chain is one frame ([`frame`]) and one send; the replies of a turn leave together; many chains
//! are under way at a time. Sockets are driven by io_uring or by epoll ([`backend`]). Who may connect, and what protects
//! the bytes, is the business of `paxon-channel`; the memory is that of `paxon-acceptor`, files of a tmpfs directory that
//! outlive the process.
//!
//! ```text
//!  engine ── post ──▶ Link ── frame ──▶ backend ═══ TCP, TLS ═══▶ backend ──▶ Server ──▶ memory of the acceptor
//!  engine ◀─ poll ─── Link ◀── reply ── backend ◀════════════════ backend ◀── replies of the turn, one send
//!                       ▲ connections                                 ▲ connections
//!                     Porter (paxon-channel): dials                  Porter: accepts
//! ```
//!
//! # What is never done
//! No operation is sent a second time by the fabric. A chain whose reply has not come when its link ends has no completion,
//! and a prefix of it (none or all, in fact) may have been executed. After the next `LinkUp` the engine starts over with
//! the acceptor: it asks for the promise again, where finding its own ballot is as good as having exchanged it (ballots
//! belong to one campaign), repeats the records from the last one that a check has covered (their bytes are the same) and
//! the check, which is idempotent. All other exchanges are resolved by what the next one finds.
//!
//! # Limits
//! - A chain writes no word of its lane twice and reads no more words than the largest area has; the engine does neither.
//! - Links are dialled by either side for its own chains: two connections for each pair of replicas.
//! - A path slower than 1 MB/s with megabytes under way is taken for silent unless [`TcpOptions::silence_min`] is raised.
//! - Little-endian hosts, as for the whole engine.
#![forbid(unsafe_code)]

pub mod backend;
mod connections;
mod door;
mod error;
mod fabric;
pub mod frame;
mod io;
mod link;
mod options;
mod problem;
mod server;
mod status;

pub use connections::Connections;
pub use door::Door;
pub use error::OpenError;
pub use fabric::TcpFabric;
pub use frame::{chain_bytes, reply_bytes};
pub use options::{Serve, TcpOptions};
pub use status::{BackEnd, FabricStatus, Handshakes, LinkStatus, SessionStatus, StatusView};
