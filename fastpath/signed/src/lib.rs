//! Signed commands: forged, altered, replayed or malformed ones never reach a state machine.
//!
//! [`Authenticated`] wraps a state machine. What clients propose are [`Envelope`]s: a payload with a signature of a registered key,
//! or with the MAC of a session that such a key has begun, over a message that names cluster, session and number of the
//! command. Every replica judges every decided command before it applies it, from replicated state alone, so all judge
//! alike. The registry of keys is part of that state and moves by commands that administrators sign.
//!
//! A leader judges before it proposes (`StateMachine::vet`, or a [`Screen`] in other threads), so that nothing forged is
//! replicated at all; clients make envelopes with a [`Signer`] or a [`MacSigner`]. `README.md` beside this crate says what each mode guarantees and what it does not.
//!
//! The crate does no IO and reads no clock. It verifies through [`paxon_fastpath::verify::Verifier`], whatever is behind that.
#![forbid(unsafe_code)]

mod authenticated;
mod bytes;
mod envelope;
mod genesis;
mod key;
mod keyring;
mod mac;
mod refusal;
mod registry;
mod screen;
mod signer;
mod verdicts;

pub use authenticated::{Authenticated, REGISTRY_QUERY, Setup, SetupError, check_snapshot, decode_registry};
pub use envelope::{Envelope, EnvelopeError, HEADER_BYTES, Kind, MAC_BYTES, MESSAGE_BYTES, Mode, Position, VERSION};
pub use genesis::{Genesis, GenesisError, Policy};
pub use key::{KeyEntry, KeyId, KeyLengthError, KeyState, PublicKey, Roles};
pub use keyring::{Fault, Keyring};
pub use mac::MacSecret;
pub use refusal::{Counters, Refusal};
pub use registry::{Registry, RegistryCommand, RegistryCommandError, RegistryError, RegistryReply};
pub use screen::{Candidate, Screen, Screened};
pub use signer::{Handshake, HandshakeError, MacSigner, Signer};
pub use verdicts::Software;
