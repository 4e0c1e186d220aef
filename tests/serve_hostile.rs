//! Clients that mean harm, or do not know better, at a served replica. Every test has a well-behaved client beside them.

mod raw;
mod served;

use paxon::serve::{ServeCounters, ServeOptions};
use paxon_client::Session;
use paxon_client::wire::{Code, HEADER_BYTES, OWN_WORDS, Request, VERSION};
use raw::{Raw, Said, frame};
use served::{LONG_QUERY, Served, wait_until};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Small bounds, so that they are met soon.
fn options() -> ServeOptions {
    ServeOptions {
        connections_max: 32,
        request_within: Duration::from_millis(500),
        read_within: Duration::from_millis(500),
        buffered_bytes_max: 3 << 19,
        send_bytes_max: 64 << 10,
        ..ServeOptions::default()
    }
}

struct Scene {
    served: Served,
    leader: usize,
    good: Session,
    proposed: u64,
}

impl Scene {
    fn new(options: ServeOptions) -> Self {
        let served = Served::start(options);
        let leader = served.leader_id();
        let good = served.doors.client().open_session().wait().expect("a session");
        let mut scene = Self { served, leader, good, proposed: 0 };
        scene.goes_on();
        scene
    }

    fn raw(&self) -> Raw {
        Raw::greeted(&self.served.doors.socket(self.leader))
    }

    fn counters(&self) -> ServeCounters {
        self.served.servers[self.leader].as_ref().expect("it is served").counters()
    }

    /// The well-behaved client gets what it asks for, and each command was applied once.
    fn goes_on(&mut self) {
        for _ in 0..3 {
            let applied = self.good.propose(&self.proposed.to_le_bytes()).wait().expect("it is applied");
            assert_eq!(served::number(&applied), self.proposed);
            self.proposed += 1;
        }
    }
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("there is a /proc");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let mut scene = Scene::new(options());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..50usize {
        let mut raw = if round % 2 == 0 { scene.raw() } else { Raw::connect(&scene.served.doors.socket(scene.leader)) };
        let garbage: Vec<u8> = (0..round * 37 + 16)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        raw.send(&garbage);
        // Some garbage announces a frame that never ends: then this side ends it.
        raw.stream.shutdown(Shutdown::Write).expect("it is connected");
        while raw.said().is_some() {}
    }
    scene.goes_on();
    let counters = scene.counters();
    assert!(counters.malformed + counters.too_large >= 40, "{counters:?}");
}

/// Flips each bit of a request in turn. With `forged` the check of the frame fits all the same.
fn flip_every_bit(forged: bool) {
    let scene = Scene::new(options());
    let requests = [
        Request::Hello { version: VERSION },
        Request::OpenSession { wait_ms: 300 },
        Request::Propose { session: scene.good.id(), sequence: 900, round: 0, wait_ms: 300, payload: &[9; 9] },
        Request::Read { wait_ms: 300, query: b"" },
        Request::ReadLocal { at_least: 1, wait_ms: 300, query: b"abc" },
        Request::Digest { at_least: 1, wait_ms: 300 },
        Request::Status,
        Request::Stages,
    ];
    for (id, request) in (1..).zip(&requests) {
        let whole = frame(id, request);
        let from = if forged { HEADER_BYTES } else { 0 };
        for bit in from * 8..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if forged {
                let check = xxhash_rust::xxh3::xxh3_64(&flipped[8..]) as u32;
                flipped[4..8].copy_from_slice(&check.to_le_bytes());
            }
            let mut raw =
                if bit % 3 == 0 { Raw::connect(&scene.served.doors.socket(scene.leader)) } else { scene.raw() };
            raw.send(&flipped);
            raw.stream.shutdown(Shutdown::Write).expect("it is connected");
            while raw.said().is_some() {}
        }
    }
    // Some flips are commands of their own; what counts is that the replica lives and keeps its promises.
    for at in 0..3u64 {
        let session = scene.served.doors.client().open_session().wait().expect("a session");
        let first = session.propose(&at.to_le_bytes()).wait().expect("it is applied");
        let second = session.propose(&at.to_le_bytes()).wait().expect("it is applied");
        assert_eq!(served::number(&first) + 1, served::number(&second));
    }
}

#[test]
fn a_flipped_bit_harms_nobody() {
    flip_every_bit(false);
}

#[test]
fn a_flipped_bit_under_a_check_that_fits_harms_nobody() {
    flip_every_bit(true);
}

