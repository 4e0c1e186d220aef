//! Many signed commands under way: what bounds a service is its verifier.

use super::client::Client;
use super::leader::Leader;
use super::report::Throughput;
use super::{Auth, prepare, software};
use crate::measure::MeasureError;
use crate::measure::board::Phase;
use crate::measure::rates::rates;
use paxon_fastpath::{Batch, Command, Fabric, ProposeError};
use paxon_signed::{Candidate, Position, Screen, Screened};
use paxon_verify::{Limits, PoolOptions, SoftwareVerifier};
use std::thread;
use std::time::{Duration, Instant};

/// Sessions that take turns, and how far the commands of one may be apart: less than a session's window.
const SESSIONS: usize = 16;
const SPREAD: usize = 56;
/// The leader sleeps for so long when it finds nothing to do: the processors belong to the verifier.
const NAP: Duration = Duration::from_micros(50);
/// Commands of one record.
const BATCH: usize = 64;

/// A stream in progress.
pub(super) struct Stream {
    /// Commands in the order in which they are submitted, with their places.
    commands: Vec<(Position, Vec<u8>)>,
    screen: Screen<SoftwareVerifier>,
    /// Commands that were submitted.
    next: usize,
    /// Whether each command has its verdict, and the first that has not.
    decided: Vec<bool>,
    oldest: usize,
    verdicts: Vec<Screened>,
    batch: Batch,
    /// Commands proposed.
    proposed: u64,
}

impl Stream {
    /// Signs the commands, then measures.
    pub(super) fn measure<F: Fabric>(leader: &mut Leader<F>, client: &mut Client) -> Result<Throughput, MeasureError> {
        let auth = leader.auth;
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let mut stream = Self::prepare(leader, client, workers)?;
        let key = auth.signing_key();
        let before = rates(&key);
        leader.board.set(Phase::Stream);
        let begun = leader.node.outcomes_mut().applied;
        let start = Instant::now();
        while leader.node.outcomes_mut().applied - begun < stream.commands.len() as u64 {
            if !stream.turn(leader)? {
                thread::sleep(NAP);
            }
        }
        let ops_per_s = stream.commands.len() as f64 / start.elapsed().as_secs_f64();
        let after = rates(&key);
        leader.board.set(Phase::Commits);
        let [library_per_s, prepared_per_s] = [(before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0];
        let of_all = |rate: f64| ops_per_s / (rate * workers as f64);
        let (ratio_to_library, ratio_to_prepared) = (of_all(library_per_s), of_all(prepared_per_s));
        Ok(Throughput { workers, ops_per_s, library_per_s, prepared_per_s, ratio_to_library, ratio_to_prepared })
    }

    fn prepare<F: Fabric>(leader: &mut Leader<F>, client: &mut Client, workers: usize) -> Result<Self, MeasureError> {
        let auth = leader.auth;
        let count = match auth {
            Auth::Mac | Auth::Ed25519 => 50_000,
            Auth::Mldsa | Auth::Hybrid => 20_000,
        };
        let sessions = (0..SESSIONS).map(|_| leader.open_session()).collect::<Result<Vec<_>, _>>()?;
        let place = |at: usize| Position { session: sessions[at % SESSIONS], sequence: (at / SESSIONS) as u64 + 1 };
        let commands: Vec<_> = (0..count).map(|at| (place(at), client.command(place(at)))).collect();
        let limits = Limits { capacity: SESSIONS * SPREAD, ..Limits::default() };
        let options = PoolOptions { workers, limits, ..PoolOptions::default() };
        let mut verifier = SoftwareVerifier::start(options).map_err(MeasureError::other)?;
        prepare(&mut verifier, auth);
        let record = commands[0].1.len().div_ceil(8) * 8 + 64;
        Ok(Self {
            commands,
            screen: Screen::new(leader.node.service().machine().keyring(), verifier, software),
            next: 0,
            decided: vec![false; count],
            oldest: 0,
            verdicts: Vec::new(),
            batch: Batch::new(BATCH * record, BATCH),
            proposed: 0,
        })
    }

    /// One turn; false if there was nothing to do.
    fn turn<F: Fabric>(&mut self, leader: &mut Leader<F>) -> Result<bool, MeasureError> {
        let submitted = self.submit(leader);
        let polled = self.screen.poll(&mut self.verdicts);
        let proposed = self.proposed;
        self.propose(leader)?;
        let applied = leader.node.replica().applied();
        leader.node.poll();
        leader.check_leadership()?;
        leader.check_refused()?;
        Ok(submitted > 0 || polled > 0 || self.proposed > proposed || leader.node.replica().applied() > applied)
    }

    fn submit<F: Fabric>(&mut self, leader: &Leader<F>) -> usize {
        let end = self.commands.len().min(self.oldest + SESSIONS * SPREAD);
        let candidates: Vec<_> =
            (self.next..end).map(|at| Candidate { token: at as u64, command: command(&self.commands[at]) }).collect();
        let taken = if candidates.is_empty() { 0 } else { self.screen.submit(leader.next_slot(), &candidates) };
        self.next += taken;
        taken
    }

    /// Proposes what has its verdict, as few records as possible.
    fn propose<F: Fabric>(&mut self, leader: &mut Leader<F>) -> Result<(), MeasureError> {
        while !self.verdicts.is_empty() {
            self.batch.clear();
            let count = self.verdicts.len().min(BATCH);
            for screened in &self.verdicts[..count] {
                screened.verdict.map_err(|_| MeasureError::Refused)?;
                let command = command(&self.commands[screened.token as usize]);
                self.batch.push(command).map_err(MeasureError::other)?;
            }
            match leader.node.submit_batch(&self.batch) {
                Ok(_) => self.proposed += count as u64,
                Err(ProposeError::Full { .. }) => return Ok(()),
                Err(error) => return Err(MeasureError::other(error)),
            }
            for screened in self.verdicts.drain(..count) {
                self.decided[screened.token as usize] = true;
            }
            while self.decided.get(self.oldest) == Some(&true) {
                self.oldest += 1;
            }
        }
        Ok(())
    }
}

fn command((at, bytes): &(Position, Vec<u8>)) -> Command<'_> {
    Command { session: at.session, sequence: at.sequence, payload: bytes }
}
