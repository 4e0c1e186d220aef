//! Whether io_uring works here, found out by trying.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::{Completion, Config, OpenError, Received, Streams};

/// How long bytes between two local sockets may take before the probe gives up.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is sent.
const TRIAL: &[u8] = b"does this io_uring move bytes?";

/// What [`probe`] found to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Whether receives stay armed (multishot, Linux 6.0).
    pub multishot: bool,
    /// How the kernel finishes operations.
    pub completion: Completion,
}

/// Sends bytes through a small ring as `config` asks for it, both ways between two sockets of this process. A kernel on which
/// multishot receives do not work is tried again without them.
///
/// # Errors
///
/// See [`OpenError`].
pub fn probe(config: &Config) -> Result<Found, OpenError> {
    let small = Config { streams_max: 2, unsent_bytes_max: 4096, receive_bytes: 1024, ..config.clone() };
    match try_out(&small) {
        Err(OpenError::SelfTest(_)) if small.multishot => try_out(&Config { multishot: false, ..small }),
        other => other,
    }
}

fn try_out(config: &Config) -> Result<Found, OpenError> {
    let mut streams = Streams::open(config)?;
    let found = Found { multishot: streams.is_multishot(), completion: streams.completion() };
    exchange(&mut streams).map_err(OpenError::SelfTest)?;
    Ok(found)
}

/// Each of two sockets sends, twice: a receive that did not stay armed is armed again.
fn exchange(streams: &mut Streams) -> Result<(), String> {
    let (a, b) = UnixStream::pair().map_err(|error| format!("no pair of sockets: {error}"))?;
    let keys = [a, b].map(|socket| streams.add(socket).map_err(|error| error.to_string()));
    let [a, b] = keys;
    let keys = [a?, b?];
    for round in 1..=2 {
        for key in keys {
            streams.send(key, TRIAL).map_err(|error| error.to_string())?;
        }
        receive(streams, keys, round)?;
    }
    Ok(())
}

fn receive(streams: &mut Streams, keys: [crate::Key; 2], round: u32) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut arrived = [Vec::new(), Vec::new()];
    let mut closed = None;
    while arrived.iter().any(|bytes| bytes.len() < TRIAL.len()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("nothing arrived within {PATIENCE:?} in round {round}"));
        }
        let turned = streams.turn(Some(left), &mut |key, received| match received {
            Received::Bytes(bytes) => arrived[usize::from(key == keys[1])].extend_from_slice(bytes),
            Received::Closed(reason) => closed = Some(reason),
        });
        turned.map_err(|error| error.to_string())?;
        if let Some(reason) = closed {
            return Err(reason.map_or_else(|| "a socket closed".to_owned(), |reason| reason.to_string()));
        }
    }
    if arrived.iter().all(|bytes| bytes == TRIAL) { Ok(()) } else { Err("other bytes arrived".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_opens_a_ring_passes() {
        match probe(&Config::default()) {
            Ok(_) => {}
            Err(OpenError::Refused { call, source, .. }) => println!("SKIPPED the probe: {call} was refused: {source}"),
            Err(other) => panic!("{other}"),
        }
    }
}
