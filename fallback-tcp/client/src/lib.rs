//! Client of a cluster, asynchronous and blocking, and the wire protocol that it speaks.
//!
//! ```no_run
//! use paxon_client::{Client, Target};
//! use paxon_fastpath::ReplicaId;
//!
//! let targets = (0..3).map(|id| Target::unix(ReplicaId(id), format!("/dev/shm/paxon-example/replica-{id}.sock")));
//! let client = Client::builder().targets(targets).start()?;
//! let session = client.open_session().wait()?;
//! let applied = session.propose(b"a command").wait()?; // or `.await`: no runtime is needed, any will do
//! println!("{} answered {:?}", applied.slot, applied.reply);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Client`] finds the leader and follows it. A [`Session`] numbers its commands, so that each is applied exactly once and in
//! order, whatever happens to connections and leaders. Over unix sockets the permissions of the file say who may connect;
//! over TCP both sides prove who they are ([`paxon_channel`]).
//!
//! # The protocol, version 1
//!
//! For those who write a client in another language. All fixed-size numbers are little-endian.
//!
//! ## Connection
//! A unix socket, or TCP after the handshake, hello (purpose *client*) and welcome of [`paxon_channel`]. Both carry the same
//! frames. The client's first frame is the hello; it need not wait for the welcome before it sends requests. Requests may be
//! under way in any number up to `in_flight_max` of the welcome (16 before it); a replica that has so many does not read on.
//! Replies come in any order and name the request that they answer.
//!
//! ## Frame
//! ```text
//! byte  0 length of the body: u32
//! byte  4 check: u32, the low half of XXH3-64 (seed 0) of the bytes from 8 to the end of the body
//! byte  8 request id: u64
//! byte 16 body
//! ```
//! The client chooses the id of a request, not 0, and the reply repeats it. Id 0 is for hello and welcome, and for a refusal
//! of the whole connection, which ends after it. A check that does not fit ends the connection too.
//!
//! ## Body
//! The encoding is that of [postcard](https://postcard.jamesmunns.com/wire-format). `n` is an unsigned number as a varint: seven
//! bits a byte, lowest first, the top bit set on all but the last. `bytes` are `n`, their count, and then the bytes; `text` is
//! the same in UTF-8. `opt x` is a byte 0, or a byte 1 and `x`. Nothing may follow. The first byte says which message it is:
//!
//! ```text
//! request                                                         reply
//! 0 hello         version:n                                       0 welcome   version:n replica:u8 leader:opt hint limits
//! 1 open session  wait_ms:n                                       1 opened    session:n slot:n
//! 2 propose       session:n sequence:n round:n wait_ms:n bytes    2 applied   slot:n bytes
//! 3 read          wait_ms:n bytes                                 3 answer    slot:n bytes
//! 4 read local    at_least:n wait_ms:n bytes                      3 answer    slot:n bytes
//! 5 digest        at_least:n wait_ms:n                            4 digest    slot:n digest:n
//! 6 status                                                        5 document  text (JSON)
//! 7 stages                                                        5 document  text (JSON)
//!                                                                 6 refused   code:u8 text leader:opt hint retry_after_us:n
//! hint    replica:u8 address:text
//! limits  session_window:n command_bytes_max:n body_bytes_max:n in_flight_max:n
//! ```
//! A put of `hi` as command 300 of session 7, first round, up to 1.5 s: `02 07 AC02 00 DC0B 02 6869`. Later versions append
//! messages and codes (up to 127); hello and refused stay as they are.
//!
//! ## Refusals
//! ```text
//! code                  executed?   what to do
//!  0 not leader         no          ask the leader that the hint names, or the next replica
//!  1 busy               no          ask again after retry_after_us
//!  2 unknown            perhaps     leadership was lost under way: ask again
//!  3 late               perhaps     no outcome within wait_ms: ask again, perhaps another
//!  4 stopped            perhaps     ask another
//!  5 behind             no          an earlier command of the session was refused in this round: send that first
//!  6 too large          no          send less
//!  7 session expired    not now     open another session; what became of the command cannot be learned
//!  8 too old            not now     the number fell out of the window; what became of the command is forgotten
//!  9 reply too large    yes         the command was applied, or the query answered; the reply is over a limit
//! 10 malformed          no          correct the client
//! 11 not kept           no          the replica does not keep what was asked for
//! 12 version            no          speak another version
//! 128.. screened        not now     the state machine refused it with its own code, the number less 128: correct the command
//! ```
//!
//! ## Exactly once, in order
//! A command is named by its session and its sequence, from 1. Sent again under the same name it is not applied again: the
//! replica answers as it did then. Of a session, the highest sequence sent is less than `session_window` above the lowest one
//! that has no answer.
//!
//! Commands that follow each other on one connection are applied in their order. Once the replica refuses one with a code
//! from 0 to 5 it refuses all that come later in the same `round` (5). The client waits until everything of the session that
//! is under way has come back, and then sends what was refused again, lowest sequence first, under a higher round. With one
//! command under way at a time that means: a higher round for each repetition. When it turns to another replica, the client
//! waits for what is under way, or closes that connection.
//!
//! # Limits
//! - A command that the client gave up may still lie in a socket. If its replica comes to lead again it may be applied then,
//!   once, after commands that were proposed later.
//! - The client asks the replicas that it was told of. The address in a hint is for people.
//! - The client's patience is measured from the call; a session queue that is longer than the patience times out at its end.
#![forbid(unsafe_code)]

mod answers;
mod call;
mod client;
mod core;
mod driver;
mod error;
mod opening;
mod options;
mod pending;
mod session;
mod target;
pub mod transport;
pub mod wire;

pub use answers::{Answer, Applied, FromOutcome, StateDigest};
pub use client::{Client, ClientBuilder, Direct};
pub use error::{ClientError, StartError};
pub use opening::Opening;
pub use options::ClientOptions;
pub use pending::Pending;
pub use session::Session;
pub use target::Target;
