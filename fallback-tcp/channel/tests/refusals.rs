//! Who does not belong is refused, is told why as far as it is known, and is counted under that reason.

mod town;

use paxon_channel::{DialError, GREETING_BYTES, Greeting, Hello, LayoutField, Purpose, Reason, Refusal, Security};
use paxon_fastpath::ReplicaId;
use std::io::{Read, Write};
use town::{CLUSTER, Desk, LAYOUT, Plan, R0, R1, R2, Town, long_ago, operations};

/// r1 dials r0 with its own roster and hello; the reason it is given, after r0 has counted `reason`.
fn refused(town: &Town, theirs: &Plan, ours: &Plan, hello: impl Fn(Hello) -> Hello, reason: Reason) -> DialError {
    let (acceptor, dialler) = (town.open(theirs, R0), town.dialler(ours, R1));
    dialler.porter.dial(R0, hello(operations(&town.replica(ours, R1), R0)));
    let failure = dialler.failure();
    dialler.porter.cancel(R0);
    acceptor.until("the refusal is counted", |porter| porter.counters().refused(reason) > 0);
    assert_eq!(acceptor.porter.counters().admitted(), 0, "{failure}");
    failure
}

/// The same with TLS where only the hello is wrong: the refusal that r1 reads.
fn refusal(change: impl Fn(Hello) -> Hello, reason: Reason) -> Refusal {
    let town = Town::new(Security::Tls);
    match refused(&town, &town.plan, &town.plan, change, reason) {
        DialError::Refused { peer: R0, refusal } => refusal,
        other => panic!("not a refusal: {other}"),
    }
}

#[test]
fn a_key_that_is_not_in_the_roster_is_refused() {
    let town = Town::new(Security::Tls);
    let mut theirs = town.plan.clone();
    theirs.members[1].key = Some(town.ring.public("mallory"));
    let failure = refused(&town, &theirs, &town.plan, |hello| hello, Reason::UnknownKey);
    assert_eq!(failure, DialError::OurKeyUnknown { peer: R0 });
}

#[test]
fn an_expired_key_is_refused() {
    let town = Town::new(Security::Tls);
    let mut theirs = town.plan.clone();
    theirs.members[1].expires = long_ago();
    let failure = refused(&town, &theirs, &town.plan, |hello| hello, Reason::ExpiredKey);
    assert_eq!(failure, DialError::OurKeyExpired { peer: R0 });
}

#[test]
fn a_key_that_expires_later_is_taken() {
    let town = Town::new(Security::Tls);
    let mut plan = town.plan.clone();
    plan.members[1].expires = Some(std::time::SystemTime::now() + std::time::Duration::from_secs(3600));
    let (acceptor, dialler) = (town.open(&plan, R0), town.dialler(&plan, R1));
    town::connect(&dialler, &town.replica(&plan, R1), &acceptor, R0);
}

#[test]
fn a_member_whose_key_has_expired_is_not_spoken_to() {
    let town = Town::new(Security::Tls);
    let mut ours = town.plan.clone();
    ours.members[0].expires = long_ago();
    let failure = refused(&town, &town.plan, &ours, |hello| hello, Reason::RefusedUs);
    assert_eq!(failure, DialError::PeerKeyExpired { peer: R0 });
}

#[test]
fn a_member_with_another_key_is_not_spoken_to() {
    let town = Town::new(Security::Tls);
    let mut ours = town.plan.clone();
    ours.members[0].key = Some(town.ring.public("mallory"));
    let failure = refused(&town, &town.plan, &ours, |hello| hello, Reason::RefusedUs);
    assert_eq!(failure, DialError::OtherKey { peer: R0, address: town.address(R0) });
}

#[test]
fn another_member_at_the_address_is_not_taken_for_the_one_dialled() {
    let town = Town::new(Security::Tls);
    let mut ours = town.plan.clone();
    ours.members[2].address = ours.members[0].address.clone();
    let (acceptor, dialler) = (town.open(&town.plan, R0), town.dialler(&ours, R1));
    dialler.porter.dial(R2, operations(&town.replica(&ours, R1), R2));
    assert_eq!(dialler.failure(), DialError::OtherKey { peer: R2, address: town.address(R0) });
    acceptor.until("r0 is told", |porter| porter.counters().refused(Reason::RefusedUs) > 0);
}

#[test]
fn a_key_cannot_speak_as_another_member() {
    let got = refusal(|hello| Hello { from: Some(R2), ..hello }, Reason::Impostor);
    assert_eq!(got, Refusal::Impostor { here: Some(R1), yours: Some(R2) });
}

#[test]
fn a_replica_cannot_speak_as_a_client() {
    let got = refusal(|hello| Hello { from: None, ..hello }, Reason::Impostor);
    assert_eq!(got, Refusal::Impostor { here: Some(R1), yours: None });
}

#[test]
fn another_cluster_is_refused() {
    let got = refusal(|hello| Hello { cluster: 78, ..hello }, Reason::Cluster);
    assert_eq!(got, Refusal::Cluster { here: CLUSTER, yours: 78 });
}

