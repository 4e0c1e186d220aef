//! The authenticated channel between replicas and clients: keys, mutual TLS 1.3, hello.
//!
//! Before a byte of Paxon's own traffic flows, a connection goes through this crate: TCP connects, both sides prove with
//! an Ed25519 key who they are (mutual TLS 1.3 with raw public keys, RFC 7250, pinned in the [`Roster`]), the dialling
//! side says what it wants ([`Hello`]), and the other welcomes or refuses it ([`Greeting`]). The [`Porter`] does all of it
//! on one thread of its own and hands finished connections over; whoever takes an inbound one sends the welcome.
//!
//! ```text
//!  dialler                                        acceptor
//!  connect ──────────────────────────────────────▶ accept
//!  ClientHello ──────────────────────────────────▶
//!  ◀──────────────── ServerHello, key r1, signature     exactly the key that the roster gives the member dialled?
//!  key r0, signature, Finished, HELLO ───────────▶      a key of the roster, not expired? cluster, recipient, layout?
//!  ◀──────────────────────────────── WELCOME or REFUSED (or a TLS alert, while the dialler is a stranger)
//! ```
//!
//! # Bounds
//! Nothing that a stranger does costs more than the [`Limits`] say: so many connections, so many bytes and so much time
//! until it has shown who it is. A flood of connections evicts the flood first (see [`Limits::strangers_max`]).
//!
//! # What [`Security::Plaintext`] gives up
//! Everything but the bounds. The hello is the same, but who sends it is only *claimed*: whoever reaches the port can
//! speak as any replica, overwrite its journals and so break agreement, read all commands and change them on the way. The
//! checksums find accidents, not intent. Use it on a network that only the replicas and their clients can reach.
//!
//! # Limits
//! - Keys and expiry are looked at when a connection is made. A connection that stands outlives the expiry of its key.
//! - The roster is fixed for the life of a [`Porter`]: a new key needs a restart of the process, one replica at a time.
//! - Handshakes cost the acceptor one signature, one check of a signature and a key exchange (about 0.2 ms) even for a
//!   stranger, and run one after the other on the porter's thread. The data path is not on that thread.
//! - No `close_notify` is sent at the end of a connection. Frames carry their length, so a cut one is never acted upon.
#![forbid(unsafe_code)]

mod address;
mod blocking;
mod cipher;
mod greeting;
mod hello;
mod identity;
mod kernel;
mod key;
mod porter;
mod roster;
mod tls;
mod wire;

pub use address::{Address, AddressError};
pub use blocking::{Blocking, dial_until};
pub use cipher::{Cipher, CipherError, Secured, UserSpace};
pub use greeting::{GREETING_BYTES, Greeting, LayoutField, Refusal, Welcome};
pub use hello::{HELLO_BYTES, Hello, Purpose};
pub use identity::{Identity, IdentityError, Party};
pub use key::{KeyError, PrivateKey, PublicKey, PublicKeyError};
pub use porter::{Arrival, Counters, DialError, Limits, Porter, Reason};
pub use roster::{ClientKey, Member, Roster, RosterError, Security};
pub use wire::DecodeError;
