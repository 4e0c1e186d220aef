//! The client against replicas that lie, stall, hang up or refuse, told by a script.

mod script;

use paxon_client::wire::{Code, LeaderHint, Limits, OWN_WORDS, Refusal, Reply, VERSION, append};
use paxon_client::{ClientError, ClientOptions, FromOutcome, Pending, Session};
use paxon_fastpath::{ReplicaId, Slot};
use script::{A_MOMENT, Actor, Asked, LIMITS, Line, PATIENCE, Stage, numbers, options};
use std::thread;
use std::time::{Duration, Instant};

/// A client with an open session, and the replica that it is connected to.
fn with_session(options: ClientOptions, limits: Limits) -> (Stage, Actor, Line, Session) {
    let stage = Stage::new();
    let actor = stage.actor(0);
    let opening = stage.client(1, options).open_session();
    let (actor, line, session) = thread::scope(|scope| {
        let opening = scope.spawn(|| opening.wait().expect("a session"));
        let mut line = actor.welcome_with(limits);
        assert_eq!(line.grant_next(), Asked::Open);
        (actor, line, opening.join().expect("no panic"))
    });
    (stage, actor, line, session)
}

/// Waits for all in another thread while the script goes on.
fn waiting<T: FromOutcome + Send>(pending: Vec<Pending<T>>, script: impl FnOnce()) -> Vec<Result<T, ClientError>> {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pending.into_iter().map(Pending::wait).collect());
        script();
        waiter.join().expect("no panic")
    })
}

#[test]
fn after_a_refusal_what_is_under_way_comes_back_first_and_then_goes_out_in_order() {
    let (_stage, _actor, mut line, session) = with_session(options(), Limits { session_window: 4, ..LIMITS });
    let pending: Vec<_> = (1..=6u64).map(|at| session.propose(&[at as u8])).collect();
    let applied = waiting(pending, || {
        let first = line.all();
        assert_eq!(numbers(&first), [(1, 0), (2, 0), (3, 0), (4, 0)]);
        line.grant(first[0].0, &first[0].1);
        line.refuse(first[1].0, Code::Busy);
        line.refuse(first[2].0, Code::Behind);
        assert_eq!(line.all(), [], "4 is still under way");
        line.refuse(first[3].0, Code::Behind);
        let again = line.all();
        let [(_, round), ..] = numbers(&again)[..] else { panic!("nothing came") };
        assert!(round > 0);
        assert_eq!(numbers(&again), [(2, round), (3, round), (4, round), (5, round)]);
        again.iter().for_each(|(id, asked)| line.grant(*id, asked));
        assert_eq!(line.grant_next(), Asked::Command { session: 7, sequence: 6, round, payload: vec![6] });
    });
    let slots: Vec<_> = applied.into_iter().map(|applied| applied.expect("it is applied").slot).collect();
    assert_eq!(slots, (1..=6).map(Slot).collect::<Vec<_>>());
}

#[test]
fn a_lost_connection_is_made_again_and_the_command_keeps_its_number() {
    let (_stage, actor, line, session) = with_session(options(), LIMITS);
    let pending = vec![session.propose(b"once"), session.propose(b"twice")];
    let applied = waiting(pending, || {
        let mut line = line;
        for _ in 0..5 {
            let asked = [line.next(), line.next()].map(|asked| asked.expect("a command").1);
            for (asked, wanted) in asked.into_iter().zip([(1, &b"once"[..]), (2, b"twice")]) {
                let Asked::Command { session: 7, sequence, payload, .. } = asked else { panic!("{asked:?}") };
                assert_eq!((sequence, &*payload), wanted);
            }
            drop(line);
            line = actor.welcome();
        }
        line.grant_next();
        line.grant_next();
    });
    assert!(applied.iter().all(Result::is_ok), "{applied:?}");
}

/// What a replica says instead of the truth.
type Lie = fn(&mut Line, u64);

