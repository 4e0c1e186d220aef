//! Replies: what the server of a peer sends over loopback to the link of a fabric.
//!
//! The input is a [`Recipe`], the number of chains that were posted, their shapes (one byte each: `[words read: 7 | 128: with an
//! exchange]`), and a stream of frames. What the fabric reports must be what is worked out here.

use crate::frames::{LAYOUT, Recipe, seed_value};
use crate::house::{CLUSTER, House, ME, SCRATCH_WORDS};
use crate::input::{Input, pieces};
use paxon_channel::{Arrival, Welcome};
use paxon_fastpath::{Area, Completion, Fabric, FabricEvent, Incarnation, Op, ReplicaId, Span, Token};
use paxon_tcp::frame::{
    HEADER_BYTES, Header, Inbox, Kind, Receiver, Seed, Violation, decode_reply, encode_opening, reply_bytes,
};
use std::cell::RefCell;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Whose server is made up.
const PEER: ReplicaId = ReplicaId(2);
/// Chains that a link has outstanding.
const CHAINS_MAX: u8 = 64;
/// Of the session that a run opens.
const NONCE: u64 = 0xA5A5;
const STREAM_BYTES_MAX: usize = 16 << 10;

thread_local! {
    static HOUSE: RefCell<House> = RefCell::new(House::new());
}

/// Runs one input.
pub fn run(data: &[u8]) {
    HOUSE.with_borrow_mut(|house| run_in(house, data));
}

/// A chain that was posted.
#[derive(Clone, Copy)]
struct Posted {
    words: usize,
    has_exchange: bool,
}

fn run_in(house: &mut House, data: &[u8]) {
    let mut input = Input::new(data);
    let recipe = Recipe::read(&mut input);
    let (mut peer, seed, value) = link(house);
    let chains = input.u8() % (CHAINS_MAX + 1);
    let shapes: Vec<_> = (0..chains).map(|_| input.u8()).collect();
    let posted = post(house, &shapes);
    let stream = recipe.stream(input.take(STREAM_BYTES_MAX), Kind::Reply, seed, value);
    let mut expected = Server { seed, posted, said: Vec::new(), scratch: scratch(house) };
    let end = Inbox::default().feed(&stream, &mut expected);
    let mut heard = Heard::default();
    for piece in pieces(&stream, recipe.cut) {
        // The link may have closed it at the first bad frame.
        if peer.write_all(piece).is_err() {
            break;
        }
        heard.take(house.fabric.poll());
    }
    house.poll_until("the link has read everything", |event| {
        heard.take(event);
        (heard.said.len() >= expected.said.len() && (heard.is_down || end.is_ok())).then_some(())
    });
    assert_eq!(heard.said, expected.said, "other completions than expected");
    assert_eq!(heard.is_down, end.is_err(), "{end:?}");
    assert_eq!(scratch(house), expected.scratch, "reads landed elsewhere than expected");
}

/// What the fabric has reported of the peer.
#[derive(Default)]
struct Heard {
    /// Token and what was found.
    said: Vec<(u64, u64)>,
    is_down: bool,
}

impl Heard {
    fn take(&mut self, event: Option<FabricEvent>) {
        match event {
            Some(FabricEvent::Done(Completion { peer: PEER, token, found })) => self.said.push((token.0, found)),
            Some(FabricEvent::LinkDown { peer: PEER, .. }) => self.is_down = true,
            _ => {}
        }
    }
}

/// A new link to the peer, and what seeds the checksums of its session.
fn link(house: &mut House) -> (TcpStream, Seed, u64) {
    let (peer, mut connection) = house.connection();
    let hello = house.hello(ME, PEER);
    let welcome = Welcome { incarnation: hello.attempt, frame_bytes_max: u32::MAX, outstanding_max: CHAINS_MAX.into() };
    let opening_seed = Seed::of(&hello, &welcome);
    connection.early = encode_opening(NONCE, opening_seed).to_vec();
    let round_trip = Duration::from_millis(1);
    assert!(house.door.put(Arrival::Outbound { peer: PEER, welcome, connection, round_trip }).is_none());
    let up = FabricEvent::LinkUp { peer: PEER, incarnation: Incarnation(welcome.incarnation) };
    house.poll_until("the link comes up", |event| (event == Some(up)).then_some(()));
    let words = [CLUSTER, u64::from(ME.0), u64::from(PEER.0), hello.incarnation, welcome.incarnation];
    let value = xxh3_64_with_seed(&NONCE.to_le_bytes(), xxh3_64(bytemuck::cast_slice(&words)));
    let seed = opening_seed.opened(NONCE);
    (peer, seed, seed_value(seed, value))
}

/// Posts chains of these shapes; as many as are taken.
fn post(house: &mut House, shapes: &[u8]) -> Vec<Posted> {
    let mut posted = Vec::new();
    for (at, shape) in shapes.iter().enumerate() {
        let (words, has_exchange) = (usize::from(shape & 127).min(LAYOUT.snapshot_words), shape & 128 == 128);
        let read = Op::Read { span: Span { area: Area::Snapshot, start: 0, words }, into: place_of(at) };
        let chain = [read, Op::Cas { expected: 1, new: 1 }];
        if house.fabric.post(PEER, Token(at as u64), &chain[..1 + usize::from(has_exchange)]).is_err() {
            break;
        }
        posted.push(Posted { words, has_exchange });
    }
    posted
}

/// Where the read of a chain lands. Reads of different chains overlap.
const fn place_of(chain: usize) -> usize {
    chain * 13 % (SCRATCH_WORDS - LAYOUT.snapshot_words)
}

fn scratch(house: &House) -> Vec<u64> {
    house.fabric.scratch(PEER).iter().map(|word| word.load(Relaxed)).collect()
}

/// Works out what replies do.
struct Server {
    seed: Seed,
    posted: Vec<Posted>,
    /// Token and what was found.
    said: Vec<(u64, u64)>,
    scratch: Vec<u64>,
}

impl Server {
    fn next(&self) -> Result<Posted, Violation> {
        self.posted.get(self.said.len()).copied().ok_or(Violation::Order)
    }
}

impl Receiver for Server {
    fn length(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Violation> {
        let bytes = reply_bytes(self.next()?.words);
        let header = Header::decode(header, self.seed, Kind::Reply, bytes)?;
        let is_next = header.bytes == bytes && header.number == self.said.len() as u64 + 1;
        if is_next { Ok(bytes) } else { Err(Violation::Reply) }
    }

    fn frame(&mut self, frame: &[u8]) -> Result<(), Violation> {
        let Posted { has_exchange, .. } = self.next()?;
        let at = self.said.len();
        let (found, words) = decode_reply(frame, at as u64 + 1, self.seed)?;
        for (place, word) in self.scratch[place_of(at)..].iter_mut().zip(words) {
            *place = u64::from_le_bytes(*word);
        }
        self.said.push((at as u64, if has_exchange { found } else { 0 }));
        Ok(())
    }
}
