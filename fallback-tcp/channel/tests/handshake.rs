//! Two porters that belong together meet, in TLS and in plaintext, and their connections carry bytes both ways.

mod town;

use paxon_channel::{Arrival, Cipher, Greeting, Party, Purpose, Security, dial_until};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use town::{PATIENCE, R0, R1, Town, WELCOME, operations, receive, send, try_send, welcome};

const BOTH: [Security; 2] = [Security::Tls, Security::Plaintext];

#[test]
fn a_replica_dials_another_and_both_know_who_is_there() {
    for security in BOTH {
        let town = Town::new(security);
        let (acceptor, dialler) = (town.open(&town.plan, R0), town.dialler(&town.plan, R1));
        let hello = operations(&town.replica(&town.plan, R1), R0);
        dialler.porter.dial(R0, hello);
        let (heard, party, mut near) = acceptor.inbound();
        assert_eq!(paxon_channel::Hello { attempt: hello.attempt, ..heard }, hello);
        assert_eq!(party, Party::Replica(R1));
        welcome(&mut near);
        let (peer, said, mut far, round_trip) = dialler.outbound();
        assert_eq!((peer, said), (R0, WELCOME));
        assert!(round_trip < PATIENCE, "a round trip was measured: {round_trip:?}");
        assert_eq!(matches!(far.cipher, Cipher::Plain), security == Security::Plaintext);
        assert!(far.stream.nodelay().expect("a socket") && near.stream.nodelay().expect("a socket"));
        send(&mut far, b"there");
        assert_eq!(receive(&mut near, 5), b"there");
        send(&mut near, b"and back");
        assert_eq!(receive(&mut far, 8), b"and back");
        let (here, there) = (acceptor.porter.counters(), dialler.porter.counters());
        assert_eq!((here.accepted(), here.admitted(), here.refused_in_all()), (1, 1, 0));
        assert_eq!((there.connected(), there.failed()), (1, 0));
    }
}

#[test]
fn a_connection_is_handed_over_nonblocking() {
    for security in BOTH {
        let town = Town::new(security);
        let (acceptor, dialler) = (town.open(&town.plan, R0), town.dialler(&town.plan, R1));
        dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
        let (_, _, mut near) = acceptor.inbound();
        let error = near.stream.read(&mut [0]).expect_err("nothing was sent");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn the_two_of_a_pair_dial_each_other_at_once() {
    let town = Town::new(Security::Tls);
    let desks = [town.open(&town.plan, R0), town.open(&town.plan, R1)];
    let ids = [R0, R1];
    for (me, other) in [(0, 1), (1, 0)] {
        desks[me].porter.dial(ids[other], operations(&town.replica(&town.plan, ids[me]), ids[other]));
    }
    let deadline = Instant::now() + PATIENCE;
    let (mut inbound, mut outbound) = ([vec![], vec![]], [None, None]);
    // Both go on welcoming until both have arrived, and what came stays open.
    while outbound.iter().any(Option::is_none) || inbound.iter().any(Vec::is_empty) {
        assert!(Instant::now() < deadline, "not in time");
        for (place, desk) in desks.iter().enumerate() {
            match desk.arrivals.recv_timeout(Duration::from_millis(1)) {
                Ok(Arrival::Inbound { mut connection, .. }) => {
                    try_send(&mut connection, &Greeting::Welcome(WELCOME));
                    inbound[place].push(connection);
                }
                Ok(Arrival::Outbound { connection, .. }) => outbound[place] = Some(connection),
                Ok(Arrival::DialFailed { reason, .. }) => assert!(reason.is_passing(), "{reason}"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn a_client_is_known_by_the_name_of_its_key() {
    for security in BOTH {
        let town = Town::new(security);
        let acceptor = town.open(&town.plan, R0);
        let identity = town.client(&town.plan);
        let hello = identity.hello(R0, Purpose::Client, 0);
        let client = std::thread::spawn(move || dial_until(identity, R0, hello, PATIENCE));
        let (heard, party, mut near) = acceptor.inbound();
        let name = if security == Security::Tls { "alice" } else { "" };
        assert_eq!((heard.from, party), (None, Party::Client(name.into())));
        welcome(&mut near);
        let (said, mut far) = client.join().expect("no panic").expect("welcome");
        assert_eq!(said, WELCOME);
        far.write_all(b"a request").expect("sent");
        assert_eq!(receive(&mut near, 9), b"a request");
        send(&mut near, b"a reply");
        let mut reply = [0; 7];
        far.read_exact(&mut reply).expect("received");
        assert_eq!(&reply, b"a reply");
        drop(near);
        assert_eq!(far.read(&mut reply).expect("the end"), 0);
    }
}

#[test]
fn what_follows_the_greeting_is_handed_over_in_order() {
    for security in BOTH {
        for is_one_record in [true, false] {
            let town = Town::new(security);
            let (acceptor, dialler) = (town.open(&town.plan, R0), town.dialler(&town.plan, R1));
            dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
            let (_, _, mut near) = acceptor.inbound();
            let mut first = Greeting::Welcome(WELCOME).encode().to_vec();
            let frames: Vec<u8> = (0..9000u32).map(|number| number as u8).collect();
            if is_one_record {
                first.extend_from_slice(&frames[..5000]);
            }
            send(&mut near, &first);
            send(&mut near, if is_one_record { &frames[5000..] } else { &frames });
            let (_, _, mut far, _) = dialler.outbound();
            assert_eq!(far.early.is_empty(), !is_one_record || security == Security::Plaintext);
            assert_eq!(receive(&mut far, frames.len()), frames);
        }
    }
}

#[test]
fn what_was_sent_before_an_early_end_is_read() {
    for security in BOTH {
        let town = Town::new(security);
        let (acceptor, dialler) = (town.open(&town.plan, R0), town.dialler(&town.plan, R1));
        dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
        let (_, _, mut near) = acceptor.inbound();
        welcome(&mut near);
        send(&mut near, b"and farewell");
        // The end may be there before the dialler has read the welcome.
        drop(near);
        let (_, _, mut far, _) = dialler.outbound();
        assert_eq!(receive(&mut far, 12), b"and farewell");
        assert_eq!(far.stream.read(&mut [0]).expect("the end"), 0);
    }
}
