//! What holds when members run at the same time, each on a thread of its own.

use crate::linked::Patience;
use crate::{Group, Linked};
use paxon_fastpath::{Area, Ballot, Epoch, Fabric, FabricEvent, Op, Promise, ReplicaId, Span, Token};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const FRESH: u64 = Promise::fresh(Epoch::FIRST).0;
const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);
/// The record of a duel: the first cell of a small group's lane.
const CELL: Span = Span { area: Area::Lane(A), start: 512, words: 16 };
/// Spins this often before it lets another thread have the core: a meeting of two running threads takes less.
const SPINS: u32 = 20_000;

/// All members stand for election at one acceptor, again and again: each round exactly one finds the word it expected, and
/// all others find the winner's ballot.
pub fn one_of_many_candidates_wins_each_round<G: Group>()
where
    G::Fabric: Send,
{
    const ROUNDS: u64 = 500;
    let found = on_threads::<G, _>(|meeting, me, fabric| {
        let mut expected = FRESH;
        let mut history = Vec::new();
        for round in 1..=ROUNDS {
            let ballot = Ballot::new(Epoch::FIRST, round, me).0;
            meeting.meet(me, round, fabric);
            let found = run(fabric, C, &[Op::Cas { expected, new: ballot }]);
            history.push((found == expected, if found == expected { ballot } else { found }));
            expected = history[history.len() - 1].1;
        }
        meeting.meet(me, ROUNDS + 1, fabric);
        history
    });
    for round in 0..ROUNDS as usize {
        let winners = found.iter().filter(|history| history[round].0).count();
        assert_eq!(winners, 1, "round {round}");
        assert!(
            found.iter().all(|history| history[round].1 == found[0][round].1),
            "round {round}: they disagree on who won"
        );
    }
}

/// All members count up one word by exchanges, its owner included, until they have come in each other's way often enough
/// for a lost count to be likely if exchanges were not atomic: no count is lost.
pub fn every_exchange_counts<G: Group>()
where
    G::Fabric: Send,
{
    const COLLISIONS: u64 = 20_000;
    // Members that share a core hardly collide; then this is as good as it gets.
    const TIME_MAX: Duration = Duration::from_secs(3);
    let collisions = &AtomicU64::new(0);
    let counts = on_threads::<G, _>(|meeting, me, fabric| {
        meeting.meet(me, 1, fabric);
        let (started, mut seen, mut counted) = (Instant::now(), FRESH, 0);
        while collisions.load(Ordering::Relaxed) < COLLISIONS && started.elapsed() < TIME_MAX {
            let found = run(fabric, C, &[Op::Cas { expected: seen, new: seen + 1 }]);
            if found == seen {
                counted += 1;
                seen += 1;
            } else {
                collisions.fetch_add(1, Ordering::Relaxed);
                seen = found;
            }
        }
        meeting.meet(me, 2, fabric);
        (counted, run(fabric, C, &[Op::Cas { expected: 0, new: 0 }]))
    });
    let total = FRESH + counts.iter().map(|(counted, _)| counted).sum::<u64>();
    assert!(counts.iter().all(|&(_, word)| word == total), "{total} was counted, and found: {counts:?}");
}

/// A leader writes a record and checks PROMISE while a candidate raises PROMISE and reads the record: if the check saw the
/// leader's ballot, the candidate saw the record. On this the safety of the protocol rests.
pub fn a_vote_is_seen_or_refused<G: Group>()
where
    G::Fabric: Send,
{
    const ROUNDS: u64 = 1_000;
    let sides = on_threads::<G, _>(|meeting, me, fabric| match me {
        A => Side::Leader(lead(meeting, fabric, C, ROUNDS)),
        B => Side::Candidate(stand(meeting, fabric, C, ROUNDS)),
        _ => {
            meeting.watch(fabric, 2 * ROUNDS);
            Side::Acceptor
        }
    });
    let [Side::Leader(votes), Side::Candidate(seen), Side::Acceptor] = &sides[..] else {
        panic!("{} sides", sides.len())
    };
    let duel = Duel::of(votes, seen);
    assert_eq!(duel.missed, 0, "{duel:?}");
    assert_eq!(duel.rounds, ROUNDS);
}

enum Side {
    Leader(Vec<bool>),
    Candidate(Vec<bool>),
    Acceptor,
}

/// How a number of rounds between a leader and a candidate ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duel {
    /// Rounds fought.
    pub rounds: u64,
    /// The leader's check held, and the candidate saw the record.
    pub seen: u64,
    /// The leader's check failed.
    pub refused: u64,
    /// The leader's check held, and the candidate did not see the record: a committed command would be lost.
    pub missed: u64,
}

impl Duel {
    /// Compares, round by round, whether the leader's check held with whether the candidate saw the record.
    pub fn of(votes: &[bool], seen: &[bool]) -> Self {
        let mut duel = Self::default();
        for round in votes.iter().zip(seen) {
            duel.rounds += 1;
            match round {
                (false, _) => duel.refused += 1,
                (true, true) => duel.seen += 1,
                (true, false) => duel.missed += 1,
            }
        }
        duel
    }
}

/// The ballots of a round: the leader's, and the candidate's above it.
pub fn ballots(round: u64) -> (u64, u64) {
    (Ballot::new(Epoch::FIRST, 2 * round, A).0, Ballot::new(Epoch::FIRST, 2 * round + 1, B).0)
}

