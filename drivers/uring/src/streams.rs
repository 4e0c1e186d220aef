//! Many streams, one ring.

mod slot;
mod thread_mark;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::ring::{Arrived, Bytes, Event, Ring};
use crate::{AddError, Completion, Config, OpenError, SendError, Waker};
use slot::{Phase, Slot, Stream};
use thread_mark::ThreadMark;

/// Names one stream of one [`Streams`]; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The place of the stream, below `streams_max`.
    pub index: u32,
    /// Which stream of its place it is.
    pub generation: u32,
}

/// What a turn reports for a stream.
#[derive(Debug)]
pub enum Received<'a> {
    /// The next bytes, at least one.
    Bytes(&'a [u8]),
    /// The stream is over: its peer closed it (`None`) or it failed. The last thing reported for a key.
    Closed(Option<io::Error>),
}

/// Up to this many streams with something to send are sent to by a plain system call each, which costs less than as many
/// operations of the ring (`examples/io_floor.rs` of paxon-tcp: 5 % of a round trip); more share one entry to the kernel.
const DIRECT_SENDS_MAX: usize = 2;

/// Where a turn reports.
type Report<'a> = &'a mut dyn FnMut(Key, Received<'_>);

/// Many connected sockets, driven by one thread through one io_uring.
pub struct Streams {
    /// First, so that its operations have ended when the sockets are closed.
    ring: Ring,
    waker: Waker,
    slots: Box<[Slot]>,
    /// Slots without a stream.
    free: Vec<u32>,
    /// Slots whose `due` is set: something is to be queued for them.
    due: Vec<u32>,
    unsent_bytes_max: usize,
    has_kernel_thread: bool,
    /// System calls that did not go through the ring.
    direct_sends: u64,
    /// Whose operations are under way.
    thread: ThreadMark,
}

/// What a look at the completions brought.
#[derive(Default)]
struct Progress {
    reported: bool,
    woken: bool,
}

impl Streams {
    /// Opens a ring without streams.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        config.check()?;
        let waker = Waker::new().map_err(|source| OpenError::Refused {
            call: "eventfd",
            hint: "the process may have too many descriptors open",
            source,
        })?;
        let ring = Ring::open(config, waker.event().clone())?;
        let slots = std::iter::repeat_with(Slot::default).take(config.streams_max).collect();
        let free = (0..config.streams_max as u32).rev().collect();
        let due = Vec::with_capacity(config.streams_max);
        let has_kernel_thread = matches!(ring.completion(), Completion::KernelThread(_));
        let (unsent_bytes_max, direct_sends, thread) = (config.unsent_bytes_max, 0, ThreadMark::default());
        Ok(Self { ring, waker, slots, free, due, unsent_bytes_max, has_kernel_thread, direct_sends, thread })
    }

    /// Whether receives stay armed in the kernel.
    pub fn is_multishot(&self) -> bool {
        self.ring.is_multishot()
    }

    /// How the kernel finishes operations: what was asked for, or the next best that it has.
    pub fn completion(&self) -> Completion {
        self.ring.completion()
    }

    /// How many system calls were made so far.
    pub fn system_calls(&self) -> u64 {
        self.ring.system_calls() + self.direct_sends
    }

    /// A handle for other threads that ends a waiting [`turn`](Self::turn).
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Takes over a connected stream socket and receives from it from the next turn on.
    ///
    /// # Errors
    ///
    /// See [`AddError`]; the socket is closed then.
    pub fn add(&mut self, socket: impl Into<OwnedFd>) -> Result<Key, AddError> {
        let socket = socket.into();
        self.take_up()?;
        let Some(&index) = self.free.last() else {
            return Err(AddError::Full { limit: self.slots.len() });
        };
        // The kernel answers operations on a non-blocking socket with EAGAIN instead of waiting for it to be ready.
        rustix::io::ioctl_fionbio(&socket, false).map_err(io::Error::from)?;
        self.ring.set_file(index, Some(socket.as_fd()))?;
        self.free.pop();
        let slot = &mut self.slots[index as usize];
        slot.stream = Some(Stream::new(socket));
        let key = Key { index, generation: slot.generation };
        self.mark_due(index);
        Ok(key)
    }

    /// Closes a stream; nothing more is reported for its key. Bytes that the kernel does not have yet are dropped. A key that
    /// is no longer open is ignored.
    pub fn remove(&mut self, key: Key) {
        if self.stream(key).is_some() {
            self.close(key.index);
        }
    }

    /// Takes all of `bytes`, or none. They go to the kernel with the next [`flush`](Self::flush) or [`turn`](Self::turn).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send(&mut self, key: Key, bytes: &[u8]) -> Result<(), SendError> {
        let limit = self.unsent_bytes_max;
        match self.stream(key) {
            Some(stream) if matches!(stream.phase, Phase::Open) => stream.outgoing.take(bytes, limit)?,
            _ => return Err(SendError::Closed),
        }
        self.mark_due(key.index);
        Ok(())
    }

    /// Bytes taken that are not known to be with the kernel; 0 for a key that is no longer open.
    pub fn unsent(&self, key: Key) -> usize {
        let slot = self.slots.get(key.index as usize).filter(|slot| slot.generation == key.generation);
        slot.and_then(|slot| slot.stream.as_ref()).map_or(0, |stream| stream.outgoing.unsent())
    }

    /// Hands what was taken to the kernel: in one system call for all streams, unless they are one or two.
    ///
    /// # Errors
    ///
    /// The ring is broken, or belongs to another thread.
    pub fn flush(&mut self) -> io::Result<()> {
        self.take_up()?;
        self.queue_due();
        if self.ring.needs_kernel() { self.ring.submit() } else { Ok(()) }
    }

    /// Flushes and reports what has arrived, as much as the completion queue holds. Without `wait` it makes no system call
    /// if there is nothing to send and memory shows nothing to receive; with `wait` it sleeps until there is something to
    /// report, the waker is used or the time is over.
    ///
    /// # Errors
    ///
    /// The ring is broken, or belongs to another thread.
    pub fn turn(&mut self, wait: Option<Duration>, received: Report<'_>) -> io::Result<()> {
        let Some(wait) = wait else {
            self.flush()?;
            self.take_completions(received);
            return Ok(());
        };
        let deadline = Instant::now() + wait;
        self.take_up()?;
        loop {
            self.ring.watch_wake();
            self.queue_due();
            if self.ring.ready() == 0 {
                self.ring.wait(deadline.saturating_duration_since(Instant::now()))?;
            } else if self.ring.needs_kernel() {
                self.ring.submit()?;
            }
            let progress = self.take_completions(received);
            if progress.reported || progress.woken || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    /// Makes this thread the one whose operations are under way. Cooperative completions are finished by the thread that
    /// queued the operation, which may be busy elsewhere: they are cancelled, and queued anew as they end.
    fn take_up(&mut self) -> io::Result<()> {
        let here = ThreadMark::here();
        if self.thread == here {
            return Ok(());
        }
        self.ring.enable()?;
        if self.ring.completion() == Completion::Cooperative && self.thread != ThreadMark::default() {
            self.ring.cancel_all();
        }
        self.thread = here;
        Ok(())
    }

    /// Takes the completions that are there now.
    fn take_completions(&mut self, received: Report<'_>) -> Progress {
        let mut progress = Progress::default();
        for _ in 0..self.ring.ready() {
            match self.ring.next() {
                Some(Event::Received { index, outcome, armed }) => {
                    progress.reported |= self.on_received(index, outcome, armed, received);
                }
                Some(Event::Sent { index, bytes, outcome }) => self.on_sent(index, bytes, outcome),
                Some(Event::Cancelled { index }) => self.free_if_over(index),
                Some(Event::Woken) => {
                    self.waker.take_notice();
                    progress.woken = true;
                }
                Some(Event::Other) => {}
                None => break,
            }
        }
        progress
    }

    /// Whether something was reported.
    fn on_received(&mut self, index: u32, outcome: io::Result<Arrived>, armed: bool, received: Report<'_>) -> bool {
        if !armed {
            self.mark_due(index);
        }
        match outcome {
            Ok(Arrived::Bytes(bytes)) => self.on_bytes(index, bytes, received),
            Ok(Arrived::End) => self.end(index, None, received),
            Err(error) if is_passing(&error) => {
                self.free_if_over(index);
                false
            }
            Err(error) => self.end(index, Some(error), received),
        }
    }

    fn on_bytes(&mut self, index: u32, bytes: Bytes, received: Report<'_>) -> bool {
        let key = self.open_key(index);
        self.ring.read(bytes, |bytes| {
            if let Some(key) = key {
                received(key, Received::Bytes(bytes));
            }
        });
        self.free_if_over(index);
        key.is_some()
    }

    /// Nothing more will be received: closes the stream and reports it, unless it was closed before.
    fn end(&mut self, index: u32, reason: Option<io::Error>, received: Report<'_>) -> bool {
        let Some(key) = self.open_key(index) else {
            self.free_if_over(index);
            return false;
        };
        let reason = self.failure(index).or(reason);
        self.close(index);
        received(key, Received::Closed(reason));
        true
    }

    fn on_sent(&mut self, index: u32, bytes: Vec<u8>, outcome: io::Result<usize>) {
        let sent = match outcome {
            Ok(sent) => sent,
            Err(error) if is_passing(&error) => 0,
            Err(error) => return self.fail(index, error),
        };
        let stream = self.slots[index as usize].stream.as_mut();
        match stream.filter(|stream| matches!(stream.phase, Phase::Open)) {
            Some(stream) => match stream.outgoing.returned(bytes, sent) {
                Some((bytes, offset)) => self.ring.send(index, bytes, offset),
                None => self.mark_due(index),
            },
            None => self.free_if_over(index),
        }
    }

    /// Sending failed. What was received before is still to be reported, so the end comes from the receive, which the
    /// shutdown ends.
    fn fail(&mut self, index: u32, error: io::Error) {
        if let Some(stream) = self.slots[index as usize].stream.as_mut() {
            stream.outgoing.clear();
            stream.shut_down();
            if matches!(stream.phase, Phase::Open) {
                stream.phase = Phase::Failed(Some(error));
            }
        }
        self.free_if_over(index);
    }

    /// Queues what is due: receives to be armed, bytes to be sent.
    fn queue_due(&mut self) {
        let directly = self.due.len() <= DIRECT_SENDS_MAX && !self.has_kernel_thread;
        while let Some(index) = self.due.pop() {
            self.slots[index as usize].due = false;
            if directly {
                self.send_directly(index);
            }
            self.queue(index);
        }
    }

    fn queue(&mut self, index: u32) {
        let stream = self.slots[index as usize].stream.as_mut();
        let Some(stream) = stream.filter(|stream| !stream.is_closing()) else { return };
        self.ring.receive(index);
        if let Some(bytes) = stream.depart() {
            self.ring.send(index, bytes, 0);
        }
    }

    /// Sends without the ring what the socket takes at once; the ring waits for it to take the rest.
    fn send_directly(&mut self, index: u32) {
        let stream = self.slots[index as usize].stream.as_mut();
        match stream.map_or(Ok(false), Stream::send_directly) {
            Ok(entered) => self.direct_sends += u64::from(entered),
            Err(error) => self.fail(index, error),
        }
    }

    fn mark_due(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if !std::mem::replace(&mut slot.due, true) {
            self.due.push(index);
        }
    }

    /// The stream that a key names, unless it is closed.
    fn stream(&mut self, key: Key) -> Option<&mut Stream> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)?;
        slot.stream.as_mut()
    }

    /// The key of the stream in a slot, unless it is closed.
    fn open_key(&self, index: u32) -> Option<Key> {
        let slot = &self.slots[index as usize];
        let open = slot.stream.as_ref().is_some_and(|stream| !stream.is_closing());
        open.then_some(Key { index, generation: slot.generation })
    }

    fn failure(&mut self, index: u32) -> Option<io::Error> {
        match &mut self.slots[index as usize].stream.as_mut()?.phase {
            Phase::Failed(error) => error.take(),
            _ => None,
        }
    }

    /// Starts to close a stream; its key is stale from here on.
    fn close(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        if let Some(stream) = slot.stream.as_mut() {
            stream.phase = Phase::Closing;
            stream.outgoing.clear();
            stream.shut_down();
        }
        self.ring.cancel(index);
        self.free_if_over(index);
    }

    /// Frees the slot of a closing stream once nothing is under way for it.
    fn free_if_over(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let closing = slot.stream.as_ref().is_some_and(Stream::is_closing);
        if closing && self.ring.is_idle(index) {
            // A refusal leaves the file in the table; the socket was shut down, and the next stream replaces it.
            let _refused = self.ring.set_file(index, None);
            slot.stream = None;
            self.free.push(index);
        }
    }
}

impl Drop for Streams {
    /// The peers see the end now, whatever the ring needs to be taken apart.
    fn drop(&mut self) {
        self.slots.iter().filter_map(|slot| slot.stream.as_ref()).for_each(Stream::shut_down);
    }
}

/// An error that says nothing about the stream: the operation is repeated. Multishot receives end with ENOBUFS when the lent
/// buffers run out, and any operation with ECANCELED when the thread that queued it ends.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN))
}
