//! On TCP: a bare ping-pong of the same bytes, over sockets of the same kind, with the same polling.
//!
//! The leader sends what a chain has of bytes to every follower and waits until as many have echoed what a reply has as the
//! commit needs votes besides the leader's own. No frames, no checksums, no encryption, no state.

use super::{Counterpart, Floor};
use crate::measure::board::Board;
use crate::measure::run::PATIENCE;
use crate::measure::{MeasureError, Options};
use paxon_fastpath::{Area, CELL_WORDS, ENTRY_WORDS, INLINE_BYTES, Op, QuorumSizes, ReplicaId, Span};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

/// Bytes taken from a socket at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Bytes of the chain of a commit, and of its reply.
pub(in crate::measure) fn sizes(options: &Options) -> (usize, usize) {
    let lane = Area::Lane(ReplicaId(0));
    let write = |words| Op::Write(Span { area: lane, start: 0, words });
    let payload_words = options.payload.div_ceil(8);
    let inline = options.batch == 1 && options.payload <= INLINE_BYTES;
    let arena_words = if inline { 0 } else { options.outstanding * options.batch * (ENTRY_WORDS + payload_words) };
    let check = Op::Cas { expected: 0, new: 0 };
    let records = write(options.outstanding * CELL_WORDS);
    let bytes = if inline {
        paxon_tcp::chain_bytes(&[records, check])
    } else {
        paxon_tcp::chain_bytes(&[write(arena_words), records, check])
    };
    (bytes, paxon_tcp::reply_bytes(0))
}

/// The leader's side.
pub(in crate::measure) struct TcpFloor {
    followers: Vec<Follower>,
    request: Vec<u8>,
    reply_bytes: u64,
    /// Followers that have to answer before a round is over.
    needed: usize,
    rounds: u64,
    chunk: Vec<u8>,
}

/// A follower that echoes.
struct Follower {
    stream: TcpStream,
    /// Bytes of requests that the kernel does not have yet.
    unsent: usize,
    received: u64,
}

impl TcpFloor {
    /// Connects to the followers, which have said on the board where they listen.
    pub(in crate::measure) fn open(options: &Options, board: &Board) -> Result<Self, MeasureError> {
        let connect = |replica: u8| {
            let deadline = Instant::now() + PATIENCE;
            let port = loop {
                match board.port(replica) {
                    Some(port) => break port,
                    None if Instant::now() > deadline => {
                        return Err(MeasureError::TimedOut { what: "a follower to listen" });
                    }
                    None => std::thread::yield_now(),
                }
            };
            let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
            Ok(Follower { stream: prepare(stream)?, unsent: 0, received: 0 })
        };
        let followers = (1..options.replicas as u8).map(connect).collect::<Result<_, _>>()?;
        let (request_bytes, reply_bytes) = sizes(options);
        let accept = QuorumSizes::majority(options.replicas).map_or(1, |quorums| quorums.accept());
        Ok(Self {
            followers,
            request: vec![0xA5; request_bytes],
            reply_bytes: reply_bytes as u64,
            needed: accept - 1,
            rounds: 0,
            chunk: vec![0; CHUNK_BYTES],
        })
    }

    /// Sends what is left and reads what is there; returns how many followers have answered all rounds.
    fn turn(&mut self) -> Result<usize, MeasureError> {
        let mut answered = 0;
        for follower in &mut self.followers {
            follower.send(&self.request)?;
            let bytes = read_some(&mut follower.stream, &mut self.chunk)?;
            follower.received += bytes.ok_or(io::Error::from(ErrorKind::UnexpectedEof))? as u64;
            answered += usize::from(follower.received >= self.rounds * self.reply_bytes);
        }
        Ok(answered)
    }
}

impl<F> Floor<F> for TcpFloor {
    fn round(&mut self, _: &mut F) -> Result<(), MeasureError> {
        self.rounds += 1;
        for follower in &mut self.followers {
            follower.unsent += self.request.len();
            follower.send(&self.request)?;
        }
        while self.turn()? < self.needed {}
        Ok(())
    }
}

impl Follower {
    /// Gives the kernel what it takes; the content of a request does not matter, its bytes do.
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.unsent > 0 {
            match self.stream.write(&request[..self.unsent.min(request.len())]) {
                Ok(bytes) => self.unsent -= bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The follower's side.
pub(in crate::measure) struct Echo {
    listener: TcpListener,
    stream: Option<TcpStream>,
    request_bytes: usize,
    reply: Vec<u8>,
    /// Bytes of a request that is not complete yet, and of replies that the kernel does not have yet.
    received: usize,
    unsent: usize,
    chunk: Vec<u8>,
}

impl Echo {
    /// Listens, and says on the board where.
    pub(in crate::measure) fn listen(
        replica: u8,
        (request_bytes, reply_bytes): (usize, usize),
        board: &Board,
    ) -> Result<Self, MeasureError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        board.listens(replica, listener.local_addr()?.port());
        let (reply, chunk) = (vec![0x5A; reply_bytes], vec![0; CHUNK_BYTES]);
        Ok(Self { listener, stream: None, request_bytes, reply, received: 0, unsent: 0, chunk })
    }

    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => self.stream = Some(prepare(stream)?),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Counterpart for Echo {
    /// The engine's poll makes system calls.
    const TURNS_PER_ENGINE: u32 = 64;

    fn poll(&mut self) -> Result<bool, MeasureError> {
        let Some(stream) = &mut self.stream else {
            self.accept()?;
            return Ok(false);
        };
        let Some(bytes) = read_some(stream, &mut self.chunk)? else {
            // The leader is through with its floor.
            self.stream = None;
            return Ok(false);
        };
        self.received += bytes;
        self.unsent += self.received / self.request_bytes * self.reply.len();
        self.received %= self.request_bytes;
        while self.unsent > 0 {
            match stream.write(&self.reply[..self.unsent.min(self.reply.len())]) {
                Ok(bytes) => self.unsent -= bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(bytes > 0)
    }
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// What is there; `None` once the other side has ended the connection.
fn read_some(stream: &mut TcpStream, chunk: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(chunk) {
        Ok(0) => Ok(None),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(0)),
        other => other.map(Some),
    }
}
