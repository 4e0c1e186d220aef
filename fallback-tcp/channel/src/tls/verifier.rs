//! Who is trusted: exactly the keys of the roster, until they expire. Signatures are checked by rustls.

use crate::identity::Party;
use crate::key::PublicKey;
use crate::roster::Roster;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The signature that a key of the roster makes. Others are refused before any arithmetic.
const SCHEMES: [SignatureScheme; 1] = [SignatureScheme::ED25519];

/// A key and until when it counts, `None` for ever.
#[derive(Debug)]
struct Pinned<T> {
    party: T,
    expires: Option<SystemTime>,
}

impl<T> Pinned<T> {
    fn check(&self, now: UnixTime) -> Result<(), Error> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        if self.expires.is_some_and(|expires| expires <= now) { Err(CertificateError::Expired.into()) } else { Ok(()) }
    }
}

/// For an acceptor: all members and clients of the roster.
#[derive(Debug)]
pub struct RosterClients {
    keys: BTreeMap<PublicKey, Pinned<Party>>,
    algorithms: WebPkiSupportedAlgorithms,
    /// The key refused last, so that the log can name it.
    refused: Mutex<Option<PublicKey>>,
}

impl RosterClients {
    pub fn new(roster: Arc<Roster>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        let members = roster.members().iter().filter_map(|member| {
            let pinned = Pinned { party: Party::Replica(member.id), expires: member.expires };
            Some((member.key?, pinned))
        });
        let clients = roster.clients().iter().map(|client| {
            let pinned = Pinned { party: Party::Client(client.name.clone()), expires: client.expires };
            (client.key, pinned)
        });
        Self { keys: members.chain(clients).collect(), algorithms, refused: Mutex::new(None) }
    }

    /// Whom `key` belongs to.
    pub fn party(&self, key: PublicKey) -> Option<Party> {
        self.keys.get(&key).map(|pinned| pinned.party.clone())
    }

    /// The key refused last, once.
    pub fn take_refused(&self) -> Option<PublicKey> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn check(&self, key: PublicKey, now: UnixTime) -> Result<(), Error> {
        self.keys.get(&key).ok_or(Error::from(CertificateError::UnknownIssuer))?.check(now)
    }
}

impl ClientCertVerifier for RosterClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let key = PublicKey::from_spki(key).ok_or(CertificateError::BadEncoding)?;
        self.check(key, now).inspect_err(|_| {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// For a dialler: the one key that the roster gives the member dialled.
#[derive(Debug)]
pub struct PinnedServer {
    pinned: Pinned<PublicKey>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedServer {
    pub fn new(key: PublicKey, expires: Option<SystemTime>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { pinned: Pinned { party: key, expires }, algorithms }
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if PublicKey::from_spki(key) != Some(self.pinned.party) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        self.pinned.check(now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
