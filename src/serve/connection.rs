//! One client's connection.

use super::desk::ConnectionKey;
use super::order::Order;
use super::refusing::Refusing;
use paxon_client::transport::{Received, Transport};
use paxon_client::wire::Reply;
use std::io;
use std::time::{Duration, Instant};

/// Bytes of a request that every connection may have half-received. More comes out of the budget of all.
pub(super) const BYTES_WITHOUT_BUDGET: usize = 64 << 10;

/// What a connection is closed for, if it is its own fault or nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The hello or a request does not come to its end.
    HalfSent,
    /// Replies are not taken.
    Unread,
    /// Nothing is asked for.
    Idle,
}

/// How patient the server is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) request_within: Duration,
    pub(super) read_within: Duration,
    pub(super) idle_max: Duration,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) key: ConnectionKey,
    pub(super) transport: Transport,
    pub(super) order: Order,
    /// The hello was said.
    pub(super) greeted: bool,
    /// Requests that are worked at.
    pub(super) in_flight: usize,
    /// The socket may have more to read.
    pub(super) readable: bool,
    /// The other side sends no more: the socket has to be read until it says so, since nothing will be reported again.
    pub(super) is_ending: bool,
    /// It stands in the list of those to look at.
    pub(super) listed: bool,
    /// Nothing is read any more, and it is closed once the replies are sent.
    pub(super) closing: bool,
    /// Bytes of the budget that a long request has taken.
    pub(super) reserved: usize,
    /// Places with an answer that waits until the client has read others.
    pub(super) held: Vec<usize>,
    /// Since when the hello or a request is half there.
    half_since: Option<Instant>,
    /// Since when replies wait and none was taken.
    unread_since: Option<Instant>,
    active_at: Instant,
}

impl Connection {
    pub(super) fn new(key: ConnectionKey, transport: Transport, now: Instant) -> Self {
        Self {
            key,
            transport,
            order: Order::default(),
            greeted: false,
            in_flight: 0,
            readable: true,
            is_ending: false,
            listed: false,
            closing: false,
            reserved: 0,
            held: Vec::new(),
            half_since: Some(now),
            unread_since: None,
            active_at: now,
        }
    }

