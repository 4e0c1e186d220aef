//! Sockets, patience and a record of what a back end reported.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use paxon_tcp::backend::{self, Backend, IoKind, Key, OpenError, Options, Received, SendError};

/// How long anything may take before a test fails; far more than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A back end as one run of the suite wants it.
#[derive(Clone)]
pub struct Variant {
    pub kind: IoKind,
    pub options: Options,
}

impl Variant {
    /// `None`, and a message, where the kernel refuses io_uring.
    pub fn open(&self) -> Option<Box<dyn Backend>> {
        match backend::open(self.kind, &self.options) {
            Ok(opened) => {
                let name = if self.kind == IoKind::Epoll { "epoll" } else { "io_uring" };
                assert_eq!(opened.backend.name(), name);
                Some(opened.backend)
            }
            Err(OpenError::IoUring(why)) => {
                say_skipped(&why);
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub fn with(&self, change: impl FnOnce(&mut Options)) -> Variant {
        let mut variant = self.clone();
        change(&mut variant.options);
        variant
    }
}

/// Once for all tests; not with a macro, whose output would be captured.
fn say_skipped(why: &dyn Display) {
    static SAID: Once = Once::new();
    SAID.call_once(|| writeln!(io::stderr(), "SKIPPED all tests of io_uring: {why}").expect("there is a stderr"));
}

/// Two ends of a loopback connection.
pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let near = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let far = listener.accept().expect("it was connected to").0;
    (near, far)
}

/// What a back end has reported.
#[derive(Default)]
pub struct Seen {
    pub bytes: HashMap<Key, Vec<u8>>,
    pub ends: HashMap<Key, Option<ErrorKind>>,
}

impl Seen {
    pub fn take(&mut self, key: Key, received: Received<'_>) {
        assert!(!self.ends.contains_key(&key), "{received:?} after the end of {key:?}");
        match received {
            Received::Bytes(bytes) => {
                assert!(!bytes.is_empty(), "a piece has at least one byte");
                self.bytes.entry(key).or_default().extend_from_slice(bytes);
            }
            Received::Closed(reason) => {
                self.ends.insert(key, reason.map(|error| error.kind()));
            }
        }
    }

    pub fn of(&self, key: Key) -> &[u8] {
        self.bytes.get(&key).map_or(&[], Vec::as_slice)
    }

    /// One turn that does not wait.
    pub fn look(&mut self, backend: &mut dyn Backend) {
        backend.turn(None, &mut |key, received| self.take(key, received)).expect("the back end works");
    }

    /// Turns that do not wait, until `enough`.
    pub fn until(&mut self, backend: &mut dyn Backend, mut enough: impl FnMut(&Seen) -> bool) {
        let patience = Patience::new();
        while !enough(self) {
            patience.check("the back end reports what it should");
            self.look(backend);
            std::thread::yield_now();
        }
    }

    /// Turns that wait, until `enough`.
    pub fn wait_until(&mut self, backend: &mut dyn Backend, mut enough: impl FnMut(&Seen) -> bool) {
        let patience = Patience::new();
        while !enough(self) {
            patience.check("the back end reports what it should");
            let wait = Some(Duration::from_millis(50));
            backend.turn(wait, &mut |key, received| self.take(key, received)).expect("the back end works");
        }
    }
}

/// A bound on how long a condition may take.
pub struct Patience(Instant);

impl Patience {
    pub fn new() -> Patience {
        Patience(Instant::now() + PATIENCE)
    }

    pub fn check(&self, what: &str) {
        assert!(Instant::now() < self.0, "gave up after {PATIENCE:?}: {what}");
    }
}

/// Sends until the back end refuses for fullness; how many bytes it took.
pub fn fill(backend: &mut dyn Backend, key: Key, mut next: impl FnMut(usize) -> Vec<u8>) -> usize {
    let (mut taken, patience) = (0, Patience::new());
    loop {
        patience.check("a connection nobody reads from fills up");
        match backend.send(key, &next(taken)) {
            Ok(()) => taken += next(taken).len(),
            Err(SendError::Full { .. }) => {
                // The kernel may not have been asked for a while: full is full only after a turn.
                let unsent = backend.unsent(key);
                let mut nothing = |_: Key, received: Received<'_>| panic!("{received:?}");
                for _ in 0..100 {
                    backend.turn(None, &mut nothing).expect("the back end works");
                }
                if backend.unsent(key) == unsent {
                    return taken;
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Sends without pause until told to stop or nobody is left to send to.
pub fn send_until(mut peer: &TcpStream, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) && peer.write(&[0x11; 3_000]).is_ok() {
        std::hint::spin_loop();
    }
}

/// Bytes that tell where in the stream they are.
pub fn pattern(start: usize, length: usize) -> Vec<u8> {
    (start..start + length).map(byte_at).collect()
}

pub fn byte_at(position: usize) -> u8 {
    ((position as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Panics at the first byte that is not where it was sent.
pub fn assert_pattern(bytes: &[u8], start: usize) {
    let wrong = bytes.iter().enumerate().find(|(at, byte)| **byte != byte_at(start + at));
    assert_eq!(wrong, None, "of {} bytes from {start} on", bytes.len());
}
