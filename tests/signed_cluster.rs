//! Three replicas whose leader proposes whatever it is given: only what is authentic is applied, alike everywhere, across
//! changes of leader and transfers of state.

use paxon::fastpath::Commands;
use paxon::fastpath::verify::{Request, Scheme, Verified, Verifier};
use paxon::signed::{
    Authenticated, Genesis, Handshake, InlineVerifier, KeyEntry, KeyId, Keyring, MacSecret, MacSigner, Policy,
    Position, Refusal, RegistryCommand, Roles, Setup, Signer, SigningKey, SoftwareVerifier, public_key, signer,
    software,
};
use paxon::{
    Command, Handle, LocalCluster, Nanos, ReplicaBuilder, ReplicaId, ReplyBuffer, Session, SessionError, SessionLimits,
    Slot, SnapshotError, StateMachine, Timing,
};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
const CLUSTER: u64 = 0x5160_ed00;
const ADMINISTRATOR: KeyId = KeyId(1);
const CLIENTS: u32 = 3;
const MAC_SECRET: [u8; 32] = [3; 32];
/// Payloads of honest commands begin with it, those of forged ones do not.
const HONEST: &[u8] = b"honest";

/// Counts what it is given.
#[derive(Debug, Default)]
struct Tally {
    honest: u64,
    forged: u64,
    digest: u64,
}

impl StateMachine for Tally {
    fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut ReplyBuffer) {
        *if command.starts_with(HONEST) { &mut self.honest } else { &mut self.forged } += 1;
        let mix = |hash: u64, byte: u64| (hash ^ byte).wrapping_mul(0x0100_0000_01b3);
        self.digest = command.iter().fold(mix(self.digest, slot.0), |hash, &byte| mix(hash, byte.into()));
        reply.write(&self.honest.to_le_bytes());
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        into.extend([self.honest, self.forged, self.digest].map(u64::to_le_bytes).as_flattened());
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let bytes: &[u8; 24] = bytes.try_into().map_err(|_| SnapshotError)?;
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).map_err(|_| SnapshotError);
        *self = Self { honest: word(0)?, forged: word(8)?, digest: word(16)? };
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.digest
    }

    fn query(&self, _: &[u8], reply: &mut Vec<u8>) {
        reply.extend([self.honest, self.forged].map(u64::to_le_bytes).as_flattened());
    }
}

/// A verifier that never has room: its replica verifies on the spot.
#[derive(Debug)]
struct Busy;

impl Verifier for Busy {
    fn supports(&self, _: Scheme) -> bool {
        true
    }

    fn capacity(&self) -> usize {
        1
    }

    fn message_bytes_max(&self) -> usize {
        128
    }

    fn submit(&mut self, _: &[Request<'_>]) -> usize {
        0
    }

    fn poll(&mut self, _: &mut Vec<Verified>) -> usize {
        0
    }
}

fn key(owner: u32) -> SigningKey {
    SigningKey::from_seed(scheme_of(owner), &[owner as u8; 32])
}

/// One client of each scheme.
const fn scheme_of(owner: u32) -> Scheme {
    match owner {
        11 => Scheme::MlDsa44,
        12 => Scheme::Hybrid,
        _ => Scheme::Ed25519,
    }
}

fn genesis(policy: Policy) -> Genesis {
    let mut genesis = Genesis::new(CLUSTER).with_key(ADMINISTRATOR, public_key(&key(1)), Roles::ADMINISTRATOR);
    for client in 10..10 + CLIENTS {
        genesis = genesis.with_key(KeyId(client), public_key(&key(client)), Roles::CLIENT);
    }
    genesis.policy = policy;
    genesis.mac_key = Some(MacSecret::from_bytes(MAC_SECRET).public());
    genesis
}

type Honest = Authenticated<Tally, Box<dyn Verifier + Send>>;

/// The same, at a replica that proposes whatever it is given when it leads.
struct Careless(Honest);

impl StateMachine for Careless {
    fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut ReplyBuffer) {
        self.0.apply(slot, command, reply);
    }

    fn expects(&self) -> bool {
        self.0.expects()
    }

    fn expect(&mut self, slot: Slot, commands: Commands<'_>) {
        self.0.expect(slot, commands);
    }

    fn screen(&mut self, slot: Slot, command: &Command<'_>) -> Result<(), u8> {
        self.0.screen(slot, command)
    }

    fn apply_command(&mut self, slot: Slot, command: &Command<'_>, reply: &mut ReplyBuffer) {
        self.0.apply_command(slot, command, reply);
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        self.0.snapshot(into);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.0.restore(bytes)
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }

    fn query(&self, query: &[u8], reply: &mut Vec<u8>) {
        self.0.query(query, reply);
    }
}

