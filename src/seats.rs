//! Seats: where a request sits from the client's call to the reply. Made at the start, reused for ever.
//!
//! ```text
//!            claim                     complete                 take
//! FREE ───────────────▶ WAITING ───────────────────▶ DONE ───────────────▶ FREE
//!  (in `free`)          (in `requests`,  │ ticket dropped                    ▲
//!                        then the engine's) ─▶ ABANDONED ── complete ────────┘
//!                       WAITING ── the replica stopped ──▶ STOPPED (for ever)
//! ```
//!
//! The phase says whose turn it is, so the lock of a body is never contended; it is there because the compiler cannot know.

use crate::failure::Failure;
use atomic_waker::AtomicWaker;
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use paxon_fastpath::{Command, Nanos, Slot};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Bytes that each seat has for a request and for a reply without allocating.
const SEAT_BYTES: usize = 256;
/// A buffer that a large request has made longer than this is given back.
const KEEP_BYTES: usize = 16 * 1024;

const FREE: u32 = 0;
const WAITING: u32 = 1;
const ABANDONED: u32 = 2;
const DONE: u32 = 3;
const STOPPED: u32 = 4;

/// What a client asks for. The bytes that belong to it are the body's `request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Replicate and apply a command.
    Command { session: u64, sequence: u64 },
    /// Answer a query from a state that holds every command whose reply was seen before the call.
    Read,
    /// Answer a query from this replica's state once it has applied the slot.
    ReadLocal { at_least: Slot },
    /// Tell the digest of this replica's state once it has applied the slot.
    Digest { at_least: Slot },
}

/// What a seat holds.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) kind: Kind,
    pub(crate) received: Nanos,
    pub(crate) request: Vec<u8>,
    /// The slot of the reply, or why there is none.
    pub(crate) result: Result<Slot, Failure>,
    pub(crate) reply: Vec<u8>,
}

impl Body {
    /// The command that it asks for; `None` if it asks for something else.
    pub(crate) fn command(&self) -> Option<Command<'_>> {
        match self.kind {
            Kind::Command { session, sequence } => Some(Command { session, sequence, payload: &self.request }),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Seat {
    phase: AtomicU32,
    body: Mutex<Body>,
    /// Whoever waits for the reply.
    waker: AtomicWaker,
}

impl Seat {
    fn new() -> Self {
        let body = Body {
            kind: Kind::Read,
            received: Nanos(0),
            request: Vec::with_capacity(SEAT_BYTES),
            result: Err(Failure::Stopped),
            reply: Vec::with_capacity(SEAT_BYTES),
        };
        Self { phase: AtomicU32::new(FREE), body: Mutex::new(body), waker: AtomicWaker::new() }
    }
}

/// Names a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeatId(u32);

/// Why no seat was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// All are taken.
    Full,
    /// The replica has stopped.
    Stopped,
}

/// All seats of a replica and the queue from its clients to its engine.
#[derive(Debug)]
pub(crate) struct Seats {
    seats: Box<[CachePadded<Seat>]>,
    /// Invariant: holds exactly the seats in phase FREE, but for the moment between a pop and the change of phase.
    free: ArrayQueue<SeatId>,
    /// As long as `seats`, and a seat is in it at most once: never full.
    requests: ArrayQueue<SeatId>,
    stopped: AtomicBool,
}

impl Seats {
    pub(crate) fn new(count: usize) -> Self {
        let free = ArrayQueue::new(count);
        for seat in 0..count as u32 {
            free.push(SeatId(seat)).expect("the queue is as long as the seats");
        }
        let seats = (0..count).map(|_| CachePadded::new(Seat::new())).collect();
        Self { seats, free, requests: ArrayQueue::new(count), stopped: AtomicBool::new(false) }
    }

    pub(crate) fn count(&self) -> usize {
        self.seats.len()
    }

    fn seat(&self, seat: SeatId) -> &Seat {
        &self.seats[seat.0 as usize]
    }

    /// The body of a seat, for whoever's turn it is.
    pub(crate) fn body(&self, seat: SeatId) -> MutexGuard<'_, Body> {
        // A thread that panicked here was the only one to use this seat, and each use overwrites the whole body.
        self.seat(seat).body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client takes a seat and hands its request to the engine.
    pub(crate) fn claim(&self, kind: Kind, request: &[u8], received: Nanos) -> Result<SeatId, NoSeat> {
        if self.is_stopped() {
            return Err(NoSeat::Stopped);
        }
        let seat = self.free.pop().ok_or(NoSeat::Full)?;
        let mut body = self.body(seat);
        (body.kind, body.received) = (kind, received);
        body.request.clear();
        body.request.extend_from_slice(request);
        body.reply.clear();
        drop(body);
        // SeqCst with `stop`: either that sweep sees this phase, or the load below sees that it has begun.
        self.seat(seat).phase.store(WAITING, Ordering::SeqCst);
        if self.is_stopped() {
            return Err(NoSeat::Stopped);
        }
        self.requests.push(seat).expect("there are no more requests than seats");
        Ok(seat)
    }

    /// The engine takes the oldest request.
    pub(crate) fn next_request(&self) -> Option<SeatId> {
        self.requests.pop()
    }

