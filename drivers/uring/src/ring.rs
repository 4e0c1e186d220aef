//! One io_uring whose operations own the memory they use.
//!
//! Memory that the kernel may read or write belongs to the ring from the moment an operation is queued until its last
//! completion is taken: a send owns its bytes and hands them back with the completion, a receive fills buffers of the ring.
//! Everything above this file is safe code.
//!
//! A *place* is an index into the table of files registered with the kernel. It has at most one receive, one send and a
//! cancellation of each under way, which bounds the submission queue: it never fills.

mod setup;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::types::{Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::lent::LentBuffers;
use crate::operation::Operation;
use crate::{Completion, Config, OpenError};

/// How long a dropped ring waits for its operations to end. Cancelled operations on sockets end at once; the bound is for
/// a ring that is broken or belongs to another thread.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// The group of the one ring of provided buffers.
const BUFFER_GROUP: u16 = 0;

pub(crate) struct Ring {
    uring: IoUring,
    memory: Memory,
    /// What ends a wait; here so that its descriptor is open as long as the ring may name it.
    wake: Arc<OwnedFd>,
    waiting_for_wake: bool,
    cancelling_wake: bool,
    /// Operations queued whose last completion was not taken: 0 means that the kernel uses none of `memory`.
    under_way: usize,
    completion: Completion,
    /// Rings with deferred completions start disabled and belong to the thread that enables them.
    enabled: bool,
    system_calls: u64,
}

/// Everything that operations point to.
#[derive(Default)]
struct Memory {
    /// Where multishot receives put bytes; `None` if receives are single.
    lent: Option<LentBuffers>,
    places: Box<[Place]>,
}

/// One registered file and its operations.
#[derive(Default)]
struct Place {
    receiving: bool,
    /// Invariant: the bytes that the send under way reads; neither moved in memory nor written until its completion.
    sending: Option<Vec<u8>>,
    cancelling_receive: bool,
    cancelling_send: bool,
    /// Where single receives put bytes (empty with multishot). Invariant: not touched while `receiving`.
    own: Vec<u8>,
}

/// A completion, in the terms of the ring's user.
pub(crate) enum Event {
    /// The receive of a place has something to say; it is over unless `armed`.
    Received { index: u32, outcome: io::Result<Arrived>, armed: bool },
    /// The send of a place is over; here are its bytes, of which the kernel took as many from the offset on as it says.
    Sent { index: u32, bytes: Vec<u8>, outcome: io::Result<usize> },
    /// A cancellation of this place is over; the operation itself reports its own end.
    Cancelled { index: u32 },
    /// The waker was used.
    Woken,
    /// Nothing of interest.
    Other,
}

/// What a receive brought.
pub(crate) enum Arrived {
    /// The end of the stream.
    End,
    /// Bytes to be read with [`Ring::read`].
    Bytes(Bytes),
}

/// Received bytes that were not read yet. Neither cloned nor made anywhere but here: it is the right to read a buffer once.
pub(crate) struct Bytes {
    place: u32,
    /// The provided buffer that holds them; `None` for the place's own.
    buffer: Option<u16>,
    length: usize,
}

impl Ring {
    /// Opens a ring with `config.streams_max` places.
    pub(crate) fn open(config: &Config, wake: Arc<OwnedFd>) -> Result<Self, OpenError> {
        let (uring, completion) = setup::uring(config)?;
        let lent = if config.multishot { setup::lend_buffers(&uring, config) } else { None };
        let own_bytes = if lent.is_some() { 0 } else { config.receive_bytes };
        let place = || Place { own: vec![0; own_bytes], ..Place::default() };
        let places = std::iter::repeat_with(place).take(config.streams_max).collect();
        let memory = Memory { lent, places };
        let enabled = completion != Completion::Deferred;
        let (under_way, system_calls) = (0, 0);
        let (waiting_for_wake, cancelling_wake) = (false, false);
        Ok(Self {
            uring,
            memory,
            wake,
            waiting_for_wake,
            cancelling_wake,
            under_way,
            completion,
            enabled,
            system_calls,
        })
    }

    /// Whether receives stay armed.
    pub(crate) fn is_multishot(&self) -> bool {
        self.memory.lent.is_some()
    }

    pub(crate) fn completion(&self) -> Completion {
        self.completion
    }

    pub(crate) fn system_calls(&self) -> u64 {
        self.system_calls
    }

