//! Handshakes in memory, also for the tests of other modules.

use super::*;
use crate::key::PrivateKey;
use crate::roster::{Member, Roster, Security};
use paxon_fastpath::Layout;
use rustls::{AlertDescription, CertificateError, Error};
use std::time::SystemTime;

const R0: ReplicaId = ReplicaId(0);
const R1: ReplicaId = ReplicaId(1);

/// Identities of three members that know each other.
pub fn town(security: Security) -> [Identity; 3] {
    let keys = [(); 3].map(|()| PrivateKey::generate().expect("random numbers"));
    let member = |(id, key): (u8, &PrivateKey)| Member {
        id: ReplicaId(id),
        address: format!("127.0.0.1:{}", 7000 + u16::from(id)),
        key: Some(key.public()),
        expires: None,
    };
    let members = (0..).zip(&keys).map(member).collect();
    let layout = Layout { replicas: 3, cells: 1024, arena_words: 4096, snapshot_words: 512 };
    let roster = Arc::new(Roster::new(7, layout, members, vec![], security).expect("a roster"));
    let mut id = 0;
    keys.map(|key| {
        id += 1;
        Identity::replica(roster.clone(), ReplicaId(id - 1), Some(key)).expect("a member").without_kernel()
    })
}

/// Two finished sessions: r1's, which dialled, and r0's.
pub fn sessions() -> [Connection; 2] {
    let town = town(Security::Tls);
    let [acceptor, dialler] = [&town[0], &town[1]].map(|identity| Tls::new(identity).expect("keys"));
    let mut sessions = [dialler.dial(R0).expect("a member"), acceptor.accept().expect("a replica")];
    shake_hands(&mut sessions).expect("they belong together");
    sessions
}

/// Carries bytes between two sessions until neither has more to say, or one has an error.
fn shake_hands(sessions: &mut [Connection; 2]) -> Result<(), Error> {
    while sessions.iter().any(|session| session.wants_write()) {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut wire = vec![];
            while sessions[from].wants_write() {
                sessions[from].write_tls(&mut wire).expect("memory");
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                sessions[to].read_tls(&mut rest).expect("memory");
                sessions[to].process_new_packets()?;
            }
        }
    }
    Ok(())
}

#[test]
fn both_ends_know_each_other_s_key() {
    let town = town(Security::Tls);
    let tls = Tls::new(&town[0]).expect("keys");
    let [dialled, accepted] = sessions();
    assert!(speaks_our_protocol(&dialled) && speaks_our_protocol(&accepted));
    assert_eq!(dialled.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert!(peer_key(&dialled).is_some() && peer_key(&accepted).is_some());
    assert_ne!(peer_key(&dialled), peer_key(&accepted));
    let stranger = PrivateKey::generate().expect("random numbers");
    assert_eq!(tls.clients().party(stranger.public()), None);
    assert_eq!(tls.clients().party(town[1].key().expect("TLS").public()).and_then(|party| party.replica()), Some(R1));
}

#[test]
fn nobody_can_accept_without_an_id_or_dial_itself() {
    let town = town(Security::Tls);
    let tls = Tls::new(&town[0]).expect("keys");
    assert!(tls.dial(R0).is_none() && tls.dial(R1).is_some() && tls.dial(ReplicaId(3)).is_none());
    assert!(Tls::new(&self::town(Security::Plaintext)[0]).is_none());
}

/// A dialler that has r1's public key and another private one: it can claim the key, not prove it.
#[test]
fn a_key_that_cannot_be_proven_is_refused() {
    let town = town(Security::Tls);
    let acceptor = Tls::new(&town[0]).expect("keys");
    let provider = Arc::new(provider(false));
    let thief = PrivateKey::generate().expect("random numbers");
    let stolen = CertificateDer::from(town[1].key().expect("TLS").public().to_spki());
    let pinned =
        PinnedServer::new(town[0].key().expect("TLS").public(), None, provider.signature_verification_algorithms);
    let mut config = client_config(&provider, pinned, &thief, false);
    let claim = Arc::new(CertifiedKey::new(vec![stolen], thief.signing_key()));
    config.client_auth_cert_resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(claim));
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let dialler = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut sessions = [dialler.into(), acceptor.accept().expect("a replica")];
    let error = shake_hands(&mut sessions).expect_err("no such signature");
    assert!(matches!(error, Error::InvalidCertificate(CertificateError::BadSignature)), "{error:?}");
}

/// A dialler that offers no key at all.
#[test]
fn whoever_shows_no_key_is_refused() {
    let town = town(Security::Tls);
    let acceptor = Tls::new(&town[0]).expect("keys");
    let provider = Arc::new(provider(false));
    let pinned =
        PinnedServer::new(town[0].key().expect("TLS").public(), None, provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let dialler = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut sessions = [dialler.into(), acceptor.accept().expect("a replica")];
    assert!(shake_hands(&mut sessions).is_err());
    assert_eq!(peer_key(&sessions[1]), None);
}

/// A dialler of the roster that means another protocol.
#[test]
fn another_protocol_inside_tls_is_refused() {
    let town = town(Security::Tls);
    let [acceptor, dialler] = [&town[0], &town[1]].map(|identity| Tls::new(identity).expect("keys"));
    let mut config = ClientConfig::clone(&dialler.dialling[&0]);
    let name = || ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let other = ClientConnection::new(Arc::new(config.clone()), name()).expect("a session");
    let mut sessions = [other.into(), acceptor.accept().expect("a replica")];
    assert_eq!(shake_hands(&mut sessions), Err(Error::NoApplicationProtocol));
    config.alpn_protocols = vec![];
    let silent = ClientConnection::new(Arc::new(config), name()).expect("a session");
    let mut sessions = [silent.into(), acceptor.accept().expect("a replica")];
    shake_hands(&mut sessions).expect("TLS itself does not mind");
    assert!(!speaks_our_protocol(&sessions[1]), "but we do");
}

#[test]
fn a_key_counts_until_the_moment_it_expires() {
    let provider = provider(false);
    let key = PrivateKey::generate().expect("random numbers").public();
    let expires = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    let pinned = PinnedServer::new(key, Some(expires), provider.signature_verification_algorithms);
    let at = |seconds| rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let spki = CertificateDer::from(key.to_spki());
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let check = |seconds| {
        use rustls::client::danger::ServerCertVerifier;
        pinned.verify_server_cert(&spki, &[], &name, &[], at(seconds)).map(drop)
    };
    assert_eq!(check(999), Ok(()));
    assert_eq!(check(1000), Err(CertificateError::Expired.into()));
    assert_eq!(AlertDescription::from(CertificateError::Expired), AlertDescription::CertificateExpired);
}
