//! A fabric that stays on a thread of its own, for tests that hand fabrics from thread to thread: an io_uring cannot be.

use paxon_acceptor::Acceptor;
use paxon_fastpath::{Area, Fabric, FabricEvent, Op, PostError, ReplicaId, Token};
use paxon_tcp::TcpFabric;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{self, JoinHandle};

struct Post {
    peer: ReplicaId,
    token: Token,
    chain: Vec<Op>,
    taken: SyncSender<Result<(), PostError>>,
}

/// A fabric and the thread that polls it.
pub struct Driven {
    own: Arc<Acceptor>,
    /// Copies of the fabric's scratches, made before the completion of a read is passed on.
    scratches: Arc<Vec<Vec<AtomicU64>>>,
    /// `None` once the thread is to end.
    posts: Option<Sender<Post>>,
    events: Receiver<FabricEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Driven {
    /// Drives `fabric` of the replica that holds `own`.
    pub fn new(fabric: TcpFabric, own: Arc<Acceptor>, replicas: usize, scratch_words: usize) -> Self {
        let scratch = || (0..scratch_words).map(|_| AtomicU64::new(0)).collect();
        let scratches: Arc<Vec<Vec<AtomicU64>>> = Arc::new((0..replicas).map(|_| scratch()).collect());
        let (posts, commands) = channel();
        let (reports, events) = channel();
        let copies = scratches.clone();
        let thread = thread::spawn(move || drive(fabric, &commands, &reports, &copies));
        Self { own, scratches, posts: Some(posts), events, thread: Some(thread) }
    }
}

fn drive(mut fabric: TcpFabric, posts: &Receiver<Post>, events: &Sender<FabricEvent>, copies: &[Vec<AtomicU64>]) {
    loop {
        match posts.try_recv() {
            Ok(Post { peer, token, chain, taken }) => {
                taken.send(fabric.post(peer, token, &chain)).expect("the poster waits");
            }
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        match fabric.poll() {
            Some(event) => {
                if let FabricEvent::Done(done) = event {
                    let from = fabric.scratch(done.peer);
                    for (copy, word) in copies[done.peer.index()].iter().zip(from) {
                        copy.store(word.load(Relaxed), Relaxed);
                    }
                }
                // Nobody listens any more: the next look at the posts ends this.
                let _ = events.send(event);
            }
            None => thread::yield_now(),
        }
    }
}

impl Fabric for Driven {
    fn local(&self, area: Area) -> &[AtomicU64] {
        self.own.words(area)
    }

    fn scratch(&self, peer: ReplicaId) -> &[AtomicU64] {
        &self.scratches[peer.index()]
    }

    fn post(&mut self, peer: ReplicaId, token: Token, chain: &[Op]) -> Result<(), PostError> {
        let (taken, answer) = sync_channel(1);
        let post = Post { peer, token, chain: chain.to_vec(), taken };
        self.posts.as_ref().expect("not dropped").send(post).expect("the thread runs");
        answer.recv().expect("the thread runs")
    }

    fn poll(&mut self) -> Option<FabricEvent> {
        let event = self.events.try_recv().ok();
        if event.is_none() {
            // The thread that drives it has something to do.
            thread::yield_now();
        }
        event
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.posts = None;
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
