//! Nodes that one thread drives in turn: the way without queues.

use paxon::fastpath::{Answer, Outcome, Outcomes, Role};
use paxon::machines::{Counter, Ledger};
use paxon::{Node, Paxon, SessionLimits, StateMachine};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

/// A directory on tmpfs, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Self(PathBuf::from(format!("/dev/shm/paxon-test-{name}-{}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing to remove is as good as removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keeps the last reply.
#[derive(Debug, Default)]
struct Last(Vec<u8>);

impl Outcomes for Last {
    fn answered(&mut self, answer: Answer<'_>) {
        if let Outcome::Applied { reply, .. } = answer.outcome {
            self.0.clear();
            self.0.extend_from_slice(reply);
        }
    }
}

type TestNode<S> = Node<S, paxon::ShmFabric, Last>;

fn nodes<S: StateMachine + Default>(directory: &Directory) -> Vec<TestNode<S>> {
    let builder = Paxon::builder()
        .cluster("embedded")
        .shm(&directory.0)
        .cells(2048)
        .payload_bytes_max(64 << 10)
        .arena_bytes(256 << 10)
        .snapshot_bytes(1 << 20)
        .sessions(SessionLimits { sessions_max: 16, window: 16, reply_bytes_max: 64 });
    (0..3).map(|id| builder.clone().replica(id).build(S::default(), Last::default()).expect("it builds")).collect()
}

/// Polls all nodes until one of them is ready.
fn poll_until<S: StateMachine>(nodes: &mut [TestNode<S>], ready: impl Fn(&TestNode<S>) -> bool) -> usize {
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        for node in nodes.iter_mut() {
            node.poll();
        }
        if let Some(at) = nodes.iter().position(&ready) {
            return at;
        }
    }
    panic!("nothing came of polling for {LONG:?}");
}

#[test]
fn a_proposal_and_one_poll_commit_and_apply_on_shared_memory() {
    let directory = Directory::new("one-poll");
    let mut nodes = nodes::<Counter>(&directory);
    let leader = poll_until(&mut nodes, |node| node.replica().role() == Role::Leader);
    for sum in 1..=50u64 {
        let slot = nodes[leader].propose(&[1]).expect("it leads");
        nodes[leader].poll();
        assert_eq!(nodes[leader].replica().applied(), slot);
        assert_eq!(nodes[leader].outcomes_mut().0, sum.to_le_bytes());
    }
    let applied = nodes[leader].replica().applied();
    let follower = (leader + 1) % 3;
    poll_until(&mut nodes, |node| {
        node.replica().config().replica.index() == follower && node.replica().applied() >= applied
    });
    assert_eq!(nodes[follower].service().machine().value(), 50);
}

#[test]
fn a_large_command_is_packed_by_the_node() {
    let directory = Directory::new("large");
    let mut nodes = nodes::<Ledger>(&directory);
    let leader = poll_until(&mut nodes, |node| node.replica().role() == Role::Leader);
    let slot = nodes[leader].propose(&[7; 5000]).expect("it leads");
    poll_until(&mut nodes[leader..=leader], |node| node.replica().applied() >= slot);
    assert_eq!(nodes[leader].service().machine().line(1), Some(&[7; 128][..]));
    assert!(nodes[leader].propose(&vec![7; 64 << 10]).is_err());
}

#[test]
fn a_replica_id_is_used_by_one_node_at_a_time() {
    let directory = Directory::new("held");
    let nodes = nodes::<Counter>(&directory);
    let builder = Paxon::builder().cluster("embedded").shm(&directory.0);
    let error = builder.build(Counter::default(), Last::default()).expect_err("replica 0 runs already");
    assert!(matches!(error, paxon::BuildError::Shm(_)), "{error}");
    drop(nodes);
}
