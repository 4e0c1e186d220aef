//! What does a back end add to a ping-pong over bare non-blocking sockets?
//!
//! Two threads on two cores, connected over loopback. One sends a message on each of 1, 2, 4 or 8 connections and waits for
//! all the answers; the other answers each message. Every row is measured in several portions, taken in turn, so that a
//! disturbance of the machine meets all of them; the median of the portions' medians counts.
//!
//! `cargo run --release -p paxon-tcp --example io_floor -- [spin|yield|wait] [connections ...]`
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use paxon_tcp::backend::{self, Backend, IoKind, Key, Options, Received};
use paxon_uring::{Completion, Config, Streams};

/// Bytes of a message: a chain with a small command.
const MESSAGE_BYTES: usize = 256;
const PORTIONS: usize = 9;
const ROUNDS: usize = 4_000;
/// Rounds before a portion is measured.
const WARM_UP: usize = 500;
/// How long the kernel's polling thread stays awake.
const KERNEL_THREAD_IDLE: Duration = Duration::from_millis(50);

type Failure = Box<dyn Error + Send + Sync>;

/// What a thread does between two empty looks.
#[derive(Clone, Copy)]
enum Policy {
    Spin,
    Yield,
    Wait,
}

/// One end of all connections.
trait End {
    /// Sends a message on each of these connections.
    fn send(&mut self, to: &[usize], message: &[u8]) -> Result<(), Failure>;
    /// Looks once for what has arrived: a connection and a number of bytes each.
    fn look(&mut self, policy: Policy, arrived: &mut dyn FnMut(usize, usize)) -> Result<(), Failure>;
    fn system_calls(&self) -> u64;
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bare,
    Epoll,
    Uring { multishot: bool, completion: Completion },
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let policy = match words.first().map(String::as_str) {
        None | Some("spin") => Policy::Spin,
        Some("yield") => Policy::Yield,
        Some("wait") => Policy::Wait,
        Some(other) => return Err(format!("unknown policy {other:?}: it is spin, yield or wait").into()),
    };
    let asked: Result<Vec<usize>, _> = words.iter().skip(1).map(|word| word.parse()).collect();
    let connections = Some(asked?).filter(|asked| !asked.is_empty()).unwrap_or_else(|| vec![1, 2, 4, 8]);
    println!("connections                             p50 us    p99 us  ratio  calls/round  empty look ns");
    for connections in connections {
        compare(connections, policy)?;
    }
    Ok(())
}

fn compare(connections: usize, policy: Policy) -> Result<(), Failure> {
    let rows = rows(policy);
    let mut portions = vec![Vec::new(); rows.len()];
    for _ in 0..PORTIONS {
        for ((_, kind), portions) in rows.iter().zip(&mut portions) {
            portions.push(portion(*kind, connections, policy)?);
        }
    }
    let mut floor = None;
    for ((name, _), portions) in rows.iter().zip(&mut portions) {
        let p50 = median(portions, |portion| portion.p50);
        let p99 = median(portions, |portion| portion.p99);
        let calls = median(portions, |portion| portion.calls);
        let empty = median(portions, |portion| portion.empty);
        let ratio = p50 / *floor.get_or_insert(p50);
        println!("{connections:>11} {name:<24} {p50:>9.2} {p99:>9.2} {ratio:>6.3} {calls:>12.1} {empty:>14.0}");
    }
    Ok(())
}

fn rows(policy: Policy) -> Vec<(&'static str, Kind)> {
    let uring = |multishot, completion| Kind::Uring { multishot, completion };
    let mut rows = vec![
        ("bare sockets", Kind::Bare),
        ("epoll", Kind::Epoll),
        ("io_uring, deferred", uring(true, Completion::Deferred)),
        ("io_uring, deferred, single", uring(false, Completion::Deferred)),
        ("io_uring, cooperative", uring(true, Completion::Cooperative)),
    ];
    // Each end has a polling thread of the kernel: on fewer cores they take turns with ours, milliseconds each.
    if thread::available_parallelism().is_ok_and(|cores| cores.get() >= 4) {
        rows.push(("io_uring, kernel thread", uring(true, Completion::KernelThread(KERNEL_THREAD_IDLE))));
    }
    if matches!(policy, Policy::Wait) {
        // Non-blocking sockets alone cannot wait: the first back end is what the others are compared with.
        rows.remove(0);
    }
    rows
}

