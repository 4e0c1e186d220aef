//! Three OmniPaxos nodes whose messages are handed over by a function call.

use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::{LogEntry, NodeId};
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

/// The leader has the highest priority, so that every run measures the same placement.
const LEADER: NodeId = 1;
/// The followers' ids; follower `i` has id `i + 2`.
const FOLLOWERS: [NodeId; 2] = [2, 3];
/// Rounds of ticks within which a leader must stand; an election takes a handful.
const ELECTION_ROUNDS_MAX: usize = 1_000;

/// A command of `PAYLOAD` bytes, inline in the log: its number, then bytes that follow from the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<const PAYLOAD: usize>([u8; PAYLOAD]);

impl<const PAYLOAD: usize> Command<PAYLOAD> {
    /// The command with this number; different numbers give different bytes.
    #[inline]
    pub fn numbered(number: u64) -> Self {
        let mut bytes = [number as u8; PAYLOAD];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Self(bytes)
    }
}

impl<const PAYLOAD: usize> Entry for Command<PAYLOAD> {
    type Snapshot = NoSnapshot;
}

type Node<const PAYLOAD: usize> = OmniPaxos<Command<PAYLOAD>, MemoryStorage<Command<PAYLOAD>>>;

/// A leader and two followers with a leader elected and nothing in flight.
pub struct Cluster<const PAYLOAD: usize> {
    leader: Node<PAYLOAD>,
    followers: [Node<PAYLOAD>; 2],
    /// Leader's messages being handed over; swapped with the node's own buffer, so that neither allocates in steady state.
    outbox: Vec<Message<Command<PAYLOAD>>>,
    /// The answers of the follower that was handed a message last.
    replies: Vec<Message<Command<PAYLOAD>>>,
    /// Commands appended so far, which is also the number of the next one.
    appended: u64,
    /// Commands checked and trimmed away.
    checked: u64,
}

impl<const PAYLOAD: usize> Cluster<PAYLOAD> {
    /// A cluster whose leader gathers `batch` commands into one message (1: every command at once).
    ///
    /// # Panics
    /// If no leader stands after a bounded number of ticks.
    pub fn elect(batch: u64) -> Self {
        let mut cluster = Self {
            leader: node(LEADER, batch),
            followers: FOLLOWERS.map(|pid| node(pid, 1)),
            outbox: Vec::new(),
            replies: Vec::new(),
            appended: 0,
            checked: 0,
        };
        for _ in 0..ELECTION_ROUNDS_MAX {
            if cluster.all_accept() {
                return cluster;
            }
            cluster.tick_all();
        }
        panic!("no leader after {ELECTION_ROUNDS_MAX} rounds of ticks");
    }

    /// Appends the next numbered command at the leader.
    #[inline]
    pub fn append_next(&mut self) {
        let refused = self.leader.append(Command::numbered(self.appended)).is_err();
        assert!(!refused, "the leader refused command {}", self.appended);
        self.appended += 1;
    }

    /// Makes the leader send what it gathered so far; needed only after less than a whole batch.
    pub fn flush(&mut self) {
        if self.leader.get_batched_len() > 0 {
            self.leader.tick();
        }
    }

    /// Hands messages over until nobody has any left, and returns what `on_decided` said at the moment when the leader had
    /// decided all appended commands.
    ///
    /// # Panics
    /// If the nodes fall silent before everything is decided at all of them.
    #[inline]
    pub fn hand_over<T>(&mut self, on_decided: impl Fn() -> T) -> T {
        let Self { leader, followers, outbox, replies, appended, .. } = self;
        let target = *appended as usize;
        let mut decided = None;
        loop {
            leader.take_outgoing_messages(outbox);
            if outbox.is_empty() {
                break;
            }
            for message in outbox.drain(..) {
                let follower = &mut followers[follower_index(&message)];
                follower.handle_incoming(message);
                follower.take_outgoing_messages(replies);
                replies.drain(..).for_each(|reply| leader.handle_incoming(reply));
                if decided.is_none() && leader.get_decided_idx() == target {
                    decided = Some(on_decided());
                }
            }
        }
        let behind = followers.iter().any(|follower| follower.get_decided_idx() != target);
        assert!(!behind, "a follower has not decided all of {target} commands");
        decided.expect("the leader decides when its followers answer")
    }

    /// Compares the decided log of each node, since the last trim, with what was proposed.
    ///
    /// # Panics
    /// If a node misses a command, has another one in its place, or has one too many.
    pub fn check_logs(&mut self) {
        for node in std::iter::once(&self.leader).chain(&self.followers) {
            let log = decided_log(node, self.checked);
            let expected = (self.checked..self.appended).map(Command::numbered);
            assert!(log.iter().copied().eq(expected), "node {} decided another log", node.get_pid());
        }
        self.checked = self.appended;
    }

