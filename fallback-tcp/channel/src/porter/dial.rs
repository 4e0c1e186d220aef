//! Connecting to one member, as often as it takes.
//!
//! A *patient* attempt lives as long as the slowest supported path needs. Beside it an *eager* one is begun every half
//! second and lives for one: after a partition the patient one may sit in a retransmission pause of many seconds, while the
//! eager one notices at once that packets pass again. Only one of them has its hello out at a time, the latest: what the
//! other side welcomes last is what this side keeps.

use super::Arrival;
use super::attempt::{Attempt, Progress, Stage};
use super::counters::add;
use super::dial_error::DialError;
use super::house::House;
use super::notices::{Trouble, Whom};
use super::route::Route;
use crate::greeting::{GREETING_BYTES, Refusal, Welcome};
use crate::hello::Hello;
use crate::identity::Party;
use paxon_fastpath::ReplicaId;
use std::time::{Duration, Instant};

/// Attempts of a dial at a time: a patient one, and eager ones that overlap while they live longer than their interval.
const ATTEMPTS_MAX: usize = 4;
/// First pause after an attempt that failed by itself; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Longest pause while the reason may pass: a member that comes back is found within half a second.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Longest pause while somebody has to change a configuration.
const PAUSE_REFUSED_MAX: Duration = Duration::from_secs(5);
/// How long a hello is unanswered at least before an attempt that is ready too may take its place. It doubles each time, so
/// that a member that is merely slow to answer is not asked anew for ever.
const TURN_MIN: Duration = Duration::from_millis(250);
/// Where the doubling ends: well before the acceptor's patience with one that has not said hello.
const TURN_MAX: Duration = Duration::from_secs(8);
/// Round trips that a hello is unanswered at least before that.
const TURN_ROUND_TRIPS: u32 = 4;

/// The attempts to connect to one member.
pub struct Dial {
    peer: ReplicaId,
    hello: Hello,
    attempts: Vec<Attempt>,
    patient_at: Instant,
    eager_at: Instant,
    /// Attempts that failed by themselves, one after the other.
    failures: u32,
    /// The attempt whose hello is out, and since when.
    greeted: Option<(usize, Instant)>,
    /// Attempts that took the place of one whose hello was out.
    turns: u32,
    reported: Option<DialError>,
}

/// What became of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Open,
    /// It has ended in an arrival.
    Done,
}

impl Dial {
    /// A dial that begins its first attempt at `start`.
    pub fn new(peer: ReplicaId, hello: Hello, start: Instant) -> Self {
        Self {
            peer,
            hello,
            attempts: vec![],
            patient_at: start,
            eager_at: start,
            failures: 0,
            greeted: None,
            turns: 0,
            reported: None,
        }
    }

    /// Goes on with another hello. One that is out is of no use any more.
    pub fn change_hello(&mut self, hello: Hello, now: Instant) {
        self.hello = hello;
        if let Some((token, _)) = self.greeted.take() {
            self.attempts.retain(|attempt| attempt.token != token);
            self.patient_at = now;
        }
    }

    /// When this dial has something to do of itself.
    pub fn due(&self) -> Instant {
        let begin =
            if self.has_patient() { self.may_be_eager().then_some(self.eager_at) } else { Some(self.patient_at) };
        let deadlines =
            self.attempts.iter().filter(|attempt| attempt.stage != Stage::Ready).map(|attempt| attempt.deadline);
        let turn = self.next_in_turn().and_then(|(_, may_greet)| may_greet);
        deadlines.chain(begin).chain(turn).min().unwrap_or(self.patient_at)
    }