/// Each replica has another verifier: they agree all the same.
fn machine(genesis: &Genesis, id: ReplicaId) -> Honest {
    let verifier: Box<dyn Verifier + Send> = match id.0 {
        0 => Box::new(SoftwareVerifier::start(paxon::signed::verify::PoolOptions::default()).expect("a thread")),
        1 => Box::new(InlineVerifier::default()),
        _ => Box::new(Busy),
    };
    let mac_secret = Some(MacSecret::from_bytes(MAC_SECRET));
    let setup = Setup { genesis, mac_secret, verifier, software, sample_salt: [id.0; 32] };
    Authenticated::new(Tally::default(), setup).expect("the setup is in order")
}

fn start<S: StateMachine + Send + 'static>(
    genesis: &Genesis,
    wrap: impl Fn(Honest) -> S,
) -> (LocalCluster, Vec<Arc<Keyring>>) {
    let builder = ReplicaBuilder::default()
        .replicas(3)
        .window(64)
        .cells(512)
        .payload_bytes_max(64 << 10)
        .arena_bytes(256 << 10)
        .snapshot_bytes(1 << 20)
        .sessions(SessionLimits { sessions_max: 64, window: 16, reply_bytes_max: 64 })
        .timing(Timing { suspect: Nanos::from_millis(3000), ..Timing::sharing() });
    let mut keyrings = Vec::new();
    let make = |id| {
        let machine = machine(genesis, id);
        keyrings.push(machine.keyring());
        wrap(machine)
    };
    let cluster = LocalCluster::start_with(builder, make).expect("the cluster starts");
    (cluster, keyrings)
}

fn leader(cluster: &LocalCluster) -> &Handle {
    cluster.leader(LONG).expect("a leader is elected")
}

/// One honest client, and everybody who wants to speak in its name.
struct Client {
    session: Session,
    signer: Signer,
    mac: Option<MacSigner>,
    honest: u64,
    forged: u64,
    last: Slot,
}

impl Client {
    fn new(cluster: &LocalCluster, genesis: &Genesis, owner: u32) -> Self {
        let mut session = Session::open(cluster.handles()).expect("a leader is there");
        session.set_patience(LONG);
        let signer = signer(CLUSTER, KeyId(owner), key(owner));
        let mut client = Self { session, signer, mac: None, honest: 0, forged: 0, last: Slot::NONE };
        let (handshake, bytes) =
            Handshake::begin(genesis, &client.signer, client.next(), [owner as u8; 32]).expect("offered");
        let reply = client.session.propose(&bytes).expect("an honest handshake");
        client.mac = Some(handshake.finish(&reply).expect("a reply to a handshake"));
        client
    }

    const fn next(&self) -> Position {
        Position { session: self.session.id(), sequence: self.session.next_sequence() }
    }

    /// The next command, by signature or by MAC.
    fn command(&self, payload: &[u8]) -> Vec<u8> {
        match &self.mac {
            Some(mac) if self.honest.is_multiple_of(2) => mac.command(self.session.next_sequence(), payload),
            _ => self.signer.command(self.next(), payload),
        }
    }

    /// Has forged commands decided in the place of the next honest one, then that.
    fn round(&mut self, earlier: &[u8]) -> Vec<u8> {
        let payload = [HONEST, &self.honest.to_le_bytes()].concat();
        let bytes = self.command(&payload);
        let wrong_key = signer(CLUSTER, self.signer.key(), SigningKey::from_seed(Scheme::Ed25519, &[99; 32]));
        let wrong_cluster = signer(CLUSTER + 1, self.signer.key(), key(self.signer.key().0));
        let mut altered = bytes.clone();
        let bit = (self.honest as usize * 7919) % (bytes.len() * 8);
        altered[bit / 8] ^= 1 << (bit % 8);
        let cut = &bytes[..self.honest as usize * 31 % bytes.len()];
        let forged = wrong_key.command(self.next(), b"forged");
        let elsewhere = wrong_cluster.command(self.next(), b"forged elsewhere");
        for bytes in [&altered, cut, &forged, &elsewhere, earlier] {
            self.refused(bytes);
        }
        let reply = self.session.propose(&bytes).expect("an honest command is not refused");
        self.honest += 1;
        self.last = reply.slot();
        bytes
    }

    fn refused(&mut self, bytes: &[u8]) {
        match self.session.resubmit(self.session.next_sequence(), bytes) {
            Err(SessionError::Refused { code, .. }) => assert!(Refusal::from_code(code).is_some(), "code {code}"),
            other => panic!("a forged command came to {other:?}"),
        }
        self.forged += 1;
    }
}