    /// Drops the checked commands from all three logs.
    ///
    /// # Panics
    /// If a node did not trim.
    pub fn trim(&mut self) {
        let upto = self.checked as usize;
        self.leader.trim(Some(upto)).expect("all nodes have accepted what was checked");
        self.leader.take_outgoing_messages(&mut self.outbox);
        for message in self.outbox.drain(..) {
            self.followers[follower_index(&message)].handle_incoming(message);
        }
        let kept = self.followers.iter().any(|follower| follower.get_compacted_idx() != upto);
        assert!(!kept, "a follower did not trim up to {upto}");
    }

    fn all_accept(&self) -> bool {
        std::iter::once(&self.leader).chain(&self.followers).all(|n| n.get_current_leader() == Some((LEADER, true)))
    }

    /// One tick everywhere, then all messages including those between followers, first in, first out.
    fn tick_all(&mut self) {
        let mut queue = std::collections::VecDeque::new();
        for pid in [LEADER, FOLLOWERS[0], FOLLOWERS[1]] {
            self.node(pid).tick();
            queue.extend(self.outgoing_of(pid));
        }
        while let Some(message) = queue.pop_front() {
            let receiver = message.get_receiver();
            self.node(receiver).handle_incoming(message);
            queue.extend(self.outgoing_of(receiver));
        }
    }

    fn outgoing_of(&mut self, pid: NodeId) -> Vec<Message<Command<PAYLOAD>>> {
        let mut outgoing = Vec::new();
        self.node(pid).take_outgoing_messages(&mut outgoing);
        outgoing
    }

    fn node(&mut self, pid: NodeId) -> &mut Node<PAYLOAD> {
        if pid == LEADER { &mut self.leader } else { &mut self.followers[pid as usize - 2] }
    }
}

fn node<const PAYLOAD: usize>(pid: NodeId, batch: u64) -> Node<PAYLOAD> {
    let nodes = vec![LEADER, FOLLOWERS[0], FOLLOWERS[1]];
    let cluster_config = ClusterConfig { configuration_id: 1, nodes, flexible_quorum: None };
    let server_config = ServerConfig {
        pid,
        batch_size: batch as usize,
        flush_batch_tick_timeout: 1,
        leader_priority: u32::from(pid == LEADER),
        ..ServerConfig::default()
    };
    let config = OmniPaxosConfig { cluster_config, server_config };
    config.build(MemoryStorage::default()).expect("the configuration is constant and valid")
}

#[inline]
fn follower_index<const PAYLOAD: usize>(message: &Message<Command<PAYLOAD>>) -> usize {
    message.get_receiver() as usize - 2
}

/// What `node` decided from `from` on; an entry that is not decided is left out, which the comparison then notices.
fn decided_log<const PAYLOAD: usize>(node: &Node<PAYLOAD>, from: u64) -> Vec<Command<PAYLOAD>> {
    let entries = node.read_decided_suffix(from as usize).unwrap_or_default();
    let decided = entries.into_iter().filter_map(|entry| match entry {
        LogEntry::Decided(command) => Some(command),
        _ => None,
    });
    decided.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_nodes_decide_the_same_log() {
        let mut cluster = Cluster::<64>::elect(1);
        for _ in 0..1_000 {
            cluster.append_next();
            cluster.hand_over(|| ());
        }
        let expected: Vec<_> = (0..1_000).map(Command::numbered).collect();
        assert_eq!(decided_log(&cluster.leader, 0), expected);
        assert_eq!(decided_log(&cluster.followers[0], 0), expected);
        assert_eq!(decided_log(&cluster.followers[1], 0), expected);
    }

    #[test]
    fn the_leader_decides_with_the_first_of_two_votes() {
        let mut cluster = Cluster::<64>::elect(1);
        cluster.append_next();
        cluster.leader.take_outgoing_messages(&mut cluster.outbox);
        let to_first = cluster.outbox.remove(0);
        cluster.followers[0].handle_incoming(to_first);
        assert_eq!(cluster.leader.get_decided_idx(), 0);
        cluster.followers[0].take_outgoing_messages(&mut cluster.replies);
        cluster.leader.handle_incoming(cluster.replies.remove(0));
        assert_eq!(cluster.leader.get_decided_idx(), 1);
    }

    #[test]
    #[should_panic(expected = "decided another log")]
    fn a_command_that_one_node_lacks_fails_the_check() {
        let mut cluster = Cluster::<64>::elect(1);
        cluster.append_next();
        cluster.hand_over(|| ());
        cluster.followers[1] = node(FOLLOWERS[1], 1);
        cluster.check_logs();
    }

    #[test]
    #[should_panic(expected = "decided another log")]
    fn a_changed_command_fails_the_check() {
        let mut cluster = Cluster::<64>::elect(1);
        cluster.leader.append(Command([7; 64])).expect("the leader accepts");
        cluster.appended = 1;
        cluster.hand_over(|| ());
        cluster.check_logs();
    }

    #[test]
    fn trimming_keeps_the_numbering() {
        let mut cluster = Cluster::<64>::elect(1);
        for _ in 0..3 {
            cluster.append_next();
            cluster.hand_over(|| ());
            cluster.check_logs();
            cluster.trim();
        }
        assert_eq!(cluster.leader.get_decided_idx(), 3);
        assert!(decided_log(&cluster.followers[0], 3).is_empty());
    }
}
