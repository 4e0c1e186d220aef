//! The buffers of a ring are freed when the kernel is done with them, and not before.
//!
//! An allocator that counts the live allocations of the sizes in question sees what a reader of memory could only hope to
//! catch: whether a ring that could not end its operations freed what they write to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use paxon_uring::{Completion, Config, OpenError, Received, Streams};

/// A size of receive buffers that nothing else in this process has.
const RECEIVE_BYTES: usize = 54_321;
/// Buffers of a ring as small as this one: a stream's own are as many as streams, lent ones come in a single block.
const STREAMS: usize = 8;
const LENT_BYTES: usize = 64 * RECEIVE_BYTES;
/// Bytes of a send that its peer does not read, kept in a vector of this capacity.
const SEND_BYTES: usize = 3_333_333;

/// The system's allocator, and how many allocations of the sizes in question are live.
struct Counting;

static OWN: AtomicUsize = AtomicUsize::new(0);
static LENT: AtomicUsize = AtomicUsize::new(0);
static SENDS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counter(bytes: usize) -> Option<&'static AtomicUsize> {
    match bytes {
        RECEIVE_BYTES => Some(&OWN),
        LENT_BYTES => Some(&LENT),
        SEND_BYTES => Some(&SENDS),
        _ => None,
    }
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are not part of any allocation, and counting
// neither allocates nor panics. `realloc` and `alloc_zeroed` are the trait's own, which call these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(counter) = counter(layout.size()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promise about the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if let Some(counter) = counter(layout.size()) {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promise: `memory` came from `alloc` with this layout, that is, from the system's allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn live() -> [usize; 3] {
    [&OWN, &LENT, &SENDS].map(|counter| counter.load(Ordering::Relaxed))
}

/// A ring with receives armed and a send that cannot finish, and the peers that keep it so.
fn busy(completion: Completion, multishot: bool) -> Option<(Streams, Vec<UnixStream>)> {
    let config = Config {
        streams_max: STREAMS,
        unsent_bytes_max: SEND_BYTES,
        receive_bytes: RECEIVE_BYTES,
        completion,
        multishot,
    };
    let mut streams = match Streams::open(&config) {
        Ok(streams) => streams,
        Err(OpenError::Refused { call, source, .. }) => {
            // Not with a macro: its output would be captured.
            writeln!(io::stderr(), "SKIPPED memory of rings: {call} was refused: {source}").expect("there is a stderr");
            return None;
        }
        Err(other) => panic!("{other}"),
    };
    assert_eq!(streams.is_multishot(), multishot, "this kernel has multishot receives where it has io_uring");
    let mut far = Vec::new();
    for _ in 0..4 {
        let (near, peer) = UnixStream::pair().expect("a pair of sockets");
        let key = streams.add(near).expect("there is room");
        streams.send(key, &vec![1; SEND_BYTES]).expect("it fits");
        far.push(peer);
    }
    for _ in 0..10 {
        streams.turn(None, &mut |_, received: Received<'_>| panic!("{received:?}")).expect("the ring works");
    }
    Some((streams, far))
}

#[test]
fn buffers_are_freed_when_nothing_is_under_way_and_kept_otherwise() {
    for (completion, multishot) in [
        (Completion::Deferred, true),
        (Completion::Deferred, false),
        (Completion::Cooperative, true),
        (Completion::Cooperative, false),
    ] {
        let before = live();
        let Some((streams, far)) = busy(completion, multishot) else { return };
        let busy_ring = live();
        let own_or_lent = if multishot { [0, 1] } else { [STREAMS, 0] };
        let used: Vec<usize> = busy_ring.iter().zip(before).map(|(now, then)| now - then).collect();
        assert_eq!(used, [own_or_lent[0], own_or_lent[1], 4], "the sizes are those of the ring's buffers");
        drop(streams);
        assert_eq!(live(), before, "a ring dropped by its own thread frees everything: {completion:?}, {multishot}");
        drop(far);
    }
    // Only now, as it leaves its buffers behind.
    for multishot in [true, false] {
        let before = live();
        let Some((streams, far)) = busy(Completion::Deferred, multishot) else { return };
        let busy_ring = live();
        thread::spawn(move || drop(streams)).join().expect("it drops");
        assert_ne!(busy_ring, before);
        assert_eq!(live(), busy_ring, "the kernel may still use what was freed");
        drop(far);
    }
}
