//! A key-value store that takes commands of registered keys only: signed ones, fast ones by MAC, and forged ones in vain.

use paxon::fastpath::verify::Scheme;
use paxon::machines::{KvCommand, KvStore};
use paxon::signed::{
    Authenticated, Genesis, Handshake, InlineVerifier, KeyId, MacSecret, Position, Refusal, RegistryCommand,
    RegistryReply, Roles, Setup, Signer, SigningKey, public_key, signer, software,
};
use paxon::{LocalCluster, Session, SessionError};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
const ADMINISTRATOR: KeyId = KeyId(1);
const ANN: KeyId = KeyId(2);

/// Secrets of an example. Real ones come from [`SigningKey::generate`] and stay where they were made.
fn key(owner: u8) -> SigningKey {
    SigningKey::from_seed(Scheme::Ed25519, &[owner; 32])
}

const MAC_SECRET: [u8; 32] = [77; 32];

fn founded() -> Genesis {
    let mut genesis = Genesis::new(Genesis::cluster_number("signed example"))
        .with_key(ADMINISTRATOR, public_key(&key(1)), Roles::ADMINISTRATOR)
        .with_key(ANN, public_key(&key(2)), Roles::CLIENT);
    genesis.mac_key = Some(MacSecret::from_bytes(MAC_SECRET).public());
    genesis
}

fn store(genesis: &Genesis) -> Authenticated<KvStore, InlineVerifier> {
    let setup = Setup {
        genesis,
        mac_secret: Some(MacSecret::from_bytes(MAC_SECRET)),
        verifier: InlineVerifier::default(),
        software,
        sample_salt: [0; 32],
    };
    Authenticated::new(KvStore::default(), setup).expect("genesis and secret belong together")
}

const fn next(session: &Session) -> Position {
    Position { session: session.id(), sequence: session.next_sequence() }
}

fn put(key: &str, value: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    KvCommand::Put { key: key.as_bytes(), value: value.as_bytes() }.encode(&mut bytes)?;
    Ok(bytes)
}

/// Why the store refuses a command; its number stays free.
fn refusal(session: &mut Session, bytes: &[u8]) -> Option<Refusal> {
    match session.resubmit(session.next_sequence(), bytes) {
        Err(SessionError::Refused { code, .. }) => Refusal::from_code(code),
        _ => None,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let genesis = founded();
    let cluster = LocalCluster::start(3, |_| store(&genesis))?;
    cluster.leader(PATIENCE).ok_or("no leader was elected")?;
    let mut session = Session::open(cluster.handles())?;
    let ann = signer(genesis.cluster, ANN, key(2));

    let signed = ann.command(next(&session), &put("owner", "ann")?);
    let reply = session.propose(&signed)?;
    writeln!(out, "a signed put was applied in {}", reply.slot())?;

    let mallory: Signer = signer(genesis.cluster, ANN, key(66));
    let forged = mallory.command(next(&session), &put("owner", "mallory")?);
    for (what, bytes) in [("a forged put", &forged), ("a replayed put", &signed)] {
        let refusal = refusal(&mut session, bytes).ok_or("it must be refused")?;
        writeln!(out, "{what} was refused: {refusal}")?;
    }

    let (handshake, bytes) = Handshake::begin(&genesis, &ann, next(&session), [5; 32])?;
    let mac = handshake.finish(&session.propose(&bytes)?)?;
    for item in 0..100 {
        let bytes = mac.command(session.next_sequence(), &put("item", &item.to_string())?);
        session.propose(&bytes)?;
    }
    writeln!(out, "100 puts were applied by MAC")?;

    let administrator = signer(genesis.cluster, ADMINISTRATOR, key(1));
    let revocation = administrator.registry(next(&session), &RegistryCommand::Revoke { id: ANN });
    let reply = session.propose(&revocation)?;
    assert_eq!(RegistryReply::decode(&reply), Some(RegistryReply::Done));
    let late = ann.command(next(&session), &put("owner", "nobody")?);
    writeln!(out, "after her key was revoked: {}", refusal(&mut session, &late).ok_or("it must be refused")?)?;

    let digests = cluster.digests(reply.slot(), PATIENCE)?;
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    writeln!(out, "all three replicas hold the same state")?;
    Ok(())
}
