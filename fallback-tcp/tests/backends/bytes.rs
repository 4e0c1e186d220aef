//! Bytes arrive whole, in order, and only once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use paxon_tcp::backend::{Backend, Key, SendError};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::harness::{Patience, Seen, Variant, assert_pattern, pair, pattern};

const CONNECTIONS: usize = 24;
const BYTES_EACH: usize = 300_000;

/// One side of many connections: what it has sent and received.
struct Side {
    backend: Box<dyn Backend>,
    keys: Vec<Key>,
    sent: Vec<usize>,
    seen: Seen,
}

impl Side {
    fn new(mut backend: Box<dyn Backend>, sockets: Vec<TcpStream>) -> Side {
        let keys: Vec<Key> = sockets.into_iter().map(|socket| backend.add(socket).expect("there is room")).collect();
        Side { backend, sent: vec![0; keys.len()], keys, seen: Seen::default() }
    }

    /// Sends the next few bytes of a connection, if it takes them.
    fn send_some(&mut self, at: usize, length: usize) {
        let length = length.min(BYTES_EACH - self.sent[at]);
        match self.backend.send(self.keys[at], &pattern(self.sent[at], length)) {
            Ok(()) => self.sent[at] += length,
            Err(SendError::Full { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn is_done(&self) -> bool {
        let all_sent = self.sent.iter().all(|sent| *sent == BYTES_EACH);
        all_sent && self.keys.iter().all(|key| self.seen.of(*key).len() >= BYTES_EACH && self.backend.unsent(*key) == 0)
    }

    fn check(&self) {
        assert!(self.seen.ends.is_empty(), "{:?}", self.seen.ends);
        for key in &self.keys {
            assert_eq!(self.seen.of(*key).len(), BYTES_EACH);
            assert_pattern(self.seen.of(*key), 0);
        }
    }
}

fn sides(variant: &Variant) -> Option<[Side; 2]> {
    let variant = variant.with(|options| {
        options.unsent_bytes_max = 50_000;
        options.receive_bytes = 4096;
    });
    let (near, far) = (0..CONNECTIONS).map(|_| pair()).unzip();
    Some([Side::new(variant.open()?, near), Side::new(variant.open()?, far)])
}

/// A message of a size that is often small and sometimes near the bound.
fn size(random: &mut SmallRng) -> usize {
    let most = 1 << random.random_range(0..=15);
    random.random_range(1..=most)
}

pub fn random_traffic_arrives_in_order_and_whole(variant: &Variant) {
    let mut random = SmallRng::seed_from_u64(7);
    let Some(mut sides) = sides(variant) else { return };
    let patience = Patience::new();
    while !sides.iter().all(Side::is_done) {
        patience.check("everything arrives");
        for side in &mut sides {
            for _ in 0..random.random_range(0..2 * CONNECTIONS) {
                side.send_some(random.random_range(0..CONNECTIONS), size(&mut random));
            }
            for _ in 0..random.random_range(0..3) {
                side.seen.look(&mut *side.backend);
            }
        }
    }
    sides.iter().for_each(Side::check);
}

pub fn two_threads_that_wait_exchange_everything(variant: &Variant) {
    let Some(_) = variant.open() else { return };
    let variant = variant.with(|options| options.unsent_bytes_max = 50_000);
    let (near, far): (Vec<_>, Vec<_>) = (0..CONNECTIONS).map(|_| pair()).unzip();
    thread::scope(|scope| {
        let threads = [(1, near), (2, far)].map(|(seed, sockets)| {
            let variant = &variant;
            scope.spawn(move || exchange(Side::new(variant.open().expect("it opened before"), sockets), seed))
        });
        // Either side stays open until both are done.
        let sides = threads.map(|thread| thread.join().expect("a side has everything"));
        sides.iter().for_each(Side::check);
    });
}

fn exchange(mut side: Side, seed: u64) -> Side {
    let (mut random, patience) = (SmallRng::seed_from_u64(seed), Patience::new());
    while !side.is_done() {
        patience.check("everything arrives");
        for _ in 0..CONNECTIONS {
            let at = random.random_range(0..CONNECTIONS);
            side.send_some(at, size(&mut random));
        }
        let wait = Some(Duration::from_millis(random.random_range(0..2)));
        let Side { backend, seen, .. } = &mut side;
        backend.turn(wait, &mut |key, received| seen.take(key, received)).expect("the back end works");
    }
    side
}

pub fn a_message_larger_than_the_sockets_buffers_is_sent_piece_by_piece(variant: &Variant) {
    const LARGE: usize = 48 << 20;
    let Some(mut backend) = variant.with(|options| options.unsent_bytes_max = LARGE + 16).open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    let reader = thread::spawn(move || {
        let (mut position, mut buffer) = (0, vec![0; 77_777]);
        while position < LARGE + 16 {
            let length = far.read(&mut buffer).expect("it arrives");
            assert!(length > 0, "the end after {position} bytes");
            assert_pattern(&buffer[..length], position);
            position += length;
        }
    });
    backend.send(key, &pattern(0, LARGE)).expect("within the bound");
    backend.send(key, &pattern(LARGE, 16)).expect("within the bound");
    Seen::default().until(&mut *backend, |_| reader.is_finished());
    reader.join().expect("everything arrived in order");
    assert_eq!(backend.unsent(key), 0);
}

pub fn more_arrives_than_there_are_buffers(variant: &Variant) {
    const BYTES: usize = 1_500_000;
    let Some(mut backend) = variant.with(|options| options.receive_bytes = 1024).open() else { return };
    let (near, far): (Vec<_>, Vec<_>) = (0..8).map(|_| pair()).unzip();
    let keys: Vec<Key> = near.into_iter().map(|near| backend.add(near).expect("there is room")).collect();
    let writers: Vec<_> = far
        .into_iter()
        .map(|mut far| {
            thread::spawn(move || {
                far.write_all(&pattern(0, BYTES)).expect("somebody reads");
                far
            })
        })
        .collect();
    let mut seen = Seen::default();
    seen.wait_until(&mut *backend, |seen| keys.iter().all(|key| seen.of(*key).len() >= BYTES));
    for key in keys {
        assert_eq!(seen.of(key).len(), BYTES);
        assert_pattern(seen.of(key), 0);
    }
    writers.into_iter().for_each(|writer| drop(writer.join().expect("it wrote everything")));
}

pub fn empty_messages_are_nothing(variant: &Variant) {
    let Some(mut backend) = variant.open() else { return };
    let (near, mut far) = pair();
    let key = backend.add(near).expect("there is room");
    backend.send(key, &[]).expect("nothing fits");
    backend.send(key, b"x").expect("there is room");
    backend.flush().expect("the back end works");
    let mut byte = [0];
    far.read_exact(&mut byte).expect("it arrives");
    assert_eq!(&byte, b"x");
}
