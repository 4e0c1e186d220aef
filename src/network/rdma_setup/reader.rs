//! A connection that a peer has made: its messages go to the mailbox.

use super::{Deliver, frame};
use paxon_channel::{Blocking, Greeting, Hello, Secured, Welcome};
use paxon_fastpath::ReplicaId;
use paxon_rdma::MESSAGE_BYTES_MAX;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

/// A connection that says nothing for so long is closed; the peer dials again when it has something to say.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A thread that reads a connection. Dropped, it ends both.
pub(super) struct Reader {
    hello: Hello,
    /// Another handle of the connection's socket.
    stream: TcpStream,
}

impl Reader {
    pub(super) fn start(from: ReplicaId, hello: Hello, connection: Secured, deliver: Deliver) -> io::Result<Self> {
        let (stream, ended) = (connection.stream.try_clone()?, connection.stream.try_clone()?);
        let connection = Blocking::new(connection, IDLE_MAX)?;
        thread::Builder::new().name(format!("paxon-setup-of-{from}")).spawn(move || {
            if let Err(error) = read(from, connection, &deliver) {
                log::debug!("a set-up connection of {from} has ended: {error}");
            }
            // The other handle would keep the connection open; the peer may have closed it already.
            let _ = ended.shutdown(Shutdown::Both);
        })?;
        Ok(Self { hello, stream })
    }

    /// What the connection was opened with.
    pub(super) const fn hello(&self) -> &Hello {
        &self.hello
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have been closed by the peer.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read(from: ReplicaId, mut connection: Blocking, deliver: &Deliver) -> io::Result<()> {
    // One message at a time is under way, and none is longer.
    let welcome = Welcome { incarnation: 0, frame_bytes_max: MESSAGE_BYTES_MAX as u32, outstanding_max: 1 };
    connection.write_all(&Greeting::Welcome(welcome).encode())?;
    loop {
        let message = frame::receive(&mut connection)?;
        deliver(from, &message);
        frame::acknowledge(&mut connection)?;
    }
}
