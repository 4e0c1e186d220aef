//! Well-behaved clients at served replicas: exactly once and in order, whatever happens to leaders and connections.

mod served;

use paxon::serve::{Event, ServeOptions, StatusReport};
use paxon::{LocalCluster, Paxon, ReplicaId, SessionLimits, Slot};
use paxon_client::wire::Code;
use paxon_client::{Applied, ClientError, ClientOptions, Pending};
use served::{Doors, PATIENCE, Served, Witness, number, wait_until};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Commands of each client that is disturbed.
const COMMANDS: u64 = 1500;
const CLIENTS: u64 = 3;
const DISTURBANCES: u64 = 8;
/// Commands that such a client has on their way.
const ON_THEIR_WAY: usize = 50;

/// An executor of one future.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
        assert!(Instant::now() < deadline, "nobody wakes the future");
    }
}

/// A command that says whose it is.
fn command(client: u64, at: u64) -> [u8; 8] {
    (client << 32 | at).to_le_bytes()
}

/// Of all that was applied, what is this client's.
fn of_client(applied: &[u64], client: u64) -> Vec<u64> {
    applied.iter().filter(|name| **name >> 32 == client).map(|name| name & u64::from(u32::MAX)).collect()
}

fn options() -> ClientOptions {
    ClientOptions { patience: PATIENCE, ..ClientOptions::default() }
}

/// Has commands applied, with many on their way.
fn propose_many(doors: &Doors, client: u64, progress: &AtomicU64) {
    let session = doors.client().open_session().wait().expect("a session");
    let mut waiting: VecDeque<Pending<Applied>> = VecDeque::new();
    for at in 0..COMMANDS {
        waiting.push_back(session.propose(&command(client, at)));
        if waiting.len() == ON_THEIR_WAY {
            waiting.pop_front().expect("many").wait().expect("it is applied");
            progress.fetch_add(1, Relaxed);
        }
    }
    for pending in waiting {
        pending.wait().expect("it is applied");
    }
}

/// Runs clients while `disturb` is called now and then; then checks that everything was applied once and in order.
fn disturbed(served: &mut Served, mut disturb: impl FnMut(&mut Served)) {
    let (progress, running, doors) = (AtomicU64::new(0), AtomicU64::new(CLIENTS), served.doors.clone());
    let (progress, running, doors) = (&progress, &running, &doors);
    thread::scope(|scope| {
        for client in 1..=CLIENTS {
            scope.spawn(move || {
                propose_many(doors, client, progress);
                running.fetch_sub(1, Relaxed);
            });
        }
        for round in 1..=DISTURBANCES {
            let wanted = round * CLIENTS * COMMANDS / (DISTURBANCES + 2);
            wait_until("the clients go on", || progress.load(Relaxed) >= wanted || running.load(Relaxed) == 0);
            disturb(served);
        }
    });
    let applied = served.applied();
    for client in 1..=CLIENTS {
        assert!(of_client(&applied, client).iter().copied().eq(0..COMMANDS), "client {client}");
    }
    assert_eq!(applied.len() as u64, CLIENTS * COMMANDS);
}

#[test]
fn leaders_that_resign_lose_double_and_reorder_nothing() {
    let mut served = Served::start(ServeOptions::default());
    disturbed(&mut served, |served| served.leader().resign());
}

#[test]
fn leaders_that_end_lose_double_and_reorder_nothing() {
    let mut served = Served::start(ServeOptions::default());
    disturbed(&mut served, |served| {
        let id = served.leader_id();
        served.cluster.handles()[id].shutdown();
        served.servers[id] = None;
        served.cluster.restart(ReplicaId(id as u8), Witness::default()).expect("it starts");
        served.serve(id);
    });
}

#[test]
fn lost_connections_lose_double_and_reorder_nothing() {
    let mut served = Served::start(ServeOptions::default());
    disturbed(&mut served, |served| {
        (0..3).for_each(|id| served.servers[id] = None);
        (0..3).for_each(|id| served.serve(id));
    });
}

#[test]
fn a_replica_that_sheds_load_all_the_time_loses_doubles_and_reorders_nothing() {
    // Three clients with windows of sixteen want 48 places.
    let mut served = Served::start(ServeOptions { in_flight_max: 5, ..ServeOptions::default() });
    disturbed(&mut served, |_| ());
    let shed: u64 = served.servers.iter().flatten().map(|server| server.counters().shed).sum();
    assert!(shed > 0, "nothing was shed");
}