    /// Ties the ring to this thread if its kind needs that and none has it yet.
    pub(crate) fn enable(&mut self) -> io::Result<()> {
        if !self.enabled {
            self.system_calls += 1;
            self.uring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        Ok(())
    }

    /// Puts a file into a place, or takes the one there out.
    pub(crate) fn set_file(&mut self, index: u32, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
        debug_assert!(self.is_idle(index), "place {index} has operations under way");
        self.system_calls += 1;
        let file = file.map_or(-1, |file| file.as_raw_fd());
        self.uring.submitter().register_files_update(index, &[file]).map(drop)
    }

    /// Whether nothing is under way for a place.
    pub(crate) fn is_idle(&self, index: u32) -> bool {
        let place = self.place(index);
        !place.receiving && place.sending.is_none() && !place.cancelling_receive && !place.cancelling_send
    }

    /// Queues a receive, unless one is under way.
    pub(crate) fn receive(&mut self, index: u32) {
        if std::mem::replace(&mut self.place_mut(index).receiving, true) {
            return;
        }
        let file = Fixed(index);
        let entry = if self.is_multishot() {
            opcode::RecvMulti::new(file, BUFFER_GROUP).build()
        } else {
            let own = &mut self.place_mut(index).own;
            let length = u32::try_from(own.len()).expect("a receive buffer has at most 1 MiB");
            opcode::Recv::new(file, own.as_mut_ptr(), length).build()
        };
        // SAFETY: a multishot receive writes to the provided buffers that it takes from `memory.lent`; a single one to
        // `own`, whose length was passed. Either lives until no operation is under way (see `drop`), is not reallocated,
        // and is not touched until the completion: `own` because `receiving` is set, a provided buffer because
        // `LentBuffers` gives out only what a completion named.
        unsafe { self.push(entry, Operation::Receive(index)) };
    }

    /// Queues a send of `bytes` from `offset` on; they come back with [`Event::Sent`].
    ///
    /// Panics if a send is under way for this place, or if there is nothing to send.
    pub(crate) fn send(&mut self, index: u32, bytes: Vec<u8>, offset: usize) {
        let rest = bytes.get(offset..).filter(|rest| !rest.is_empty()).expect("there are bytes to send");
        let length = u32::try_from(rest.len()).expect("at most 1 GiB waits to be sent");
        let entry = opcode::Send::new(Fixed(index), rest.as_ptr(), length).flags(libc::MSG_NOSIGNAL).build();
        let sending = &mut self.place_mut(index).sending;
        assert!(sending.is_none(), "one send at a time keeps the bytes in order");
        *sending = Some(bytes);
        // SAFETY: the kernel reads `length` initialised bytes of the heap memory of `bytes`, which is inside it (`rest`)
        // and stays where it is when the vector moves. The vector is in `sending` now and nobody writes, grows or frees it
        // there until the completion is taken; nor does `drop`.
        unsafe { self.push(entry, Operation::Send(index)) };
    }

    /// Queues the cancellation of what is under way for a place.
    pub(crate) fn cancel(&mut self, index: u32) {
        let place = self.place_mut(index);
        let receive = place.receiving && !std::mem::replace(&mut place.cancelling_receive, place.receiving);
        let sending = place.sending.is_some();
        let send = sending && !std::mem::replace(&mut place.cancelling_send, sending);
        if receive {
            self.push_cancel(Operation::Receive(index), Operation::CancelReceive(index));
        }
        if send {
            self.push_cancel(Operation::Send(index), Operation::CancelSend(index));
        }
    }

    /// Queues the cancellation of everything under way.
    pub(crate) fn cancel_all(&mut self) {
        for index in 0..self.memory.places.len() as u32 {
            self.cancel(index);
        }
        if self.waiting_for_wake && !std::mem::replace(&mut self.cancelling_wake, true) {
            self.push_cancel(Operation::Wake, Operation::CancelWake);
        }
    }

    /// Queues the watch over the waker, unless one is under way.
    pub(crate) fn watch_wake(&mut self) {
        if std::mem::replace(&mut self.waiting_for_wake, true) {
            return;
        }
        let entry = opcode::PollAdd::new(Fd(self.wake.as_raw_fd()), libc::POLLIN as u32).build();
        // SAFETY: a poll uses no memory of ours, and the descriptor is open as long as `self.wake` is.
        unsafe { self.push(entry, Operation::Wake) };
    }

    fn push_cancel(&mut self, of: Operation, as_: Operation) {
        let entry = opcode::AsyncCancel::new(of.number()).build();
        // SAFETY: a cancellation uses no memory of ours.
        unsafe { self.push(entry, as_) };
    }

    /// Queues an entry.
    ///
    /// # Safety
    ///
    /// The memory that the entry points to is valid, unaliased as the operation needs it, and stays so until the last
    /// completion of the operation is taken or `drop` has found `under_way` to be 0.
    unsafe fn push(&mut self, entry: squeue::Entry, operation: Operation) {
        let entry = entry.user_data(operation.number());
        // SAFETY: the caller's promise.
        let pushed = unsafe { self.uring.submission().push(&entry) };
        pushed.expect("the submission queue has an entry for every operation that may be under way");
        self.under_way += 1;
    }

    /// Whether the kernel has to be entered: operations were queued, or it has completions that it did not write yet.
    pub(crate) fn needs_kernel(&mut self) -> bool {
        let queue = self.uring.submission();
        !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// How many completions can be taken now without entering the kernel.
    pub(crate) fn ready(&mut self) -> usize {
        self.uring.completion().len()
    }

    /// Enters the kernel once: hands over what was queued and has it finish what is ready.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        self.count_call();
        tolerate(self.uring.submitter().submit())
    }

    /// As [`submit`](Self::submit), and waits for a completion for at most this long.
    pub(crate) fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        self.system_calls += 1;
        let timeout = Timespec::from(at_most);
        tolerate(self.uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout)))
    }

    fn count_call(&mut self) {
        let polled = matches!(self.completion, Completion::KernelThread(_));
        let asleep = polled && self.uring.submission().need_wakeup();
        self.system_calls += u64::from(!polled || asleep);
    }

    /// Takes the next completion.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let entry = self.uring.completion().next()?;
        let armed = cqueue::more(entry.flags());
        self.under_way -= usize::from(!armed);
        let operation = Operation::of(entry.user_data()).expect("completions carry the numbers of operations");
        Some(self.event(operation, &entry, armed))
    }

    fn event(&mut self, operation: Operation, entry: &cqueue::Entry, armed: bool) -> Event {
        match operation {
            Operation::Receive(index) => {
                self.place_mut(index).receiving = armed;
                Event::Received { index, outcome: arrived(index, entry), armed }
            }
            Operation::Send(index) => {
                let bytes = self.place_mut(index).sending.take().expect("a send that completes was under way");
                Event::Sent { index, bytes, outcome: outcome(entry) }
            }
            Operation::CancelReceive(index) => {
                self.place_mut(index).cancelling_receive = false;
                Event::Cancelled { index }
            }
            Operation::CancelSend(index) => {
                self.place_mut(index).cancelling_send = false;
                Event::Cancelled { index }
            }
            Operation::Wake => {
                self.waiting_for_wake = false;
                Event::Woken
            }
            Operation::CancelWake => {
                self.cancelling_wake = false;
                Event::Other
            }
        }
    }

    /// Shows received bytes to `reader`; their buffer is free for the next receive afterwards.
    pub(crate) fn read(&mut self, bytes: Bytes, reader: impl FnOnce(&[u8])) {
        match (bytes.buffer, &mut self.memory.lent) {
            (Some(id), Some(lent)) => {
                // SAFETY: `Bytes` is made from a completion of a receive that took its buffer from this ring's only group,
                // with the number and the length that the completion reported, and is consumed here.
                let piece = unsafe { lent.piece(id, bytes.length) };
                reader(&piece);
            }
            _ => reader(&self.place(bytes.place).own[..bytes.length]),
        }
    }

    fn place(&self, index: u32) -> &Place {
        &self.memory.places[index as usize]
    }

    fn place_mut(&mut self, index: u32) -> &mut Place {
        &mut self.memory.places[index as usize]
    }

    /// Cancels everything and takes completions until nothing is under way. False if that cannot be had.
    fn drain(&mut self) -> bool {
        let deadline = Instant::now() + DRAIN_PATIENCE;
        self.cancel_all();
        loop {
            while self.next().is_some() {}
            if self.under_way == 0 {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait(left).is_err() {
                return false;
            }
        }
    }
}