    pub(crate) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// The engine answers and wakes whoever waits; `write` fills in the reply.
    pub(crate) fn complete(&self, seat: SeatId, result: Result<Slot, Failure>, write: impl FnOnce(&mut Body)) {
        self.place(seat, result, write);
        self.wake(seat);
    }

    /// The engine answers, and owes the seat a [`Self::wake`].
    pub(crate) fn place(&self, seat: SeatId, result: Result<Slot, Failure>, write: impl FnOnce(&mut Body)) {
        let mut body = self.body(seat);
        body.result = result;
        write(&mut body);
        drop(body);
        // Release: the body belongs to the client that sees DONE (partner: `take`). Acquire: of the ticket's last use.
        if self.seat(seat).phase.swap(DONE, Ordering::AcqRel) == ABANDONED {
            self.release(seat);
        }
    }

    /// Wakes whoever waits at the seat. If that is the next client already, it looks and waits on.
    pub(crate) fn wake(&self, seat: SeatId) {
        self.seat(seat).waker.wake();
    }

    /// The engine has no answer.
    pub(crate) fn fail(&self, seat: SeatId, failure: Failure) {
        self.complete(seat, Err(failure), |_| ());
    }

    /// The client looks for its answer; `read` takes it and the seat is free again.
    pub(crate) fn take<T>(&self, seat: SeatId, read: impl FnOnce(&Body) -> T) -> Option<Result<T, Failure>> {
        // Acquire: the engine's answer (partner: `complete`).
        match self.seat(seat).phase.load(Ordering::Acquire) {
            DONE => {
                let body = self.body(seat);
                let answer = body.result.map(|_| read(&body));
                drop(body);
                self.release(seat);
                Some(answer)
            }
            STOPPED => Some(Err(Failure::Stopped)),
            _ => None,
        }
    }

    /// The client no longer waits.
    pub(crate) fn abandon(&self, seat: SeatId) {
        let phase = &self.seat(seat).phase;
        // Acquire on failure: the engine is through with the body (partner: `complete`).
        if phase.compare_exchange(WAITING, ABANDONED, Ordering::AcqRel, Ordering::Acquire) == Err(DONE) {
            self.release(seat);
        }
    }

    /// Whom to wake when the answer is there. The caller looks again afterwards.
    pub(crate) fn register(&self, seat: SeatId, waker: &Waker) {
        self.seat(seat).waker.register(waker);
    }

    fn release(&self, seat: SeatId) {
        let mut body = self.body(seat);
        let Body { request, reply, .. } = &mut *body;
        for buffer in [request, reply] {
            if buffer.capacity() > KEEP_BYTES {
                *buffer = Vec::with_capacity(SEAT_BYTES);
            }
        }
        drop(body);
        self.seat(seat).waker.take();
        self.seat(seat).phase.store(FREE, Ordering::Release);
        self.free.push(seat).expect("the queue is as long as the seats");
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// The engine will answer nothing any more: every request that waits now or later learns that.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for seat in &self.seats {
            // Whatever comes of it, the seat is not waiting any more.
            let _ = seat.phase.compare_exchange(WAITING, STOPPED, Ordering::SeqCst, Ordering::SeqCst);
            // Also those who were answered by an engine that panicked before it woke them.
            seat.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Kind = Kind::Command { session: 0, sequence: 0 };

    fn claim(seats: &Seats, request: &[u8]) -> Result<SeatId, NoSeat> {
        seats.claim(PLAIN, request, Nanos(0))
    }

    #[test]
    fn a_reply_goes_to_the_seat_that_asked_and_frees_it() {
        let seats = Seats::new(1);
        let seat = claim(&seats, b"ask").expect("a free seat");
        assert_eq!(claim(&seats, b"more"), Err(NoSeat::Full));
        assert_eq!(seats.next_request(), Some(seat));
        assert!(seats.take(seat, |_| ()).is_none());
        seats.complete(seat, Ok(Slot(7)), |body| body.reply.extend_from_slice(b"answer"));
        assert_eq!(seats.take(seat, |body| body.reply.clone()), Some(Ok(b"answer".to_vec())));
        assert!(claim(&seats, b"again").is_ok());
    }

    #[test]
    fn an_abandoned_seat_is_free_once_the_engine_is_through_with_it() {
        let seats = Seats::new(1);
        let abandoned_first = claim(&seats, b"").expect("a free seat");
        seats.abandon(abandoned_first);
        assert_eq!(claim(&seats, b""), Err(NoSeat::Full));
        let taken = seats.next_request().expect("the request is still there");
        seats.fail(taken, Failure::Unknown);
        let answered_first = claim(&seats, b"").expect("free again");
        let taken = seats.next_request().expect("a request");
        seats.fail(taken, Failure::Unknown);
        seats.abandon(answered_first);
        assert!(claim(&seats, b"").is_ok());
    }

    #[test]
    fn stopping_answers_those_who_wait_and_refuses_those_who_come() {
        let seats = Seats::new(2);
        let seat = claim(&seats, b"").expect("a free seat");
        seats.stop();
        assert_eq!(seats.take(seat, |_| ()), Some(Err(Failure::Stopped)));
        assert_eq!(claim(&seats, b""), Err(NoSeat::Stopped));
    }
}
