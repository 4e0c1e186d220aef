//! Serves the clients of one replica at its unix socket.

use crate::cli::hdr;
use crate::cli::protocol::{
    BallotReport, Bytes, Code, MemberReport, Numbered, Outcome, Refusal, Reply, Request, SpanReport, StatusReport,
};
use crate::cli::timeline::Timeline;
use paxon::{Command, Failure, Handle, Leadership, ProposeError, Slot, Ticket};
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Connections served at once; each has a thread.
const CONNECTIONS_MAX: usize = 64;
/// A connection on which nothing was asked for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// A client that does not take its reply for so long is given up.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long a request may wait for a quorum before its client is told that the outcome is unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long to wait before accepting again when the system is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What serves a replica's clients. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    handle: Handle,
    timeline: Timeline,
    line_bytes_max: usize,
    /// Commands that one request may bring.
    commands_max: usize,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub fn new(handle: Handle, timeline: Timeline, line_bytes_max: usize, commands_max: usize) -> Self {
        Self { handle, timeline, line_bytes_max, commands_max, connections: Arc::default() }
    }

    /// Listens at `socket`, for this user only. The caller is the one live process of its replica, so a socket that is
    /// there already was left behind.
    pub fn listen(&self, socket: &Path) -> io::Result<()> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        // Nobody came in before: the directory is this user's alone.
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        let server = self.clone();
        thread::Builder::new().name("paxon-listen".into()).spawn(move || server.accept(&listener))?;
        Ok(())
    }

    fn accept(&self, listener: &UnixListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    }

    fn admit(&self, mut stream: UnixStream) {
        if self.connections.fetch_add(1, Relaxed) >= CONNECTIONS_MAX {
            self.connections.fetch_sub(1, Relaxed);
            let text = format!("this replica serves {CONNECTIONS_MAX} connections at once; try again");
            // A client that is not there to hear it needs no answer.
            let _ = write_reply(&mut stream, &Reply::Refused(Refusal::new(Code::Busy, text)));
            return;
        }
        let (server, connections) = (self.clone(), self.connections.clone());
        let serving = thread::Builder::new().name("paxon-client".into()).spawn(move || {
            // Whatever ends a connection, the client sees its end; the replica goes on.
            let _ = server.serve(stream);
            server.connections.fetch_sub(1, Relaxed);
        });
        if serving.is_err() {
            connections.fetch_sub(1, Relaxed);
        }
    }

    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE_MAX))?;
        stream.set_write_timeout(Some(WRITE_MAX))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let most = self.line_bytes_max as u64;
            if reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if !line.ends_with(b"\n") {
                let text = format!("a request has at most {most} bytes and ends with a newline");
                return write_reply(&mut stream, &Reply::Refused(Refusal::new(Code::TooLarge, text)));
            }
            let reply = match serde_json::from_slice(&line) {
                Ok(request) => self.answer(request),
                Err(error) => Reply::Refused(Refusal::new(Code::Malformed, format!("not a request: {error}"))),
            };
            write_reply(&mut stream, &reply)?;
        }
    }

    fn answer(&self, request: Request) -> Reply {
        let answered = match request {
            Request::OpenSession => self.open_session(),
            Request::Propose { session, commands } => self.propose(session, &commands),
            Request::Read { query } => self.handle.read(&query.0).map_err(|error| refusal(&error)).and_then(answer),
            Request::Inspect { query, at_least } => {
                let ticket = self.handle.read_local(&query.0, Slot(at_least));
                ticket.map_err(|error| refusal(&error)).and_then(answer)
            }
            Request::Digest { at_least } => self.digest(Slot(at_least)),
            Request::Status => Ok(Reply::Status(self.status())),
            Request::Stages => self.stages(),
        };
        answered.unwrap_or_else(Reply::Refused)
    }

    fn open_session(&self) -> Result<Reply, Refusal> {
        let ballot = self.handle.status().ballot;
        let ticket = self.handle.propose_command(Command::open_session()).map_err(|error| refusal(&error))?;
        let reply = wait(ticket, deadline())?;
        self.timeline.replied(ballot);
        let id = reply.first_chunk().ok_or_else(|| Refusal::new(Code::Unknown, "the session has no id"))?;
        Ok(Reply::Opened { session: u64::from_le_bytes(*id) })
    }

    /// Proposes all before it waits for the first, and stops at the first that is refused, so that commands are applied in
    /// the order in which they came.
    fn propose(&self, session: u64, commands: &[Numbered]) -> Result<Reply, Refusal> {
        if commands.is_empty() || commands.len() > self.commands_max {
            let text = format!("{} commands in one request; 1 to {} are allowed", commands.len(), self.commands_max);
            return Err(Refusal::new(Code::Malformed, text));
        }
        let ballot = self.handle.status().ballot;
        let mut tickets = Vec::with_capacity(commands.len());
        for Numbered { sequence, payload } in commands {
            let ticket = self.handle.propose_command(Command { session, sequence: *sequence, payload: &payload.0 });
            let refused = ticket.is_err();
            tickets.push(ticket);
            if refused {
                break;
            }
        }
        let outcomes = collect(tickets);
        if matches!(outcomes.first(), Some(Outcome::Applied { .. })) {
            self.timeline.replied(ballot);
        }
        Ok(Reply::Proposed { outcomes })
    }

    fn digest(&self, at_least: Slot) -> Result<Reply, Refusal> {
        let ticket = self.handle.digest(at_least).map_err(|error| refusal(&error))?;
        let reply = wait(ticket, deadline())?;
        let digest = reply.first_chunk().ok_or_else(|| Refusal::new(Code::Unknown, "the digest is too short"))?;
        Ok(Reply::Digest { slot: reply.slot().0, digest: u64::from_le_bytes(*digest) })
    }

    fn status(&self) -> StatusReport {
        let status = self.handle.status();
        let role = match status.leadership {
            Leadership::Leader { .. } => "leader",
            Leadership::Candidate => "candidate",
            Leadership::Recovering => "recovering",
            Leadership::Stopped => "stopped",
            _ => "follower",
        };
        let member = |peer: &paxon::PeerStatus| MemberReport {
            replica: peer.peer.0,
            alive: peer.alive,
            applied: peer.applied.map(|slot| slot.0),
        };
        StatusReport {
            replica: status.replica.0,
            pid: std::process::id(),
            role: role.into(),
            leader: status.leader.map(|leader| leader.0),
            ballot: BallotReport {
                epoch: status.ballot.epoch().0,
                round: status.ballot.round(),
                proposer: status.ballot.proposer().0,
            },
            committed: status.committed.0,
            applied: status.applied.0,
            malformed: status.malformed,
            members: status.peers.iter().map(member).collect(),
            timeline: self.timeline.moments(),
        }
    }

    fn stages(&self) -> Result<Reply, Refusal> {
        let latencies = self.handle.stages().ok_or_else(|| Refusal::new(Code::Unknown, "stages are not recorded"))?;
        let whole = latencies.spans().map(|(from, to, span)| (from.name(), to.name(), span));
        let spans = whole.map(|(from, to, span)| {
            let histogram = hdr::encode(span).map_err(|error| Refusal::new(Code::Unknown, error.to_string()))?;
            Ok(SpanReport { from: from.into(), to: to.into(), histogram })
        });
        Ok(Reply::Stages { spans: spans.collect::<Result<_, Refusal>>()? })
    }
}

