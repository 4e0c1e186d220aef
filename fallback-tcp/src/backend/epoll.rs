//! The portable back end: non-blocking sockets and epoll, through `mio`.
//!
//! Sends enter the kernel at once, one call each; what a socket does not take waits for it to be writable. A turn that must
//! not block asks a few sockets directly (see [`DIRECT_MAX`]) and otherwise asks epoll which of them to ask. Waits are
//! rounded up to whole milliseconds.

mod link;

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use super::{Backend, Key, OpenError, Options, Received, SendError, Waker, socket};
use link::{Link, Outcome};

/// Up to this many sockets are asked directly, each by a receive that may find nothing: for them that is faster than asking
/// epoll first and the ready one then, as `examples/io_floor.rs` measures.
const DIRECT_MAX: usize = 2;
/// Events taken with one call; those left over come with the next.
const EVENTS_MAX: usize = 256;
/// The token of the waker; links have their index.
const WAKER: Token = Token(usize::MAX);

/// Sockets watched by one epoll.
pub(super) struct Epoll {
    poll: Poll,
    /// Taken out while they are looked at.
    events: Option<Events>,
    waker: Arc<mio::Waker>,
    slots: Box<[Slot]>,
    /// Slots without a link.
    free: Vec<u32>,
    /// Slots with a link.
    open: Vec<u32>,
    /// Slots whose `ready` is set.
    ready: Vec<u32>,
    /// Slots whose `blocked` is set.
    blocked: Vec<u32>,
    buffer: Box<[u8]>,
    options: Options,
    system_calls: u64,
}

/// A place for a link, one after the other.
#[derive(Default)]
struct Slot {
    /// Counts the links that were closed here: the second half of a key.
    generation: u32,
    /// The socket may have something to receive, and no event will tell.
    ready: bool,
    /// The socket did not take everything.
    blocked: bool,
    link: Option<Link>,
}

impl Epoll {
    pub(super) fn open(options: &Options) -> Result<Epoll, OpenError> {
        let poll = Poll::new().map_err(OpenError::Epoll)?;
        let waker = mio::Waker::new(poll.registry(), WAKER).map_err(OpenError::Epoll)?;
        let most = options.connections_max;
        Ok(Epoll {
            poll,
            events: Some(Events::with_capacity(EVENTS_MAX)),
            waker: Arc::new(waker),
            slots: std::iter::repeat_with(Slot::default).take(most).collect(),
            free: (0..most as u32).rev().collect(),
            open: Vec::with_capacity(most),
            ready: Vec::with_capacity(most),
            blocked: Vec::with_capacity(most),
            buffer: vec![0; options.receive_bytes].into_boxed_slice(),
            options: options.clone(),
            system_calls: 0,
        })
    }