const LIES: [(&str, Lie); 9] = [
    ("it is another replica", |line, _| {
        line.say(OWN_WORDS, &Reply::Welcome { version: VERSION, replica: 9, leader: None, limits: LIMITS });
    }),
    ("an answer to what was not asked", |line, id| line.say(id + 1000, &Reply::Answer { slot: 1, bytes: b"lie" })),
    ("an answer to another question", |line, id| line.say(id, &Reply::Opened { session: 1, slot: 1 })),
    ("a frame with a wrong check", |line, id| {
        let mut frame = Vec::new();
        append(&mut frame, id, &Reply::Answer { slot: 1, bytes: b"lie" }, 100).expect("it is short");
        frame[4] ^= 1;
        line.send(&frame);
    }),
    ("a body that cannot be read", |line, id| {
        let mut frame = Vec::new();
        append(&mut frame, id, &Reply::Document { json: "lie" }, 100).expect("it is short");
        frame[16] = 77;
        let check = xxhash_rust::xxh3::xxh3_64(&frame[8..]) as u32;
        frame[4..8].copy_from_slice(&check.to_le_bytes());
        line.send(&frame);
    }),
    ("a reply of four gigabytes", |line, id| {
        line.send(&[&u32::MAX.to_le_bytes()[..], &[0; 4], &id.to_le_bytes()].concat());
    }),
    ("garbage", |line, _| line.send(&[0xA5; 300])),
    ("nothing but an end", |_, _| {}),
    ("that it wants nobody", |line, _| {
        let refusal = Refusal { code: Code::Busy, message: "full", leader: None, retry_after_us: 1000 };
        line.say(OWN_WORDS, &Reply::Refused(refusal));
    }),
];

#[test]
fn a_replica_that_lies_is_left_for_one_that_does_not() {
    for (what, lie) in LIES {
        let stage = Stage::new();
        let (liar, honest) = (stage.actor(0), stage.actor(1));
        let answers = waiting(vec![stage.client(2, options()).read(b"question")], || {
            let mut line = liar.accept();
            assert_eq!(line.next().map(|(_, asked)| asked), Some(Asked::Hello));
            let (id, _) = line.next().expect("the question comes without waiting for the welcome");
            lie(&mut line, id);
            drop(line);
            honest.welcome().grant_next();
        });
        let answer = answers[0].as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((answer.replica, &**answer), (ReplicaId(1), &b"answer"[..]), "{what}");
    }
}

#[test]
fn replicas_that_all_lie_end_in_a_timeout_that_says_so_and_are_not_asked_too_often() {
    for (what, lie) in LIES {
        let stage = Stage::new();
        let actor = stage.actor(0);
        let patience = Duration::from_millis(300);
        let client = stage.client(1, ClientOptions { patience, ..options() });
        let mut connections = 0;
        let answers = waiting(vec![client.read(b"question")], || {
            let until = Instant::now() + patience;
            while let Some(mut line) = actor.accept_within(until.saturating_duration_since(Instant::now())) {
                connections += 1;
                line.next();
                if let Some((id, _)) = line.next() {
                    lie(&mut line, id);
                }
            }
        });
        let Err(ClientError::TimedOut { last_problem, .. }) = &answers[0] else { panic!("{what}: {answers:?}") };
        assert!(last_problem.starts_with("replica 0: "), "{what}: {last_problem}");
        assert!(connections < 60, "{what}: {connections} connections");
    }
}

#[test]
fn a_replica_that_stalls_is_left_for_one_that_does_not() {
    let silence = Duration::from_millis(100);
    for drips in [false, true] {
        let stage = Stage::new();
        let (stalling, honest) = (stage.actor(0), stage.actor(1));
        let client = stage.client(2, ClientOptions { silence, ..options() });
        let answers = waiting(vec![client.read(b"question")], || {
            let mut line = stalling.welcome();
            let (id, asked) = line.next().expect("the question");
            let Asked::Read { wait_ms } = asked else { panic!("{asked:?}") };
            assert!((1..=75).contains(&wait_ms), "it is told to answer before it is left: {wait_ms}");
            let mut frame = Vec::new();
            append(&mut frame, id, &Reply::Answer { slot: 1, bytes: &[0; 500] }, 1000).expect("it is short");
            let drip = thread::spawn(move || {
                // Bytes that never become an answer do not help it.
                for byte in frame.into_iter().take(if drips { 400 } else { 0 }) {
                    line.send(&[byte]);
                    thread::sleep(Duration::from_millis(1));
                }
                while line.next().is_some() {}
            });
            honest.welcome().grant_next();
            drip.join().expect("no panic");
        });
        assert_eq!(answers[0].as_ref().map(|answer| answer.replica), Ok(ReplicaId(1)));
    }
}