#[test]
fn a_hello_for_another_member_is_refused() {
    let got = refusal(|hello| Hello { to: R2, ..hello }, Reason::Recipient);
    assert_eq!(got, Refusal::Recipient { here: R0, yours: R2 });
}

#[test]
fn memory_of_other_sizes_is_refused_with_the_first_that_differs() {
    let mut layout = LAYOUT;
    layout.arena_words *= 2;
    layout.snapshot_words = 1;
    let got = refusal(|hello| Hello { layout, ..hello }, Reason::Layout);
    assert_eq!(got, Refusal::Layout { field: LayoutField::ArenaWords, here: 4096, yours: 8192 });
}

#[test]
fn a_client_cannot_have_what_is_for_replicas() {
    for (from, reason) in [(None, Reason::Purpose), (Some(R1), Reason::Impostor)] {
        let town = Town::new(Security::Tls);
        let acceptor = town.open(&town.plan, R0);
        let identity = town.client(&town.plan);
        let hello = Hello { from, ..identity.hello(R0, Purpose::Operations, 0) };
        let client = Desk::start(identity, None, Default::default());
        client.porter.dial(R0, hello);
        assert!(matches!(client.failure(), DialError::Refused { .. }));
        acceptor.until("it is counted", |porter| porter.counters().refused(reason) > 0);
    }
}

#[test]
fn a_client_need_not_know_the_sizes_of_the_memory() {
    let town = Town::new(Security::Tls);
    let acceptor = town.open(&town.plan, R0);
    let identity = town.client(&town.plan);
    let mut hello = identity.hello(R0, Purpose::Client, 0);
    hello.layout.cells = 0;
    let client = Desk::start(identity, None, Default::default());
    client.porter.dial(R0, hello);
    assert_eq!(acceptor.inbound().0.purpose, Purpose::Client);
}

#[test]
fn tls_and_plaintext_tell_each_other_what_is_wrong() {
    for (theirs, ours) in [(Security::Tls, Security::Plaintext), (Security::Plaintext, Security::Tls)] {
        let town = Town::new(theirs);
        let plan = Plan { security: ours, ..town.plan.clone() };
        let failure = refused(&town, &town.plan, &plan, |hello| hello, Reason::Security);
        let told = match failure {
            DialError::Refused { refusal: Refusal::Security { here }, .. } => here,
            DialError::Security { theirs, .. } => theirs,
            other => panic!("{other}"),
        };
        assert_eq!(told, theirs);
    }
}

/// Sends bytes to r0, which speaks plaintext, and reads its answer.
fn answer(bytes: &[u8], reason: Reason) -> Vec<u8> {
    let town = Town::new(Security::Plaintext);
    let acceptor = town.open(&town.plan, R0);
    let mut stranger = town.stranger(R0);
    stranger.write_all(bytes).expect("sent");
    let mut answer = vec![];
    stranger.read_to_end(&mut answer).expect("answered and closed");
    acceptor.until("it is counted", |porter| porter.counters().refused(reason) == 1);
    answer
}

fn hello_in_plaintext() -> Hello {
    let town = Town::new(Security::Plaintext);
    operations(&town.replica(&town.plan, R1), R0)
}

#[test]
fn another_version_is_told_ours() {
    let mut bytes = hello_in_plaintext().encode();
    bytes[8] = 9;
    // A later version may have a shorter hello: its first twelve bytes are enough.
    let answer = answer(&bytes[..12], Reason::Version);
    let refusal = Refusal::Version { here: 1, yours: 9 };
    assert_eq!(Greeting::decode(&answer), Ok(Greeting::Refused(refusal)));
}

#[test]
fn a_damaged_hello_is_called_damaged() {
    let mut bytes = hello_in_plaintext().encode();
    bytes[50] ^= 4;
    assert_eq!(Greeting::decode(&answer(&bytes, Reason::Damaged)), Ok(Greeting::Refused(Refusal::Damaged)));
}

#[test]
fn in_plaintext_a_stranger_gets_no_answer_to_garbage() {
    assert_eq!(answer(b"GET / HTTP/1.0\r\n\r\n", Reason::Garbage), b"");
}

#[test]
fn in_plaintext_only_other_members_are_taken_for_members() {
    for claimed in [ReplicaId(9), R0] {
        let hello = Hello { from: Some(claimed), ..hello_in_plaintext() };
        let answer = answer(&hello.encode(), Reason::Impostor);
        assert_eq!(answer.len(), GREETING_BYTES);
        let refusal = Refusal::NoPeer { yours: claimed };
        assert_eq!(Greeting::decode(&answer), Ok(Greeting::Refused(refusal)));
    }
}

#[test]
fn one_cannot_dial_oneself_or_a_member_that_is_none() {
    let town = Town::new(Security::Tls);
    let identity = town.replica(&town.plan, R1);
    let hello = operations(&identity, R0);
    let desk = Desk::start(identity, None, Default::default());
    for peer in [R1, ReplicaId(3), ReplicaId(200)] {
        desk.porter.dial(peer, hello);
        assert_eq!(desk.failure(), DialError::NoMember { peer });
    }
}
