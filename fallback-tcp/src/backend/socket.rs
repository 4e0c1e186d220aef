//! Options of connected sockets.
//!
//! The sizes of the kernel's buffers are left alone: it sizes them by itself between `net.ipv4.tcp_rmem` and `tcp_wmem`
//! (commonly up to 6 MiB and 4 MiB), and setting one would turn that off. `TCP_QUICKACK` is left alone as well: it does not
//! last, and where messages are answered at once, as here, acknowledgements travel with the answers.

use std::io;
use std::net::TcpStream;

use super::Options;

/// Prepares a socket for either back end.
pub(super) fn prepare(stream: &TcpStream, options: &Options) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(how_long) = options.busy_poll {
        // Best effort: without the privilege, or the driver, the socket works all the same.
        let _refused = paxon_uring::set_busy_poll(stream, how_long);
    }
    Ok(())
}
