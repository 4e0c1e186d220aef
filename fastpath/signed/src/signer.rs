//! The client's side: making envelopes.

use crate::envelope::{Envelope, Kind, Mode, Position};
use crate::genesis::Genesis;
use crate::key::KeyId;
use crate::mac::MacKey;
use crate::registry::RegistryCommand;
use paxon_fastpath::Slot;
use paxon_fastpath::verify::Scheme;
use std::fmt;
use x25519_dalek::{PublicKey, StaticSecret};

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// Signs commands with a registered key. The secret stays with the function that it was given.
pub struct Signer {
    cluster: u64,
    key: KeyId,
    scheme: Scheme,
    sign: Sign,
    expires: Slot,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, key, scheme, expires, .. } = self;
        f.debug_struct("Signer")
            .field("cluster", cluster)
            .field("key", key)
            .field("scheme", scheme)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer for the key that the registry of `cluster` knows as `key`. `sign` makes a signature of the scheme's length.
    pub fn new(
        cluster: u64,
        key: KeyId,
        scheme: Scheme,
        sign: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self { cluster, key, scheme, sign: Box::new(sign), expires: Slot::NONE }
    }

    /// The same for commands that are refused if they are decided after this slot, so that nobody can hold one back and propose it
    /// much later.
    #[must_use]
    pub fn expiring(mut self, expires: Slot) -> Self {
        self.expires = expires;
        self
    }

    /// The key's name.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The bytes to propose as this command of this session.
    pub fn command(&self, at: Position, payload: &[u8]) -> Vec<u8> {
        self.seal(Kind::Command, at, payload)
    }

    /// The bytes to propose for a change of the registry. The reply is a [`crate::RegistryReply`].
    pub fn registry(&self, at: Position, command: &RegistryCommand) -> Vec<u8> {
        self.seal(Kind::Registry, at, &command.encode())
    }

    fn seal(&self, kind: Kind, at: Position, payload: &[u8]) -> Vec<u8> {
        let mode = Mode::Signed(self.scheme);
        let unsigned = Envelope { mode, kind, key: self.key.0, expires: self.expires, proof: &[], payload };
        let proof = (self.sign)(&unsigned.message(self.cluster, at));
        debug_assert_eq!(proof.len(), self.scheme.signature_bytes(), "a signature of the scheme");
        encoded(&Envelope { proof: &proof, ..unsigned })
    }
}

fn encoded(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(envelope.mode.overhead_bytes() + envelope.payload.len());
    envelope.encode(&mut bytes);
    bytes
}

/// A MAC session that is being begun.
pub struct Handshake {
    ephemeral: StaticSecret,
    key: KeyId,
    cluster: u64,
    cluster_key: [u8; 32],
    session: u64,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("key", &self.key).field("session", &self.session).finish_non_exhaustive()
    }
}

/// Why there is no MAC session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The cluster offers none.
    #[error("this cluster does not offer MAC sessions")]
    NotOffered,
    /// The cluster's key is not one that an honest founder makes.
    #[error("the cluster's key for MAC sessions is of low order")]
    BadClusterKey,
    /// The reply is not one to a handshake.
    #[error("a reply of {bytes} bytes is none to a handshake")]
    BadReply {
        /// Its length.
        bytes: usize,
    },
}

impl Handshake {
    /// Begins a handshake. `random` are 32 bytes that nobody else knows or will know; they are never used again.
    ///
    /// Returns it together with the bytes to propose at `at`.
    ///
    /// # Errors
    /// [`HandshakeError::NotOffered`].
    pub fn begin(
        genesis: &Genesis,
        signer: &Signer,
        at: Position,
        random: [u8; 32],
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let cluster_key = genesis.mac_key.ok_or(HandshakeError::NotOffered)?;
        let ephemeral = StaticSecret::from(random);
        let bytes = signer.seal(Kind::Handshake, at, PublicKey::from(&ephemeral).as_bytes());
        let Position { session, .. } = at;
        Ok((Self { ephemeral, key: signer.key, cluster: signer.cluster, cluster_key, session }, bytes))
    }

    /// Ends it with the reply to what was proposed.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn finish(self, reply: &[u8]) -> Result<MacSigner, HandshakeError> {
        let id = reply.try_into().map(u32::from_le_bytes);
        let id = id.map_err(|_| HandshakeError::BadReply { bytes: reply.len() })?;
        let Self { ephemeral, key, cluster, cluster_key, session } = self;
        let key = MacKey::of_client(&ephemeral, &cluster_key, cluster, key, session);
        Ok(MacSigner { cluster, session, id, key: key.ok_or(HandshakeError::BadClusterKey)?, expires: Slot::NONE })
    }
}

/// Authenticates commands of one client session by a MAC.
#[derive(Debug)]
pub struct MacSigner {
    cluster: u64,
    session: u64,
    id: u32,
    key: MacKey,
    expires: Slot,
}

impl MacSigner {
    /// The id of the MAC session.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The client session that it is for.
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The same for commands that are refused if they are decided after this slot.
    #[must_use]
    pub const fn expiring(mut self, expires: Slot) -> Self {
        self.expires = expires;
        self
    }

    /// The bytes to propose as the command of this number.
    pub fn command(&self, sequence: u64, payload: &[u8]) -> Vec<u8> {
        let Self { cluster, session, id, expires, .. } = *self;
        let bare = Envelope { mode: Mode::Mac, kind: Kind::Command, key: id, expires, proof: &[], payload };
        let mac = self.key.mac(&bare.message(cluster, Position { session, sequence }));
        encoded(&Envelope { proof: &mac, ..bare })
    }
}
