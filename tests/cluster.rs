//! Whole clusters behind handles: replicas in threads over shared memory.

use paxon::machines::{Counter, Ledger};
use paxon::{
    Command, Failure, Handle, Leadership, LocalCluster, Nanos, PollPolicy, ProposeError, ReplicaBuilder, ReplicaId,
    ReplyBuffer, Session, SessionLimits, Slot, SnapshotError, Stage, StateMachine, Ticket, Timing,
};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Nothing here takes a second on an idle machine; a test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);
const ONE: [u8; 8] = 1u64.to_le_bytes();

/// Leaders stay, however many tests and compilers share the cores: only those that a test ends are followed by another.
const PATIENT: Timing = Timing { suspect: Nanos::from_millis(3000), ..Timing::sharing() };

/// Small memory, so that tests can run side by side.
fn small() -> ReplicaBuilder {
    ReplicaBuilder::default()
        .replicas(3)
        .cells(2048)
        .payload_bytes_max(64 << 10)
        .arena_bytes(256 << 10)
        .snapshot_bytes(1 << 20)
        .sessions(SessionLimits { sessions_max: 64, window: 16, reply_bytes_max: 64 })
        .timing(PATIENT)
}

fn counters() -> LocalCluster {
    LocalCluster::start_with(small(), |_| Counter::default()).expect("the cluster starts")
}

fn leader(cluster: &LocalCluster) -> &Handle {
    cluster.leader(LONG).expect("a leader is elected")
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"))
}

fn assert_equal_digests(cluster: &LocalCluster, at_least: Slot) {
    let digests = cluster.digests(at_least, LONG).expect("every replica gets there");
    assert!(digests.windows(2).all(|pair| pair[0].1 == pair[1].1), "{digests:?}");
}

/// Proposes again while the queue is full.
fn propose(handle: &Handle, command: &[u8]) -> Ticket {
    let deadline = Instant::now() + LONG;
    loop {
        match handle.propose(command) {
            Ok(ticket) => return ticket,
            Err(ProposeError::Busy { retry_after }) if Instant::now() < deadline => thread::park_timeout(retry_after),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_the_leader_answers_is_applied_at_every_replica() {
    let cluster = counters();
    let leader = leader(&cluster);
    let mut last = Slot::NONE;
    for sum in 1..=100 {
        let reply = leader.propose(&ONE).expect("it leads").wait().expect("an answer");
        assert_eq!(number(&reply), sum);
        assert!(reply.slot() > last, "slots grow");
        last = reply.slot();
    }
    assert_equal_digests(&cluster, last);
    for handle in cluster.handles() {
        let mut ticket = handle.read_local(b"", last).expect("room");
        assert_eq!(number(&ticket.wait_timeout(LONG).expect("in time").expect("an answer")), 100);
    }
}

#[test]
fn commands_of_many_threads_share_records_and_each_gets_its_own_reply() {
    // Replies that nobody has taken yet keep their seats: there are enough for all.
    let cluster = LocalCluster::start_with(small().requests(2000), |_| Ledger::default()).expect("the cluster starts");
    let leader = leader(&cluster);
    let client = |client: u64| {
        let tickets: Vec<_> =
            (0..500).map(|n: u64| propose(leader, &[client, n].map(u64::to_le_bytes).concat())).collect();
        tickets.into_iter().map(|ticket| ticket.wait().expect("an answer")).collect::<Vec<_>>()
    };
    let replies: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|id| scope.spawn(move || client(id))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
    });
    let mut lines: Vec<u64> = replies.iter().map(|reply| number(reply)).collect();
    lines.sort_unstable();
    assert!(lines.into_iter().eq(1..=2000), "each command is one line of the ledger");
    let last = replies.iter().map(|reply| reply.slot()).max().expect("replies");
    assert!(last < Slot(2000), "{last}: 2000 commands of waiting clients do not take 2000 records");
    assert_equal_digests(&cluster, last);
}

#[test]
fn large_commands_travel_too_and_too_large_ones_are_refused() {
    let cluster = LocalCluster::start_with(small(), |_| Ledger::default()).expect("the cluster starts");
    let leader = leader(&cluster);
    let max = (64 << 10) - 24;
    let tickets: Vec<_> = [64, 65, 4096, max, 1].map(|bytes| propose(leader, &vec![7; bytes])).into();
    let lines: Vec<_> = tickets.into_iter().map(|ticket| number(&ticket.wait().expect("an answer"))).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5]);
    assert_eq!(leader.propose(&vec![7; max + 1]).err(), Some(ProposeError::TooLarge { bytes: max + 1, max }));
}

