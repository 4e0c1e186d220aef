//! Nothing grows without bound, and nobody waits for somebody else's peer.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use paxon_tcp::backend::{Backend, Key, SendError};

use crate::harness::{Patience, Seen, Variant, assert_pattern, fill, pair, pattern, send_until};

const LIMIT: usize = 100_000;

pub fn full_is_refused_whole_and_recovers(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.unsent_bytes_max = LIMIT).open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    assert!(matches!(backend.send(key, &vec![0; LIMIT + 1]), Err(SendError::Full { unsent: 0, limit: LIMIT, .. })));
    let mut sent = fill(&mut *backend, key, |start| pattern(start, 10_007));
    assert!(backend.unsent(key) <= LIMIT, "{} bytes wait", backend.unsent(key));
    for _ in 0..3 {
        let mut bytes = vec![0; sent];
        read_while_turning(&mut far, &mut bytes, &mut *backend);
        assert_pattern(&bytes, 0);
        let patience = Patience::new();
        while backend.unsent(key) > 0 {
            patience.check("the back end notices that the peer has everything");
            Seen::default().look(&mut *backend);
        }
        sent = fill(&mut *backend, key, |start| pattern(start, 10_007));
    }
}

fn read_while_turning(far: &mut TcpStream, bytes: &mut [u8], backend: &mut dyn Backend) {
    thread::scope(|scope| {
        let reader = scope.spawn(|| far.read_exact(bytes).expect("it was sent"));
        Seen::default().until(backend, |_| reader.is_finished());
    });
}

pub fn peers_that_never_read_keep_nobody_waiting(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.unsent_bytes_max = LIMIT).open() else { return };
    let (silent, _kept): (Vec<Key>, Vec<TcpStream>) = (0..4)
        .map(|_| {
            let (near, far) = pair();
            (backend.add(near).expect("there is room"), far)
        })
        .unzip();
    for key in &silent {
        fill(&mut *backend, *key, |start| pattern(start, 10_000));
    }
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    let mut seen = Seen::default();
    for round in 1..=200_usize {
        backend.send(key, &[round as u8]).expect("there is room");
        backend.flush().expect("the back end works");
        let mut byte = [0];
        far.read_exact(&mut byte).expect("it arrives");
        far.write_all(&byte).expect("somebody reads");
        seen.until(&mut *backend, |seen| seen.of(key).len() == round);
        assert_eq!(seen.of(key).last(), Some(&(round as u8)));
    }
    assert!(silent.iter().all(|key| backend.unsent(*key) <= LIMIT));
}

pub fn connections_are_bounded_and_places_are_used_again(variant: &Variant) {
    let Some(mut backend) = variant.with(|options| options.connections_max = 3).open() else { return };
    let add = |backend: &mut dyn Backend| {
        let (near, far) = pair();
        backend.add(near).map(|key| (key, far))
    };
    let three: Vec<_> = (0..3).map(|_| add(&mut *backend).expect("there is room")).collect();
    let refused = add(&mut *backend).expect_err("a fourth");
    assert_eq!(refused.kind(), ErrorKind::QuotaExceeded, "{refused}");
    backend.remove(three[1].0);
    let patience = Patience::new();
    let (key, mut far) = loop {
        patience.check("a place becomes free");
        Seen::default().look(&mut *backend);
        match add(&mut *backend) {
            Ok(added) => break added,
            Err(error) => assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}"),
        }
    };
    assert_ne!(key, three[1].0);
    assert!(key.index() < 3);
    far.write_all(b"here").expect("it is open");
    let mut seen = Seen::default();
    seen.until(&mut *backend, |seen| seen.of(key) == b"here");
}

pub fn a_peer_that_sends_without_end_leaves_room_for_others(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let ((loud, far_loud), (quiet, mut far_quiet)) = (pair(), pair());
    backend.add(loud).expect("there is room");
    let quiet = backend.add(quiet).expect("there is room");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| send_until(&far_loud, &over));
        let mut heard = 0_usize;
        let patience = Patience::new();
        while heard < 50 {
            patience.check("the quiet peer is heard");
            far_quiet.write_all(&[2]).expect("it is open");
            let before = heard;
            while heard == before {
                patience.check("the quiet peer is heard");
                let turned = backend.turn(None, &mut |key, received| {
                    let paxon_tcp::backend::Received::Bytes(bytes) = received else { panic!("{received:?}") };
                    heard += if key == quiet { bytes.len() } else { 0 };
                });
                turned.expect("the back end works");
            }
        }
        over.store(true, Ordering::Relaxed);
        drop(backend);
    });
}