#[test]
fn futures_are_driven_by_any_executor_and_many_at_a_time() {
    let served = Served::start(ServeOptions::default());
    let client = served.doors.client();
    let replies = block_on(async {
        let session = client.open_session().await.expect("a session");
        let pending: Vec<_> = (0..200).map(|at| session.propose(&command(1, at))).collect();
        let mut replies = Vec::new();
        // The last first: each is answered although nobody polls the others.
        for pending in pending.into_iter().rev() {
            replies.push(number(&pending.await.expect("it is applied")));
        }
        let answer = client.read(b"").await.expect("an answer");
        assert_eq!(answer.len(), 200 * 8);
        replies
    });
    assert!(replies.into_iter().rev().eq(0..200));
}

#[test]
fn threads_share_a_client_and_each_gets_its_own_answers() {
    let served = Served::start(ServeOptions::default());
    let client = served.doors.client();
    thread::scope(|scope| {
        for thread in 1..=4 {
            let client = &client;
            scope.spawn(move || {
                let session = client.open_session().wait().expect("a session");
                for at in 0..200 {
                    session.propose(&command(thread, at)).wait().expect("it is applied");
                    let answer = client.read(b"").wait().expect("an answer");
                    let own = of_client(&served::numbers(&answer), thread);
                    assert!(own.iter().copied().eq(0..=at), "a read misses what was answered before");
                }
            });
        }
    });
}

#[test]
fn a_dropped_future_is_applied_at_most_once_and_holds_up_nobody() {
    let served = Served::start(ServeOptions::default());
    let session = served.doors.client().open_session().wait().expect("a session");
    let mut kept = Vec::new();
    let mut sent_and_dropped = Vec::new();
    for at in 0..600 {
        let pending = session.propose(&command(1, at));
        match at % 3 {
            0 => kept.push(pending),
            _ if pending.is_sent() => sent_and_dropped.push(at),
            _ => {}
        }
    }
    for pending in kept {
        pending.wait().expect("it is applied");
    }
    let applied = of_client(&served.applied(), 1);
    assert!(applied.is_sorted_by(|one, other| one < other), "in order, and none twice: {applied:?}");
    for at in 0..600 {
        let was_applied = applied.binary_search(&at).is_ok();
        match at % 3 {
            0 => assert!(was_applied, "{at}"),
            _ => assert!(!was_applied || sent_and_dropped.contains(&at), "{at} was not sent when it was dropped"),
        }
    }
    assert!(applied.len() < 600, "nothing that was dropped before it was sent was left out");
}

#[test]
fn a_follower_answers_from_its_own_state_once_it_has_come_so_far() {
    let served = Served::start(ServeOptions::default());
    let client = served.doors.client();
    let session = client.open_session().wait().expect("a session");
    for at in 0..50 {
        let applied = session.propose(&command(1, at)).wait().expect("it is applied");
        let digests = (0..3).map(|id| {
            let replica = client.at(ReplicaId(id));
            let answer = replica.read(b"", applied.slot).wait().expect("an answer");
            assert!(answer.slot >= applied.slot && answer.len() as u64 == (at + 1) * 8);
            replica.digest(applied.slot).wait().expect("a digest").digest
        });
        let digests: Vec<_> = digests.collect();
        assert_eq!((digests[0], digests[0]), (digests[1], digests[2]));
    }
    // A slot that never comes: the question ends with its patience.
    let hasty = client.with_patience(Duration::from_millis(300));
    let error = hasty.at(ReplicaId(1)).digest(Slot(u64::MAX)).wait().expect_err("there is no such slot");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
}

#[test]
fn the_status_tells_who_leads_what_happened_and_what_clients_do() {
    let served = Served::start(ServeOptions::default());
    let client = served.doors.client();
    client.open_session().wait().expect("a session");
    let leader = served.leader().replica();
    let text = client.at(leader).status().wait().expect("a status");
    let report: StatusReport = serde_json::from_str(&text).expect("a status");
    assert_eq!((report.replica, &*report.role, report.leader), (leader.0, "leader", Some(leader.0)));
    assert!(report.timeline.iter().any(|moment| moment.what == Event::FirstReply), "{text}");
    assert!(report.clients.requests >= 2 && report.clients.accepted >= 1, "{text}");
    let error = client.at(leader).stages().wait().expect_err("they are not recorded");
    assert!(matches!(error, ClientError::Refused { code: Code::NotKept, .. }), "{error}");
    let error = client.at(ReplicaId(7)).status().wait().expect_err("there is none");
    assert_eq!(error, ClientError::NoSuchReplica { replica: ReplicaId(7) });
}