#[test]
fn a_follower_says_who_leads() {
    let cluster = counters();
    let leader = leader(&cluster);
    leader.propose(&ONE).expect("it leads").wait().expect("an answer");
    let leader = leader.replica();
    let follower = cluster.handles().iter().find(|handle| handle.replica() != leader).expect("two follow");
    assert_eq!(follower.wait_for_leader(LONG), Some(leader));
    for error in [follower.propose(&ONE).err(), follower.read(b"").err()] {
        assert_eq!(error, Some(ProposeError::NotLeader { leader: Some(leader) }));
    }
}

#[test]
fn a_read_sees_every_command_that_was_answered_before() {
    let cluster = counters();
    let leader = leader(&cluster);
    for sum in 1..=20 {
        let written = leader.propose(&ONE).expect("it leads").wait().expect("an answer");
        let reads: Vec<_> = (0..3).map(|_| leader.read(b"").expect("it leads")).collect();
        for read in reads {
            let read = read.wait().expect("an answer");
            assert_eq!(number(&read), sum);
            assert!(read.slot() >= written.slot());
        }
    }
}

#[test]
fn a_session_applies_each_command_once_although_leaders_come_and_go() {
    let cluster = counters();
    leader(&cluster);
    let mut session = Session::open(cluster.handles()).expect("a leader is there");
    session.set_patience(LONG);
    for sum in 1..=60 {
        if sum % 20 == 10 {
            leader(&cluster).resign();
        }
        let reply = session.propose(&ONE).expect("an answer");
        assert_eq!(number(&reply), sum, "neither lost nor applied twice");
    }
    let again = session.resubmit(session.next_sequence() - 1, &ONE).expect("an answer");
    assert_eq!(number(&again), 60, "a repeated command gets the first reply");
}

#[test]
fn a_session_survives_the_end_of_the_leader() {
    let cluster = counters();
    leader(&cluster);
    let mut session = Session::open(cluster.handles()).expect("a leader is there");
    session.set_patience(LONG);
    assert_eq!(number(&session.propose(&ONE).expect("an answer")), 1);
    leader(&cluster).shutdown();
    let reply = session.propose(&ONE).expect("an answer of the next leader");
    assert_eq!(number(&reply), 2);
    assert_equal_digests(&cluster, reply.slot());
}

#[test]
fn a_restarted_replica_catches_up() {
    let mut cluster = counters();
    let first = leader(&cluster).propose(&ONE).expect("it leads").wait().expect("an answer");
    assert_equal_digests(&cluster, first.slot());
    let follower = ReplicaId((leader(&cluster).replica().0 + 1) % 3);
    cluster.restart(follower, Counter::default()).expect("it starts again");
    let second = leader(&cluster).propose(&ONE).expect("it leads").wait().expect("an answer");
    assert_equal_digests(&cluster, second.slot());
}

#[test]
fn a_replica_restarted_after_the_journals_went_round_is_helped_by_a_snapshot_that_holds_the_sessions() {
    let mut cluster = counters();
    leader(&cluster);
    let mut session = Session::open(cluster.handles()).expect("a leader is there");
    session.set_patience(LONG);
    for _ in 0..5000 {
        session.propose(&ONE).expect("an answer");
    }
    let last = session.next_sequence() - 1;
    let first_leader = leader(&cluster).replica();
    let follower = ReplicaId((first_leader.0 + 1) % 3);
    cluster.restart(follower, Counter::default()).expect("it starts again");
    let reply = session.propose(&ONE).expect("an answer");
    assert_equal_digests(&cluster, reply.slot());
    for handle in cluster.handles().iter().filter(|handle| handle.replica() != follower) {
        handle.shutdown();
    }
    // The memory of the others still votes: the restored replica leads alone.
    let mut resumed = Session::resume(&cluster.handles()[follower.index()..=follower.index()], session.id(), 0);
    resumed.set_patience(LONG);
    assert_eq!(number(&resumed.resubmit(last, &ONE).expect("an answer")), 5000, "the reply of the first time");
    assert_eq!(number(&resumed.resubmit(last + 2, &ONE).expect("an answer")), 5002);
}

#[test]
fn an_unknown_session_is_expired_and_an_old_sequence_too_old() {
    let cluster = counters();
    let leader = leader(&cluster);
    let send = |session, sequence| {
        let command = Command { session, sequence, payload: &ONE };
        leader.propose_command(command).expect("it leads").wait().map(|reply| number(&reply))
    };
    assert_eq!(send(12345, 1), Err(Failure::SessionExpired));
    let session = leader.session().expect("it leads").id();
    assert_eq!(send(session, 40), Ok(1));
    assert_eq!(send(session, 20), Err(Failure::TooOld));
    assert_eq!(send(session, 40), Ok(1));
}

