//! A client of the whole cluster: finds the leader, follows it, and has every command applied exactly once.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::connection::{Connection, ConnectionError};
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::protocol::{Bytes, Code, Numbered, Outcome, Refusal, Reply, Request};
use paxon::ReplicaId;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// A replica that is silent for so long is left for another.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long to wait for an election before asking the next replica.
const ELECTION_PAUSE: Duration = Duration::from_micros(200);

/// What was applied: where, and what the replica answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub slot: u64,
    pub reply: Vec<u8>,
}

/// What to do once commands are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSend {
    /// Wait for the replies.
    Wait,
    /// The replica is known to be stuck: ask the others, until [`RemoteSession::forgive`].
    Shun,
}

/// A client session over the sockets of a cluster.
#[derive(Debug)]
pub struct RemoteSession {
    sockets: Vec<PathBuf>,
    /// Connected to the replica that is asked now.
    connection: Option<Connection>,
    asked: usize,
    /// Known to be stuck: it is not asked.
    shunned: Option<usize>,
    interrupt: Interrupt,
    /// How long an operation is tried for.
    patience: Duration,
    session: u64,
    next: u64,
    /// Commands that may be under way.
    window: usize,
    /// Longest payload of one request, all commands together.
    request_bytes_max: usize,
    /// Why the last try failed, for the message when patience ends.
    last_problem: String,
}

impl RemoteSession {
    /// A client without a session: it can read.
    pub fn new(cluster: &ClusterFile, patience: Duration, interrupt: &Interrupt) -> Self {
        Self {
            sockets: cluster.members().map(|member| cluster.socket(member)).collect(),
            connection: None,
            asked: 0,
            shunned: None,
            interrupt: interrupt.clone(),
            patience,
            session: 0,
            next: 1,
            window: cluster.session_window(),
            request_bytes_max: cluster.command_bytes_max(),
            last_problem: "no replica was asked".into(),
        }
    }

    /// A client with a session: its commands are applied exactly once.
    pub fn open(cluster: &ClusterFile, patience: Duration, interrupt: &Interrupt) -> Result<Self, CliError> {
        let mut session = Self::new(cluster, patience, interrupt);
        session.reopen()?;
        Ok(session)
    }