    /// Reads the socket once, unless it was read to its end. `false`: there is nothing for now.
    ///
    /// # Errors
    /// The connection has ended or is broken.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        if !self.readable {
            return Ok(false);
        }
        match self.transport.receive(scratch)? {
            Received::End => Err(io::ErrorKind::UnexpectedEof.into()),
            Received::Nothing => {
                self.readable = false;
                Ok(false)
            }
            Received::Bytes(bytes) => {
                // A read that did not fill the buffer has taken all that there was; what comes later is reported again.
                self.readable = self.is_ending || bytes == 0 || bytes == scratch.len();
                Ok(true)
            }
        }
    }

    /// A request was read to its end.
    pub(super) const fn note_whole(&mut self, now: Instant) {
        self.active_at = now;
        if self.greeted {
            self.half_since = None;
        }
    }

    /// What was read ends within a request.
    pub(super) fn note_half(&mut self, now: Instant) {
        self.half_since.get_or_insert(now);
    }

    /// It is not read for now: a request that is half there has its time from when it is read on.
    pub(super) fn note_held_back(&mut self, now: Instant) {
        self.half_since = self.half_since.map(|_| now);
    }

    /// The hello was said.
    pub(super) const fn note_greeted(&mut self) {
        self.greeted = true;
        self.half_since = None;
    }

    /// Since when the hello is missing, if it is.
    pub(super) fn stranger_since(&self) -> Option<Instant> {
        self.half_since.filter(|_| !self.greeted)
    }

    /// Says something to the client; a reply that is too long becomes a refusal.
    pub(super) fn say(&mut self, id: u64, reply: &Reply<'_>, body_bytes_max: usize, now: Instant) {
        self.unread_since.get_or_insert(now);
        if let Err(bytes) = self.transport.push(id, reply, body_bytes_max) {
            let text = format!("its reply has {bytes} bytes; {body_bytes_max} are allowed");
            let refusing = Refusing::new(paxon_client::wire::Code::ReplyTooLarge, text);
            self.transport
                .push(id, &Reply::Refused(refusing.as_refusal(&[])), usize::MAX)
                .expect("a refusal of a hundred bytes");
        }
    }

    /// Sends what the client takes.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn flush(&mut self, now: Instant) -> io::Result<()> {
        if self.transport.unsent() == 0 {
            return Ok(());
        }
        let sent = self.transport.flush()?;
        if self.transport.unsent() == 0 {
            self.unread_since = None;
        } else if sent > 0 {
            self.unread_since = Some(now);
        }
        Ok(())
    }

    /// Whether the connection is to be closed, and what for.
    pub(super) fn fault(&self, patience: &Patience, now: Instant) -> Option<Fault> {
        let longer = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if self.half_since.is_some_and(|since| longer(since, patience.request_within)) {
            Some(Fault::HalfSent)
        } else if self.unread_since.is_some_and(|since| longer(since, patience.read_within)) {
            Some(Fault::Unread)
        } else if self.in_flight == 0 && longer(self.active_at, patience.idle_max) {
            Some(Fault::Idle)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_client::wire::{Code, Parsed};
    use std::os::unix::net::UnixStream;

    const PATIENCE: Patience = Patience {
        request_within: Duration::from_secs(1),
        read_within: Duration::from_secs(2),
        idle_max: Duration::from_secs(3),
    };

    fn connection(now: Instant) -> (Connection, Transport) {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let [here, there] = [here, there].map(|stream| {
            stream.set_nonblocking(true).expect("a socket");
            Transport::unix(mio::net::UnixStream::from_std(stream))
        });
        (Connection::new(ConnectionKey { at: 0, life: 1 }, here, now), there)
    }

    #[test]
    fn each_kind_of_idleness_has_its_own_time() {
        let now = Instant::now();
        let (mut connection, _there) = connection(now);
        let fault = |connection: &Connection, seconds| connection.fault(&PATIENCE, now + Duration::from_secs(seconds));
        assert_eq!((fault(&connection, 0), fault(&connection, 1)), (None, Some(Fault::HalfSent)), "no hello");
        connection.note_greeted();
        assert_eq!((fault(&connection, 2), fault(&connection, 3)), (None, Some(Fault::Idle)));
        connection.note_half(now);
        connection.note_half(now + Duration::from_secs(9));
        assert_eq!(fault(&connection, 1), Some(Fault::HalfSent), "the first byte counts");
        connection.note_held_back(now + Duration::from_secs(1));
        assert_eq!((fault(&connection, 1), fault(&connection, 2)), (None, Some(Fault::HalfSent)));
        connection.note_whole(now);
        connection.say(1, &Reply::Digest { slot: 1, digest: 1 }, 100, now);
        assert_eq!((fault(&connection, 1), fault(&connection, 2)), (None, Some(Fault::Unread)));
        connection.flush(now).expect("it is connected");
        connection.in_flight = 1;
        assert_eq!(fault(&connection, 100), None);
    }

    #[test]
    fn a_reply_that_is_too_long_becomes_a_refusal() {
        let now = Instant::now();
        let (mut connection, mut there) = connection(now);
        connection.say(7, &Reply::Answer { slot: 1, bytes: &[0; 200] }, 100, now);
        connection.flush(now).expect("it is connected");
        there.receive(&mut [0; 1000]).expect("it is connected");
        let Parsed::Whole(frame) = there.next_frame(1000) else { panic!("a frame") };
        let Ok(Reply::Refused(refusal)) = Reply::decode(frame.body) else { panic!("a refusal") };
        assert_eq!((frame.id, refusal.code), (7, Code::ReplyTooLarge));
        assert!(refusal.message.contains("100 are allowed"));
    }
}
