//! The control channel: how the messages of connection set-up get from one replica to another.

use crate::fabric::steward::Note;
use paxon_fastpath::ReplicaId;
use std::fmt::{self, Debug, Formatter};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// Carries set-up messages between replicas.
///
/// Whoever implements it has made sure who the other side is: `from` of [`Mailbox::deliver`] is believed. It also keeps others
/// from reading along, since a message holds keys. It may lose messages; set-up asks again.
pub trait ControlChannel: Send {
    /// Sends `message`, of at most [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX) bytes, to `to`, without waiting for it.
    fn send(&mut self, to: ReplicaId, message: &[u8]);
}

/// Where a control channel puts the messages that come in.
#[derive(Clone, Debug)]
pub struct Mailbox(pub(crate) Sender<Note>);

impl Mailbox {
    /// Hands over a message of `from`. After the fabric is gone it does nothing.
    pub fn deliver(&self, from: ReplicaId, message: &[u8]) {
        if message.len() <= crate::MESSAGE_BYTES_MAX {
            // The fabric is gone: nobody is there to be told.
            let _ = self.0.send(Note::Message { from, bytes: message.into() });
        }
    }
}

/// A control channel among replicas of one process, for tests and for trying a device.
#[derive(Clone, Default)]
pub struct LocalExchange {
    mailboxes: Arc<Mutex<Vec<(ReplicaId, Mailbox)>>>,
}

impl LocalExchange {
    /// An exchange that nobody has joined.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins as `replica`, in the place of whoever did so before.
    pub fn join(&self, replica: ReplicaId, mailbox: Mailbox) -> Box<dyn ControlChannel> {
        let mut mailboxes = self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        mailboxes.retain(|(id, _)| *id != replica);
        mailboxes.push((replica, mailbox));
        Box::new(LocalPort { replica, exchange: self.clone() })
    }
}

impl Debug for LocalExchange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalExchange").finish_non_exhaustive()
    }
}

/// One replica's end of a [`LocalExchange`].
struct LocalPort {
    replica: ReplicaId,
    exchange: LocalExchange,
}

impl ControlChannel for LocalPort {
    fn send(&mut self, to: ReplicaId, message: &[u8]) {
        let mailboxes = self.exchange.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, mailbox)) = mailboxes.iter().find(|(id, _)| *id == to) {
            mailbox.deliver(self.replica, message);
        }
    }
}