#[derive(Clone)]
struct Portion {
    /// Microseconds from the first send to the last answer.
    p50: f64,
    p99: f64,
    /// System calls of the asking end for each round; those of empty looks are among them.
    calls: f64,
    /// Nanoseconds that a look takes when nothing has arrived.
    empty: f64,
}

fn median(portions: &mut [Portion], of: impl Fn(&Portion) -> f64) -> f64 {
    portions.sort_by(|a, b| of(a).total_cmp(&of(b)));
    of(&portions[portions.len() / 2])
}

fn portion(kind: Kind, connections: usize, policy: Policy) -> Result<Portion, Failure> {
    pin(0);
    let (near, far) = sockets(connections)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            pin(1);
            answer(&mut *end(kind, far)?, connections, policy, &over)
        });
        let measured = ask(&mut *end(kind, near)?, connections, policy);
        over.store(true, Relaxed);
        echo.join().map_err(|_panic| "the answering thread panicked")??;
        measured
    })
}

fn ask(end: &mut dyn End, connections: usize, policy: Policy) -> Result<Portion, Failure> {
    let all: Vec<usize> = (0..connections).collect();
    let mut took = Vec::with_capacity(ROUNDS);
    let mut calls = end.system_calls();
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            calls = end.system_calls();
        }
        let start = Instant::now();
        end.send(&all, &[7; MESSAGE_BYTES])?;
        let mut missing = connections * MESSAGE_BYTES;
        while missing > 0 {
            let before = missing;
            end.look(policy, &mut |_, bytes| missing -= bytes)?;
            rest(policy, missing == before);
        }
        if round >= WARM_UP {
            took.push(start.elapsed().as_nanos() as f64 / 1e3);
        }
    }
    let calls = (end.system_calls() - calls) as f64 / ROUNDS as f64;
    took.sort_by(f64::total_cmp);
    Ok(Portion { p50: took[ROUNDS / 2], p99: took[ROUNDS * 99 / 100], calls, empty: empty_look(end, policy)? })
}

/// The best of several hundred looks in a row: the others were disturbed.
fn empty_look(end: &mut dyn End, policy: Policy) -> Result<f64, Failure> {
    const LOOKS: u32 = 100;
    if matches!(policy, Policy::Wait) {
        return Ok(f64::NAN);
    }
    let mut best = f64::INFINITY;
    for _ in 0..100 {
        let start = Instant::now();
        for _ in 0..LOOKS {
            end.look(policy, &mut |_, _| ())?;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(LOOKS));
    }
    Ok(best)
}

fn answer(end: &mut dyn End, connections: usize, policy: Policy, over: &AtomicBool) -> Result<(), Failure> {
    let mut received = vec![0; connections];
    let mut whole = Vec::with_capacity(connections);
    while !over.load(Relaxed) {
        end.look(policy, &mut |from, bytes| {
            received[from] += bytes;
            if received[from] == MESSAGE_BYTES {
                received[from] = 0;
                whole.push(from);
            }
        })?;
        rest(policy, whole.is_empty());
        if !whole.is_empty() {
            end.send(&whole, &[8; MESSAGE_BYTES])?;
            whole.clear();
        }
    }
    Ok(())
}

fn rest(policy: Policy, empty: bool) {
    match policy {
        Policy::Spin if empty => std::hint::spin_loop(),
        Policy::Yield if empty => thread::yield_now(),
        _ => {}
    }
}

/// Pins this thread to one of the cores that the process started with (a pinned thread sees only its own).
fn pin(core: usize) {
    static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
    let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
    if let Some(core) = cores.get(core % cores.len().max(1)) {
        core_affinity::set_for_current(*core);
    }
}

