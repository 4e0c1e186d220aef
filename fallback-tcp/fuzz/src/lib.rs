//! Fuzz targets for every parser of bytes from outside.
//!
//! Each module but the first few is one target: its `run` takes an input and panics if something that must hold does not.
//! [`seeds`] makes the corpus in `corpus/` from valid encodings, an ordinary test runs all of it, and the script `run` beside
//! this crate runs the fuzzers.
//!
//! | target | bytes of | beside "nothing panics" it holds that |
//! | --- | --- | --- |
//! | `channel_greetings` | a stranger, an acceptor | one message has one encoding |
//! | `channel_keys` | who writes configurations | one key has one text; errors do not repeat long input |
//! | `channel_porter` | a stranger, over loopback | only a valid hello enters; nobody hangs; little is answered |
//! | `tcp_chains` | a proposer | memory outside its lane and PROMISE stays; cuts of the stream change nothing |
//! | `tcp_server` | a proposer, over loopback | the server does what `tcp_chains` works out |
//! | `tcp_link` | a server, over loopback | completions and landed reads are those of valid replies, to the first bad one |
//! | `client_requests`, `client_replies` | a client, a replica | cuts change nothing; a message survives its bytes |
//! | `records` | a peer's memory | what was read has the one encoding that it was read from |
//! | `client_table` | a peer's snapshot | one table has one encoding; using it keeps it readable |
//! | `machines` | a peer's snapshot, a proposer | a refused snapshot changes nothing; states survive their snapshots |
//! | `memory` | peers' memory and servers | slots are decided in order; only the own lane is written |
//! | `wire_stream` | a machine on the tests' wire | exactly the frames of the stream come out |
#![forbid(unsafe_code)]

mod acceptors;
mod client_frames;
mod frames;
mod house;
mod input;
pub mod seeds;

pub mod channel_greetings;
pub mod channel_keys;
pub mod channel_porter;
pub mod client_replies;
pub mod client_requests;
pub mod client_table;
pub mod machines;
pub mod memory;
pub mod records;
pub mod tcp_chains;
pub mod tcp_link;
pub mod tcp_server;
pub mod wire_stream;

/// A target's name and what runs an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 13] = [
    ("channel_greetings", channel_greetings::run),
    ("channel_keys", channel_keys::run),
    ("channel_porter", channel_porter::run),
    ("client_replies", client_replies::run),
    ("client_requests", client_requests::run),
    ("client_table", client_table::run),
    ("machines", machines::run),
    ("memory", memory::run),
    ("records", records::run),
    ("tcp_chains", tcp_chains::run),
    ("tcp_link", tcp_link::run),
    ("tcp_server", tcp_server::run),
    ("wire_stream", wire_stream::run),
];
