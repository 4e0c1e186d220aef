//! The wire: one thread that carries frames between ports.

use crate::frame::{FRAME_BYTES_MAX, Frame, Mac};
use crate::impairment::Impairment;
use crate::port::{Plug, Port, Sent};
use crate::switch::{Arrival, Switch};
use crate::traffic::Traffic;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Most ports of a wire. Every pair of them has two paths of up to 16 MiB.
pub const PORTS_MAX: usize = 16;
/// Frames read from one port before the others have their turn.
const BURST_FRAMES: usize = 64;
/// Most frames that wait for a receiver that has no room; what comes on top is undeliverable.
const WAITING_FRAMES_MAX: usize = 256;
/// How soon a receiver without room is tried again: not every kind of port can tell when it has some.
const RETRY: Duration = Duration::from_millis(1);
/// Longest sleep: there is no reason to wake up but frames, due times and the end.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// Why a wire cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Too many ports.
    #[error("{0} ports; a wire has at most {PORTS_MAX}")]
    Ports(usize),
    /// A system call failed.
    #[error("cannot start the wire's thread: {0}")]
    Io(#[from] io::Error),
}

/// A wire and the thread that carries its frames, which ends when this is dropped. The handle may be shared by threads; what
/// it sets holds for every frame that comes in after the call.
///
/// Ports are numbered from 0 in the order in which they were given. The switch learns stations: ARP and other broadcasts go
/// everywhere, frames to a known station only there.
pub struct Wire {
    switch: Arc<Mutex<Switch>>,
    ports: usize,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Connects the ports by perfect paths. Chance follows from `seed`: the n-th frame of a path fares the same in every run
    /// with the same impairment.
    ///
    /// # Errors
    /// [`StartError`] for more than [`PORTS_MAX`] ports, or if the system gives no thread or descriptor.
    pub fn start(ports: Vec<Port>, seed: u64) -> Result<Self, StartError> {
        if ports.len() > PORTS_MAX {
            return Err(StartError::Ports(ports.len()));
        }
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from)?);
        let count = ports.len();
        let switch = Arc::new(Mutex::new(Switch::new(count, seed)));
        let carrier = Carrier {
            seats: ports.into_iter().map(|port| Seat { plug: port.plug, waiting: VecDeque::new() }).collect(),
            switch: switch.clone(),
            stop: stop.clone(),
            began: Instant::now(),
            buffer: vec![0; FRAME_BYTES_MAX],
        };
        let thread = thread::Builder::new().name("paxon-wire".into()).spawn(move || carrier.run())?;
        Ok(Self { switch, ports: count, stop, thread: Some(thread) })
    }

    /// Impairs the frames that come in at port `from` and go out at port `to`.
    ///
    /// # Panics
    /// If there is no such path, or if the impairment asks for a share beyond 0 to 1.
    #[track_caller]
    pub fn impair(&self, from: usize, to: usize, impairment: &Impairment) {
        lock(&self.switch).impair(from, to, *impairment);
    }

    /// Impairs both directions between two ports.
    ///
    /// # Panics
    /// As [`Self::impair`].
    #[track_caller]
    pub fn impair_both(&self, a: usize, b: usize, impairment: &Impairment) {
        let mut switch = lock(&self.switch);
        switch.impair(a, b, *impairment);
        switch.impair(b, a, *impairment);
    }

    /// Makes every path perfect. Frames under way still arrive when they were due.
    pub fn heal(&self) {
        lock(&self.switch).heal();
    }

    /// What happened so far to the frames from port `from` to port `to`.
    ///
    /// # Panics
    /// If there is no such path.
    #[track_caller]
    pub fn traffic(&self, from: usize, to: usize) -> Traffic {
        lock(&self.switch).traffic(from, to)
    }

    /// What happened so far to all frames.
    pub fn total(&self) -> Traffic {
        lock(&self.switch).total()
    }

    /// Says at which port a station is, so that frames to it are not flooded until it has spoken.
    pub(crate) fn introduce(&self, station: Mac, port: usize) {
        lock(&self.switch).learn(station, port);
    }

    /// The number of ports.
    pub const fn ports(&self) -> usize {
        self.ports
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("ports", &self.ports).finish_non_exhaustive()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let told = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        debug_assert!(told.is_ok(), "an eventfd at zero takes a one: {told:?}");
        if let Some(thread) = self.thread.take() {
            // It ends by returning; if it panicked, the panic has been reported and there is nothing left to end.
            let _ = thread.join();
        }
    }
}