fn sockets(connections: usize) -> Result<(Vec<TcpStream>, Vec<TcpStream>), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        near.push(TcpStream::connect(listener.local_addr()?)?);
        far.push(listener.accept()?.0);
    }
    Ok((near, far))
}

fn end(kind: Kind, sockets: Vec<TcpStream>) -> Result<Box<dyn End>, Failure> {
    match kind {
        Kind::Bare => Ok(Box::new(Bare::new(sockets)?)),
        Kind::Epoll => {
            let mut backend = backend::open(IoKind::Epoll, &Options::default())?.backend;
            let keys: Result<Vec<Key>, _> = sockets.into_iter().map(|socket| backend.add(socket)).collect();
            Ok(Box::new(Driven { keys: keys?, backend }))
        }
        Kind::Uring { multishot, completion } => {
            let mut streams = Streams::open(&Config { multishot, completion, ..Config::default() })?;
            let mut keys = Vec::new();
            for socket in sockets {
                socket.set_nodelay(true)?;
                keys.push(streams.add(socket)?);
            }
            Ok(Box::new(Ring { keys, streams }))
        }
    }
}

/// Bare sockets: the floor.
struct Bare {
    sockets: Vec<TcpStream>,
    buffer: [u8; 4096],
    calls: u64,
}

impl Bare {
    fn new(sockets: Vec<TcpStream>) -> Result<Bare, Failure> {
        for socket in &sockets {
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
        }
        Ok(Bare { sockets, buffer: [0; 4096], calls: 0 })
    }
}

impl End for Bare {
    fn send(&mut self, to: &[usize], message: &[u8]) -> Result<(), Failure> {
        for to in to {
            self.calls += 1;
            self.sockets[*to].write_all(message)?;
        }
        Ok(())
    }

    fn look(&mut self, _: Policy, arrived: &mut dyn FnMut(usize, usize)) -> Result<(), Failure> {
        for (at, socket) in self.sockets.iter_mut().enumerate() {
            self.calls += 1;
            match socket.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(bytes) => arrived(at, bytes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The other end is gone once it has all its answers.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn system_calls(&self) -> u64 {
        self.calls
    }
}

/// A back end behind the trait, as the fabric uses it.
struct Driven {
    keys: Vec<Key>,
    backend: Box<dyn Backend>,
}

impl End for Driven {
    fn send(&mut self, to: &[usize], message: &[u8]) -> Result<(), Failure> {
        for to in to {
            self.backend.send(self.keys[*to], message)?;
        }
        Ok(self.backend.flush()?)
    }

    fn look(&mut self, policy: Policy, arrived: &mut dyn FnMut(usize, usize)) -> Result<(), Failure> {
        let keys = &self.keys;
        self.backend.turn(wait(policy), &mut |key, received| {
            if let Received::Bytes(bytes) = received {
                arrived(keys.iter().position(|it| *it == key).unwrap_or_default(), bytes.len());
            }
        })?;
        Ok(())
    }

    fn system_calls(&self) -> u64 {
        self.backend.system_calls()
    }
}

/// A ring as the io_uring back end uses it, in each of its kinds.
struct Ring {
    keys: Vec<paxon_uring::Key>,
    streams: Streams,
}

impl End for Ring {
    fn send(&mut self, to: &[usize], message: &[u8]) -> Result<(), Failure> {
        for to in to {
            self.streams.send(self.keys[*to], message)?;
        }
        Ok(self.streams.flush()?)
    }

    fn look(&mut self, policy: Policy, arrived: &mut dyn FnMut(usize, usize)) -> Result<(), Failure> {
        let keys = &self.keys;
        self.streams.turn(wait(policy), &mut |key, received| {
            if let paxon_uring::Received::Bytes(bytes) = received {
                arrived(keys.iter().position(|it| *it == key).unwrap_or_default(), bytes.len());
            }
        })?;
        Ok(())
    }

    fn system_calls(&self) -> u64 {
        self.streams.system_calls()
    }
}

fn wait(policy: Policy) -> Option<Duration> {
    matches!(policy, Policy::Wait).then_some(Duration::from_millis(20))
}
