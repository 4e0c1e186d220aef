//! Whom to ask for what the leader has to answer, and when.

use paxon_fastpath::ReplicaId;
use std::time::{Duration, Instant};

/// How long to wait for an election before asking the next replica, at first.
const PAUSE: Duration = Duration::from_micros(200);
/// The pause doubles once all replicas were asked, so often at most.
const PAUSE_DOUBLINGS: u32 = 5;
/// The silence doubles so often at most.
const SILENCE_DOUBLINGS: u32 = 5;
/// Longest pause that a busy replica can ask for.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// A busy replica's wish doubles with every repetition, so often at most.
const BUSY_DOUBLINGS: u32 = 6;

/// See the module.
#[derive(Debug)]
pub(super) struct Aim {
    replicas: Vec<ReplicaId>,
    /// The place of the replica that is asked now.
    at: usize,
    avoided: Vec<bool>,
    pause_until: Option<Instant>,
    /// Times in a row that asking did not help.
    misses: u32,
    busy: u32,
    /// Replicas in a row that were left because they did not answer in time.
    silent: u32,
    silence: Duration,
    problem: Option<String>,
}

impl Aim {
    pub(super) fn new(replicas: Vec<ReplicaId>, silence: Duration) -> Self {
        let avoided = vec![false; replicas.len()];
        Self { replicas, at: 0, avoided, pause_until: None, misses: 0, busy: 0, silent: 0, silence, problem: None }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// How long a replica may say nothing.
    pub(super) fn silence(&self) -> Duration {
        self.silence.saturating_mul(1 << self.silent.min(SILENCE_DOUBLINGS))
    }

    /// Whether asking has not helped since the leader last answered.
    pub(super) const fn is_searching(&self) -> bool {
        self.misses > 0 || self.silent > 0
    }

    /// Nobody is to be asked before this.
    pub(super) const fn pause_ends(&self) -> Option<Instant> {
        self.pause_until
    }

    /// Whether it is too early to ask anybody.
    pub(super) fn is_paused(&mut self, now: Instant) -> bool {
        self.pause_until = self.pause_until.filter(|ends| *ends > now);
        self.pause_until.is_some()
    }

    /// What went wrong last, with the replica.
    pub(super) fn problem(&self) -> String {
        let replica = self.replicas.get(self.at).map_or(0, |replica| replica.0);
        self.problem.clone().unwrap_or_else(|| format!("replica {replica} has not answered"))
    }

    pub(super) fn note(&mut self, at: usize, problem: &str) {
        let replica = self.replicas.get(at).map_or(0, |replica| replica.0);
        self.problem = Some(format!("replica {replica}: {problem}"));
    }

    /// A replica has answered what only a leader can.
    pub(super) fn succeeded(&mut self, at: usize) {
        self.at = at;
        (self.misses, self.busy, self.silent) = (0, 0, 0);
        self.pause_until = None;
        self.problem = None;
    }

    /// The replica at `from` does not lead; `leader` does, if that is known. What an earlier replica says changes nothing.
    pub(super) fn not_leader(&mut self, from: usize, leader: Option<ReplicaId>, now: Instant) {
        if from != self.at {
            return;
        }
        let hinted = leader.and_then(|leader| self.replicas.iter().position(|replica| *replica == leader));
        match hinted.filter(|at| *at != from && !self.avoided[*at]) {
            // Replicas that name each other in turn do not get away with it for ever.
            Some(at) if (self.misses as usize) < 2 * self.replicas.len() => {
                self.misses += 1;
                self.at = at;
            }
            Some(at) => {
                self.at = at;
                self.pause(now);
            }
            None => self.turn(from, now),
        }
    }

    /// The replica at `from` cannot help now: the next one may.
    pub(super) fn turn(&mut self, from: usize, now: Instant) {
        if from == self.at {
            let others = (1..=self.replicas.len()).map(|step| (from + step) % self.replicas.len());
            self.at = others.into_iter().find(|at| !self.avoided[*at]).unwrap_or(from);
            self.pause(now);
        }
    }

    /// The replica at `from` did not answer in time; it may be the path that is slow.
    pub(super) fn note_silence(&mut self, from: usize) {
        if from == self.at {
            self.silent = (self.silent + 1).min(SILENCE_DOUBLINGS);
        }
    }

    /// The replica at `from` did not answer in time: the next one may.
    pub(super) fn turn_from_silent(&mut self, from: usize, now: Instant) {
        self.note_silence(from);
        self.turn(from, now);
    }

    /// Waits a moment, longer if that has not helped before. Of requests that fail together only the first counts.
    pub(super) fn pause(&mut self, now: Instant) {
        if self.is_paused(now) {
            return;
        }
        let rounds = self.misses / self.replicas.len().max(1) as u32;
        self.misses = self.misses.saturating_add(1);
        self.pause_until = Some(now + PAUSE * (1 << rounds.min(PAUSE_DOUBLINGS)));
    }

    /// A replica has too much to do. Of requests that are refused together only the first counts.
    pub(super) fn busy(&mut self, now: Instant, retry_after: Duration, spread: u64) {
        if self.is_paused(now) {
            return;
        }
        let pause = retry_after.max(PAUSE).saturating_mul(1 << self.busy.min(BUSY_DOUBLINGS)).min(BUSY_PAUSE_MAX);
        self.busy = self.busy.saturating_add(1);
        // Clients that were refused together do not come back together.
        self.pause_until = Some(now + pause + pause / 8 * (spread % 8) as u32);
    }

    pub(super) fn avoid(&mut self, replica: ReplicaId) {
        self.mark(replica, true);
    }

    pub(super) fn allow(&mut self, replica: ReplicaId) {
        self.mark(replica, false);
    }

    fn mark(&mut self, replica: ReplicaId, avoided: bool) {
        if let Some(at) = self.replicas.iter().position(|known| *known == replica) {
            self.avoided[at] = avoided;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(2);

    fn aim() -> Aim {
        Aim::new([0, 1, 2].map(ReplicaId).to_vec(), SILENCE)
    }

    #[test]
    fn a_hint_is_followed_at_once_and_without_one_the_next_is_asked_after_a_pause() {
        let (mut aim, now) = (aim(), Instant::now());
        aim.not_leader(0, Some(ReplicaId(2)), now);
        assert_eq!((aim.at(), aim.is_paused(now)), (2, false));
        aim.not_leader(2, None, now);
        assert_eq!((aim.at(), aim.is_paused(now), aim.is_paused(now + PAUSE)), (0, true, false));
        aim.not_leader(2, Some(ReplicaId(1)), now);
        assert_eq!(aim.at(), 0, "2 is not asked any more");
    }

    #[test]
    fn replicas_that_name_each_other_are_asked_with_pauses_in_the_end() {
        let (mut aim, now) = (aim(), Instant::now());
        let paused = (0..20).filter(|round| {
            let at = now + Duration::from_secs(*round as u64);
            aim.not_leader(round % 2, Some(ReplicaId(1 - (round % 2) as u8)), at);
            aim.is_paused(at)
        });
        assert!(paused.count() >= 10);
    }

    #[test]
    fn an_avoided_replica_is_not_asked_even_if_it_is_named() {
        let (mut aim, now) = (aim(), Instant::now());
        aim.avoid(ReplicaId(1));
        aim.not_leader(0, Some(ReplicaId(1)), now);
        assert_eq!(aim.at(), 2);
        aim.allow(ReplicaId(1));
        aim.not_leader(2, Some(ReplicaId(1)), now);
        assert_eq!(aim.at(), 1);
    }

    #[test]
    fn the_silence_that_is_borne_grows_until_somebody_answers() {
        let (mut aim, now) = (aim(), Instant::now());
        for doublings in 1..=8u32 {
            aim.turn_from_silent(aim.at(), now);
            assert_eq!(aim.silence(), SILENCE * (1 << doublings.min(SILENCE_DOUBLINGS)));
        }
        aim.succeeded(1);
        assert_eq!((aim.silence(), aim.at()), (SILENCE, 1));
    }

    #[test]
    fn a_search_lasts_from_the_first_miss_until_the_leader_answers() {
        let (mut aim, now) = (aim(), Instant::now());
        assert!(!aim.is_searching());
        aim.not_leader(0, Some(ReplicaId(2)), now);
        assert!(aim.is_searching());
        aim.succeeded(2);
        assert!(!aim.is_searching());
        aim.note_silence(2);
        assert!(aim.is_searching());
    }

    #[test]
    fn a_busy_replica_is_asked_less_and_less() {
        let (mut aim, now) = (aim(), Instant::now());
        let wish = Duration::from_millis(1);
        let mut pauses = Vec::new();
        let mut at = now;
        for _ in 0..20 {
            aim.busy(at, wish, 0);
            aim.busy(at, wish, 0);
            let ends = aim.pause_ends().expect("a pause");
            pauses.push(ends - at);
            at = ends;
        }
        assert_eq!((pauses[0], pauses[1]), (wish, wish * 2));
        assert_eq!(pauses[19], wish * (1 << BUSY_DOUBLINGS));
        aim.busy(at, Duration::from_secs(u64::from(u32::MAX)), 7);
        assert!(aim.pause_ends().expect("a pause") - at < 2 * BUSY_PAUSE_MAX);
    }
}
