//! The leader of a measurement of authentic commands.

use super::client::Client;
use super::ear::Ear;
use super::report::{Stages, Throughput};
use super::stream::Stream;
use super::{Auth, Guarded, software};
use crate::clock::Clock;
use crate::measure::board::Board;
use crate::measure::run::PATIENCE;
use crate::measure::{Followers, MeasureError, Options};
use crate::node::Node;
use paxon_fastpath::{Command, Fabric, ProposeError, ReplicaId, Role, Slot, StateMachine};
use paxon_signed::{Candidate, Position, Screen, Screened};
use paxon_verify::InlineVerifier;
use std::thread;
use std::time::Instant;

/// Commands before the first one that counts.
const WARM_UP: u64 = 1_000;
/// Samples between two questions whether to go on.
const BLOCK: u64 = 1_000;

/// The leader, its screen and its only client.
pub(super) struct Leader<F> {
    pub(super) node: Node<Guarded, F, Ear>,
    pub(super) clock: Clock,
    pub(super) board: Board,
    pub(super) auth: Auth,
    screen: Screen<InlineVerifier>,
    verdicts: Vec<Screened>,
}

impl<F: Fabric> Leader<F> {
    pub(super) fn new(mut node: Node<Guarded, F, Ear>, auth: Auth, board: Board) -> Self {
        let clock = node.clock().clone();
        node.outcomes_mut().clock = Some(clock.clone());
        let keyring = node.service().machine().keyring();
        let mut verifier = InlineVerifier::default();
        super::prepare(&mut verifier, auth);
        Self { node, clock, board, auth, screen: Screen::new(keyring, verifier, software), verdicts: Vec::new() }
    }

    /// Measures single commands, then a stream of them, then looks at the followers' digests.
    pub(super) fn measure(
        mut self,
        options: &Options,
        followers: &mut Followers,
        go_on: &mut impl FnMut(u64) -> bool,
    ) -> Result<(Stages, Option<Throughput>), MeasureError> {
        self.wait_for("leadership and followers", followers, |leader| {
            let replica = leader.node.replica();
            let all_here = ReplicaId::all(options.replicas).all(|peer| replica.peer_applied(peer).is_some());
            replica.role() == Role::Leader && all_here
        })?;
        let mut client = Client::new(self.auth, options.payload);
        let mut at = Position { session: self.open_session()?, sequence: 0 };
        if self.auth == Auth::Mac {
            at.sequence += 1;
            let (handshake, bytes) = client.handshake(at).map_err(MeasureError::other)?;
            self.apply(at, &bytes)?;
            let reply = self.node.outcomes_mut().reply;
            client.use_session(handshake.finish(&reply).map_err(MeasureError::other)?);
        }
        let mut stages = Stages::new();
        let warm_up = WARM_UP.min(options.samples);
        for sample in 0..warm_up + options.samples {
            at.sequence += 1;
            let bytes = client.command(at);
            while !self.sample(at, &bytes, (sample >= warm_up).then_some(&mut stages))? {}
            if sample.is_multiple_of(BLOCK) && !go_on(stages.whole.len()) {
                return Err(MeasureError::Interrupted);
            }
        }
        let throughput = match self.auth {
            Auth::Mac => None,
            Auth::Ed25519 | Auth::Mldsa | Auth::Hybrid => Some(Stream::measure(&mut self, &mut client)?),
        };
        self.compare_digests(options, followers)?;
        Ok((stages, throughput))
    }

    /// One command from its envelope to its application; false if there was no room for it. That is the followers' time and not
    /// that of a commit: the sample begins again.
    fn sample(&mut self, at: Position, bytes: &[u8], stages: Option<&mut Stages>) -> Result<bool, MeasureError> {
        let command = command(at, bytes);
        let received = self.clock.now();
        self.screen.submit(self.next_slot(), &[Candidate { token: at.sequence, command }]);
        while self.screen.poll(&mut self.verdicts) == 0 {}
        let verdict = self.verdicts.pop().map(|screened| screened.verdict);
        if verdict != Some(Ok(())) {
            return Err(MeasureError::Refused);
        }
        let verified = self.clock.now();
        let Some(slot) = self.submit(command)? else { return Ok(false) };
        self.node.poll_at(verified);
        while self.node.replica().applied() < slot {
            self.node.poll();
            self.check_leadership()?;
        }
        let applied = self.clock.now();
        let quorum = self.node.outcomes_mut().quorum;
        if let Some(stages) = stages {
            stages.whole.saturating_record(applied.since(received).0);
            stages.verified.saturating_record(verified.since(received).0);
            stages.quorum.saturating_record(quorum.since(verified).0);
            stages.applied.saturating_record(applied.since(quorum).0);
        }
        self.check_refused().map(|()| true)
    }

    /// A command that is no sample.
    pub(super) fn apply(&mut self, at: Position, bytes: &[u8]) -> Result<(), MeasureError> {
        self.settle(command(at, bytes))?;
        self.check_refused()
    }

    /// Opens a session.
    pub(super) fn open_session(&mut self) -> Result<u64, MeasureError> {
        self.settle(Command::open_session())?;
        Ok(self.node.outcomes_mut().session)
    }

    fn settle(&mut self, command: Command<'_>) -> Result<(), MeasureError> {
        let slot = loop {
            if let Some(slot) = self.submit(command)? {
                break slot;
            }
        };
        while self.node.replica().applied() < slot {
            self.node.poll();
            self.check_leadership()?;
        }
        Ok(())
    }

    /// Proposes; `None` if the followers have to apply first, after a poll.
    fn submit(&mut self, command: Command<'_>) -> Result<Option<Slot>, MeasureError> {
        match self.node.submit(command) {
            Ok(slot) => Ok(Some(slot)),
            Err(ProposeError::Full { .. }) => {
                self.node.poll();
                thread::yield_now();
                self.check_leadership().map(|()| None)
            }
            Err(error) => Err(MeasureError::other(error)),
        }
    }

    pub(super) fn next_slot(&self) -> Slot {
        Slot(self.node.replica().applied().0 + 1)
    }

    pub(super) fn check_leadership(&self) -> Result<(), MeasureError> {
        if self.node.replica().role() == Role::Leader { Ok(()) } else { Err(MeasureError::Deposed) }
    }

    pub(super) fn check_refused(&mut self) -> Result<(), MeasureError> {
        if self.node.outcomes_mut().refused == 0 { Ok(()) } else { Err(MeasureError::Refused) }
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
            thread::yield_now();
            if let Some(fallen) = followers.fallen() {
                return Err(fallen);
            }
            if Instant::now() > deadline {
                return Err(MeasureError::TimedOut { what });
            }
        }
        Ok(())
    }

    fn compare_digests(&mut self, options: &Options, followers: &mut Followers) -> Result<(), MeasureError> {
        self.board.end(self.node.replica().applied());
        let replicas = 1..options.replicas as u8;
        self.wait_for("the followers to apply everything", followers, |leader| {
            replicas.clone().all(|replica| leader.board.digest(replica).is_some())
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

const fn command(at: Position, payload: &[u8]) -> Command<'_> {
    Command { session: at.session, sequence: at.sequence, payload }
}