#[test]
fn leadership_is_told_to_subscribers_until_the_end() {
    let cluster = counters();
    let leader = leader(&cluster);
    let changes = leader.leadership();
    assert!(matches!(changes.recv_timeout(LONG).expect("an event").leadership, Leadership::Leader { .. }));
    leader.shutdown();
    let last =
        changes.into_iter().map(|change| change.leadership).find(|leadership| *leadership == Leadership::Stopped);
    assert_eq!(last, Some(Leadership::Stopped));
    assert_eq!(leader.propose(&ONE).err(), Some(ProposeError::Stopped));
    assert!(leader.is_stopped());
}

#[test]
fn requests_under_way_are_answered_when_the_replica_stops() {
    let cluster = counters();
    let never = Slot(u64::MAX);
    let ticket = cluster.handles()[0].read_local(b"", never).expect("room");
    cluster.handles()[0].shutdown();
    assert_eq!(ticket.wait(), Err(Failure::Stopped));
}

#[test]
fn a_state_machine_that_panics_stops_its_replica_and_leaves_no_client_waiting() {
    #[derive(Default)]
    struct Fragile(Counter);
    impl StateMachine for Fragile {
        fn apply(&mut self, slot: Slot, command: &[u8], reply: &mut ReplyBuffer) {
            assert_ne!(command, b"break", "as this test wants it");
            self.0.apply(slot, command, reply);
        }
        fn snapshot(&self, into: &mut Vec<u8>) {
            self.0.snapshot(into);
        }
        fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
            self.0.restore(bytes)
        }
        fn digest(&self) -> u64 {
            self.0.digest()
        }
    }
    let cluster = LocalCluster::start_with(small(), |_| Fragile::default()).expect("the cluster starts");
    let leader = leader(&cluster);
    let mut tickets = vec![leader.propose(b"break").expect("it leads")];
    while let Ok(ticket) = leader.propose(&ONE) {
        tickets.push(ticket);
    }
    for mut ticket in tickets {
        assert_eq!(ticket.wait_timeout(LONG), Some(Err(Failure::Stopped)));
    }
    assert!(cluster.handles().iter().any(Handle::is_stopped));
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let policy = PollPolicy::Park(Duration::from_micros(200));
    let cluster =
        LocalCluster::start_with(small().requests(2).poll(policy), |_| Counter::default()).expect("it starts");
    let handle = &cluster.handles()[0];
    let never = Slot(u64::MAX);
    let tickets = [(); 2].map(|()| handle.read_local(b"", never).expect("room for two"));
    let busy = handle.read_local(b"", never).err();
    assert_eq!(busy, Some(ProposeError::Busy { retry_after: Duration::from_micros(200) }));
    drop(tickets);
}

#[test]
fn the_status_shows_leader_progress_and_lag() {
    let cluster = counters();
    let leader = leader(&cluster);
    let reply = leader.propose(&ONE).expect("it leads").wait().expect("an answer");
    let deadline = Instant::now() + LONG;
    let status = loop {
        let status = leader.status();
        let caught_up = status.peers.iter().all(|peer| peer.alive && peer.lag == Some(0));
        if caught_up && status.applied >= reply.slot() || Instant::now() > deadline {
            break status;
        }
        thread::yield_now();
    };
    assert_eq!(status.leader, Some(leader.replica()));
    assert!(status.applied >= reply.slot() && status.committed >= status.applied, "{status:?}");
    assert_eq!(status.peers.iter().filter(|peer| peer.alive && peer.lag == Some(0)).count(), 3, "{status:?}");
}

#[test]
fn stages_are_recorded_where_they_are_asked_for() {
    let cluster = LocalCluster::start_with(small().record_stages(true), |_| Counter::default()).expect("it starts");
    let leader = leader(&cluster);
    for _ in 0..50 {
        leader.propose(&ONE).expect("it leads").wait().expect("an answer");
    }
    // The last command is recorded just after its reply; a round trip through the engine makes sure that it was.
    leader.read_local(b"", Slot::NONE).expect("room").wait().expect("an answer");
    let stages = leader.stages().expect("they are recorded");
    assert_eq!(stages.whole().len(), 50);
    assert_eq!(
        stages.spans().last().map(|(from, to, span)| (from, to, span.len())),
        Some((Stage::Applied, Stage::Replied, 50))
    );
    assert!(counters().handles()[0].stages().is_none());
}

#[test]
fn a_ticket_can_be_awaited() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let cluster = counters();
    let mut ticket = pin!(leader(&cluster).propose(&ONE).expect("it leads"));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + LONG;
    let reply = loop {
        match ticket.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(reply) => break reply.expect("an answer"),
            Poll::Pending => assert!(Instant::now() < deadline, "it is not answered"),
        }
        thread::park_timeout(LONG);
    };
    assert_eq!(number(&reply), 1);
}

#[test]
fn the_directory_of_a_local_cluster_is_removed_in_the_end() {
    let cluster = counters();
    let directory = cluster.directory().to_owned();
    assert!(directory.exists());
    drop(cluster);
    assert!(!directory.exists());
}
