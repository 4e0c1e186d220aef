//! The io_uring back end: [`paxon_uring::Streams`] as a [`Backend`].

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use paxon_uring::{AddError, Completion, Config, Found, OpenError, Streams};

use super::{Backend, Key, Options, Received, SendError, Waker, socket};

/// Sockets of one io_uring.
pub(super) struct Uring {
    streams: Streams,
    options: Options,
}

impl Uring {
    /// Opens the ring that `found` says works here.
    pub(super) fn open(options: &Options, found: Found) -> Result<Uring, OpenError> {
        let config = Config { multishot: found.multishot, completion: found.completion, ..config(options) };
        Ok(Uring { streams: Streams::open(&config)?, options: options.clone() })
    }

    /// The choices made, for the log.
    pub(super) fn describe(&self) -> String {
        let receives = if self.streams.is_multishot() { "multishot" } else { "single" };
        let completions = match self.streams.completion() {
            Completion::KernelThread(idle) => format!("kernel thread that sleeps after {idle:?}"),
            Completion::Deferred => "deferred completions".to_owned(),
            Completion::Cooperative => "cooperative completions".to_owned(),
        };
        format!("{receives} receives, {completions}")
    }
}

/// The ring that these options ask for.
pub(super) fn config(options: &Options) -> Config {
    let completion = match options.kernel_thread {
        Some(idle) => Completion::KernelThread(idle),
        None if options.single_thread => Completion::Deferred,
        None => Completion::Cooperative,
    };
    Config {
        streams_max: options.connections_max,
        unsent_bytes_max: options.unsent_bytes_max,
        receive_bytes: options.receive_bytes,
        multishot: options.multishot,
        completion,
    }
}

impl Backend for Uring {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn add(&mut self, stream: TcpStream) -> io::Result<Key> {
        socket::prepare(&stream, &self.options)?;
        match self.streams.add(stream) {
            Ok(key) => Ok(Key::new(key.index, key.generation)),
            Err(AddError::Full { limit }) => Err(super::too_many(limit)),
            Err(AddError::Kernel(error)) => Err(error),
            Err(other) => Err(io::Error::other(other)),
        }
    }

    fn remove(&mut self, key: Key) {
        self.streams.remove(to_ring(key));
    }

    fn send(&mut self, key: Key, bytes: &[u8]) -> Result<(), SendError> {
        self.streams.send(to_ring(key), bytes).map_err(|error| match error {
            paxon_uring::SendError::Full { unsent, limit, refused } => SendError::Full { unsent, limit, refused },
            _ => SendError::Closed,
        })
    }

    fn unsent(&self, key: Key) -> usize {
        self.streams.unsent(to_ring(key))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.streams.flush()
    }

    fn turn(&mut self, wait: Option<Duration>, received: &mut dyn FnMut(Key, Received<'_>)) -> io::Result<()> {
        self.streams.turn(wait, &mut |key, news| {
            let key = Key::new(key.index, key.generation);
            match news {
                paxon_uring::Received::Bytes(bytes) => received(key, Received::Bytes(bytes)),
                paxon_uring::Received::Closed(reason) => received(key, Received::Closed(reason)),
            }
        })
    }

    fn waker(&self) -> Waker {
        let waker = self.streams.waker();
        Waker::new(move || waker.wake())
    }

    fn system_calls(&self) -> u64 {
        self.streams.system_calls()
    }
}

fn to_ring(key: Key) -> paxon_uring::Key {
    paxon_uring::Key { index: key.index() as u32, generation: key.generation() }
}
