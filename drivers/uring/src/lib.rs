//! TCP streams over io_uring behind safe signatures.
//!
//! A [`Streams`] moves the bytes of many connected sockets for one thread: the sends of all of them enter the kernel in one
//! system call (one or two are sent plainly, which costs less), receives stay armed (multishot, into buffers lent to the
//! kernel), and a turn with nothing to do reads memory only. [`probe`] says whether this kernel has what it takes, by trying it.
//!
//! ```no_run
//! use paxon_uring::{Config, Received, Streams};
//!
//! let mut streams = Streams::open(&Config::default())?;
//! let socket = std::net::TcpStream::connect("10.0.0.2:7000")?;
//! let key = streams.add(socket)?;
//! streams.send(key, b"ping")?;
//! streams.turn(None, &mut |_key, received| match received {
//!     Received::Bytes(bytes) => assert!(!bytes.is_empty()),
//!     Received::Closed(reason) => drop(reason),
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why this is sound
//!
//! The kernel reads and writes memory on its own time. Here that memory belongs to the ring while an operation is under
//! way (`ring.rs`), is handed back by the completion alone, and is freed only once nothing is under way: a dropped ring
//! cancels its operations and takes their completions first, and leaks the memory if it cannot.
//!
//! Limits: Linux 5.11; sockets are closed as a whole (the end of what a peer sends ends the stream); a `Streams` whose
//! completions are deferred belongs to the thread that uses it first; taking a ring apart may interrupt a blocking system
//! call of the thread that dropped it (`EINTR`).

mod config;
mod error;
mod lent;
mod operation;
mod outgoing;
mod probe;
mod ring;
mod socket;
mod streams;
mod waker;

pub use config::{Completion, Config, RECEIVE_BYTES, STREAMS_MAX, UNSENT_BYTES_MAX};
pub use error::{AddError, OpenError, SendError};
pub use probe::{Found, probe};
pub use socket::set_busy_poll;
pub use streams::{Key, Received, Streams};
pub use waker::Waker;
