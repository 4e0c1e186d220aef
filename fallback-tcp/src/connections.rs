//! How the fabric comes by its connections.

use crate::Door;
use paxon_channel::{Identity, Porter};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// How connections come about: a porter, and the door at which it leaves those for the fabric.
///
/// A process that also serves clients starts the porter itself and gives the door what is for it ([`Door::put`]).
#[derive(Clone, Debug)]
pub struct Connections {
    /// Makes connections.
    pub porter: Arc<Porter>,
    /// Where the porter's arrivals are left.
    pub door: Door,
}

impl Connections {
    /// Starts a porter whose connections are all for the fabric; others are closed.
    ///
    /// # Errors
    /// What the system says to a new thread or `epoll`.
    pub fn start(identity: Identity, listener: Option<TcpListener>) -> io::Result<Self> {
        let door = Door::new();
        let left = door.clone();
        let porter = Porter::start(identity, listener, move |arrival| drop(left.put(arrival)))?;
        Ok(Self { porter: Arc::new(porter), door })
    }
}