#[test]
fn an_evicted_session_says_so_and_a_new_one_works() {
    let limits = SessionLimits { sessions_max: 4, ..SessionLimits::default() };
    let builder = Paxon::builder().replicas(3).sessions(limits);
    let cluster = LocalCluster::start_with(builder, |_| Witness::default()).expect("it starts");
    let served = Served::of(cluster, ServeOptions { sessions: limits, ..ServeOptions::default() });
    let client = served.doors.client();
    let first = client.open_session().wait().expect("a session");
    first.propose(&command(1, 0)).wait().expect("it is applied");
    (0..4).for_each(|_| drop(client.open_session().wait().expect("a session")));
    let pending: Vec<_> = (1..4).map(|at| first.propose(&command(1, at))).collect();
    for pending in pending {
        assert_eq!(pending.wait(), Err(ClientError::SessionExpired));
    }
    client.open_session().wait().expect("a session").propose(&command(2, 0)).wait().expect("it is applied");
    assert_eq!(served.applied(), [1 << 32, 2 << 32]);
}

#[test]
fn a_command_that_is_too_large_is_refused_and_those_around_it_are_not_harmed() {
    let limit = 1000;
    let served = Served::start(ServeOptions { command_bytes_max: limit, ..ServeOptions::default() });
    let session = served.doors.client().open_session().wait().expect("a session");
    let pending: Vec<_> = (0..9)
        .map(|at| {
            let mut payload = command(1, at).to_vec();
            payload.resize(if at == 4 { limit + 1 } else { limit }, 0);
            session.propose(&payload)
        })
        .collect();
    for (at, pending) in pending.into_iter().enumerate() {
        match pending.wait() {
            Ok(_) => assert_ne!(at, 4),
            Err(error) => assert_eq!((at, error), (4, ClientError::TooLarge { bytes: limit + 1, most: limit })),
        }
    }
    assert_eq!(of_client(&served.applied(), 1), [0, 1, 2, 3, 5, 6, 7, 8]);
}

#[test]
fn a_reply_over_the_limit_is_told_apart_from_a_failure() {
    let served = Served::start(ServeOptions { reply_bytes_max: 1000, ..ServeOptions::default() });
    let error = served.doors.client().read(served::LONG_QUERY).wait().expect_err("it is too long");
    assert!(matches!(&error, ClientError::ReplyTooLarge(text) if text.contains("1000 are allowed")), "{error}");
}

#[test]
fn a_command_that_timed_out_can_be_asked_after_under_its_number() {
    let mut served = Served::start(ServeOptions::default());
    let session = served.doors.client().open_session().wait().expect("a session");
    session.propose(&command(1, 0)).wait().expect("it is applied");
    (0..3).for_each(|id| served.servers[id] = None);
    let hasty = session.propose_within(&command(1, 1), Duration::from_millis(200));
    let sequence = hasty.sequence();
    let error = hasty.wait().expect_err("nobody is there");
    assert!(
        matches!(&error, ClientError::TimedOut { last_problem, .. } if last_problem.contains("replica")),
        "{error}"
    );
    (0..3).for_each(|id| served.serve(id));
    let again = session.resubmit(sequence, &command(1, 1)).wait().expect("it is applied");
    let once_more = session.resubmit(sequence, &command(1, 1)).wait().expect("the same reply");
    assert_eq!((again.slot, &again.reply), (once_more.slot, &once_more.reply));
    session.propose(&command(1, 2)).wait().expect("it is applied");
    assert_eq!(of_client(&served.applied(), 1), [0, 1, 2]);
}

#[test]
fn commands_without_a_session_are_applied_at_most_once() {
    let mut served = Served::start(ServeOptions::default());
    let client = served.doors.client();
    let mut unknown = 0;
    for round in 0..10 {
        let pending: Vec<_> = (0..50).map(|at| client.propose(&command(1, round * 50 + at))).collect();
        match round % 2 {
            0 => served.leader().resign(),
            _ => (0..3).for_each(|id| served.serve(id)),
        }
        for pending in pending {
            match pending.wait() {
                Ok(_) => {}
                Err(ClientError::Unknown { .. }) => unknown += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    let mut applied = of_client(&served.applied(), 1);
    let count = applied.len();
    applied.sort_unstable();
    applied.dedup();
    assert_eq!(applied.len(), count, "one was applied twice");
    assert!(count + unknown >= 500 && count <= 500, "{count} applied, {unknown} unknown");
}

#[test]
fn a_client_that_holds_too_much_says_so() {
    let served = Served::start(ServeOptions::default());
    let client = served.doors.client_with(ClientOptions { requests_max: 10, ..options() });
    let session = client.open_session().wait().expect("a session");
    let pending: Vec<_> = (0..40).map(|at| session.propose(&command(1, at))).collect();
    let (fits, full): (Vec<_>, Vec<_>) = pending.into_iter().map(Pending::wait).partition(Result::is_ok);
    assert!(fits.len() >= 10 && full.iter().all(|full| matches!(full, Err(ClientError::QueueFull { .. }))), "{full:?}");
    session.propose(&command(1, 99)).wait().expect("there is room again");
}
