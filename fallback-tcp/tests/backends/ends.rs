//! How connections end: by the peer, by a failure, by us; and what comes after.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use paxon_tcp::backend::SendError;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::harness::{PATIENCE, Patience, Seen, Variant, assert_pattern, fill, pair, pattern};

/// Closes a socket so that its peer is reset: it has bytes nobody read.
fn reset(far: TcpStream, mut bytes_arrive: impl FnMut()) {
    let patience = Patience::new();
    while far.peek(&mut [0]).expect("it is open") == 0 {
        patience.check("the bytes arrive");
    }
    bytes_arrive();
    drop(far);
}

pub fn what_arrived_before_the_end_is_reported_first(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.receive_bytes = 1024).open() else { return };
    let lengths = [(0, false), (1, false), (1024, false), (4096, true), (100_000, false), (100_001, true)];
    for ((length, half), wait) in lengths.into_iter().flat_map(|case| [(case, true), (case, false)]) {
        let (near, mut far) = pair();
        let key = backend.add(near).expect("there is room");
        far.write_all(&pattern(0, length)).expect("it fits the buffers");
        let _kept = if half {
            far.shutdown(Shutdown::Write).expect("it is open");
            Some(far)
        } else {
            drop(far);
            None
        };
        let mut seen = Seen::default();
        let over = |seen: &Seen| seen.ends.contains_key(&key);
        if wait {
            seen.wait_until(&mut *backend, over)
        } else {
            seen.until(&mut *backend, over)
        }
        assert_eq!(seen.of(key).len(), length);
        assert_pattern(seen.of(key), 0);
        assert_eq!(seen.ends[&key], None);
        assert_eq!(backend.send(key, b"late"), Err(SendError::Closed));
        backend.remove(key);
    }
}

pub fn a_reset_is_an_error(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, far) = pair();
    let key = backend.add(near).expect("there is room");
    let mut seen = Seen::default();
    backend.send(key, b"unread").expect("there is room");
    seen.look(&mut *backend);
    reset(far, || {});
    seen.wait_until(&mut *backend, |seen| seen.ends.contains_key(&key));
    assert_eq!(seen.ends[&key], Some(ErrorKind::ConnectionReset));
}

pub fn a_reset_while_bytes_wait_to_be_sent_is_reported_once(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.unsent_bytes_max = 200_000).open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    fill(&mut *backend, key, |start| pattern(start, 9_999));
    assert!(backend.unsent(key) > 0);
    far.write_all(b"last words").expect("it is open");
    let mut seen = Seen::default();
    seen.until(&mut *backend, |seen| seen.of(key) == b"last words");
    reset(far, || {});
    seen.until(&mut *backend, |seen| seen.ends.contains_key(&key));
    assert!(seen.ends[&key].is_some(), "not a regular end");
    assert_eq!((backend.unsent(key), backend.send(key, b"late")), (0, Err(SendError::Closed)));
    for _ in 0..100 {
        seen.look(&mut *backend);
    }
}

/// The peer neither closes nor resets: only our own sending is over.
pub fn a_failure_to_send_ends_the_connection(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    // With more than two connections an io_uring does the sending, and epoll is asked first.
    for others in [0, 4] {
        let kept: Vec<_> = (0..others).map(|_| pair()).collect();
        let mut keys = Vec::new();
        for (near, _) in &kept {
            keys.push(backend.add(near.try_clone().expect("descriptors are left")).expect("there is room"));
        }
        let (near, mut far) = pair();
        let ours = near.try_clone().expect("descriptors are left");
        let key = backend.add(near).expect("there is room");
        far.write_all(b"still here").expect("it is open");
        let mut seen = Seen::default();
        seen.until(&mut *backend, |seen| seen.of(key) == b"still here");
        ours.shutdown(Shutdown::Write).expect("it is open");
        for key in keys.iter().chain([&key]) {
            backend.send(*key, b"lost").expect("nobody knows yet");
        }
        seen.until(&mut *backend, |seen| seen.ends.contains_key(&key));
        assert_eq!(seen.ends[&key], Some(ErrorKind::BrokenPipe));
        keys.into_iter().for_each(|key| backend.remove(key));
    }
}

