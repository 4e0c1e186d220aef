//! The server's thread: goes round between sockets, requests and answers.

use super::bell::Bell;
use super::connection::{Connection, Fault, Patience};
use super::counters::{Counting, add};
use super::desk::{ConnectionKey, Desk};
use super::gate::{Gate, Handover};
use super::guests::Guests;
use super::options::ServeOptions;
use super::refusing::Refusing;
use super::timeline::Timeline;
use super::{Details, answering};
use crate::handle::Handle;
use mio::{Events, Interest, Poll, Token};
use paxon_channel::{Greeting, Refusal, Welcome};
use paxon_client::transport::Transport;
use paxon_client::wire::{Code, OVERHEAD_BYTES, OWN_WORDS, Reply};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The token of the waker and that of the unix socket; connections have their place.
pub(super) const BELL: Token = Token(usize::MAX);
const GATE: Token = Token(usize::MAX - 1);
/// How often the deadlines of requests are looked at.
const TICK: Duration = Duration::from_millis(10);
/// How often it is looked whether the replica has come as far as a question wants.
const LATER_LOOK: Duration = Duration::from_millis(1);
/// How often the connections are looked at.
const CENSUS: Duration = Duration::from_millis(100);
/// The longest sleep: what the replica reports of itself is fetched now and then.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// Connections taken on in one turn.
const ADMISSIONS_PER_TURN: usize = 64;
/// A connection that has not said hello for so long may have to make room. A client says it with its first packet.
const STRANGER_GRACE: Duration = Duration::from_millis(250);
/// When a client that met a full house should come again.
const HOUSE_FULL_RETRY: Duration = Duration::from_millis(100);
const EVENTS_PER_TURN: usize = 256;
/// Looks for finished requests between two of the system calls that look for others, some 40 ns each.
const LOOKS_PER_POLL: usize = 16;
/// Bytes read at once.
const SCRATCH_BYTES: usize = 64 << 10;

/// Everything that the server's thread has.
pub(super) struct Rounds {
    pub(super) handle: Handle,
    pub(super) options: ServeOptions,
    /// Where each replica serves clients.
    pub(super) addresses: Vec<String>,
    pub(super) details: Details,
    poll: Poll,
    events: Events,
    pub(super) bell: Arc<Bell>,
    gate: Option<Gate>,
    handovers: Receiver<Handover>,
    pub(super) guests: Guests,
    pub(super) desk: Desk,
    /// Places to look at: the request is new, or its answer was held.
    pub(super) fresh: Vec<usize>,
    /// Connections to look at. Invariant: exactly those that are marked as listed.
    work: VecDeque<usize>,
    /// Bytes that long requests may still take.
    pub(super) budget: usize,
    pub(super) counting: Arc<Counting>,
    pub(super) timeline: Timeline,
    pub(super) scratch: Box<[u8]>,
    tick_at: Instant,
    census_at: Instant,
}

/// What the rounds are made from.
pub(super) struct Ingredients {
    pub(super) handle: Handle,
    pub(super) options: ServeOptions,
    pub(super) addresses: Vec<String>,
    pub(super) details: Details,
    pub(super) poll: Poll,
    pub(super) bell: Arc<Bell>,
    pub(super) gate: Option<Gate>,
    pub(super) handovers: Receiver<Handover>,
    pub(super) counting: Arc<Counting>,
}

impl Rounds {
    pub(super) fn new(ingredients: Ingredients) -> io::Result<Self> {
        let Ingredients { handle, options, addresses, details, poll, bell, mut gate, handovers, counting } =
            ingredients;
        if let Some(gate) = &mut gate {
            poll.registry().register(gate.listener(), GATE, Interest::READABLE)?;
        }
        let now = Instant::now();
        Ok(Self {
            timeline: Timeline::new(handle.leadership()),
            handle,
            addresses,
            details,
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            desk: Desk::new(&bell, options.in_flight_max),
            bell,
            gate,
            handovers,
            guests: Guests::new(options.connections_max),
            fresh: Vec::new(),
            work: VecDeque::new(),
            budget: options.buffered_bytes_max,
            options,
            counting,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            tick_at: now,
            census_at: now,
        })
    }

