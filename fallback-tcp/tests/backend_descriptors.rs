//! Descriptors of a back end that many connections came through. Alone in its process: it counts all descriptors of it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use paxon_tcp::backend::{self, Backend, IoKind, OpenError, Options};

const CONNECTIONS: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_thousand_connections_leave_no_descriptor() {
    one_thread_at_a_time(IoKind::Epoll, Options::default());
    one_thread_at_a_time(IoKind::IoUring, Options::default());
    one_thread_at_a_time(IoKind::IoUring, Options { single_thread: true, ..Options::default() });
    one_thread_at_a_time(IoKind::IoUring, Options { multishot: false, ..Options::default() });
}

fn one_thread_at_a_time(kind: IoKind, options: Options) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let before = descriptors();
    let mut backend = match backend::open(kind, &options) {
        Ok(opened) => opened.backend,
        Err(OpenError::IoUring(why)) => {
            // The macro's output would be captured.
            writeln!(io::stderr(), "SKIPPED descriptors of io_uring: {why}").expect("there is a stderr");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let open = descriptors();
    for round in 0..CONNECTIONS {
        let near = TcpStream::connect(address).expect("it listens");
        let far = listener.accept().expect("it was connected to").0;
        let key = backend.add(near).expect("there is room");
        turn(&mut *backend);
        if round % 2 == 0 {
            backend.remove(key);
            turn(&mut *backend);
            drop(far);
        } else {
            drop(far);
            turn(&mut *backend);
            backend.remove(key);
        }
    }
    settle(&mut *backend, open);
    drop(backend);
    let deadline = Instant::now() + PATIENCE;
    while descriptors() != before {
        assert!(Instant::now() < deadline, "{} descriptors are left of a back end", descriptors() - before);
    }
}

/// Turns until all connections are closed.
fn settle(backend: &mut dyn Backend, open: usize) {
    let deadline = Instant::now() + PATIENCE;
    while descriptors() != open {
        assert!(
            Instant::now() < deadline,
            "{} descriptors are left of {CONNECTIONS} connections",
            descriptors() - open
        );
        turn(backend);
    }
}

fn turn(backend: &mut dyn Backend) {
    backend.turn(None, &mut |_, _| {}).expect("the back end works");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs is mounted").count()
}
