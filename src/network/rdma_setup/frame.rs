//! A message on a connection: its length in four bytes, then as many bytes; one byte is the answer.

use paxon_rdma::MESSAGE_BYTES_MAX;
use std::io::{self, ErrorKind, Read, Write};

/// The answer to a message.
const TAKEN: u8 = 1;

/// Sends a message and waits until it was taken.
///
/// # Errors
/// What the connection says, [`ErrorKind::InvalidInput`] for a message that is too long or empty, and
/// [`ErrorKind::InvalidData`] for another answer.
pub(super) fn send(connection: &mut (impl Read + Write), message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).ok().filter(|_| is_good(message.len()));
    let length = length.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    connection.write_all(&[&length.to_le_bytes(), message].concat())?;
    let mut answer = [0];
    connection.read_exact(&mut answer)?;
    if answer == [TAKEN] { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

/// The next message.
///
/// # Errors
/// What the connection says, and [`ErrorKind::InvalidData`] for a length that no message has; nothing is read after that.
pub(super) fn receive(connection: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    connection.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok().filter(|&length| is_good(length));
    let mut message = vec![0; length.ok_or_else(|| io::Error::from(ErrorKind::InvalidData))?];
    connection.read_exact(&mut message)?;
    Ok(message)
}

/// Says that a message was taken.
///
/// # Errors
/// What the connection says.
pub(super) fn acknowledge(connection: &mut impl Write) -> io::Result<()> {
    connection.write_all(&[TAKEN])
}

const fn is_good(length: usize) -> bool {
    length > 0 && length <= MESSAGE_BYTES_MAX
}
