//! TLS 1.3 as this protocol uses it: raw public keys at both ends (RFC 7250), pinned; no tickets, no resumption, no early
//! data.

#[cfg(test)]
mod tests;
mod verifier;

use crate::identity::Identity;
use crate::kernel;
use crate::key::{PrivateKey, PublicKey};
use paxon_fastpath::ReplicaId;
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite, kx_group};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CipherSuite, ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
#[cfg(test)]
pub use tests::{sessions as test_sessions, town as test_town};
use verifier::{PinnedServer, RosterClients};

/// What both sides must name as the protocol inside TLS. Its version is the hello's business: a refusal says more than an
/// alert.
const ALPN: &[u8] = b"paxon";

/// How this process speaks TLS with the parties of a roster.
pub struct Tls {
    server: Option<Arc<ServerConfig>>,
    clients: Arc<RosterClients>,
    /// One for each other member, since each pins that member's key.
    dialling: BTreeMap<u8, Arc<ClientConfig>>,
    /// Whether finished sessions are given to the kernel. Only the porter's thread looks at it.
    uses_kernel: AtomicBool,
}

impl Tls {
    /// The configurations of `identity`, `None` in plaintext. Only a replica accepts connections.
    pub fn new(identity: &Identity) -> Option<Self> {
        let key = identity.key()?;
        let uses_kernel = identity.may_use_kernel() && kernel::is_available();
        let provider = Arc::new(provider(uses_kernel));
        let clients =
            Arc::new(RosterClients::new(identity.roster().clone(), provider.signature_verification_algorithms));
        let me = identity.me().replica();
        let server = me.map(|_| Arc::new(server_config(&provider, &clients, key, uses_kernel)));
        let others = identity.roster().members().iter().filter(|member| Some(member.id) != me);
        let dialling = others.filter_map(|member| {
            let pinned = PinnedServer::new(member.key?, member.expires, provider.signature_verification_algorithms);
            Some((member.id.0, Arc::new(client_config(&provider, pinned, key, uses_kernel))))
        });
        Some(Self { server, dialling: dialling.collect(), clients, uses_kernel: AtomicBool::new(uses_kernel) })
    }

    /// A session that accepts; `None` in a client, which has no id that a dialler could look for.
    pub fn accept(&self) -> Option<Connection> {
        ServerConnection::new(self.server.clone()?).ok().map(Connection::from)
    }

    /// A session that dials `peer`, `None` if it is not a member to dial.
    pub fn dial(&self, peer: ReplicaId) -> Option<Connection> {
        let config = self.dialling.get(&peer.0)?.clone();
        // No name takes part: the verifier compares the key. rustls wants one, and sends none for an address.
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        ClientConnection::new(config, name).ok().map(Connection::from)
    }

    /// Whether this finished session is one for the kernel.
    pub fn suits_kernel(&self, session: &Connection) -> bool {
        let suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
        self.uses_kernel.load(Relaxed) && suite == Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256)
    }

    /// Leaves all later sessions in user space, since the kernel does not do what its probe promised.
    pub fn give_up_kernel(&self) {
        self.uses_kernel.store(false, Relaxed);
    }

    /// Who accepted connections may come from.
    pub fn clients(&self) -> &RosterClients {
        &self.clients
    }
}

/// Whether the session is finished and both sides named [`ALPN`].
pub fn speaks_our_protocol(session: &Connection) -> bool {
    !session.is_handshaking() && session.alpn_protocol() == Some(ALPN)
}

/// The key that the other side of a finished session has proven to hold.
pub fn peer_key(session: &Connection) -> Option<PublicKey> {
    session.peer_certificates()?.first().and_then(|key| PublicKey::from_spki(key))
}

/// AES-128 first: with the instructions that every server has it is the fastest of the three. Where the kernel does the
/// encryption ChaCha20 comes first, since only with it a key lasts for ever (see `kernel`).
fn provider(uses_kernel: bool) -> CryptoProvider {
    let chacha = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    let aes = [cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_AES_256_GCM_SHA384];
    let cipher_suites = if uses_kernel { vec![chacha, aes[0], aes[1]] } else { vec![aes[0], aes[1], chacha] };
    CryptoProvider { cipher_suites, kx_groups: vec![kx_group::X25519], ..ring::default_provider() }
}

fn certified(key: &PrivateKey) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(vec![CertificateDer::from(key.public().to_spki())], key.signing_key()))
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    clients: &Arc<RosterClients>,
    key: &PrivateKey,
    uses_kernel: bool,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_client_cert_verifier(clients.clone())
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(key))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.enable_secret_extraction = uses_kernel;
    config
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    pinned: PinnedServer,
    key: &PrivateKey,
    uses_kernel: bool,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(key))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.enable_secret_extraction = uses_kernel;
    config
}