    /// Runs until the server ends.
    pub(super) fn run(mut self) {
        while !self.bell.is_stopping() {
            if self.wait().is_err() {
                // The system has no memory for the list of events: trying again is all that can be done.
                std::thread::sleep(TICK);
            }
            let now = Instant::now();
            self.sort_events();
            self.admit(now);
            self.look_at_ready(now);
            self.visit_listed(now);
            self.put_due(now);
            self.keep_house(now);
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.options.busy_poll > Duration::ZERO && self.poll_busily(now + self.options.busy_poll)? {
            return Ok(());
        }
        let (idle, gate_busy) = (self.is_idle(), self.gate.as_ref().is_some_and(Gate::is_busy));
        let mut timeout = Duration::ZERO;
        if idle && !gate_busy && self.bell.sleep() {
            timeout = self.wakes_at(now).saturating_duration_since(Instant::now());
        }
        let waited = self.poll_for(timeout);
        self.bell.wake_up();
        waited
    }

    /// Looks again and again; `true` if there was something to see.
    fn poll_busily(&mut self, until: Instant) -> io::Result<bool> {
        while self.is_idle() && Instant::now() < until {
            self.poll_for(Duration::ZERO)?;
            if !self.events.is_empty() {
                return Ok(true);
            }
            // What the engine has done is seen without asking the system.
            for _ in 0..LOOKS_PER_POLL {
                if self.bell.has_ready() {
                    break;
                }
                std::hint::spin_loop();
            }
        }
        Ok(false)
    }

    fn poll_for(&mut self, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn is_idle(&self) -> bool {
        self.work.is_empty() && self.fresh.is_empty() && !self.bell.has_ready()
    }

    fn wakes_at(&self, now: Instant) -> Instant {
        let mut wakes_at = now + SLEEP_MAX;
        if !self.desk.is_empty() {
            wakes_at = wakes_at.min(self.tick_at.max(now));
        }
        if self.desk.has_later() {
            wakes_at = wakes_at.min(now + LATER_LOOK);
        }
        if !self.guests.is_empty() {
            wakes_at = wakes_at.min(self.census_at.max(now));
        }
        self.gate.as_ref().and_then(Gate::opens_at).map_or(wakes_at, |opens_at| wakes_at.min(opens_at))
    }

    fn sort_events(&mut self) {
        for event in &self.events {
            match event.token() {
                BELL => {}
                GATE => self.gate.iter_mut().for_each(Gate::knock),
                Token(at) => {
                    let Some(connection) = self.guests.at(at) else { continue };
                    connection.is_ending |= event.is_read_closed();
                    connection.readable |= event.is_readable() || event.is_read_closed();
                    if !std::mem::replace(&mut connection.listed, true) {
                        self.work.push_back(at);
                    }
                }
            }
        }
    }

    /// Has the connection looked at in this turn or the next.
    pub(super) fn list(&mut self, at: usize) {
        if let Some(connection) = self.guests.at(at)
            && !std::mem::replace(&mut connection.listed, true)
        {
            self.work.push_back(at);
        }
    }

    fn admit(&mut self, now: Instant) {
        for _ in 0..ADMISSIONS_PER_TURN {
            let Some(stream) = self.gate.as_mut().and_then(|gate| gate.accept(&self.counting, now)) else { break };
            self.take_on(Transport::unix(stream), false, now);
        }
        // As many as there can be: what is handed over later rings again.
        let handed = if self.bell.take_handed() { self.options.connections_max } else { 0 };
        for _ in 0..handed {
            let Ok(Handover { party, connection }) = self.handovers.try_recv() else { break };
            log::debug!("{party} has connected");
            self.take_on(Transport::secured(connection), true, now);
        }
    }

    /// Takes a connection on, or says why not. `greets`: the channel expects a greeting first.
    fn take_on(&mut self, mut transport: Transport, greets: bool, now: Instant) {
        let Some(key) = self.place(now) else {
            add(&self.counting.refused);
            return self.turn_away(transport, greets);
        };
        if transport.register(self.poll.registry(), Token(key.at)).is_err() {
            add(&self.counting.accept_errors);
            return self.guests.give_up(key);
        }
        if greets {
            transport.push_raw(&Greeting::Welcome(self.welcome()).encode());
        }
        add(&self.counting.accepted);
        self.guests.put(Connection::new(key, transport, now));
        self.list(key.at);
    }

    fn place(&mut self, now: Instant) -> Option<ConnectionKey> {
        if let Some(key) = self.guests.reserve() {
            return Some(key);
        }
        let stranger = self.guests.oldest_stranger(now.checked_sub(STRANGER_GRACE)?)?;
        add(&self.counting.evicted);
        self.close(stranger);
        self.guests.reserve()
    }

    fn welcome(&self) -> Welcome {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Welcome {
            // A client has no use for the life of the memory.
            incarnation: 0,
            frame_bytes_max: narrow(self.body_bytes_max()),
            outstanding_max: narrow(self.options.in_flight_per_connection),
        }
    }

    fn turn_away(&self, mut transport: Transport, greets: bool) {
        let most = self.options.connections_max;
        if greets {
            let retry_ms = HOUSE_FULL_RETRY.as_millis() as u64;
            let refusal = Refusal::Busy { most: most as u64, retry_ms };
            transport.push_raw(&Greeting::Refused(refusal).encode());
        } else {
            let text = format!("this replica serves {most} connections at once; try again");
            let refusing = Refusing::new(Code::Busy, text).again_after(HOUSE_FULL_RETRY);
            transport
                .push(OWN_WORDS, &Reply::Refused(refusing.as_refusal(&[])), usize::MAX)
                .expect("a refusal of a hundred bytes");
        }
        // A client that is not there to hear it needs no answer.
        let _ = transport.flush();
    }

    /// Longest body of a request.
    pub(super) fn body_bytes_max(&self) -> usize {
        self.options.command_bytes_max.max(self.options.query_bytes_max) + OVERHEAD_BYTES
    }

    fn look_at_ready(&mut self, now: Instant) {
        // What becomes ready meanwhile has its turn in the next round.
        for _ in 0..self.options.in_flight_max {
            let Some(place) = self.bell.next() else { break };
            self.look(place, now);
        }
    }

    fn visit_listed(&mut self, now: Instant) {
        for _ in 0..self.work.len() {
            let Some(at) = self.work.pop_front() else { break };
            let Some(mut connection) = self.guests.take(at) else { continue };
            connection.listed = false;
            match self.visit(&mut connection, now) {
                Ok(more) => {
                    self.guests.put(connection);
                    if more {
                        self.list(at);
                    }
                }
                Err(_) => self.dismiss(connection),
            }
        }
        for place in std::mem::take(&mut self.fresh) {
            self.look(place, now);
        }
    }

    fn keep_house(&mut self, now: Instant) {
        if now >= self.tick_at {
            self.tick_at = now + TICK;
            for place in self.desk.find(|asker| now >= asker.deadline) {
                add(&self.counting.late);
                self.answer_at(place, answering::too_late(), now);
            }
        }
        if now >= self.census_at {
            self.census_at = now + CENSUS;
            self.timeline.follow();
            self.dismiss_faulty(now);
        }
    }

    fn dismiss_faulty(&mut self, now: Instant) {
        let ServeOptions { request_within, read_within, idle_max, .. } = self.options;
        let patience = Patience { request_within, read_within, idle_max };
        let faulty = self.guests.all().filter_map(|guest| Some((guest.key.at, guest.fault(&patience, now)?)));
        for (at, fault) in faulty.collect::<Vec<_>>() {
            add(match fault {
                Fault::HalfSent => &self.counting.half_sent,
                Fault::Unread => &self.counting.unread,
                Fault::Idle => &self.counting.idle,
            });
            self.close(at);
        }
        let open = self.guests.all().count();
        self.counting.connections.store(open as u64, Relaxed);
    }

    fn close(&mut self, at: usize) {
        if let Some(connection) = self.guests.take(at) {
            self.dismiss(connection);
        }
    }

    /// Ends a connection. What it asked for goes on; nobody hears of it.
    fn dismiss(&mut self, connection: Connection) {
        let key = connection.key;
        if connection.in_flight > 0 {
            for place in self.desk.find(|asker| asker.connection == key) {
                self.give_back(place);
            }
        }
        self.budget += connection.reserved;
        if connection.listed {
            self.work.retain(|at| *at != key.at);
        }
        self.guests.close(connection, self.poll.registry());
    }
}
