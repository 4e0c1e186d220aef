//! A ticket: the client's end of a request.

use crate::failure::Failure;
use crate::seats::{Body, SeatId, Seats};
use paxon_fastpath::Slot;
use smallvec::SmallVec;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Replies up to this size are returned without allocating.
const REPLY_INLINE_BYTES: usize = 64;

/// The reply to a request. It dereferences to its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    slot: Slot,
    bytes: SmallVec<[u8; REPLY_INLINE_BYTES]>,
}

impl Reply {
    fn of(body: &Body) -> Self {
        Self { slot: body.result.unwrap_or_default(), bytes: SmallVec::from_slice(&body.reply) }
    }

    /// Of a command the slot in which it was applied, when sent twice the first one; of a read the last slot that it saw.
    pub const fn slot(&self) -> Slot {
        self.slot
    }
}

impl Deref for Reply {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

thread_local! {
    /// Wakes this thread; made once per thread so that waiting does not allocate.
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A request under way. Wait for it, await it, or drop it: a dropped ticket does not take the request back.
#[derive(Debug)]
#[must_use = "dropping a ticket forgets the reply"]
pub struct Ticket {
    seats: Arc<Seats>,
    seat: SeatId,
    spins: u32,
    /// The answer was taken and the seat may be another's.
    finished: bool,
}

impl Ticket {
    pub(crate) const fn new(seats: Arc<Seats>, seat: SeatId, spins: u32) -> Self {
        Self { seats, seat, spins, finished: false }
    }

    /// Waits for the reply. Every request of a replica that runs with a quorum is answered; use [`Ticket::wait_timeout`]
    /// where there may be none.
    ///
    /// # Errors
    /// [`Failure`], which says whether the command may have been executed.
    pub fn wait(mut self) -> Result<Reply, Failure> {
        self.wait_until(None).expect("without a deadline there is an answer")
    }

    /// Waits for the reply, at most so long; `None` if there was none by then. The ticket can be waited for again.
    ///
    /// # Panics
    /// If the answer was taken before.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<Reply, Failure>> {
        self.wait_until(Some(Instant::now() + timeout))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<Reply, Failure>> {
        for _ in 0..self.spins {
            if let Some(answer) = self.take() {
                return Some(answer);
            }
            std::hint::spin_loop();
        }
        UNPARK.with(|waker| self.park_until(deadline, waker))
    }

    fn park_until(&mut self, deadline: Option<Instant>, waker: &Waker) -> Option<Result<Reply, Failure>> {
        loop {
            self.seats.register(self.seat, waker);
            if let Some(answer) = self.take() {
                return Some(answer);
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    fn take(&mut self) -> Option<Result<Reply, Failure>> {
        assert!(!self.finished, "the answer of a ticket is given once");
        let answer = self.seats.take(self.seat, Reply::of)?;
        self.finished = true;
        Some(answer)
    }
}

impl Future for Ticket {
    type Output = Result<Reply, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.seats.register(self.seat, context.waker());
        self.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.finished {
            self.seats.abandon(self.seat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seats::Kind;
    use paxon_fastpath::Nanos;

    fn ticket() -> Ticket {
        let seats = Arc::new(Seats::new(1));
        let seat = seats.claim(Kind::Read, b"", Nanos(0)).expect("a free seat");
        Ticket::new(seats, seat, 0)
    }

    #[test]
    fn a_waiting_thread_is_woken_by_the_answer() {
        let ticket = ticket();
        let (seats, seat) = (ticket.seats.clone(), ticket.seat);
        let waiter = thread::spawn(move || ticket.wait());
        seats.complete(seat, Ok(Slot(3)), |body| body.reply.extend_from_slice(b"yes"));
        let reply = waiter.join().expect("no panic").expect("an answer");
        assert_eq!((reply.slot(), &*reply), (Slot(3), &b"yes"[..]));
    }

    #[test]
    fn a_ticket_that_timed_out_can_be_waited_for_again() {
        let mut ticket = ticket();
        assert_eq!(ticket.wait_timeout(Duration::from_millis(1)), None);
        ticket.seats.fail(ticket.seat, Failure::Unknown);
        assert_eq!(ticket.wait_timeout(Duration::from_secs(5)), Some(Err(Failure::Unknown)));
    }

    #[test]
    fn an_awaited_ticket_is_pending_until_it_is_answered() {
        let mut ticket = ticket();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut ticket).poll(&mut context).is_pending());
        ticket.seats.fail(ticket.seat, Failure::Stopped);
        assert_eq!(Pin::new(&mut ticket).poll(&mut context), Poll::Ready(Err(Failure::Stopped)));
    }
}
