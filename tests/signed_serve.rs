//! A signed service behind sockets: what clients of other processes are told of refusals.

use paxon::fastpath::verify::Scheme;
use paxon::machines::Counter;
use paxon::serve::Server;
use paxon::signed::{
    Authenticated, Genesis, InlineVerifier, KeyId, Position, Refusal, Roles, Setup, SigningKey, public_key, signer,
    software,
};
use paxon::{LocalCluster, ReplicaId};
use paxon_client::wire::Code;
use paxon_client::{Client, ClientError, Target};

const CLUSTER: u64 = 0x51;
const OWNER: KeyId = KeyId(4);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Scheme::Ed25519, &[seed; 32])
}

fn counter(genesis: &Genesis) -> Authenticated<Counter, InlineVerifier> {
    let verifier = InlineVerifier::default();
    let setup = Setup { genesis, mac_secret: None, verifier, software, sample_salt: [0; 32] };
    Authenticated::new(Counter::default(), setup).expect("the setup is in order")
}

#[test]
fn a_client_is_told_why_its_command_was_refused_and_goes_on() {
    let roles = Roles::ADMINISTRATOR.with(Roles::CLIENT);
    let genesis = Genesis::new(CLUSTER).with_key(OWNER, public_key(&key(4)), roles);
    let cluster = LocalCluster::start(3, |_| counter(&genesis)).expect("the cluster starts");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = |id: u8| folder.path().join(format!("replica-{id}.sock"));
    let servers: Vec<_> = (0..)
        .zip(cluster.handles())
        .map(|(id, handle)| Server::builder(handle).unix(socket(id)).start().expect("it serves"))
        .collect();
    let targets = (0..3).map(|id| Target::unix(ReplicaId(id), socket(id)));
    let client = Client::builder().targets(targets).start().expect("a client");
    let session = client.open_session().wait().expect("a leader is elected");
    let (honest, forger) = (signer(CLUSTER, OWNER, key(4)), signer(CLUSTER, OWNER, key(5)));
    let at = |sequence| Position { session: session.id(), sequence };
    let one = 1u64.to_le_bytes();
    for total in 1..=20u64 {
        let forged = session.propose_with(|sequence| forger.command(at(sequence), &one));
        let applied = session.propose_with(|sequence| honest.command(at(sequence), &one));
        match forged.wait() {
            Err(ClientError::Refused { code: Code::Screened(code), message, .. }) => {
                assert_eq!(Refusal::from_code(code), Some(Refusal::BadSignature));
                assert!(message.contains('9'), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(*applied.wait().expect("it is honest"), total.to_le_bytes());
    }
    // The number of a refused command is free, as long as it lies in the window.
    let freed = session.next_sequence() - 2;
    let late = session.resubmit(freed, &honest.command(at(freed), &one)).wait().expect("it is honest");
    assert_eq!(*late, 21u64.to_le_bytes());
    drop(servers);
}
