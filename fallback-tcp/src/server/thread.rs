//! A server with a thread of its own, asleep until something arrives.

use super::Server;
use crate::backend::Waker;
use crate::io::Io;
use std::io as std_io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest sleep: a broken back end is opened anew after one.
const SLEEP: Duration = Duration::from_secs(1);

/// The thread; ended and joined on drop.
#[derive(Debug)]
pub(crate) struct ServerThread {
    /// Relaxed: it guards nothing; a thread that sees it late sees it after its next sleep.
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    pub(crate) fn start(mut server: Server, mut io: Io) -> std_io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let waker = io.waker();
        server.door.callers().wake(waker.clone());
        server.board.server_back_end(&io);
        let stopped = stop.clone();
        let run = move || {
            while !stopped.load(Relaxed) {
                turn(&mut server, &mut io);
            }
        };
        let thread = thread::Builder::new().name("paxon-tcp-server".into()).spawn(run)?;
        Ok(Self { stop, waker, thread: Some(thread) })
    }
}

fn turn(server: &mut Server, io: &mut Io) {
    server.admit_callers(io);
    let whole = io.turn(Some(SLEEP), &mut |key, news| {
        server.received(key, news);
    });
    server.settle(io);
    if !whole {
        server.lost(io);
        thread::park_timeout(SLEEP);
        if io.reopen() {
            server.door.callers().wake(io.waker());
            server.board.server_back_end(io);
        }
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                log::error!("the thread that serves the peers has panicked");
            }
        }
    }
}