/// Every replica has applied all honest commands once and no forged one, and all are in the same state.
fn assert_only_honest(cluster: &LocalCluster, at_least: Slot, honest: u64) {
    for handle in cluster.handles() {
        let mut ticket = handle.read_local(b"", at_least).expect("room");
        let reply = ticket.wait_timeout(LONG).expect("in time").expect("an answer");
        let counts = [0, 8].map(|at| u64::from_le_bytes(reply[at..at + 8].try_into().expect("eight bytes")));
        assert_eq!(counts, [honest, 0], "{} honest and forged", handle.replica());
    }
    let digests = cluster.digests(at_least, LONG).expect("every replica gets there");
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[test]
fn forged_commands_among_honest_ones_are_applied_nowhere_across_leaders_and_snapshots() {
    let genesis = genesis(Policy::All);
    let (mut cluster, keyrings) = start(&genesis, Careless);
    leader(&cluster);
    let mut clients: Vec<_> = (10..10 + CLIENTS).map(|owner| Client::new(&cluster, &genesis, owner)).collect();
    let rounds = |clients: &mut Vec<Client>, count: usize| {
        std::thread::scope(|scope| {
            for client in clients {
                scope.spawn(move || {
                    let mut earlier = b"nothing yet".to_vec();
                    for _ in 0..count {
                        earlier = client.round(&earlier);
                    }
                });
            }
        });
    };
    rounds(&mut clients, 20);
    leader(&cluster).resign();
    rounds(&mut clients, 20);
    let follower = ReplicaId((leader(&cluster).replica().0 + 1) % 3);
    // The journals have gone round: what it was is helped by a snapshot.
    rounds(&mut clients, 60);
    cluster.restart(follower, Careless(machine(&genesis, follower))).expect("it starts again");
    rounds(&mut clients, 10);
    let honest = clients.iter().map(|client| client.honest).sum();
    let forged: u64 = clients.iter().map(|client| client.forged).sum();
    assert_eq!((honest, forged), (330, 1650));
    assert_only_honest(&cluster, clients.iter().map(|client| client.last).max().expect("clients"), honest);
    let of_leader = keyrings[leader(&cluster).replica().index()].counters();
    assert!(of_leader.refused_in_all() >= forged, "{} of {forged}", of_leader.refused_in_all());
}

#[test]
fn keys_change_in_the_middle_and_all_replicas_turn_to_the_new_ones_in_the_same_slot() {
    let genesis = genesis(Policy::All);
    let (cluster, keyrings) = start(&genesis, Careless);
    leader(&cluster);
    let mut client = Client::new(&cluster, &genesis, 10);
    let mut office = Session::open(cluster.handles()).expect("a leader is there");
    office.set_patience(LONG);
    let administrator = signer(CLUSTER, ADMINISTRATOR, key(1));
    client.round(b"");
    let new = SigningKey::from_seed(Scheme::MlDsa44, &[44; 32]);
    let rotate = RegistryCommand::Rotate { id: KeyId(10), key: public_key(&new), expires: Slot::NONE };
    let at = Position { session: office.id(), sequence: office.next_sequence() };
    office.propose(&administrator.registry(at, &rotate)).expect("an administrator may");
    let old = client.signer.command(client.next(), b"old");
    client.refused(&old);
    let by_mac = client.mac.as_ref().expect("it shook hands").command(client.session.next_sequence(), b"old");
    client.refused(&by_mac);
    client.mac = None;
    client.signer = signer(CLUSTER, KeyId(10), new);
    let bytes = client.signer.command(client.next(), HONEST);
    let reply = client.session.propose(&bytes).expect("the new key counts");
    let entry = KeyEntry::new(public_key(&key(10)), Roles::CLIENT, Slot::NONE);
    let at = Position { session: office.id(), sequence: office.next_sequence() };
    let exists = office.propose(&administrator.registry(at, &RegistryCommand::Add { id: KeyId(10), entry }));
    assert_eq!(exists.expect("an administrator may ask").first(), Some(&1));
    assert_only_honest(&cluster, reply.slot(), 2);
    for keyring in keyrings {
        assert_eq!(keyring.key(KeyId(10)).map(|entry| entry.rotations), Some(1));
    }
}

#[test]
fn a_leader_refuses_forged_commands_before_it_proposes_them_and_verifies_honest_ones_once() {
    for policy in [Policy::Leader, Policy::All] {
        let genesis = genesis(policy);
        let (cluster, keyrings) = start(&genesis, |machine| machine);
        leader(&cluster);
        let mut client = Client::new(&cluster, &genesis, 10);
        for _ in 0..20 {
            client.round(b"");
        }
        assert_only_honest(&cluster, client.last, 20);
        for (keyring, handle) in keyrings.iter().zip(cluster.handles()) {
            let refused = keyring.counters().refused_in_all();
            assert_eq!(refused, 0, "{} was given a forged command", handle.replica());
        }
        // The commands and the handshake. A replica that came late may have got them as a snapshot.
        let accepted: Vec<_> = keyrings.iter().map(|keyring| keyring.counters().accepted()).collect();
        assert!(accepted.iter().filter(|&&accepted| accepted >= 21).count() >= 2, "{accepted:?}");
        // Sessions and commands, and nothing that was forged.
        assert!(client.last.0 < 60, "{} slots for 22 proposals", client.last);
    }
}
