//! Set-up over a channel that loses messages, as it may.

use crate::lab::{TIMING, devices};
use paxon_acceptor::{AdapterAcceptor, Directory};
use paxon_conformance::Setup;
use paxon_fastpath::{Fabric, FabricEvent, ReplicaId};
use paxon_rdma::{ControlChannel, FabricOptions, LocalExchange, QueuePairOptions, RdmaFabric, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Loses all messages while it is told to, and remembers the longest.
struct Lossy {
    channel: Box<dyn ControlChannel>,
    loses: Arc<AtomicBool>,
    longest: Arc<AtomicUsize>,
}

impl ControlChannel for Lossy {
    fn send(&mut self, to: ReplicaId, message: &[u8]) {
        if self.loses.load(Relaxed) {
            self.longest.fetch_max(message.len(), Relaxed);
        } else {
            self.channel.send(to, message);
        }
    }
}

/// B lets A in, its welcome is lost, and it follows another leader than A before A asks again.
#[test]
fn a_proposer_that_was_fenced_before_its_welcome_came_is_let_in_when_it_asks_again() {
    let setup = Setup::SMALL;
    let path = format!("/dev/shm/paxon-rdma-lost-{}", std::process::id());
    let directory = Directory::open(path, setup.cluster, setup.layout).expect("a directory on tmpfs");
    let (exchange, loses, longest) = (LocalExchange::new(), Arc::new(AtomicBool::new(true)), Arc::default());
    let channel = |member, mailbox| exchange.join(member, mailbox);
    let b = join(&setup, &directory, B, |mailbox| {
        let (loses, longest) = (loses.clone(), Arc::clone(&longest));
        Box::new(Lossy { channel: channel(B, mailbox), loses, longest })
    });
    let deadline = Instant::now() + PATIENCE;
    let offer = wait_for_longer(&longest, 0, deadline);
    let mut a = join(&setup, &directory, A, |mailbox| channel(A, mailbox));
    wait_for_longer(&longest, offer, deadline);
    b.fence(A);
    loses.store(false, Relaxed);
    while !matches!(a.poll(), Some(FabricEvent::LinkUp { peer: B, .. })) {
        assert!(Instant::now() < deadline, "A has no link to B: {:?}", a.problem(B));
        std::thread::yield_now();
    }
    drop((a, b));
    directory.remove().expect("fabrics that are gone hold no memory");
}

/// Waits until a message was lost that is longer than `length`: a welcome is longer than an offer.
fn wait_for_longer(longest: &AtomicUsize, length: usize, deadline: Instant) -> usize {
    while longest.load(Relaxed) <= length {
        assert!(Instant::now() < deadline, "nothing longer than {length} bytes was sent");
        std::thread::yield_now();
    }
    longest.load(Relaxed)
}

fn join(
    setup: &Setup,
    directory: &Directory,
    member: ReplicaId,
    control: impl FnOnce(paxon_rdma::Mailbox) -> Box<dyn ControlChannel>,
) -> RdmaFabric {
    let own = Arc::new(AdapterAcceptor::claim(directory, member).expect("memory"));
    let device = &devices()[member.index()];
    let options = FabricOptions {
        cluster: setup.cluster,
        scratch_words: setup.scratch_words,
        timing: TIMING,
        queue_pair: QueuePairOptions::default(),
    };
    let source = Source::find(device, None).expect("an address");
    RdmaFabric::join(own, device, &source, &[A, B], options, control).expect("a replica joins")
}
