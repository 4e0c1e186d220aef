//! Turns that wait, turns that do not, and who ends them.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use paxon_tcp::backend::{Backend, IoKind, Received};

use crate::harness::{PATIENCE, Patience, Seen, Variant, pair};

fn nothing(_: paxon_tcp::backend::Key, received: Received<'_>) {
    panic!("{received:?}");
}

pub fn a_wait_without_news_times_out(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, _far) = pair();
    backend.add(near).expect("there is room");
    backend.turn(None, &mut nothing).expect("the back end works");
    for wait in [0, 1, 5, 30].map(Duration::from_millis) {
        let (start, patience) = (Instant::now(), Patience::new());
        // A turn may return early with nothing, but not for ever.
        let mut turns = 0;
        while start.elapsed() < wait {
            patience.check("the wait ends");
            backend.turn(Some(wait), &mut nothing).expect("the back end works");
            turns += 1;
        }
        assert!(turns <= 10, "{turns} turns in {wait:?}");
    }
}

pub fn what_arrives_ends_a_wait(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    let (start, mut seen) = (Instant::now(), Seen::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20 {
                far.write_all(b"x").expect("it is open");
                thread::yield_now();
            }
        });
        while seen.of(key).len() < 20 {
            let turned = backend.turn(Some(PATIENCE), &mut |key, received| seen.take(key, received));
            turned.expect("the back end works");
        }
    });
    assert!(start.elapsed() < PATIENCE, "the wait ran out instead");
}

pub fn a_waker_ends_the_wait_under_way_or_the_next(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let waker = backend.waker();
    let start = Instant::now();
    for round in 0..20 {
        if round % 2 == 0 {
            waker.wake();
            backend.turn(Some(PATIENCE), &mut nothing).expect("the back end works");
        } else {
            thread::scope(|scope| {
                scope.spawn(|| waker.wake());
                backend.turn(Some(PATIENCE), &mut nothing).expect("the back end works");
            });
        }
    }
    assert!(start.elapsed() < PATIENCE, "a wait ran out");
    drop(backend);
    waker.wake();
}

/// The other thread adds to a counter and wakes; whenever the wait ends, the counter is looked at. A lost wake would leave
/// the last additions unseen until the wait runs out.
pub fn no_wake_is_lost(variant: &Variant) {
    const WAKES: u64 = 20_000;
    let Some(mut backend) = variant.open() else { return };
    let (waker, counter, start) = (backend.waker(), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            for wake in 1..=WAKES {
                counter.store(wake, Ordering::Release);
                waker.wake();
                if wake % 64 == 0 {
                    thread::yield_now();
                }
            }
        });
        while counter.load(Ordering::Acquire) < WAKES {
            backend.turn(Some(PATIENCE), &mut nothing).expect("the back end works");
        }
    });
    assert!(start.elapsed() < PATIENCE, "a wake was lost");
}

pub fn looking_without_news_reports_nothing(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let _kept = [false, true, true].map(|nonblocking| {
        let (near, far) = pair();
        near.set_nonblocking(nonblocking).expect("a socket");
        backend.add(near).expect("there is room");
        far
    });
    let patience = Patience::new();
    loop {
        let before = backend.system_calls();
        for _ in 0..1_000 {
            backend.turn(None, &mut nothing).expect("the back end works");
        }
        // The first turns hand the receives over and see them armed.
        if backend.system_calls() == before || variant.kind == IoKind::Epoll {
            return;
        }
        patience.check("a thousand turns without news make no system call");
    }
}

/// What one thread armed, another finishes; a ring tied to its thread says so instead.
pub fn another_thread_takes_over(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    let mut seen = Seen::default();
    far.write_all(b"1").expect("it is open");
    seen.until(&mut *backend, |seen| seen.of(key).len() == 1);
    let mut use_elsewhere = |backend: &mut Box<dyn Backend>, word: &[u8]| {
        far.write_all(word).expect("it is open");
        if variant.kind == IoKind::IoUring && variant.options.single_thread {
            far.flush().expect("it is open");
            let refused = backend.turn(Some(Duration::ZERO), &mut |_, _| {}).expect_err("another thread's ring");
            assert!(refused.to_string().contains("belongs to the thread"), "{refused}");
            return;
        }
        let length = seen.of(key).len() + word.len();
        seen.wait_until(&mut **backend, |seen| seen.of(key).len() == length);
        assert!(seen.of(key).ends_with(word));
        backend.send(key, word).expect("there is room");
        seen.look(&mut **backend);
    };
    // A thread that ends takes its operations with it; one that lives on does not.
    for word in [b"two".as_slice(), b"three"] {
        thread::scope(|scope| scope.spawn(|| use_elsewhere(&mut backend, word)).join().expect("it is heard"));
    }
    if !variant.options.single_thread {
        use_elsewhere(&mut backend, b"four");
    }
}