    fn has_patient(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_patient)
    }

    /// Whether an eager attempt would be of use: one that is ready proves already that packets pass.
    fn may_be_eager(&self) -> bool {
        self.attempts.len() < ATTEMPTS_MAX && self.attempts.iter().all(|attempt| attempt.stage != Stage::Ready)
    }

    /// Ends what has taken too long, lets the next one greet, begins what is due.
    pub fn tend(&mut self, route: &mut Route, house: &mut House, now: Instant) {
        // One that is ready waits for its turn, which comes within `TURN_MAX` or a few round trips.
        let is_late = |attempt: &Attempt| attempt.deadline <= now && attempt.stage != Stage::Ready;
        while let Some(late) = self.attempts.iter().position(is_late) {
            let reason = self.attempts[late].timed_out(now);
            self.fail(late, reason, house, now);
        }
        self.take_turns(house, now);
        if !self.has_patient() && self.patient_at <= now {
            self.patient_at = now + PAUSE_MAX;
            self.eager_at = now + house.limits.eager_every;
            self.begin(true, route, house, now);
        } else if self.may_be_eager() && self.eager_at <= now {
            self.eager_at = now + house.limits.eager_every;
            self.begin(false, route, house, now);
        }
    }

    fn begin(&mut self, is_patient: bool, route: &mut Route, house: &mut House, now: Instant) {
        // Without an address the resolver's answer makes this dial due again.
        let Some(address) = route.next(&house.bell, now) else { return };
        add(&house.counters.attempts);
        match Attempt::begin(self.peer, address, is_patient, house, now) {
            Ok(attempt) => self.attempts.push(attempt),
            Err(reason) => self.note_failure(reason, is_patient, house, now),
        }
    }

    /// The name of the member has addresses now, or has none.
    pub fn resolved(&mut self, outcome: Result<(), DialError>, house: &mut House, now: Instant) {
        match outcome {
            Ok(()) if !self.has_patient() && self.failures == 0 => self.patient_at = now,
            Ok(()) => {}
            Err(reason) => self.note_failure(reason, false, house, now),
        }
    }

    /// Looks at the attempt `token`, `None` if it is not of this dial.
    pub fn attend(&mut self, token: usize, house: &mut House, now: Instant) -> Option<Fate> {
        let at = self.place(token)?;
        match self.attempts[at].advance(now) {
            Ok(Progress::Waiting) => {}
            Ok(Progress::Welcome(welcome)) => return Some(self.finish(at, welcome, house, now)),
            Ok(Progress::Ready) => {
                self.take_turns(house, now);
                return self.attend(token, house, now).or(Some(Fate::Open));
            }
            Err(reason) => self.fail(at, reason, house, now),
        }
        self.take_turns(house, now);
        Some(Fate::Open)
    }

    fn place(&self, token: usize) -> Option<usize> {
        self.attempts.iter().position(|attempt| attempt.token == token)
    }

    fn finish(&mut self, at: usize, welcome: Welcome, house: &mut House, now: Instant) -> Fate {
        let mut attempt = self.attempts.swap_remove(at);
        let round_trip = attempt.round_trip;
        let handed_over = match house.unwatch(attempt.stream()) {
            Ok(()) => attempt.into_talk().into_secured(GREETING_BYTES, house.tls.as_deref()),
            Err(error) => Err(error),
        };
        match handed_over {
            Ok(connection) => {
                add(&house.counters.connected);
                house.notices.forget(&Party::Replica(self.peer));
                house.arrivals.push(Arrival::Outbound { peer: self.peer, welcome, connection, round_trip });
                Fate::Done
            }
            Err(error) => {
                log::warn!("the connection to {} could not be handed over: {error}", self.peer);
                self.greeted = None;
                self.patient_at = now + PAUSE_MAX;
                Fate::Open
            }
        }
    }

    /// The attempt that greets next, and when it may if not at once.
    fn next_in_turn(&self) -> Option<(usize, Option<Instant>)> {
        let ready = self.attempts.iter().find(|attempt| attempt.stage == Stage::Ready)?;
        let may_greet = self.greeted.map(|(_, since)| {
            let turn = TURN_MIN.saturating_mul(1 << self.turns.min(8)).min(TURN_MAX);
            since + turn.max(ready.round_trip.saturating_mul(TURN_ROUND_TRIPS))
        });
        Some((ready.token, may_greet))
    }

    fn take_turns(&mut self, house: &mut House, now: Instant) {
        let Some((token, may_greet)) = self.next_in_turn() else { return };
        if may_greet.is_some_and(|at| now < at) {
            return;
        }
        if let Some((out, _)) = self.greeted.replace((token, now)) {
            // Its hello may still arrive; the one that follows bears a higher number.
            self.attempts.retain(|attempt| attempt.token != out);
            self.turns += 1;
        }
        let hello = Hello { attempt: house.next_attempt(), ..self.hello };
        let Some(at) = self.place(token) else { return };
        if let Err(reason) = self.attempts[at].greet(&hello, house.limits.patient, now) {
            self.fail(at, reason, house, now);
        }
    }

    fn fail(&mut self, at: usize, reason: DialError, house: &mut House, now: Instant) {
        let attempt = self.attempts.swap_remove(at);
        if self.greeted.is_some_and(|(token, _)| token == attempt.token) {
            self.greeted = None;
        }
        self.note_failure(reason, attempt.is_patient, house, now);
    }

    fn note_failure(&mut self, reason: DialError, is_patient: bool, house: &mut House, now: Instant) {
        add(&house.counters.failed);
        let pause = house.jittered(self.pause_after(&reason));
        if is_patient || !reason.is_passing() {
            self.failures += 1;
            self.patient_at = now + pause;
        }
        if reason.is_for_all_attempts() {
            // The others would hear the same, and the member has said when it wants to be asked again.
            self.attempts.clear();
            self.greeted = None;
            self.patient_at = now + pause;
        }
        let whom = Whom::Party(Party::Replica(self.peer));
        if house.notices.is_news(&whom, Trouble::Dial(std::mem::discriminant(&reason))) {
            let level = if reason.is_passing() { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "cannot connect to {}: {reason}", self.peer);
        }
        if self.reported.as_ref().map(std::mem::discriminant) != Some(std::mem::discriminant(&reason)) {
            self.reported = Some(reason.clone());
            house.arrivals.push(Arrival::DialFailed { peer: self.peer, reason });
        }
    }

    fn pause_after(&self, reason: &DialError) -> Duration {
        let doubled = |first: Duration| first.saturating_mul(1 << self.failures.min(8));
        match reason {
            DialError::Refused { refusal: Refusal::Busy { retry_ms, .. }, .. } => {
                Duration::from_millis(*retry_ms).clamp(PAUSE_MIN, PAUSE_REFUSED_MAX)
            }
            reason if reason.is_passing() => doubled(PAUSE_MIN).min(PAUSE_MAX),
            _ => doubled(PAUSE_MAX).min(PAUSE_REFUSED_MAX),
        }
    }
}
