//! All connections, by place.

use super::connection::Connection;
use super::desk::ConnectionKey;
use mio::Registry;
use std::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Guests {
    /// The one that is being looked at is not in it.
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections so far: each has its own number.
    lives: u64,
}

impl Guests {
    pub(super) fn new(most: usize) -> Self {
        Self { places: (0..most).map(|_| None).collect(), free: (0..most).rev().collect(), lives: 0 }
    }

    /// A place for one more, until it is put there or given up.
    pub(super) fn reserve(&mut self) -> Option<ConnectionKey> {
        let at = self.free.pop()?;
        self.lives += 1;
        Some(ConnectionKey { at, life: self.lives })
    }

    pub(super) fn give_up(&mut self, key: ConnectionKey) {
        self.free.push(key.at);
    }

    pub(super) fn put(&mut self, connection: Connection) {
        let at = connection.key.at;
        self.places[at] = Some(connection);
    }

    /// Takes a connection out to look at it.
    pub(super) fn take(&mut self, at: usize) -> Option<Connection> {
        self.places.get_mut(at)?.take()
    }

    pub(super) fn at(&mut self, at: usize) -> Option<&mut Connection> {
        self.places.get_mut(at)?.as_mut()
    }

    /// The connection, if it is still there.
    pub(super) fn get(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.at(key.at).filter(|connection| connection.key == key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Connection> {
        self.places.iter().flatten()
    }

    /// The one that has come first of those that came before `before` and did not say hello.
    pub(super) fn oldest_stranger(&self, before: Instant) -> Option<usize> {
        let strangers = self.all().filter_map(|guest| Some((guest.stranger_since()?, guest.key.at)));
        strangers.filter(|(since, _)| *since < before).min().map(|(_, at)| at)
    }

    /// Ends a connection that was taken out.
    pub(super) fn close(&mut self, mut connection: Connection, registry: &Registry) {
        connection.transport.deregister(registry);
        self.free.push(connection.key.at);
    }
}
