//! What strangers do to an acceptor: it stays within its bounds and goes on to admit those who belong.

mod town;

use paxon_channel::{Limits, Reason, Security};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use town::{Desk, PATIENCE, R0, R1, Town, connect, until};

const BOTH: [Security; 2] = [Security::Tls, Security::Plaintext];

fn few(strangers_max: usize) -> Limits {
    Limits { strangers_max, ..Limits::default() }
}

/// r1 can still connect to `acceptor`.
fn belongs(town: &Town, acceptor: &Desk) {
    let dialler = town.dialler(&town.plan, R1);
    connect(&dialler, &town.replica(&town.plan, R1), acceptor, R0);
}

/// Whether the acceptor has ended the connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut waste = [0; 1024];
    loop {
        match stream.read(&mut waste) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn half_open_connections_do_not_lock_a_peer_out() {
    for security in BOTH {
        let town = Town::new(security);
        let acceptor = town.open_with(R0, few(8));
        let mut silent: Vec<_> = (0..8).map(|_| town.stranger(R0)).collect();
        acceptor.until("all places are taken", |porter| porter.counters().strangers() == 8);
        belongs(&town, &acceptor);
        assert!(acceptor.porter.counters().refused(Reason::Evicted) >= 1);
        assert!(is_closed(&mut silent[0]), "the oldest went");
    }
}

#[test]
fn a_silent_connection_is_dropped_at_its_deadline() {
    for security in BOTH {
        let town = Town::new(security);
        let limits = Limits { accept_deadline: Duration::from_millis(200), ..Limits::default() };
        let acceptor = town.open_with(R0, limits);
        let start = Instant::now();
        let mut silent = town.stranger(R0);
        assert!(is_closed(&mut silent));
        assert!(start.elapsed() >= Duration::from_millis(200));
        assert_eq!(acceptor.porter.counters().refused(Reason::TimedOut), 1);
        acceptor.until("its place is free", |porter| porter.counters().strangers() == 0);
    }
}

#[test]
fn a_slow_loris_gets_no_more_time_for_its_bytes() {
    // A record or a hello that is in order as far as it goes.
    for (security, begin) in
        [(Security::Tls, [0x16, 3, 1, 2, 0, 1, 0, 1, 252].as_slice()), (Security::Plaintext, b"PAXONHEL")]
    {
        let town = Town::new(security);
        let limits = Limits { accept_deadline: Duration::from_millis(300), ..Limits::default() };
        let acceptor = town.open_with(R0, limits);
        let mut loris = town.stranger(R0);
        loris.set_read_timeout(Some(Duration::from_millis(40))).expect("a socket");
        let start = Instant::now();
        // A byte each 40 ms is some seven bytes within the deadline.
        for byte in begin.iter().chain(&[0; 100]) {
            let is_over = loris.write_all(&[*byte]).is_err() || loris.read(&mut [0]).is_ok();
            if is_over {
                break;
            }
        }
        assert!((Duration::from_millis(300)..PATIENCE).contains(&start.elapsed()));
        acceptor.until("it is counted", |porter| porter.counters().refused(Reason::TimedOut) == 1);
        belongs(&town, &acceptor);
    }
}

#[test]
fn a_thousand_connections_are_borne_while_a_peer_comes_and_goes() {
    for security in BOTH {
        let town = Town::new(security);
        let acceptor = town.open(&town.plan, R0);
        let address = town.address(R0);
        let flood = std::thread::spawn(move || {
            let mut open = vec![];
            for number in 0..1000u32 {
                let mut stream = TcpStream::connect(address).expect("the acceptor accepts");
                match number % 3 {
                    0 => drop(stream.write_all(&number.to_le_bytes().repeat(100))),
                    1 => drop(stream.write_all(&[0x16, 3, 1, 2, 0])),
                    _ => {}
                }
                open.push(stream);
                if open.len() > 200 {
                    open.remove(0);
                }
            }
        });
        let mut met = 0;
        while !flood.is_finished() || met == 0 {
            assert!(acceptor.porter.counters().strangers() <= 128);
            belongs(&town, &acceptor);
            met += 1;
        }
        flood.join().expect("no panic");
        acceptor.until("all are accounted for", |porter| {
            let counters = porter.counters();
            counters.accepted() >= 1000 + met && counters.accepted() == counters.admitted() + counters.refused_in_all()
        });
    }
}

#[test]
fn a_flood_from_one_place_evicts_itself() {
    let town = Town::new(Security::Tls);
    let acceptor = town.open_with(R0, few(16));
    // A peer on a slow path, which has connected and not yet said a word.
    let slow = town.stranger(R0);
    acceptor.until("it is in", |porter| porter.counters().strangers() == 1);
    let flood: Vec<_> = (0..100).map(|_| connect_from(Ipv4Addr::new(127, 0, 0, 9), town.address(R0))).collect();
    acceptor.until("the flood is in", |porter| porter.counters().refused(Reason::Evicted) == 101 - 16);
    slow.set_nonblocking(true).expect("a socket");
    let error = (&slow).read(&mut [0]).expect_err("it is still connected");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    drop(flood);
}

/// A connection whose source is `source`, an address of this host.
fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddrV4::new(source, 0)).expect("all of 127.0.0.0/8 is this host");
    connect(&socket, &to).expect("somebody listens");
    TcpStream::from(socket)
}

#[test]
fn garbage_of_every_kind_is_refused() {
    for security in BOTH {
        let town = Town::new(security);
        let acceptor = town.open(&town.plan, R0);
        let pieces: [&[u8]; 10] = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            &[0; 500],
            &[0xff; 500],
            &[0x16, 3, 3, 0, 0],
            &[0x16, 3, 3, 0xff, 0xff],
            &[
                0x17, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                9, 0, 1, 2,
            ],
            &[0x15, 3, 3, 0, 2, 2, 40],
            &[0x14, 3, 3, 0, 1, 1],
            &[0x16, 3, 1, 0, 5, 1, 0xff, 0xff, 0xff, 0],
            b"SSH-2.0-OpenSSH_9.6\r\n",
        ];
        for (number, piece) in (1..).zip(pieces) {
            let mut stream = town.stranger(R0);
            stream.write_all(piece).expect("sent");
            // Some wait for more to come, as TLS allows; nobody sends it.
            stream.shutdown(std::net::Shutdown::Write).expect("a socket");
            assert!(is_closed(&mut stream));
            until("it is counted", || acceptor.porter.counters().refused_in_all() == number);
        }
        belongs(&town, &acceptor);
    }
}

#[test]
fn a_refused_connection_that_goes_on_sending_is_cut_off() {
    let town = Town::new(Security::Plaintext);
    let acceptor = town.open(&town.plan, R0);
    let mut stream = town.stranger(R0);
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    let mut sent = 0u64;
    while stream.write_all(&[0; 4096]).is_ok() {
        sent += 4096;
        assert!(sent < 1 << 30, "it is never cut off");
    }
    acceptor.until("it is gone", |porter| porter.counters().strangers() == 0);
    assert_eq!(acceptor.porter.counters().refused(Reason::Garbage), 1);
}
