//! The thread that notices what happens to the peers, so that the polling thread makes no system call.

use crate::news::News;
use crate::process::PeerProcess;
use paxon_acceptor::{Directory, Memory, incarnation};
use paxon_fastpath::{FabricEvent, Incarnation, LinkDown, ReplicaId};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Looks at everything this often even if nothing was reported: an inotify queue can overflow, and an attach that failed
/// for want of descriptors or memory has to be tried again.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Room for the events of a few changes at once; what they say is not looked at.
const EVENT_BYTES: usize = 4096;

/// The watcher thread; ended and joined on drop.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Looks at `others` once, so that those that are there are announced before the first poll, and then keeps watching.
    pub(crate) fn start(
        directory: &Directory,
        viewer: ReplicaId,
        others: &[ReplicaId],
        news: Arc<News>,
    ) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        // A directory renamed into place is memory; a lock file rewritten is a process that came or went.
        let kinds = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::MODIFY;
        inotify::add_watch(&changes, directory.path(), kinds)?;
        let peers = others.iter().map(|&id| Peer { id, incarnation: None, process: None }).collect();
        let mut watch = Watch { directory: directory.clone(), viewer, news, stop: stop.clone(), changes, peers };
        watch.look();
        let name = format!("paxon-shm-{viewer}");
        let thread = thread::Builder::new().name(name).spawn(move || watch.run())?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let told = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        debug_assert!(told.is_ok(), "an eventfd at zero takes a one: {told:?}");
        if let Some(thread) = self.thread.take() {
            // It ends by returning; if it panicked, the panic has been reported and there is nothing left to end.
            let _ = thread.join();
        }
    }
}

/// What the thread knows.
struct Watch {
    directory: Directory,
    viewer: ReplicaId,
    news: Arc<News>,
    stop: Arc<OwnedFd>,
    changes: OwnedFd,
    peers: Vec<Peer>,
}

struct Peer {
    id: ReplicaId,
    /// The life of its memory that was last announced.
    incarnation: Option<Incarnation>,
    /// Its live process, as far as it is known.
    process: Option<PeerProcess>,
}

/// Why the thread woke up.
#[derive(PartialEq, Eq)]
enum Wake {
    Look,
    Stop,
}

impl Watch {
    fn run(mut self) {
        while self.wait() == Wake::Look {
            self.drain_changes();
            self.look();
        }
    }

    /// Sleeps until something happened; notes which processes died.
    fn wait(&mut self) -> Wake {
        let mut fds = vec![PollFd::new(&*self.stop, PollFlags::IN), PollFd::new(&self.changes, PollFlags::IN)];
        let processes = self.peers.iter().filter_map(|peer| peer.process.as_ref());
        fds.extend(processes.map(|process| PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)));
        match poll(&mut fds, Some(&LOOK_EVERY)) {
            Ok(_) | Err(Errno::INTR | Errno::NOMEM | Errno::AGAIN) => {}
            Err(errno) => unreachable!("poll on own descriptors: {errno}"),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let watched = self.peers.iter_mut().filter(|peer| peer.process.is_some());
        for (peer, _) in watched.zip(&ready[2..]).filter(|(_, dead)| **dead) {
            peer.report_death(&self.news);
        }
        if ready[0] { Wake::Stop } else { Wake::Look }
    }

    /// Forgets the reports that woke us: what there is to see, we look for ourselves.
    fn drain_changes(&self) {
        let mut buffer = [0; EVENT_BYTES];
        while rustix::io::read(&self.changes, &mut buffer).is_ok_and(|bytes| bytes > 0) {}
    }

    fn look(&mut self) {
        self.news.bury();
        for peer in &mut self.peers {
            // The process first: it takes its lock before it publishes memory, so whoever is announced is already watched.
            peer.look_at_process(&self.directory, &self.news);
            peer.look_at_memory(&self.directory, self.viewer, &self.news);
        }
    }
}

impl Peer {
    fn look_at_memory(&mut self, directory: &Directory, viewer: ReplicaId, news: &News) {
        let found = incarnation(directory, self.id);
        if found.as_ref().is_ok_and(|&found| Some(found) == self.incarnation) {
            return;
        }
        match found.and_then(|_| Memory::attach(directory, self.id, viewer)) {
            Ok(memory) => {
                if self.incarnation.is_some() {
                    news.push(FabricEvent::LinkDown { peer: self.id, reason: LinkDown::Revoked }, None);
                }
                let incarnation = memory.incarnation();
                self.incarnation = Some(incarnation);
                news.push(FabricEvent::LinkUp { peer: self.id, incarnation }, Some(Box::new(memory)));
                news.set_problem(self.id, None);
            }
            Err(problem) => news.set_problem(self.id, Some(problem)),
        }
    }

    fn look_at_process(&mut self, directory: &Directory, news: &News) {
        let lock = directory.lock(self.id);
        if self.process.as_ref().is_some_and(|process| process.holds(&lock)) {
            return;
        }
        let successor = PeerProcess::holding(&lock);
        if self.process.is_some() && successor.is_none() {
            self.report_death(news);
        }
        self.process = successor;
    }

    fn report_death(&mut self, news: &News) {
        self.process = None;
        news.push(FabricEvent::ProcessDied { peer: self.id }, None);
    }
}
