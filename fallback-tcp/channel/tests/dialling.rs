//! A dial goes on until it succeeds, whatever happens on the way, and keeps the connection that the other side keeps.

mod town;

use paxon_channel::{Arrival, DialError, Greeting, Hello, Limits, Refusal, Security};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use town::{Desk, R0, R1, Town, WELCOME, meet, meet_one_of, operations, receive, send, try_send, welcome};

#[test]
fn a_member_that_comes_later_is_found() {
    for security in [Security::Tls, Security::Plaintext] {
        let mut town = Town::new(security);
        // A port that nobody listens at any more.
        let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = gone.local_addr().expect("bound");
        town.plan.members[0].address = address.to_string();
        drop(gone);
        let dialler = town.eager_dialler(&town.plan, R1);
        dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
        assert_eq!(dialler.failure(), DialError::Network { address, kind: ErrorKind::ConnectionRefused });
        let listener = TcpListener::bind(address).expect("the port is free");
        let acceptor = Desk::start(town.replica(&town.plan, R0), Some(listener), Limits::default());
        meet(&dialler, &acceptor);
        assert!(dialler.porter.counters().failed() > 0);
    }
}

#[test]
fn a_cancelled_dial_makes_no_more_attempts() {
    let town = Town::new(Security::Plaintext);
    let dialler = town.eager_dialler(&town.plan, R1);
    // Nobody accepts at r0's listener: the kernel connects, and no greeting comes.
    dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
    dialler.until("it tries", |porter| porter.counters().attempts() >= 2);
    dialler.porter.cancel(R0);
    // A dial of nobody is answered after the cancellation was obeyed.
    dialler.porter.dial(R1, operations(&town.replica(&town.plan, R1), R1));
    while dialler.failure() != (DialError::NoMember { peer: R1 }) {}
    let attempts = dialler.porter.counters().attempts();
    assert!(dialler.arrivals.recv_timeout(Duration::from_millis(1200)).is_err(), "nothing is reported any more");
    assert_eq!(dialler.porter.counters().attempts(), attempts);
}

#[test]
fn a_name_is_looked_up() {
    let mut town = Town::new(Security::Tls);
    town.plan.members[0].address = format!("localhost:{}", town.address(R0).port());
    let (acceptor, dialler) = (town.open(&town.plan, R0), town.eager_dialler(&town.plan, R1));
    town::connect(&dialler, &town.replica(&town.plan, R1), &acceptor, R0);
}

#[test]
fn an_attempt_that_sits_in_a_pause_is_overtaken_within_a_second() {
    for security in [Security::Tls, Security::Plaintext] {
        let town = Town::new(security);
        let dialler = town.eager_dialler(&town.plan, R1);
        let listener = town.listener(R0);
        let hello = operations(&town.replica(&town.plan, R1), R0);
        let start = Instant::now();
        dialler.porter.dial(R0, hello);
        // The first attempt reaches nobody, as if its packets were lost until TCP's next retransmission.
        let _lost = listener.accept().expect("the patient attempt");
        let acceptor = town.open(&town.plan, R0);
        meet(&dialler, &acceptor);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(4), "{security}: {took:?}");
        assert!(dialler.porter.counters().attempts() >= 2);
    }
}

#[test]
fn a_path_slower_than_an_eager_attempt_lives_is_no_obstacle() {
    let mut town = Town::new(Security::Tls);
    // Each leg takes twice as long as an eager attempt has for all of them.
    let near_end = delayed_path(town.address(R0), Duration::from_millis(1000));
    let acceptor = town.open(&town.plan, R0);
    town.plan.members[0].address = near_end.to_string();
    let dialler = town.eager_dialler(&town.plan, R1);
    let start = Instant::now();
    dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
    let (_, _, mut near) = acceptor.inbound();
    welcome(&mut near);
    dialler.outbound();
    let took = start.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&took), "two round trips of 2 s: {took:?}");
    assert_eq!(acceptor.porter.counters().admitted(), 1, "the eager ones got nowhere");
}

/// An address behind which `to` is, `delay` later in each direction.
fn delayed_path(to: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(to).expect("somebody listens");
            for (from, to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                let (from, to) = (from.expect("a descriptor"), to.expect("a descriptor"));
                std::thread::spawn(move || carry_late(from, to, delay));
            }
        }
    });
    address
}

