//! Rings and threads: one that is tied to a thread, and one that is not. (What streams do is tested by the suite of back ends
//! in paxon-tcp.)

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use paxon_uring::{Completion, Config, OpenError, Received, Streams};

const PATIENCE: Duration = Duration::from_secs(30);
/// What memory taken after a drop is filled with; the peers send other bytes only.
const MARK: u8 = 0xa5;

fn open(config: &Config) -> Option<Streams> {
    match Streams::open(config) {
        Ok(streams) => Some(streams),
        Err(OpenError::Refused { call, source, .. }) => {
            static SAID: Once = Once::new();
            // Not with a macro: its output would be captured.
            let say = || writeln!(io::stderr(), "SKIPPED rings and threads: {call} was refused: {source}");
            SAID.call_once(|| say().expect("there is a stderr"));
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn sizes_out_of_range_are_refused_by_name() {
    let wrong = [
        Config { streams_max: 0, ..Config::default() },
        Config { unsent_bytes_max: 2 << 30, ..Config::default() },
        Config { receive_bytes: 100, ..Config::default() },
    ];
    let names = ["streams_max", "unsent_bytes_max", "receive_bytes"];
    for (config, expected) in wrong.iter().zip(names) {
        let Err(OpenError::Size { name, .. }) = Streams::open(config) else { panic!("{config:?} was taken") };
        assert_eq!(name, expected);
    }
}

#[test]
fn the_largest_ring_opens_and_moves_bytes() {
    let largest = Config { streams_max: paxon_uring::STREAMS_MAX, ..Config::default() };
    let Some(mut streams) = open(&largest) else { return };
    let (near, mut far) = UnixStream::pair().expect("a pair of sockets");
    streams.add(near).expect("there is room");
    far.write_all(b"x").expect("it is open");
    assert_eq!(heard(&mut streams, 1), 1);
}

/// Turns until so many bytes arrived.
fn heard(streams: &mut Streams, least: usize) -> usize {
    let (mut heard, deadline) = (0, Instant::now() + PATIENCE);
    while heard < least {
        assert!(Instant::now() < deadline, "{heard} of {least} bytes");
        let turned = streams.turn(Some(Duration::from_millis(20)), &mut |_, received| {
            let Received::Bytes(bytes) = received else { panic!("{received:?}") };
            heard += bytes.len();
        });
        turned.expect("the ring works");
    }
    heard
}

/// Operations of a deferred ring cannot be ended by another thread than its own. Dropped there, the ring has to keep the
/// memory that the kernel may still write to.
#[test]
fn a_ring_dropped_by_another_thread_frees_nothing_the_kernel_may_use() {
    for completion in [Completion::Deferred, Completion::Cooperative] {
        for multishot in [true, false] {
            let config = Config { receive_bytes: 4096, completion, multishot, ..Config::default() };
            (0..20).for_each(|_| drop_elsewhere(&config));
        }
    }
}

fn drop_elsewhere(config: &Config) {
    let Some(mut streams) = open(config) else { return };
    let (near, far): (Vec<_>, Vec<_>) = (0..8).map(|_| UnixStream::pair().expect("a pair of sockets")).unzip();
    for near in near {
        streams.add(near).expect("there is room");
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for mut peer in &far {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) && peer.write(&[0x11; 3_000]).is_ok() {
                    std::hint::spin_loop();
                }
            });
        }
        heard(&mut streams, 100_000);
        scope.spawn(move || drop(streams)).join().expect("it drops");
        let taken: Vec<Vec<u8>> = (0..20).map(|round| vec![MARK; 4096 << (round % 8)]).collect();
        for _ in 0..50 {
            thread::yield_now();
        }
        // Entering the kernel has this thread finish what the ring deferred to it.
        let (mut a, mut b) = UnixStream::pair().expect("a pair of sockets");
        a.write_all(b"x").and_then(|()| b.read_exact(&mut [0])).expect("they are connected");
        let kept = taken.iter().flatten().all(|byte| *byte == MARK);
        over.store(true, Ordering::Relaxed);
        assert!(kept, "memory was written to after the ring was dropped");
    });
}
