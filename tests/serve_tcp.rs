//! Clients of other hosts: over TCP, with TLS and without it, on loopback.

mod served;

use paxon::ReplicaId;
use paxon::channel::{Arrival, ClientKey, Identity, Member, Porter, PrivateKey, Purpose, Roster, Security};
use paxon::fastpath::Layout;
use paxon::serve::ServeOptions;
use paxon_client::{Client, ClientError, ClientOptions, Target};
use served::{PATIENCE, Served, number};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const LAYOUT: Layout = Layout { replicas: 3, cells: 1024, arena_words: 1 << 16, snapshot_words: 1 << 16 };

/// Served replicas that listen on loopback too.
struct Abroad {
    served: Served,
    roster: Arc<Roster>,
    /// The client's private key is in it.
    folder: TempDir,
    /// What makes the connections of each replica.
    _porters: Vec<Porter>,
}

impl Abroad {
    fn start(security: Security, options: ServeOptions) -> Self {
        let served = Served::start(options);
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let keys: Vec<_> = (0..3).map(|_| new_key()).collect();
        let (folder, key) = (tempfile::tempdir().expect("a folder"), new_key());
        key.write_new(folder.path().join("key")).expect("it can be written");
        let member = |id: usize| Member {
            id: ReplicaId(id as u8),
            address: listeners[id].local_addr().expect("an address").to_string(),
            key: Some(keys[id].public()),
            expires: None,
        };
        let members = (0..3).map(member).collect();
        let client = ClientKey { name: "tester".into(), key: key.public(), expires: None };
        let roster = Arc::new(Roster::new(7, LAYOUT, members, vec![client], security).expect("a roster"));
        let porters = listeners.into_iter().zip(keys).enumerate().map(|(id, (listener, key))| {
            let identity = Identity::replica(roster.clone(), ReplicaId(id as u8), Some(key)).expect("it is a member");
            let inlet = served.servers[id].as_ref().expect("it is served").inlet();
            Porter::start(identity, Some(listener), move |arrival| {
                if let Arrival::Inbound { hello, party, connection } = arrival {
                    assert_eq!(hello.purpose, Purpose::Client);
                    inlet.admit(party, connection);
                }
            })
            .expect("it starts")
        });
        let porters = porters.collect();
        Self { served, roster, folder, _porters: porters }
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::read(self.folder.path().join("key")).expect("it was written")
    }

    fn client(&self, options: ClientOptions) -> Client {
        let identity = Identity::client(self.roster.clone(), Some(self.key())).expect("it is listed");
        let targets = (0..3).map(|id| Target::tcp(ReplicaId(id)));
        Client::builder().identity(identity).targets(targets).options(options).start().expect("it starts")
    }
}

fn new_key() -> PrivateKey {
    PrivateKey::generate().expect("the system gives random numbers")
}

fn options() -> ClientOptions {
    ClientOptions { patience: PATIENCE, ..ClientOptions::default() }
}

#[test]
fn commands_and_reads_cross_the_network_and_survive_leaders() {
    for security in [Security::Tls, Security::Plaintext] {
        let abroad = Abroad::start(security, ServeOptions::default());
        let client = abroad.client(options());
        let session = client.open_session().wait().expect("a session");
        let long = vec![0; 300_000];
        for at in 0..20u64 {
            let pending: Vec<_> = (0..20u64)
                .map(|place| {
                    let mut payload = (at * 20 + place).to_le_bytes().to_vec();
                    payload.extend_from_slice(if place == 0 { &long } else { &[] });
                    session.propose(&payload)
                })
                .collect();
            if at % 7 == 6 {
                abroad.served.leader().resign();
            }
            for (place, pending) in (0..).zip(pending) {
                assert_eq!(number(&pending.wait().expect("it is applied")), at * 20 + place);
            }
        }
        let answer = client.read(b"").wait().expect("an answer");
        assert!(served::numbers(&answer).into_iter().eq(0..400));
        let answer = client.read(served::LONG_QUERY).wait().expect("an answer");
        assert_eq!(answer.len(), served::LONG_ANSWER);
        for id in 0..3 {
            client.at(ReplicaId(id)).status().wait().expect("a status");
        }
    }
}

#[test]
fn a_full_house_says_so_over_the_network_too() {
    let abroad = Abroad::start(Security::Tls, ServeOptions { connections_max: 1, ..ServeOptions::default() });
    let guest = abroad.client(options());
    (0..3).for_each(|id| drop(guest.at(ReplicaId(id)).status().wait().expect("the first has room")));
    let hasty = abroad.client(ClientOptions { patience: Duration::from_secs(2), ..options() });
    let error = hasty.read(b"").wait().expect_err("there is no room");
    assert!(
        matches!(&error, ClientError::TimedOut { last_problem, .. } if last_problem.contains("1 connections")),
        "{error}"
    );
    drop(guest);
    abroad.client(options()).read(b"").wait().expect("there is room again");
}

#[test]
fn a_client_whose_key_nobody_knows_is_told_so() {
    let abroad = Abroad::start(Security::Tls, ServeOptions::default());
    let stranger = new_key();
    let mut clients = abroad.roster.clients().to_vec();
    clients[0].key = stranger.public();
    let members = abroad.roster.members().to_vec();
    let forged = Roster::new(7, LAYOUT, members, clients, Security::Tls).expect("a roster");
    let identity = Identity::client(Arc::new(forged), Some(stranger)).expect("its own roster lists it");
    let client = Client::builder()
        .identity(identity)
        .targets((0..3).map(|id| Target::tcp(ReplicaId(id))))
        .options(ClientOptions { patience: Duration::from_secs(2), ..options() })
        .start()
        .expect("it starts");
    let error = client.at(ReplicaId(1)).status().wait().expect_err("nobody knows it");
    assert!(matches!(&error, ClientError::Unreachable { problem, .. } if problem.contains("our key")), "{error}");
    let error = client.read(b"").wait().expect_err("nobody knows it");
    assert!(
        matches!(&error, ClientError::TimedOut { last_problem, .. } if last_problem.contains("our key")),
        "{error}"
    );
}

#[test]
fn replicas_that_are_not_there_are_passed_over() {
    let abroad = Abroad::start(Security::Tls, ServeOptions::default());
    let leader = abroad.served.leader_id();
    // The leader's followers are not reached: nobody listens at the address of one, and at that of the other nobody answers.
    let mut members = abroad.roster.members().to_vec();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for (step, address) in [(1, "127.0.0.1:1".into()), (2, silent.local_addr().expect("an address").to_string())] {
        members[(leader + step) % 3].address = address;
    }
    let roster = Roster::new(7, LAYOUT, members, abroad.roster.clients().to_vec(), Security::Tls).expect("a roster");
    let identity = Identity::client(Arc::new(roster), Some(abroad.key())).expect("it is listed");
    // Asked in the order in which the leader comes last.
    let targets = [1, 2, 0].map(|step| Target::tcp(ReplicaId(((leader + step) % 3) as u8)));
    let client = Client::builder().identity(identity).targets(targets).options(options()).start().expect("it starts");
    assert_eq!(client.read(b"").wait().expect("an answer").replica.index(), leader);
}