impl Drop for Ring {
    /// Frees the memory of the operations once none is under way; if that cannot be had (the ring is broken, or belongs to
    /// another thread), the memory is leaked, because the kernel may use it for as long as the process lives.
    fn drop(&mut self) {
        if !self.drain() {
            std::mem::forget(std::mem::take(&mut self.memory));
        }
        // The kernel takes a ring apart in the background; without this the sockets would stay open until it has.
        let _of_another_thread = self.uring.submitter().unregister_files();
    }
}

fn arrived(index: u32, entry: &cqueue::Entry) -> io::Result<Arrived> {
    let length = outcome(entry)?;
    if length == 0 {
        return Ok(Arrived::End);
    }
    Ok(Arrived::Bytes(Bytes { place: index, buffer: cqueue::buffer_select(entry.flags()), length }))
}

fn outcome(entry: &cqueue::Entry) -> io::Result<usize> {
    usize::try_from(entry.result()).map_err(|_negative| io::Error::from_raw_os_error(-entry.result()))
}

/// An entry that was interrupted, ran out of time, or found the kernel short of something for the moment is repeated by
/// the next turn; nothing queued is lost.
fn tolerate(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Ok(_submitted) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY) => Ok(()),
            Some(libc::EEXIST) => {
                Err(io::Error::other("this io_uring belongs to the thread that used it first; use it there"))
            }
            _ => Err(error),
        },
    }
}
