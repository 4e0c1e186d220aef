//! The way to one peer: dialled when there is something to say.

use super::frame;
use paxon_channel::{Blocking, Hello, Porter, Secured};
use paxon_fastpath::ReplicaId;
use std::io::{self, ErrorKind};
use std::sync::Weak;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How long a peer is dialled for one message. The porter tries several times within it.
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may take to answer a message before its connection counts as lost: many round trips of a network that
/// carries RDMA, and a machine that is busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// A connection that was silent for longer is not trusted any more: the peer may have gone without a word. Shorter than the
/// time after which the peer hangs up on its side.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Line {
    hello: Hello,
    peer: ReplicaId,
    /// Weak: a line that waits does not keep the port of a replica that has ended.
    porter: Weak<Porter>,
    /// What the porter has connected.
    connections: Receiver<Secured>,
    standing: Option<Standing>,
}

/// A connection, and when it was last known to work.
struct Standing {
    connection: Blocking,
    used: Instant,
}

impl Line {
    pub(super) const fn new(
        hello: Hello,
        peer: ReplicaId,
        porter: Weak<Porter>,
        connections: Receiver<Secured>,
    ) -> Self {
        Self { hello, peer, porter, connections, standing: None }
    }

    /// Tells the peer all messages, until nobody has any more.
    pub(super) fn run(mut self, messages: &Receiver<Box<[u8]>>) {
        for message in messages {
            if let Err(error) = self.tell(&message) {
                log::debug!("a set-up message to {} was lost: {error}", self.peer);
            }
        }
    }

    fn tell(&mut self, message: &[u8]) -> io::Result<()> {
        let standing = self.standing.take().filter(|standing| standing.used.elapsed() < IDLE_MAX);
        let mut connection = match standing {
            Some(standing) => standing.connection,
            None => self.dial()?,
        };
        frame::send(&mut connection, message)?;
        self.standing = Some(Standing { connection, used: Instant::now() });
        Ok(())
    }

    fn dial(&self) -> io::Result<Blocking> {
        // Of an earlier dial that was given up.
        while self.connections.try_recv().is_ok() {}
        let porter = || self.porter.upgrade().ok_or(ErrorKind::NotConnected);
        porter()?.dial(self.peer, self.hello);
        match self.connections.recv_timeout(DIAL_WITHIN) {
            Ok(connection) => Blocking::new(connection, ANSWER_WITHIN),
            Err(_) => {
                porter()?.cancel(self.peer);
                Err(ErrorKind::TimedOut.into())
            }
        }
    }
}
