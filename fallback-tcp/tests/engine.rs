//! The engine over this fabric, while links break under it.

mod support;

use paxon_channel::Security;
use paxon_conformance::Setup;
use paxon_fastpath::{
    Config, Decided, Host, Layout, Nanos, Notice, QuorumSizes, Replica, ReplicaId, Role, Slot, SnapshotError,
    Submission,
};
use paxon_tcp::{Serve, TcpFabric, TcpOptions};
use std::time::{Duration, Instant};
use support::{Cluster, Nobody, Speaker};

/// Links that are broken, one after the other.
const BREAKS: usize = 20;
/// Commands that every replica applies between two breaks, and after the last.
const COMMANDS: usize = 150;
const TIME_MAX: Duration = Duration::from_secs(60);

fn config(replica: ReplicaId) -> Config {
    let quorums = QuorumSizes::majority(3).expect("three is a size");
    let layout = Layout { replicas: 3, cells: 1 << 10, arena_words: 1 << 12, snapshot_words: 1 << 16 };
    Config { layout, window: 64, payload_bytes_max: 1024, ..Config::new(0xE7, replica, quorums) }
}

/// Keeps what was decided, one number a command.
#[derive(Default)]
struct Log(Vec<u64>);

impl Host for Log {
    fn decided(&mut self, decided: Decided<'_>) {
        if decided.header.commands == 1 {
            self.0.push(decided.payload[0]);
        }
    }

    fn snapshot(&mut self, into: &mut Vec<u8>) {
        into.extend(self.0.iter().flat_map(|command| command.to_le_bytes()));
    }

    fn restore(&mut self, _upto: Slot, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.0 = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Ok(())
    }

    fn notice(&mut self, _notice: Notice) {}
}

struct Member {
    replica: Replica,
    fabric: TcpFabric,
    log: Log,
}

impl Member {
    fn new(cluster: &Cluster, id: ReplicaId) -> Self {
        let fabric = cluster.open(id);
        let replica = Replica::new(config(id), &fabric).expect("a good configuration");
        Self { replica, fabric, log: Log::default() }
    }

    /// A turn; a leader proposes what there is room for, each command once.
    fn turn(&mut self, now: Nanos, next: &mut u64) {
        if self.replica.role() == Role::Leader && self.replica.room() > 0 {
            let submission = Submission::Command { session: 0, sequence: 0, payload: &next.to_le_bytes() };
            if self.replica.propose(&mut self.fabric, submission).is_ok() {
                *next += 1;
            }
        }
        self.replica.poll(now, &mut self.fabric, &mut self.log);
    }
}

/// All logs say the same as far as they go.
fn agree(members: &[Member]) {
    let longest = members.iter().map(|member| &member.log.0).max_by_key(|log| log.len()).expect("three");
    for member in members {
        assert!(longest.starts_with(&member.log.0), "two replicas disagree on what was decided");
    }
}

fn commits_go_on_while_links_break(security: Security) {
    let layout = config(support::A).layout;
    let setup = Setup { cluster: 0xE7, layout, scratch_words: config(support::A).scratch_words(), recovering: None };
    let options = TcpOptions { serve: Serve::Thread, ..TcpOptions::default() };
    let cluster = Cluster::of(&setup, security, options);
    let mut members: Vec<_> = ReplicaId::all(3).map(|id| Member::new(&cluster, id)).collect();
    let started = Instant::now();
    let (mut next, mut broken, mut wanted) = (1, 0, COMMANDS);
    loop {
        let now = Nanos(started.elapsed().as_nanos() as u64);
        members.iter_mut().for_each(|member| member.turn(now, &mut next));
        let applied = members.iter().map(|member| member.log.0.len()).min().expect("three");
        if applied >= wanted {
            agree(&members);
            if broken == BREAKS {
                break;
            }
            // A second session of a proposer ends the first: its link breaks with chains under way.
            let (from, to) = (broken % 3, (broken + 1 + broken / 3 % 2) % 3);
            drop(Speaker::dial(&cluster, ReplicaId(from as u8), ReplicaId(to as u8), &mut Nobody));
            (broken, wanted) = (broken + 1, applied + COMMANDS);
        }
        assert!(started.elapsed() < TIME_MAX, "{applied} commands were applied everywhere, {broken} links broken");
    }
    let links = members.iter().flat_map(|member| member.fabric.status().read().links);
    let reconnects: u64 = links.map(|link| link.reconnects).sum();
    // A link may be broken again before it is up.
    assert!(reconnects as usize >= BREAKS / 2, "{reconnects} links came up again");
}

#[test]
fn commits_go_on_while_links_break_in_plaintext() {
    commits_go_on_while_links_break(Security::Plaintext);
}

#[test]
fn commits_go_on_while_links_break_with_tls() {
    commits_go_on_while_links_break(Security::Tls);
}