#[test]
fn the_leader_that_is_named_is_asked_and_two_that_name_each_other_are_asked_seldom() {
    let stage = Stage::new();
    let actors = [stage.actor(0), stage.actor(1), stage.actor(2)];
    let client = stage.client(3, options());
    let answers = waiting(vec![client.read(b"question")], || {
        let mut line = actors[0].welcome();
        let (id, _) = line.next().expect("the question");
        line.refuse_for(id, Code::NotLeader, Some(2), Duration::ZERO);
        actors[2].welcome().grant_next();
    });
    assert_eq!(answers[0].as_ref().map(|answer| answer.replica), Ok(ReplicaId(2)));
    drop(client);

    let stage = Stage::new();
    let actors = [stage.actor(0), stage.actor(1)];
    let client = stage.client(2, ClientOptions { patience: Duration::from_millis(400), ..options() });
    let asked: usize = thread::scope(|scope| {
        let threads = [(0, 1), (1, 0)].map(|(own, other)| {
            let actor = &actors[own];
            scope.spawn(move || {
                let mut line = actor.welcome();
                let mut asked = 0;
                while let Some((id, _)) = line.next() {
                    asked += 1;
                    line.refuse_for(id, Code::NotLeader, Some(other), Duration::ZERO);
                }
                asked
            })
        });
        client.read(b"question").wait().expect_err("nobody leads");
        drop(client);
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert!((4..400).contains(&asked), "asked {asked} times");
}

#[test]
fn a_busy_replica_is_given_the_time_that_it_asks_for() {
    let (_stage, _actor, mut line, session) = with_session(options(), LIMITS);
    let wish = Duration::from_millis(80);
    let applied = waiting(vec![session.propose(b"patient")], || {
        let (id, _) = line.next().expect("a command");
        let refused_at = Instant::now();
        line.refuse_for(id, Code::Busy, None, wish);
        line.grant_next();
        assert!(refused_at.elapsed() >= wish);
    });
    assert!(applied[0].is_ok());
}

#[test]
fn whatever_passes_is_tried_again_under_the_same_number() {
    let (_stage, _actor, mut line, session) = with_session(options(), LIMITS);
    let applied = waiting(vec![session.propose(b"stubborn")], || {
        let mut rounds = Vec::new();
        for code in [Code::Unknown, Code::Late, Code::NotLeader, Code::Stopped, Code::Busy, Code::Behind] {
            let (id, asked) = line.next().expect("a command");
            let Asked::Command { sequence: 1, round, .. } = asked else { panic!("{asked:?}") };
            rounds.push(round);
            line.refuse(id, code);
        }
        assert!(rounds.is_sorted_by(|one, other| one < other), "{rounds:?}");
        line.grant_next();
    });
    assert!(applied[0].is_ok());
}

#[test]
fn whatever_does_not_pass_ends_the_command_and_the_next_goes_on() {
    let (_stage, _actor, mut line, session) = with_session(options(), LIMITS);
    for code in [
        Code::SessionExpired,
        Code::TooOld,
        Code::ReplyTooLarge,
        Code::TooLarge,
        Code::Malformed,
        Code::Version,
        Code::Screened(5),
        Code::Other(99),
    ] {
        let applied = waiting(vec![session.propose(b"doomed"), session.propose(b"fine")], || {
            let (id, _) = line.next().expect("a command");
            line.refuse(id, code);
            line.grant_next();
        });
        match (code, applied[0].as_ref().expect_err("it is refused")) {
            (Code::SessionExpired, ClientError::SessionExpired)
            | (Code::TooOld, ClientError::TooOld)
            | (Code::ReplyTooLarge, ClientError::ReplyTooLarge(_)) => {}
            (code, ClientError::Refused { code: found, replica: ReplicaId(0), .. }) => assert_eq!(*found, code),
            (code, other) => panic!("{code:?} became {other}"),
        }
        assert!(applied[1].is_ok(), "{applied:?}");
    }
}

#[test]
fn a_command_without_a_session_is_not_sent_again_when_it_may_have_been_applied() {
    let stage = Stage::new();
    let actor = stage.actor(0);
    let client = stage.client(1, options());
    let mut line = None;
    for code in [Code::Unknown, Code::Late, Code::Stopped] {
        let answers = waiting(vec![client.propose(b"once")], || {
            let line = line.get_or_insert_with(|| actor.welcome());
            let (id, _) = line.next().expect("a command");
            line.refuse_for(id, Code::Busy, None, Duration::ZERO);
            let (id, asked) = line.next().expect("it was certainly not applied");
            assert!(matches!(asked, Asked::Command { session: 0, sequence: 0, .. }));
            line.refuse(id, code);
            assert_eq!(line.next_soon(), None);
        });
        assert!(matches!(&answers[0], Err(ClientError::Unknown { .. })), "{answers:?}");
    }
    let answers = waiting(vec![client.propose(b"once")], || {
        line.take().expect("it goes on").next().expect("a command");
        assert!(actor.accept_within(A_MOMENT).is_none());
    });
    assert!(matches!(&answers[0], Err(ClientError::Unknown { problem }) if problem.contains("ended")), "{answers:?}");
}

#[test]
fn a_connection_that_has_ended_while_nothing_was_asked_is_made_again_before_anything_is_sent() {
    let stage = Stage::new();
    let actor = stage.actor(0);
    let client = stage.client(1, options());
    for _ in 0..3 {
        let answers = waiting(vec![client.propose(b"once")], || {
            actor.welcome().grant_next();
        });
        assert!(answers[0].is_ok(), "{answers:?}");
        thread::sleep(A_MOMENT);
    }
}

#[test]
fn no_more_is_under_way_than_the_replica_takes_and_dropped_requests_are_not_sent() {
    let (_stage, _actor, mut line, session) = with_session(options(), Limits { in_flight_max: 2, ..LIMITS });
    let mut pending: Vec<_> = (1..=6u64).map(|at| session.propose(&[at as u8])).collect();
    // 3 and 5 have not been sent.
    drop(pending.remove(4));
    drop(pending.remove(2));
    let applied = waiting(pending, || {
        let first = line.all();
        assert_eq!(numbers(&first), [(1, 0), (2, 0)]);
        line.grant(first[0].0, &first[0].1);
        let next = line.all();
        assert_eq!(numbers(&next), [(4, 0)]);
        line.grant(first[1].0, &first[1].1);
        line.grant(next[0].0, &next[0].1);
        line.grant_next();
    });
    let slots: Vec<_> = applied.into_iter().map(|applied| applied.expect("it is applied").slot.0).collect();
    assert_eq!(slots, [1, 2, 4, 6]);
}

#[test]
fn a_command_over_the_limit_of_the_cluster_is_not_sent() {
    let (_stage, _actor, mut line, session) = with_session(options(), LIMITS);
    let applied = waiting(vec![session.propose(&[0; 1001]), session.propose(&[0; 1000])], || {
        assert!(matches!(line.grant_next(), Asked::Command { sequence: 2, .. }));
    });
    assert_eq!(applied[0], Err(ClientError::TooLarge { bytes: 1001, most: 1000 }));
    assert!(applied[1].is_ok());
}

#[test]
fn one_replica_is_asked_itself_and_not_another_in_its_place() {
    let stage = Stage::new();
    let other = stage.actor(1);
    let client = stage.client(2, options());
    let error = client.at(ReplicaId(0)).status().wait().expect_err("it does not run");
    assert_eq!(error, ClientError::Unreachable { replica: ReplicaId(0), problem: "not running".into() });
    let answers = waiting(vec![client.at(ReplicaId(1)).status()], || {
        let mut line = other.welcome();
        let (id, _) = line.next().expect("a question");
        line.refuse(id, Code::Busy);
        line.grant_next();
    });
    assert_eq!(answers[0].as_deref(), Ok("{}"));
    let answers = waiting(vec![client.at(ReplicaId(1)).status()], || {
        // The connection that was of use is made again once, in case it was just too old.
        drop(other.accept());
        assert!(other.accept_within(A_MOMENT).is_none());
    });
    assert!(matches!(&answers[0], Err(ClientError::Unreachable { .. })), "{answers:?}");
}

#[test]
fn an_avoided_replica_is_left_at_once_and_what_is_under_way_goes_to_another() {
    let stage = Stage::new();
    let (stuck, other) = (stage.actor(0), stage.actor(1));
    let client = stage.client(2, options());
    let pending = client.read(b"question");
    let mut line = stuck.welcome();
    assert!(pending.wait_sent(PATIENCE));
    line.next().expect("the question");
    client.avoid(ReplicaId(0));
    let answers = waiting(vec![pending], || {
        other.welcome().grant_next();
    });
    assert_eq!(answers[0].as_ref().map(|answer| answer.replica), Ok(ReplicaId(1)));
    assert_eq!(line.next(), None, "its connection is given up");
}

#[test]
fn a_hint_from_nowhere_is_passed_over() {
    let stage = Stage::new();
    let actor = stage.actor(0);
    let answers = waiting(vec![stage.client(1, options()).read(b"question")], || {
        let mut line = actor.welcome();
        let (id, _) = line.next().expect("the question");
        let leader = Some(LeaderHint { replica: 200, address: "203.0.113.7:1" });
        line.say(id, &Reply::Refused(Refusal { code: Code::NotLeader, message: "", leader, retry_after_us: 0 }));
        line.grant_next();
    });
    assert!(answers[0].is_ok());
}

#[test]
fn a_client_that_is_dropped_hangs_up() {
    let (_stage, _actor, mut line, session) = with_session(options(), LIMITS);
    let pending = session.propose(b"forgotten");
    line.next().expect("a command");
    drop(session);
    assert_eq!(line.next_soon(), None);
    // The last that wants something of the client.
    drop(pending);
    let mut end = [0];
    assert_eq!(std::io::Read::read(&mut line.stream, &mut end).ok(), Some(0));
}
