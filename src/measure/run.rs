//! A measurement in progress, as its leader.

use super::board::{Board, Phase};
use super::floor::Floor;
use super::load::Load;
use super::machine::Tally;
use super::{Followers, MeasureError, Options, Report};
use crate::clock::Clock;
use crate::node::Node;
use hdrhistogram::Histogram;
use paxon_fastpath::{Fabric, Nanos, ReplicaId, Role, StateMachine, Unheard};
use std::time::{Duration, Instant};

/// Samples of each kind between two changes of the kind: short enough that slow drifts of the machine hit all alike.
const BLOCK: u64 = 2_000;
/// Commits before the first one that counts.
const WARM_UP: u64 = 20_000;
/// How long anything that should take microseconds may take before the run is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Largest latency that the histograms tell from larger ones.
const LATENCY_MAX_NS: u64 = 10_000_000_000;
/// While the floor is measured the leader beats its heart only every so many rounds.
const ROUNDS_PER_POLL: u64 = 64;

/// A run in progress.
pub(super) struct Run<F> {
    node: Node<Tally, F, Unheard>,
    clock: Clock,
    board: Board,
    commits: Histogram<u64>,
    floors: Histogram<u64>,
    hiccups: Histogram<u64>,
    /// Commands a second, of each block.
    rates: Vec<f64>,
}

impl<F: Fabric> Run<F> {
    pub(super) fn start(node: Node<Tally, F, Unheard>, options: &Options) -> Result<Self, MeasureError> {
        let histogram = || Histogram::new_with_max(LATENCY_MAX_NS, 3).expect("three digits up to ten seconds");
        Ok(Self {
            clock: node.clock().clone(),
            node,
            board: Board::create(&options.directory)?,
            commits: histogram(),
            floors: histogram(),
            hiccups: histogram(),
            rates: Vec::new(),
        })
    }

    /// Measures beside the floor that `open_floor` gives once everybody is there.
    pub(super) fn measure<L: Floor<F>>(
        &mut self,
        options: &Options,
        followers: &mut Followers,
        open_floor: impl FnOnce(&Board) -> Result<L, MeasureError>,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<(), MeasureError> {
        self.wait_for("leadership and followers", followers, |run| {
            let replica = run.node.replica();
            let all_here = ReplicaId::all(options.replicas).all(|peer| replica.peer_applied(peer).is_some());
            replica.role() == Role::Leader && all_here
        })?;
        let mut floor = open_floor(&self.board)?;
        let mut load = Load::new(options);
        self.commit_block(&mut load, WARM_UP.min(options.samples), false)?;
        let mut left = options.samples;
        while left > 0 {
            let block = left.min(BLOCK);
            let rate = self.commit_block(&mut load, block, true)?;
            self.rates.push(rate);
            self.floor_block(&mut floor, block)?;
            self.hiccup_block(block);
            left -= block;
            if !go_on(options.samples - left) {
                return Err(MeasureError::Interrupted);
            }
        }
        self.compare_digests(options, followers)
    }

    /// What was measured.
    pub(super) fn report(&self, options: &Options, cores: usize) -> Report {
        let histograms = [&self.commits, &self.floors, &self.hiccups];
        Report::new(options, cores, histograms, self.rates.clone())
    }

    /// Polls until `done`.
    fn wait_for(
        &mut self,
        what: &'static str,
        followers: &mut Followers,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), MeasureError> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            self.node.poll();
            std::thread::yield_now();
            if let Some(fallen) = followers.fallen() {
                return Err(fallen);
            }
            if Instant::now() > deadline {
                return Err(MeasureError::TimedOut { what });
            }
        }
        Ok(())
    }

    /// Commits `block` groups of records, one group at a time. Returns commands a second.
    fn commit_block(&mut self, load: &mut Load, block: u64, record: bool) -> Result<f64, MeasureError> {
        let begun = self.clock.now();
        let mut commands = 0;
        let mut groups = 0;
        while groups < block {
            let start = self.clock.now();
            let Some(group) = load.propose(&mut self.node) else {
                // The journal is full: the followers have to apply first. That is their time, not that of a commit.
                self.make_room()?;
                continue;
            };
            self.node.poll_at(start);
            while self.node.replica().applied() < group.last {
                self.node.poll();
                self.check_leadership()?;
            }
            commands += group.commands;
            // A part of a group is no sample.
            if group.whole {
                groups += 1;
                if record {
                    // The histogram ends at ten seconds; whatever is longer counts as that.
                    self.commits.saturating_record(self.clock.now().since(start).0);
                }
            }
        }
        Ok(commands as f64 * 1e9 / self.clock.now().since(begun).0 as f64)
    }

    fn check_leadership(&self) -> Result<(), MeasureError> {
        if self.node.replica().role() == Role::Leader { Ok(()) } else { Err(MeasureError::Deposed) }
    }

    fn make_room(&mut self) -> Result<(), MeasureError> {
        self.check_leadership()?;
        self.node.poll();
        std::thread::yield_now();
        Ok(())
    }

    /// Bare rounds, with the followers polling for them.
    fn floor_block(&mut self, floor: &mut impl Floor<F>, block: u64) -> Result<(), MeasureError> {
        self.board.set(Phase::Floor);
        for round in 0..block {
            let start = self.clock.now();
            floor.round(self.node.fabric_mut())?;
            self.floors.saturating_record(self.clock.now().since(start).0);
            if round.is_multiple_of(ROUNDS_PER_POLL) {
                self.node.poll();
            }
        }
        self.board.set(Phase::Commits);
        self.node.poll();
        self.check_leadership()
    }

    /// What the machine itself does to a thread that only reads the clock, each time for as long as a median commit takes:
    /// by how much it overshoots.
    fn hiccup_block(&mut self, block: u64) {
        let stretch = Nanos(self.commits.value_at_quantile(0.5));
        let mut start = self.clock.now();
        for _ in 0..block {
            let mut now = self.clock.now();
            while now.since(start) < stretch {
                now = self.clock.now();
            }
            self.hiccups.saturating_record(now.since(start).0 - stretch.0.min(now.since(start).0));
            start = now;
        }
    }

    /// Ends the run: every follower applies everything and tells its digest.
    fn compare_digests(&mut self, options: &Options, followers: &mut Followers) -> Result<(), MeasureError> {
        let target = self.node.replica().applied();
        self.board.end(target);
        let replicas = 1..options.replicas as u8;
        self.wait_for("the followers to apply everything", followers, |run| {
            replicas.clone().all(|replica| run.board.digest(replica).is_some())
        })?;
        let expected = self.node.service().machine().digest();
        for replica in replicas {
            match self.board.digest(replica) {
                Some(found) if found != expected => return Err(MeasureError::Diverged { replica, found, expected }),
                _ => {}
            }
        }
        Ok(())
    }
}