/// The only panics under this lock are refusals of wrong arguments, before anything is changed: a poisoned switch is whole.
fn lock(switch: &Mutex<Switch>) -> MutexGuard<'_, Switch> {
    switch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread owns.
struct Carrier {
    seats: Vec<Seat>,
    switch: Arc<Mutex<Switch>>,
    stop: Arc<OwnedFd>,
    began: Instant,
    /// Holds the longest frame.
    buffer: Vec<u8>,
}

/// A port and the frames for it that it had no room for.
struct Seat {
    plug: Box<dyn Plug>,
    waiting: VecDeque<Arrival>,
}

impl Carrier {
    fn run(mut self) {
        while self.turn() {}
    }

    /// Carries what there is and sleeps until there is more; `false` at the end.
    fn turn(&mut self) -> bool {
        let switch = self.switch.clone();
        let mut switch = lock(&switch);
        let more = self.collect(&mut switch);
        self.deliver(&mut switch);
        let rest = if more { Duration::ZERO } else { self.rest(&switch) };
        drop(switch);
        self.sleep(rest)
    }

    /// Takes frames from all ports; whether a port may have more.
    fn collect(&mut self, switch: &mut Switch) -> bool {
        let mut more = false;
        for (port, seat) in self.seats.iter_mut().enumerate() {
            let mut burst = 0;
            while burst < BURST_FRAMES
                && let Some(bytes) = seat.plug.receive(&mut self.buffer)
            {
                burst += 1;
                if let Some(frame) = Frame::new(&self.buffer[..bytes]) {
                    switch.forward(port, frame, self.began.elapsed());
                }
            }
            more |= burst == BURST_FRAMES;
        }
        more
    }

    /// Hands out the frames that are due.
    fn deliver(&mut self, switch: &mut Switch) {
        for seat in &mut self.seats {
            seat.flush(switch);
        }
        let now = self.began.elapsed();
        while let Some(arrival) = switch.take_due(now) {
            let seat = &mut self.seats[arrival.to];
            if seat.waiting.len() >= WAITING_FRAMES_MAX {
                switch.delivered(arrival.from, arrival.to, false);
                continue;
            }
            seat.waiting.push_back(arrival);
            seat.flush(switch);
        }
    }

    /// How long nothing is to be done, unless a frame comes in.
    fn rest(&self, switch: &Switch) -> Duration {
        let due = switch.next_due().map(|due| due.saturating_sub(self.began.elapsed()));
        let retry = self.seats.iter().any(|seat| !seat.waiting.is_empty()).then_some(RETRY);
        due.into_iter().chain(retry).min().unwrap_or(SLEEP_MAX)
    }

    /// Sleeps until a frame comes in, but no longer than `rest`; `false` at the end.
    fn sleep(&self, rest: Duration) -> bool {
        let mut fds = vec![PollFd::new(&*self.stop, PollFlags::IN)];
        self.seats.iter().for_each(|seat| seat.plug.watch(&mut fds));
        let timeout = Timespec::try_from(rest.min(SLEEP_MAX)).ok();
        // An interrupted or failed poll reports nothing, and the next turn looks at every port anyway.
        let _ = poll(&mut fds, timeout.as_ref());
        fds[0].revents().is_empty()
    }
}

impl Seat {
    fn flush(&mut self, switch: &mut Switch) {
        while let Some(Arrival { from, to, frame }) = self.waiting.front() {
            match self.plug.send(frame.bytes()) {
                Sent::Full => return,
                sent => switch.delivered(*from, *to, sent == Sent::Taken),
            }
            self.waiting.pop_front();
        }
    }
}
