//! The client of a measurement: it makes envelopes, outside of what is measured.

use super::{Auth, CLIENT};
use paxon_fastpath::verify::Scheme;
use paxon_signed::{Handshake, HandshakeError, MAC_BYTES, MacSigner, Mode, Position, Signer};

/// Random bytes of a handshake: a benchmark's, known to everybody.
const EPHEMERAL_SEED: [u8; 32] = [0x33; 32];

/// Signs commands, or authenticates them by the MAC of a session.
pub(super) struct Client {
    auth: Auth,
    signer: Signer,
    mac: Option<MacSigner>,
    /// Commands made so far: no two are the same, so that a lost or doubled one changes the digest.
    count: u64,
    payload: Vec<u8>,
}

impl Client {
    pub(super) fn new(auth: Auth, payload: usize) -> Self {
        let key = auth.signing_key();
        let signer = Signer::new(auth.genesis().cluster, CLIENT, auth.scheme(), move |message| key.sign(message));
        Self { auth, signer, mac: None, count: 0, payload: vec![0; payload] }
    }

    /// Bytes of an envelope around so many bytes of payload.
    pub(super) fn envelope_bytes(auth: Auth, payload: usize) -> usize {
        let mode = if auth == Auth::Mac { Mode::Mac } else { Mode::Signed(auth.scheme()) };
        mode.overhead_bytes() + payload
    }

    /// Begins the MAC session of `at`'s client session: the bytes to propose, and what to do with the reply.
    pub(super) fn handshake(&self, at: Position) -> Result<(Handshake, Vec<u8>), HandshakeError> {
        Handshake::begin(&self.auth.genesis(), &self.signer, at, EPHEMERAL_SEED)
    }

    /// From now on commands carry MACs of this session.
    pub(super) fn use_session(&mut self, mac: MacSigner) {
        self.mac = Some(mac);
    }

    /// The next command, at this place.
    pub(super) fn command(&mut self, at: Position) -> Vec<u8> {
        self.count += 1;
        if let Some(number) = self.payload.first_chunk_mut() {
            *number = self.count.to_le_bytes();
        }
        match &self.mac {
            Some(mac) => mac.command(at.sequence, &self.payload),
            None => self.signer.command(at, &self.payload),
        }
    }
}

const _: () = assert!(MAC_BYTES == 16 && Scheme::Ed25519.signature_bytes() == 64, "what the documentation says");
