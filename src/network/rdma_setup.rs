//! Messages that set RDMA connections up, over the authenticated channel.
//!
//! ```text
//!  a replica                                        its peer
//!  line ── dials with Purpose::RdmaSetup ─────────▶ desk: welcomes, starts a reader
//!       ── length, message ───────────────────────▶ reader ─▶ mailbox, as a message of the one who was authenticated
//!       ◀─────────────────────────── taken (1 byte)
//! ```
//!
//! Whoever has something to say dials: two replicas that talk to each other have two connections, each with messages in one
//! direction, and neither has to find out which of two crossing dials counts. A connection is made when there is a message
//! and goes when none has come for a while. A message that is not acknowledged in time is lost and ends its connection; the
//! steward of `paxon-rdma` repeats what matters. All of it runs in threads of its own, which sleep but during set-up.
//!
//! Where the cluster is declared plaintext the porter neither authenticates nor encrypts, and this is a plain exchange over
//! TCP: whoever reaches the port can read keys of memory and speak as any replica.

mod frame;
mod line;
mod reader;
#[cfg(test)]
mod tests;

use line::Line;
use paxon_channel::{Arrival, Hello, Porter, Purpose, Secured};
use paxon_fastpath::{Layout, REPLICAS_MAX, ReplicaId};
use paxon_rdma::ControlChannel;
use reader::Reader;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

/// Messages that wait for a connection; more are dropped. The steward repeats what matters four times a second or more.
const WAITING_MAX: usize = 4;

/// Takes a message of a replica that the channel has made sure of.
pub(super) type Deliver = Arc<dyn Fn(ReplicaId, &[u8]) + Send + Sync>;

/// Where the porter leaves connections for set-up. Clones are the same desk.
#[derive(Clone, Default)]
pub(super) struct SetupDesk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// `None` until the fabric has been joined: connections that come before are closed, and dialled again.
    deliver: Option<Deliver>,
    /// Indexed by replica: one connection of each, the newest.
    readers: [Option<Reader>; REPLICAS_MAX],
    lines: [Option<Sender<Secured>>; REPLICAS_MAX],
    /// Why a replica cannot be told anything.
    problems: [Option<String>; REPLICAS_MAX],
}

impl SetupDesk {
    /// Takes an arrival of the porter's that is for set-up and gives back another.
    pub(super) fn put(&self, arrival: Arrival) -> Option<Arrival> {
        match arrival {
            Arrival::Inbound { hello, party, connection } if hello.purpose == Purpose::RdmaSetup => {
                // The porter has compared the two.
                if let Some(from) = party.replica().filter(|&id| hello.from == Some(id)) {
                    self.lock().receive(from, &hello, connection);
                }
            }
            Arrival::Outbound { peer, connection, .. } => self.lock().connected(peer, connection),
            Arrival::DialFailed { peer, reason } => {
                if let Some(problem) = self.lock().problems.get_mut(peer.index()) {
                    *problem = Some(reason.to_string());
                }
            }
            other => return Some(other),
        }
        None
    }

    /// Why a replica cannot be told anything, if that is known.
    pub(super) fn problem(&self, peer: ReplicaId) -> Option<String> {
        self.lock().problems.get(peer.index())?.clone()
    }

    /// From now on messages that come in are delivered; returns the way for those that go out.
    pub(super) fn open(&self, me: Me, porter: &Arc<Porter>, deliver: Deliver) -> SetupChannel {
        let mut inner = self.lock();
        inner.deliver = Some(deliver);
        let lines = ReplicaId::all(me.layout.replicas).map(|peer| {
            let (say, connections) = channel();
            inner.lines[peer.index()] = Some(say);
            (peer != me.replica)
                .then(|| start_line(me.hello(peer), peer, Arc::downgrade(porter), connections))
                .flatten()
        });
        let lines = lines.collect();
        drop(inner);
        SetupChannel { lines, desk: self.clone() }
    }

    /// Nothing here is left half done by a panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SetupDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetupDesk").finish_non_exhaustive()
    }
}

impl Inner {
    /// Starts to read a connection, in the place of the one before.
    fn receive(&mut self, from: ReplicaId, hello: &Hello, connection: Secured) {
        let (Some(deliver), Some(place)) = (&self.deliver, self.readers.get_mut(from.index())) else { return };
        if place.as_ref().is_some_and(|there| hello.is_older_than(there.hello())) {
            return;
        }
        match Reader::start(from, *hello, connection, deliver.clone()) {
            Ok(reader) => *place = Some(reader),
            Err(error) => log::warn!("a set-up connection of {from} cannot be served: {error}"),
        }
    }

    fn connected(&mut self, peer: ReplicaId, connection: Secured) {
        let Some(Some(line)) = self.lines.get(peer.index()) else { return };
        self.problems[peer.index()] = None;
        // The line is gone with its fabric.
        let _ = line.send(connection);
    }
}

/// Who this replica is to its peers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Me {
    pub(super) replica: ReplicaId,
    pub(super) cluster: u64,
    pub(super) layout: Layout,
    pub(super) incarnation: u64,
}

impl Me {
    const fn hello(&self, to: ReplicaId) -> Hello {
        let Self { replica, cluster, layout, incarnation } = *self;
        Hello { purpose: Purpose::RdmaSetup, cluster, from: Some(replica), to, layout, incarnation, attempt: 0 }
    }
}

/// The way out for set-up messages. Dropped with the fabric, it ends its lines and the readers.
pub(super) struct SetupChannel {
    /// Indexed by replica; `None` for this one.
    lines: Vec<Option<SyncSender<Box<[u8]>>>>,
    desk: SetupDesk,
}

impl ControlChannel for SetupChannel {
    fn send(&mut self, to: ReplicaId, message: &[u8]) {
        if let Some(Some(line)) = self.lines.get(to.index()) {
            // Full: as many wait already, and set-up asks again.
            let _ = line.try_send(message.into());
        }
    }
}

impl Drop for SetupChannel {
    fn drop(&mut self) {
        let mut inner = self.desk.lock();
        inner.deliver = None;
        inner.readers = [const { None }; REPLICAS_MAX];
        inner.lines = [const { None }; REPLICAS_MAX];
    }
}

/// A thread that tells one peer what there is to tell. Without it the peer is told nothing, and the log says so.
fn start_line(
    hello: Hello,
    peer: ReplicaId,
    porter: Weak<Porter>,
    connections: Receiver<Secured>,
) -> Option<SyncSender<Box<[u8]>>> {
    let (say, messages) = sync_channel(WAITING_MAX);
    let line = Line::new(hello, peer, porter, connections);
    let started = thread::Builder::new().name(format!("paxon-setup-{peer}")).spawn(move || line.run(&messages));
    started.map(|_| say).inspect_err(|error| log::error!("{peer} cannot be told about RDMA: no thread: {error}")).ok()
}