#[test]
fn an_announced_length_takes_no_memory_and_too_long_a_one_is_refused() {
    let mut scene = Scene::new(options());
    let before = resident();
    let mut endless = frame(7, &Request::Status);
    endless[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    for _ in 0..20 {
        let mut raw = scene.raw();
        raw.send(&endless);
        assert_eq!((raw.refusal(), raw.refusal()), (Some((7, Code::TooLarge)), None));
    }
    // One megabyte is allowed: the first finds room, the second does not.
    let mut long = frame(7, &Request::Status);
    long[..4].copy_from_slice(&(1u32 << 20).to_le_bytes());
    let mut first = scene.raw();
    first.send(&long);
    first.ask(8, &Request::Status);
    wait_until("the first has room", || scene.counters().requests > 0 && scene.counters().accepted > 20);
    let refused_at = Instant::now();
    loop {
        let mut second = scene.raw();
        second.send(&long);
        second.stream.shutdown(Shutdown::Write).expect("it is connected");
        if second.refusal() == Some((OWN_WORDS, Code::Busy)) {
            break;
        }
        assert!(refused_at.elapsed() < served::PATIENCE, "both find room");
    }
    scene.goes_on();
    assert!(resident() < before + (64 << 20), "from {before} to {}", resident());
}

#[test]
fn whoever_sends_a_request_by_and_by_is_cut_off() {
    let mut scene = Scene::new(options());
    let mut slow: Vec<_> = (0..8).map(|_| Raw::connect(&scene.served.doors.socket(scene.leader))).collect();
    slow.extend((0..8).map(|_| scene.raw()));
    let request = frame(3, &Request::Read { wait_ms: 1000, query: &[7; 1000] });
    for byte in &request[..40] {
        slow.iter_mut().for_each(|raw| raw.send(&[*byte]));
        scene.goes_on();
        if scene.counters().half_sent == 16 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_until("all are cut off", || scene.counters().half_sent == 16);
    for mut raw in slow {
        while let Some(said) = raw.said() {
            assert_eq!(said.1, Said::Granted("welcome"));
        }
    }
    scene.goes_on();
}

#[test]
fn a_client_that_never_reads_is_cut_off_and_holds_little() {
    let mut scene = Scene::new(options());
    let before = resident();
    let mut deaf: Vec<_> = (0..4).map(|_| scene.raw()).collect();
    let mut question = Vec::new();
    for id in 1..=2000 {
        question.extend(frame(id, &Request::ReadLocal { at_least: 0, wait_ms: 10_000, query: LONG_QUERY }));
    }
    // Together their answers would take two gigabytes.
    for raw in &mut deaf {
        raw.send(&question);
    }
    scene.goes_on();
    wait_until("all are cut off", || scene.counters().unread == 4);
    scene.goes_on();
    assert!(resident() < before + (256 << 20), "from {before} to {}", resident());
}

#[test]
fn more_than_the_replica_takes_is_refused_with_the_time_to_come_again() {
    let mut scene = Scene::new(ServeOptions { in_flight_max: 4, ..options() });
    let mut flood = scene.raw();
    let many: u64 = 500;
    let mut requests = Vec::new();
    for id in 1..=many {
        // Not a number of the well-behaved client.
        let payload = u64::MAX.to_le_bytes();
        requests.extend(frame(
            id,
            &Request::Propose { session: 0, sequence: 0, round: 0, wait_ms: 5000, payload: &payload },
        ));
    }
    flood.send(&requests);
    let mut busy = 0;
    let mut applied = 0;
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < many as usize {
        match flood.said().expect("it goes on") {
            (OWN_WORDS, said) => assert_eq!(said, Said::Granted("welcome")),
            (id, Said::Refused(Code::Busy)) => busy += u64::from(answered.insert(id)),
            (id, Said::Granted("applied")) => applied += u64::from(answered.insert(id)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(busy + applied, many);
    assert!(busy > 0 && applied > 0, "{busy} refused, {applied} applied");
    assert_eq!(scene.counters().shed, busy);
    let commands = scene.served.applied();
    assert_eq!(commands.iter().filter(|command| **command == u64::MAX).count() as u64, applied);
    // The session's own numbers go on although the flood's commands are between them.
    let next = scene.good.propose(&scene.proposed.to_le_bytes()).wait().expect("it is applied");
    scene.proposed += 1;
    assert_eq!(served::number(&next), scene.proposed - 1 + applied);
}

#[test]
fn a_connection_with_too_much_under_way_is_not_read_on() {
    let scene = Scene::new(ServeOptions { in_flight_per_connection: 8, ..options() });
    // Nobody can answer these before their time is over.
    let never = u64::MAX;
    let mut raw = scene.raw();
    for id in 1..=20 {
        raw.ask(id, &Request::ReadLocal { at_least: never, wait_ms: 300, query: b"" });
    }
    let mut late = Vec::new();
    while late.len() < 20 {
        match raw.said().expect("it goes on") {
            (_, Said::Granted("welcome")) => {}
            (id, said) => {
                assert_eq!(said, Said::Refused(Code::Late));
                late.push((id - 1) / 8);
            }
        }
    }
    assert!(late.is_sorted(), "not in turns of eight: {late:?}");
    assert_eq!(scene.counters().late, 20);
}

#[test]
fn a_command_behind_a_refused_one_waits_for_it_in_a_higher_round() {
    let scene = Scene::new(ServeOptions { in_flight_max: 1, ..options() });
    let mut hog = scene.raw();
    hog.ask(1, &Request::ReadLocal { at_least: u64::MAX, wait_ms: 300, query: b"" });
    hog.ask(2, &Request::Status);
    while hog.said() != Some((2, Said::Granted("document"))) {}
    let (session, first) = (scene.good.id(), scene.good.next_sequence());
    let command = |sequence: u64, round| Request::Propose { session, sequence, round, wait_ms: 5000, payload: &[7; 8] };
    let mut raw = scene.raw();
    let mut answer = |sequence: u64, round| {
        raw.ask(100 * round + sequence, &command(sequence, round));
        loop {
            match raw.said().expect("it goes on") {
                (OWN_WORDS, _) => {}
                (id, said) => {
                    assert_eq!(id, 100 * round + sequence);
                    return said;
                }
            }
        }
    };
    assert_eq!(answer(first, 0), Said::Refused(Code::Busy), "the place is taken");
    assert_eq!(hog.refusal(), Some((1, Code::Late)));
    // There is room now. The second must not come before the first all the same.
    assert_eq!(answer(first + 1, 0), Said::Refused(Code::Behind));
    assert_eq!(answer(first, 0), Said::Refused(Code::Behind), "the round is over");
    assert_eq!(answer(first, 1), Said::Granted("applied"));
    assert_eq!(answer(first + 1, 1), Said::Granted("applied"));
}

#[test]
fn questions_about_slots_that_never_come_take_nothing_of_the_replica() {
    let mut scene = Scene::new(options());
    let never = u64::MAX;
    // More than the replica has seats for.
    for _ in 0..40 {
        let mut raw = scene.raw();
        for id in 1..=60 {
            raw.ask(id, &Request::ReadLocal { at_least: never, wait_ms: 60_000, query: b"" });
        }
        raw.ask(99, &Request::Status);
        while raw.said().expect("it goes on").0 != 99 {}
        scene.goes_on();
    }
    let digest = scene.good.client().at(scene.served.leader().replica()).digest(paxon::Slot(1)).wait();
    assert!(digest.is_ok(), "{digest:?}");
    scene.goes_on();
}

#[test]
fn ten_thousand_connections_do_not_keep_a_client_out() {
    let mut scene = Scene::new(options());
    let socket = scene.served.doors.socket(scene.leader);
    let mut open = std::collections::VecDeque::new();
    let mut refused = 0;
    for round in 0..10_000 {
        open.push_back(Raw::connect(&socket));
        if open.len() > 100 {
            let mut oldest = open.pop_front().expect("a hundred");
            oldest.stream.set_nonblocking(true).expect("a socket");
            refused += u64::from(matches!(oldest.said(), Some((OWN_WORDS, Said::Refused(Code::Busy)))));
        }
        if round % 1000 == 0 {
            scene.goes_on();
            // Somebody new finds a place too: those who say nothing make room.
            let session = scene.served.doors.client().open_session().wait().expect("a place");
            drop(session);
        }
    }
    scene.goes_on();
    let counters = scene.counters();
    assert!(refused > 0 && counters.refused >= refused, "{refused} of {counters:?}");
    assert!(counters.accepted + counters.refused >= 10_000, "{counters:?}");
    drop(open);
    wait_until("all are gone but the well-behaved", || scene.counters().connections <= 2);
}

#[test]
fn connections_that_end_in_the_middle_leave_nothing_behind() {
    let mut scene = Scene::new(options());
    for cut in [0, 1, 8, 15, 16, 17, 40] {
        let mut raw = scene.raw();
        raw.ask(1, &Request::ReadLocal { at_least: u64::MAX, wait_ms: 60_000, query: b"" });
        let request = frame(2, &Request::Read { wait_ms: 1000, query: &[7; 100] });
        raw.send(&request[..cut]);
        if cut % 2 == 0 {
            raw.stream.shutdown(Shutdown::Write).expect("it is connected");
            while raw.said().is_some() {}
        }
    }
    wait_until("all are gone but the well-behaved", || scene.counters().connections <= 2);
    scene.goes_on();
}

#[test]
fn an_idle_connection_makes_room_in_the_end_and_a_client_does_not_mind() {
    let mut scene = Scene::new(ServeOptions { idle_max: Duration::from_millis(100), ..options() });
    let mut raw = scene.raw();
    assert_eq!(raw.said(), Some((OWN_WORDS, Said::Granted("welcome"))));
    assert_eq!(raw.said(), None);
    let idle = scene.counters().idle;
    assert!(idle >= 1, "{idle}");
    // Its connection has been closed meanwhile.
    scene.goes_on();
}