pub fn a_removed_connection_is_silent_and_its_key_stale(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    for turns_before in 0..4 {
        let (near, mut far) = pair();
        let key = backend.add(near).expect("there is room");
        let mut seen = Seen::default();
        for _ in 0..turns_before {
            seen.look(&mut *backend);
        }
        far.write_all(b"never heard").expect("it is open");
        backend.remove(key);
        for _ in 0..100 {
            let _refused_once_reset = far.write(b"nor this");
            seen.look(&mut *backend);
        }
        assert!(seen.bytes.is_empty() && seen.ends.is_empty(), "{:?} {:?}", seen.bytes, seen.ends);
        assert_eq!((backend.unsent(key), backend.send(key, b"late")), (0, Err(SendError::Closed)));
        backend.remove(key);
    }
}

pub fn a_connection_in_the_place_of_another_hears_nothing_of_it(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.connections_max = 1).open() else { return };
    let patience = Patience::new();
    for life in 0..30_u8 {
        let (near, mut far) = pair();
        far.write_all(&[life; 100]).expect("it is open");
        let mut near = Some(near);
        let key = loop {
            patience.check("the place becomes free");
            let socket = near.take().expect("just put there");
            near = Some(socket.try_clone().expect("descriptors are left"));
            match backend.add(socket) {
                Ok(key) => break key,
                Err(error) => assert_eq!(error.kind(), ErrorKind::QuotaExceeded),
            }
            backend.turn(None, &mut |_, received| panic!("{received:?}")).expect("the back end works");
        };
        let mut seen = Seen::default();
        seen.until(&mut *backend, |seen| seen.of(key).len() == 100);
        assert_eq!(seen.of(key), [life; 100]);
        far.write_all(&[0xee; 1000]).expect("it is open");
        backend.remove(key);
    }
}

pub fn removal_with_bytes_under_way_ends_the_peer(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.unsent_bytes_max = 200_000).open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    let taken = fill(&mut *backend, key, |start| pattern(start, 10_000));
    backend.remove(key);
    far.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let (mut position, mut buffer) = (0, vec![0; 100_000]);
    loop {
        Seen::default().look(&mut *backend);
        match far.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                assert_pattern(&buffer[..length], position);
                position += length;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                break;
            }
        }
    }
    assert!(position <= taken);
}

pub fn flushed_bytes_survive_the_removal(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    backend.send(key, b"goodbye").expect("there is room");
    backend.flush().expect("the back end works");
    // With a kernel thread the flush only hands over: the bytes are gone when none are left.
    Seen::default().until(&mut *backend, |_| backend_has_sent(key, &far));
    backend.remove(key);
    Seen::default().look(&mut *backend);
    far.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut heard = String::new();
    far.read_to_string(&mut heard).expect("a regular end");
    assert_eq!(heard, "goodbye");
}

fn backend_has_sent(_: paxon_tcp::backend::Key, far: &TcpStream) -> bool {
    far.set_nonblocking(true).expect("a socket");
    let there = far.peek(&mut [0; 16]).is_ok_and(|length| length == 7);
    far.set_nonblocking(false).expect("a socket");
    there
}

pub fn connections_come_and_go_under_load(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.connections_max = 16).open() else { return };
    let mut random = SmallRng::seed_from_u64(11);
    let (mut live, mut seen) = (Vec::new(), Seen::default());
    for _ in 0..3_000 {
        if live.len() < 12 {
            let (near, far) = pair();
            far.set_nonblocking(true).expect("a socket");
            match backend.add(near) {
                Ok(key) => live.push((key, far, 0_usize)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}"),
            }
        }
        if live.is_empty() {
            seen.look(&mut *backend);
            continue;
        }
        let at = random.random_range(0..live.len());
        let (key, far, written) = &mut live[at];
        match random.random_range(0..10) {
            0 => backend.remove(live.swap_remove(at).0),
            1 => drop(live.swap_remove(at)),
            2..=5 => *written += far.write(&pattern(*written, 5_000)).unwrap_or(0),
            6..=8 => drop(backend.send(*key, &pattern(0, 50_000))),
            _ => seen.look(&mut *backend),
        }
        seen.look(&mut *backend);
    }
    for (key, _, written) in &live {
        seen.until(&mut *backend, |seen| seen.of(*key).len() == *written);
        assert_pattern(seen.of(*key), 0);
    }
}