fn deadline() -> Instant {
    Instant::now() + ANSWER_WITHIN
}

fn answer(ticket: Ticket) -> Result<Reply, Refusal> {
    let reply = wait(ticket, deadline())?;
    Ok(Reply::Answer { slot: reply.slot().0, bytes: Bytes(reply.to_vec()) })
}

/// The outcomes up to the first that is not "applied", that one included.
fn collect(tickets: Vec<Result<Ticket, ProposeError>>) -> Vec<Outcome> {
    let deadline = deadline();
    let mut outcomes = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        match ticket.map_err(|error| refusal(&error)).and_then(|ticket| wait(ticket, deadline)) {
            Ok(reply) => outcomes.push(Outcome::Applied { slot: reply.slot().0, reply: Bytes(reply.to_vec()) }),
            Err(refused) => {
                outcomes.push(Outcome::Refused(refused));
                break;
            }
        }
    }
    outcomes
}

fn wait(mut ticket: Ticket, deadline: Instant) -> Result<paxon::Reply, Refusal> {
    match ticket.wait_timeout(deadline.saturating_duration_since(Instant::now())) {
        Some(Ok(reply)) => Ok(reply),
        Some(Err(failure)) => Err(failed(&failure)),
        None => Err(Refusal::new(Code::Unknown, "no quorum answers; the outcome is unknown")),
    }
}

fn refusal(error: &ProposeError) -> Refusal {
    let mut refusal = Refusal::new(Code::Busy, error.to_string());
    match error {
        ProposeError::NotLeader { leader } => {
            (refusal.code, refusal.leader) = (Code::NotLeader, leader.map(|leader| leader.0));
        }
        ProposeError::Busy { retry_after } => refusal.retry_after_us = u64::try_from(retry_after.as_micros()).ok(),
        ProposeError::TooLarge { .. } => refusal.code = Code::TooLarge,
        ProposeError::Stopped => refusal.code = Code::Stopped,
        _ => {}
    }
    refusal
}

fn failed(failure: &Failure) -> Refusal {
    let mut refusal = Refusal::new(Code::Unknown, failure.to_string());
    match failure {
        Failure::NotLeader { leader } => {
            (refusal.code, refusal.leader) = (Code::NotLeader, leader.map(|leader| leader.0));
        }
        Failure::TooOld | Failure::SessionExpired => refusal.code = Code::Expired,
        Failure::ReplyTooLarge => refusal.code = Code::ReplyTooLarge,
        Failure::Stopped => refusal.code = Code::Stopped,
        _ => {}
    }
    refusal
}

fn write_reply(stream: &mut UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
}