fn carry_late(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, pieces) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    let later = std::thread::spawn(move || {
        for (due, piece) in pieces {
            while let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(wait);
            }
            if to.write_all(&piece).is_err() {
                return;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
    let mut piece = [0; 4096];
    while let Ok(received) = from.read(&mut piece)
        && received > 0
        && sender.send((Instant::now() + delay, piece[..received].to_vec())).is_ok()
    {}
    drop(sender);
    later.join().expect("no panic");
}

#[test]
fn of_hellos_to_a_slow_member_the_last_one_counts_on_both_sides() {
    for security in [Security::Tls, Security::Plaintext] {
        let town = Town::new(security);
        let (acceptor, dialler) = (town.open(&town.plan, R0), town.eager_dialler(&town.plan, R1));
        dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
        // The member takes its time: more attempts come before it answers the first.
        let mut waiting = vec![acceptor.inbound()];
        while let Ok(arrival) = acceptor.arrivals.recv_timeout(Duration::from_millis(1500)) {
            let Arrival::Inbound { hello, party, connection } = arrival else { panic!("{arrival:?}") };
            assert!(waiting.iter().all(|(earlier, ..)| earlier.is_older_than(&hello)), "numbers grow");
            waiting.push((hello, party, connection));
        }
        assert!(waiting.len() >= 2, "{} hellos", waiting.len());
        // It answers them in the worst order: the newest first.
        let answered = waiting.into_iter().rev().map(|(hello, _, mut connection)| {
            try_send(&mut connection, &Greeting::Welcome(WELCOME));
            (hello, connection)
        });
        let (mut far, (_, mut near)) = meet_one_of(&dialler, &acceptor, answered.collect());
        send(&mut far, b"this one");
        assert_eq!(receive(&mut near, 8), b"this one");
    }
}

#[test]
fn hellos_to_a_slow_member_become_rarer() {
    let town = Town::new(Security::Tls);
    let (acceptor, dialler) = (town.open(&town.plan, R0), town.eager_dialler(&town.plan, R1));
    dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
    let start = Instant::now();
    let mut hellos = vec![];
    while start.elapsed() < Duration::from_secs(6) {
        if let Ok(Arrival::Inbound { connection, .. }) = acceptor.arrivals.recv_timeout(Duration::from_millis(100)) {
            hellos.push(connection);
        }
    }
    // At 0, 0.5, 1, 2 and 4 seconds; a machine that stops now and then makes it fewer.
    assert!((2..=6).contains(&hellos.len()), "{} hellos in 6 s", hellos.len());
    assert!(dialler.porter.counters().attempts() <= 8, "{} attempts", dialler.porter.counters().attempts());
    welcome(hellos.last_mut().expect("one"));
    dialler.outbound();
}

#[test]
fn a_busy_member_is_asked_again_when_it_said() {
    let town = Town::new(Security::Tls);
    let (acceptor, dialler) = (town.open(&town.plan, R0), town.eager_dialler(&town.plan, R1));
    dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
    let refusal = Refusal::Busy { most: 4, retry_ms: 400 };
    let busy = DialError::Refused { peer: R0, refusal };
    // Each one that comes is told so, until the dialler has heard it.
    let mut refused_at = Instant::now();
    while !matches!(dialler.arrivals.try_recv(), Ok(Arrival::DialFailed { reason, .. }) if reason == busy) {
        if let Ok(Arrival::Inbound { mut connection, .. }) = acceptor.arrivals.recv_timeout(Duration::from_millis(1)) {
            refused_at = Instant::now();
            try_send(&mut connection, &Greeting::Refused(refusal));
        }
    }
    meet(&dialler, &acceptor);
    assert!(refused_at.elapsed() >= Duration::from_millis(200), "half of the time, with jitter");
}

#[test]
fn a_new_hello_replaces_the_one_that_is_out() {
    let town = Town::new(Security::Tls);
    let (acceptor, dialler) = (town.open(&town.plan, R0), town.eager_dialler(&town.plan, R1));
    let hello = operations(&town.replica(&town.plan, R1), R0);
    dialler.porter.dial(R0, hello);
    let (first, ..) = acceptor.inbound();
    dialler.porter.dial(R0, Hello { incarnation: 10, ..hello });
    let mut last = acceptor.inbound();
    while last.0.incarnation == first.incarnation {
        // An attempt of the first hello that was on its way.
        last = acceptor.inbound();
    }
    assert_eq!((first.incarnation, last.0.incarnation), (9, 10));
}

#[test]
fn a_porter_can_be_dropped_with_all_under_way() {
    let town = Town::new(Security::Tls);
    let (acceptor, dialler) = (town.open(&town.plan, R0), town.eager_dialler(&town.plan, R1));
    let stranger = town.stranger(R0);
    acceptor.until("the stranger is in", |porter| porter.counters().strangers() == 1);
    dialler.porter.dial(R0, operations(&town.replica(&town.plan, R1), R0));
    acceptor.inbound();
    drop((dialler, acceptor));
    let mut end = [0];
    assert!(matches!(std::io::Read::read(&mut &stranger, &mut end), Ok(0) | Err(_)));
}