    /// Opens a new session in place of the one there was.
    pub fn reopen(&mut self) -> Result<(), CliError> {
        // Asked again after a lost reply, this opens a second session: nobody uses it and it is evicted in time.
        match self.ask(&Request::OpenSession)? {
            Reply::Opened { session } => {
                (self.session, self.next) = (session, 1);
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The replica that was shunned may be asked again.
    pub const fn forgive(&mut self) {
        self.shunned = None;
    }

    /// Commands that may be under way.
    pub const fn window(&self) -> usize {
        self.window
    }

    /// The replica that answered last.
    pub fn asked(&self) -> ReplicaId {
        ReplicaId(self.asked as u8)
    }

    /// Has one command applied.
    pub fn propose(&mut self, command: &[u8]) -> Result<Applied, CliError> {
        let mut applied = self.propose_all(&[command.to_vec()], || Ok(AfterSend::Wait))?;
        applied.pop().ok_or_else(|| CliError::Failed("the replica did not say what came of the command".into()))
    }

    /// Has commands applied in this order, at most [`Self::window`] of them. `on_sent` is called once, when they are on
    /// their way for the first time and before anybody waits for a reply.
    pub fn propose_all(
        &mut self,
        commands: &[Vec<u8>],
        on_sent: impl FnOnce() -> Result<AfterSend, CliError>,
    ) -> Result<Vec<Applied>, CliError> {
        let first = self.next;
        self.next += commands.len() as u64;
        let mut done: Vec<Applied> = Vec::with_capacity(commands.len());
        let mut on_sent = Some(on_sent);
        let mut deadline = self.deadline();
        while done.len() < commands.len() {
            let numbered = self.fill_request(first, commands, done.len());
            let request = Request::Propose { session: self.session, commands: numbered };
            let reply = self.try_once(&request, &mut on_sent)?;
            match reply {
                Some(Reply::Proposed { outcomes }) => {
                    let before = done.len();
                    self.take_outcomes(outcomes, &mut done)?;
                    if done.len() > before {
                        deadline = self.deadline();
                    }
                }
                Some(Reply::Refused(refusal)) => self.after(&refusal)?,
                Some(other) => return Err(unexpected(&other)),
                None => self.turn_to(None),
            }
            self.check(deadline)?;
        }
        Ok(done)
    }

    /// The request that [`Self::propose_all`] will send first if these are the next commands.
    pub fn preview(&self, commands: &[Vec<u8>]) -> Request {
        Request::Propose { session: self.session, commands: self.fill_request(self.next, commands, 0) }
    }

    /// As many of the commands as one request may carry, from the `done`-th on.
    fn fill_request(&self, first: u64, commands: &[Vec<u8>], done: usize) -> Vec<Numbered> {
        let mut bytes = 0;
        let fits = |command: &&Vec<u8>| {
            bytes += command.len();
            bytes <= self.request_bytes_max
        };
        // One command goes alone even when it is too large: the replica says so better.
        let count = commands[done..].iter().take_while(fits).count().clamp(1, self.window);
        let numbered = commands[done..].iter().zip(first + done as u64..).take(count);
        numbered.map(|(command, sequence)| Numbered { sequence, payload: Bytes(command.clone()) }).collect()
    }

    fn take_outcomes(&mut self, outcomes: Vec<Outcome>, done: &mut Vec<Applied>) -> Result<(), CliError> {
        for outcome in outcomes {
            match outcome {
                Outcome::Applied { slot, reply } => done.push(Applied { slot, reply: reply.0 }),
                // What came after it, if anything, is sent again too, under its old number.
                Outcome::Refused(refusal) => return self.after(&refusal),
            }
        }
        Ok(())
    }

    /// Asks the leader, whoever that becomes.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, CliError> {
        let deadline = self.deadline();
        loop {
            match self.try_once(request, &mut None::<fn() -> Result<AfterSend, CliError>>)? {
                Some(Reply::Refused(refusal)) => self.after(&refusal)?,
                Some(reply) => return Ok(reply),
                None => self.turn_to(None),
            }
            self.check(deadline)?;
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    fn check(&self, deadline: Instant) -> Result<(), CliError> {
        self.interrupt.check()?;
        if Instant::now() < deadline {
            return Ok(());
        }
        Err(CliError::Unavailable(format!(
            "no leader answered within {:?}; the last problem: {}",
            self.patience, self.last_problem
        )))
    }

    /// One try; `None` if the replica gave no reply.
    fn try_once(
        &mut self,
        request: &Request,
        on_sent: &mut Option<impl FnOnce() -> Result<AfterSend, CliError>>,
    ) -> Result<Option<Reply>, CliError> {
        if let Err(error) = self.send(request) {
            return Ok(self.lost(&error));
        }
        if let Some(on_sent) = on_sent.take()
            && on_sent()? == AfterSend::Shun
        {
            self.shunned = Some(self.asked);
            return Ok(None);
        }
        let Some(connection) = &mut self.connection else { return Ok(None) };
        match connection.receive(SILENCE_MAX.min(self.patience)) {
            Ok(reply) => Ok(Some(reply)),
            Err(ConnectionError::Interrupted) => Err(CliError::Interrupted),
            Err(ConnectionError::Io(error)) => Ok(self.lost(&error)),
        }
    }

    fn send(&mut self, request: &Request) -> std::io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.sockets[self.asked], &self.interrupt)?);
        }
        self.connection.as_mut().map_or(Ok(()), |connection| connection.send(request))
    }

    fn lost(&mut self, error: &std::io::Error) -> Option<Reply> {
        self.connection = None;
        self.last_problem = format!("replica {}: {error}", self.asked);
        None
    }

    fn after(&mut self, refusal: &Refusal) -> Result<(), CliError> {
        self.last_problem = format!("replica {}: {}", self.asked, refusal.message);
        match refusal.code {
            Code::NotLeader => self.turn_to(refusal.leader),
            Code::Stopped => self.turn_to(None),
            Code::Unknown | Code::Busy => {
                thread::sleep(refusal.retry_after_us.map_or(ELECTION_PAUSE, Duration::from_micros));
            }
            Code::TooLarge | Code::Expired | Code::ReplyTooLarge | Code::Malformed => {
                return Err(CliError::Failed(refusal.message.clone()));
            }
        }
        Ok(())
    }

    /// Turns to the leader if it is known, else to the next replica, after a moment for the election.
    fn turn_to(&mut self, leader: Option<u8>) {
        let replicas = self.sockets.len();
        let may_ask = |replica: &usize| *replica < replicas && Some(*replica) != self.shunned;
        match leader.map(usize::from).filter(|leader| may_ask(leader) && *leader != self.asked) {
            Some(leader) => self.asked = leader,
            None => {
                let others = (1..=replicas).map(|step| (self.asked + step) % replicas);
                self.asked = others.into_iter().find(may_ask).unwrap_or(self.asked);
                thread::sleep(ELECTION_PAUSE);
            }
        }
        self.connection = None;
    }
}

/// A reply that does not belong to the request.
pub fn unexpected(reply: &Reply) -> CliError {
    match reply {
        Reply::Refused(refusal) => CliError::Failed(refusal.message.clone()),
        other => CliError::Failed(format!("the replica gave an answer that was not asked for: {other:?}")),
    }
}
