//! Chains, as in [`tcp_chains`](crate::tcp_chains), sent over loopback to the server of a fabric.
//!
//! What the server executes and answers must be what `tcp_chains` finds in the same stream.

use crate::frames::{PROPOSER, Recipe, assert_untouched, content_of, seed_value};
use crate::house::{CLUSTER, House, ME};
use crate::input::{Input, pieces};
use crate::tcp_chains::{Outcome, outcome};
use paxon_channel::{Arrival, GREETING_BYTES, Greeting, Party};
use paxon_fastpath::Fabric;
use paxon_tcp::frame::{Kind, OPENING_BYTES, Seed, decode_opening};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

thread_local! {
    static HOUSE: RefCell<House> = RefCell::new(House::new());
}

/// Longest stream of an input: the sockets take it whole.
const STREAM_BYTES_MAX: usize = 16 << 10;

/// A proposer that is owed more than this is cut off, which `outcome` does not know.
const REPLY_BYTES_MAX: usize = 64 << 10;

/// Runs one input.
pub fn run(data: &[u8]) {
    HOUSE.with_borrow_mut(|house| run_in(house, data));
}

fn run_in(house: &mut House, data: &[u8]) {
    let mut input = Input::new(data);
    let recipe = Recipe::read(&mut input);
    let before = content_of(|area| house.fabric.local(area));
    let (mut peer, seed, value) = session(house);
    let stream = recipe.stream(input.take(STREAM_BYTES_MAX), Kind::Chain, seed, value);
    let expected = outcome(&stream, 0, seed, &before);
    if expected.replies.len() > REPLY_BYTES_MAX {
        return;
    }
    // The server may have closed it at the first bad frame.
    let _ = pieces(&stream, recipe.cut).try_for_each(|piece| {
        let sent = peer.write_all(piece);
        house.fabric.poll();
        sent
    });
    let heard = hear(house, &mut peer, &expected);
    let after = content_of(|area| house.fabric.local(area));
    assert_eq!(heard, expected.replies, "other replies than expected");
    assert_eq!(after, expected.memory, "other memory than expected");
    assert_untouched(&before, &after);
}

/// A new session of the proposer, and what seeds its checksums.
fn session(house: &mut House) -> (TcpStream, Seed, u64) {
    let (mut peer, connection) = house.connection();
    let hello = house.hello(PROPOSER, ME);
    let arrival = Arrival::Inbound { hello, party: Party::Replica(PROPOSER), connection };
    assert!(house.door.put(arrival).is_none(), "it is for the fabric");
    let greeting = read(house, &mut peer, GREETING_BYTES).expect("a greeting");
    let Ok(Greeting::Welcome(welcome)) = Greeting::decode(&greeting) else { panic!("no welcome") };
    let opening = read(house, &mut peer, OPENING_BYTES).expect("an opening");
    let seed = Seed::of(&hello, &welcome);
    let opening = opening.try_into().expect("as long as asked for");
    let nonce = decode_opening(&opening, seed).expect("an opening between these two");
    let from = u64::from(PROPOSER.0);
    let words = [CLUSTER, from, u64::from(ME.0), hello.incarnation, welcome.incarnation];
    let value = xxh3_64_with_seed(&nonce.to_le_bytes(), xxh3_64(bytemuck::cast_slice(&words)));
    let seed = seed.opened(nonce);
    (peer, seed, seed_value(seed, value))
}

/// The next bytes; `None` if the connection ends before.
fn read(house: &mut House, peer: &mut TcpStream, bytes: usize) -> Option<Vec<u8>> {
    let (mut buffer, mut got) = (vec![0; bytes], 0);
    house.poll_until("the server says something", |_| {
        while got < bytes {
            match peer.read(&mut buffer[got..]) {
                Ok(0) => return Some(false),
                Ok(read) => got += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => return Some(false),
            }
        }
        Some(true)
    });
    (got == bytes).then_some(buffer)
}

/// The replies, once the server has taken the whole stream or ended the session.
fn hear(house: &mut House, peer: &mut TcpStream, expected: &Outcome) -> Vec<u8> {
    let replies = read(house, peer, expected.replies.len());
    if expected.end.is_err() {
        assert!(read(house, peer, 1).is_none(), "the session goes on after {:?}", expected.end);
    }
    // A session that is ended by a reset has lost what was on its way.
    replies.unwrap_or_else(|| expected.replies.clone())
}