    fn watch(&mut self, stream: TcpStream, index: u32) -> io::Result<Link> {
        socket::prepare(&stream, &self.options)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index as usize), interest)?;
        Ok(Link::new(stream))
    }

    /// Asks epoll, for at most `wait`, which sockets have news.
    fn ask(&mut self, wait: Duration) -> io::Result<()> {
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(EVENTS_MAX));
        self.system_calls += 1;
        let asked = self.poll.poll(&mut events, Some(wait));
        if asked.is_ok() {
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.on_event(event);
            }
        }
        self.events = Some(events);
        match asked {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn on_event(&mut self, event: &mio::event::Event) {
        let index = event.token().0;
        let Some(link) = self.slots.get_mut(index).and_then(|slot| slot.link.as_mut()) else { return };
        let over = event.is_read_closed() || event.is_error();
        link.ending |= over;
        link.writable |= event.is_writable() && !link.has_failed();
        if event.is_readable() || over {
            self.mark_ready(index as u32);
        }
    }

    /// Sends what waits on sockets that may take it.
    fn flush_blocked(&mut self) {
        for at in (0..self.blocked.len()).rev() {
            let index = self.blocked[at];
            let slot = &mut self.slots[index as usize];
            let (mut waits, mut failed) = (false, false);
            if let Some(link) = slot.link.as_mut() {
                if link.writable {
                    link.flush(&mut self.system_calls);
                }
                (waits, failed) = (link.unsent() > 0, link.has_failed());
            }
            if !waits {
                slot.blocked = false;
                self.blocked.swap_remove(at);
            }
            if failed {
                self.mark_ready(index);
            }
        }
    }

    /// Receives from a socket; whether it may have more.
    fn receive(&mut self, index: u32, received: &mut dyn FnMut(Key, Received<'_>)) -> bool {
        let slot = &mut self.slots[index as usize];
        let key = Key::new(index, slot.generation);
        let Some(link) = slot.link.as_mut() else { return false };
        let report = |bytes: &[u8]| received(key, Received::Bytes(bytes));
        match link.receive(&mut self.buffer, &mut self.system_calls, report) {
            Outcome::Drained => false,
            Outcome::More => true,
            Outcome::Over(reason) => {
                self.close(index);
                received(key, Received::Closed(reason));
                false
            }
        }
    }

    fn receive_ready(&mut self, received: &mut dyn FnMut(Key, Received<'_>)) {
        for at in (0..self.ready.len()).rev() {
            let index = self.ready[at];
            if !self.receive(index, received) {
                self.slots[index as usize].ready = false;
                self.ready.swap_remove(at);
            }
        }
    }

    fn receive_directly(&mut self, received: &mut dyn FnMut(Key, Received<'_>)) {
        for at in (0..self.open.len()).rev() {
            let index = self.open[at];
            if self.receive(index, received) {
                self.mark_ready(index);
            }
        }
    }

    fn mark_ready(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if !std::mem::replace(&mut slot.ready, true) {
            self.ready.push(index);
        }
    }

    fn mark_blocked(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if !std::mem::replace(&mut slot.blocked, true) {
            self.blocked.push(index);
        }
    }

    fn close(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if let Some(mut link) = slot.link.take() {
            let _not_watched = self.poll.registry().deregister(&mut link.stream);
            link.shut_down();
            slot.generation = slot.generation.wrapping_add(1);
            self.open.retain(|open| *open != index);
            self.free.push(index);
        }
    }

    fn link(&self, key: Key) -> Option<&Link> {
        let slot = self.slots.get(key.index()).filter(|slot| slot.generation == key.generation())?;
        slot.link.as_ref()
    }
}

impl Backend for Epoll {
    fn name(&self) -> &'static str {
        "epoll"
    }

    fn add(&mut self, stream: TcpStream) -> io::Result<Key> {
        let Some(&index) = self.free.last() else { return Err(super::too_many(self.slots.len())) };
        let link = self.watch(stream, index)?;
        self.free.pop();
        self.open.push(index);
        let slot = &mut self.slots[index as usize];
        slot.link = Some(link);
        Ok(Key::new(index, slot.generation))
    }

    fn remove(&mut self, key: Key) {
        if self.link(key).is_some() {
            self.close(key.index() as u32);
        }
    }

    fn send(&mut self, key: Key, bytes: &[u8]) -> Result<(), SendError> {
        let slot = self.slots.get_mut(key.index()).filter(|slot| slot.generation == key.generation());
        let link = slot.and_then(|slot| slot.link.as_mut()).ok_or(SendError::Closed)?;
        link.send(bytes, self.options.unsent_bytes_max, &mut self.system_calls)?;
        let (blocked, failed) = (link.unsent() > 0, link.has_failed());
        if blocked {
            self.mark_blocked(key.index() as u32);
        }
        if failed {
            self.mark_ready(key.index() as u32);
        }
        Ok(())
    }

    fn unsent(&self, key: Key) -> usize {
        self.link(key).map_or(0, Link::unsent)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_blocked();
        Ok(())
    }

    fn turn(&mut self, wait: Option<Duration>, received: &mut dyn FnMut(Key, Received<'_>)) -> io::Result<()> {
        if wait.is_none() && self.open.len() <= DIRECT_MAX && self.blocked.is_empty() {
            self.receive_directly(received);
            return Ok(());
        }
        let wait = wait.filter(|_| self.ready.is_empty()).unwrap_or_default();
        self.ask(wait)?;
        self.flush_blocked();
        self.receive_ready(received);
        Ok(())
    }

    fn waker(&self) -> Waker {
        let waker = self.waker.clone();
        Waker::new(move || {
            // Refused only for a full counter, which ends the wait as well.
            let _full = waker.wake();
        })
    }

    fn system_calls(&self) -> u64 {
        self.system_calls
    }
}