/// The leader's side of a duel at `acceptor`, as member 0; returns in which rounds its check held.
pub fn lead<F: Fabric>(meeting: &Meeting, fabric: &mut F, acceptor: ReplicaId, rounds: u64) -> Vec<bool> {
    let vote = |round: u64| {
        let ballot = ballots(round).0;
        move |fabric: &mut F| {
            store_record(fabric, round, Ordering::Relaxed);
            run(fabric, acceptor, &[Op::Write(CELL), Op::Cas { expected: ballot, new: ballot }]) == ballot
        }
    };
    (1..=rounds).map(|round| lead_round(meeting, fabric, acceptor, round, vote(round))).collect()
}

/// One round of the leader: takes the ballot, meets the candidate, and votes.
pub fn lead_round<F: Fabric>(
    meeting: &Meeting,
    fabric: &mut F,
    acceptor: ReplicaId,
    round: u64,
    vote: impl FnOnce(&mut F) -> bool,
) -> bool {
    let mut expected = ballots(round - 1).1;
    loop {
        let found = run(fabric, acceptor, &[Op::Cas { expected, new: ballots(round).0 }]);
        if found == expected {
            break;
        }
        expected = found;
    }
    meeting.meet(A, 2 * round - 1, fabric);
    let voted = vote(fabric);
    meeting.meet(A, 2 * round, fabric);
    voted
}

/// The candidate's side of a duel at `acceptor`, as member 1; returns in which rounds it saw the whole record.
pub fn stand<F: Fabric>(meeting: &Meeting, fabric: &mut F, acceptor: ReplicaId, rounds: u64) -> Vec<bool> {
    let mut seen = Vec::new();
    for round in 1..=rounds {
        let (expected, new) = ballots(round);
        meeting.meet(B, 2 * round - 1, fabric);
        let found = run(fabric, acceptor, &[Op::Cas { expected, new }, Op::Read { span: CELL, into: 0 }]);
        assert_eq!(found, expected, "nobody else raises PROMISE in round {round}");
        let record = &fabric.scratch(acceptor)[..CELL.words];
        seen.push(record.iter().all(|word| word.load(Ordering::Relaxed) == round));
        meeting.meet(B, 2 * round, fabric);
    }
    seen
}

/// Stores the record of `round` to the leader's own lane.
pub fn store_record<F: Fabric>(fabric: &F, round: u64, last: Ordering) {
    let cell = &fabric.local(CELL.area)[CELL.start..][..CELL.words];
    for word in &cell[1..] {
        word.store(round, Ordering::Relaxed);
    }
    cell[0].store(round, last);
}

/// Where threads wait for each other, polling their fabrics meanwhile (a fabric may need it to serve the others).
pub struct Meeting {
    /// How far each member has come. Release on arrival, Acquire while waiting: what one did before, all see after.
    reached: Vec<Place>,
}

/// Far enough apart that neither a line nor the line that is fetched with it is shared.
#[repr(align(128))]
#[derive(Default)]
struct Place(AtomicU64);

impl Meeting {
    /// A meeting of `members`.
    pub fn of(members: usize) -> Self {
        Self { reached: (0..members).map(|_| Place::default()).collect() }
    }

    /// Waits until all members have come to `point`; points grow.
    pub fn meet<F: Fabric>(&self, me: ReplicaId, point: u64, fabric: &mut F) {
        self.reached[me.index()].0.store(point, Ordering::Release);
        for place in &self.reached {
            wait_for(place, point, fabric);
        }
    }

    /// Keeps a member that takes no part out of the way until the others have come to `point`.
    fn watch<F: Fabric>(&self, fabric: &mut F, point: u64) {
        self.reached[C.index()].0.store(u64::MAX, Ordering::Release);
        // Step by step, so that only standing still is too long.
        for step in 1..=point {
            self.reached.iter().for_each(|place| wait_for(place, step, fabric));
        }
    }
}

fn wait_for<F: Fabric>(place: &Place, point: u64, fabric: &mut F) {
    for _ in 0..SPINS {
        if place.0.load(Ordering::Acquire) >= point {
            return;
        }
        ignore(fabric.poll());
        std::hint::spin_loop();
    }
    let patience = Patience::new();
    while place.0.load(Ordering::Acquire) < point {
        patience.check();
        ignore(fabric.poll());
        thread::yield_now();
    }
}

fn ignore(event: Option<FabricEvent>) {
    assert!(!matches!(event, Some(FabricEvent::Done(_) | FabricEvent::LinkDown { .. })), "unexpected {event:?}");
}

/// Posts a chain and waits for its end; returns what its exchange found.
pub fn run<F: Fabric>(fabric: &mut F, to: ReplicaId, chain: &[Op]) -> u64 {
    fabric.post(to, Token(0), chain).unwrap_or_else(|error| panic!("a post to {to} was refused: {error}"));
    let mut patience = None;
    loop {
        match fabric.poll() {
            Some(FabricEvent::Done(completion)) => return completion.found,
            None => patience.get_or_insert_with(Patience::new).check(),
            other => ignore(other),
        }
    }
}

/// Runs `side` for each member of a group of three, each on its own thread.
fn on_threads<G: Group, T: Send>(side: impl Fn(&Meeting, ReplicaId, &mut G::Fabric) -> T + Sync) -> Vec<T>
where
    G::Fabric: Send,
{
    let mut group = Linked::<G>::start();
    let meeting = Meeting::of(group.setup().layout.replicas);
    let (meeting, side) = (&meeting, &side);
    thread::scope(|scope| {
        let members = ReplicaId::all(3).zip(group.members());
        let threads: Vec<_> = members.map(|(me, fabric)| scope.spawn(move || side(meeting, me, fabric))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
