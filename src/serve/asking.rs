//! From the bytes of a connection to requests of the engine.

use super::connection::{BYTES_WITHOUT_BUDGET, Connection};
use super::counters::add;
use super::desk::{Asked, Asker, Question, Work};
use super::order::{Order, Pass};
use super::refusing::{Refusing, hint};
use super::report::{Bytes, SpanReport, StagesReport, StatusReport};
use super::rounds::Rounds;
use crate::failure::ProposeError;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use paxon_client::wire::{Code, Frame, Limits, OWN_WORDS, Parsed, Reply, Request, VERSION};
use paxon_fastpath::{Ballot, Command, Slot};
use std::io;
use std::time::{Duration, Instant};

/// Requests of one connection that are read in one turn, so that a flood of one does not keep the others waiting.
const REQUESTS_PER_VISIT: usize = 32;
/// What a connection may have under way shrinks to this part when many requests are.
const CROWDED_PART: usize = 8;
/// Longest time that a request may ask to wait.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// When a client whose request was shed should come again.
const SHED_RETRY: Duration = Duration::from_millis(1);
/// When a client whose long request found no room should come again.
const LONG_RETRY: Duration = Duration::from_millis(100);

/// What a frame comes to.
enum Step {
    /// The engine works at it.
    Wait {
        work: Work,
        asked: Asked,
        ballot: Ballot,
        wait_ms: u32,
    },
    Welcome,
    Document(String),
    Refuse(Refusing),
    /// Nothing more is read after this.
    HangUp(Refusing),
}

impl Rounds {
    /// Looks at a connection: reads requests, sends replies. `true`: there may be more to read at once.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn visit(&mut self, connection: &mut Connection, now: Instant) -> io::Result<bool> {
        let more = self.read_requests(connection, now)?;
        connection.flush(now)?;
        if connection.transport.unsent() < self.options.send_bytes_max {
            self.fresh.append(&mut connection.held);
        }
        if connection.closing && connection.transport.unsent() == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(more)
    }

    fn read_requests(&mut self, connection: &mut Connection, now: Instant) -> io::Result<bool> {
        for _ in 0..REQUESTS_PER_VISIT {
            // What is held back here is looked at again when the connection has an answer, or has sent one.
            let has_room =
                connection.in_flight < self.share() && connection.transport.unsent() < self.options.send_bytes_max;
            if connection.closing || !has_room {
                connection.note_held_back(now);
                return Ok(false);
            }
            match connection.transport.next_frame(self.body_bytes_max()) {
                Parsed::Whole(frame) => {
                    let (id, bytes) = (frame.id, frame.bytes());
                    let step = self.consider(frame, connection.greeted, &mut connection.order);
                    connection.transport.take(bytes);
                    self.act(connection, id, step, now);
                }
                Parsed::Part { frame_bytes } => {
                    let has_some = !connection.transport.received().is_empty();
                    if !self.make_room(connection, frame_bytes.unwrap_or(0), now) {
                        continue;
                    }
                    if !connection.receive(&mut self.scratch)? {
                        if has_some {
                            connection.note_half(now);
                        }
                        return Ok(false);
                    }
                }
                Parsed::TooLong { id, body_bytes } => {
                    add(&self.counting.too_large);
                    let most = self.body_bytes_max();
                    let text = format!("the request has {body_bytes} bytes; {most} are allowed");
                    self.hang_up(connection, id, &Refusing::new(Code::TooLarge, text), now);
                }
                Parsed::Damaged => {
                    add(&self.counting.malformed);
                    let refusing = Refusing::new(Code::Malformed, "the check of a frame does not fit its bytes");
                    self.hang_up(connection, OWN_WORDS, &refusing, now);
                }
            }
        }
        Ok(true)
    }

    /// Requests that a connection may have under way.
    fn share(&self) -> usize {
        let most = self.options.in_flight_per_connection;
        if self.desk.is_crowded() { (most / CROWDED_PART).max(1) } else { most }
    }

    /// Sees to it that a frame of so many bytes may be received. `false`: there is no room, and the connection ends.
    fn make_room(&mut self, connection: &mut Connection, frame_bytes: usize, now: Instant) -> bool {
        if frame_bytes <= BYTES_WITHOUT_BUDGET || connection.reserved > 0 {
            return true;
        }
        if frame_bytes > self.budget {
            add(&self.counting.shed);
            let text = "too many long requests are half-received; try again";
            self.hang_up(connection, OWN_WORDS, &Refusing::new(Code::Busy, text).again_after(LONG_RETRY), now);
            return false;
        }
        self.budget -= frame_bytes;
        connection.reserved = frame_bytes;
        true
    }

    fn hang_up(&self, connection: &mut Connection, id: u64, refusing: &Refusing, now: Instant) {
        connection.closing = true;
        connection.say(id, &Reply::Refused(refusing.as_refusal(&self.addresses)), usize::MAX, now);
    }

    /// Acts upon a request that was received whole.
    fn act(&mut self, connection: &mut Connection, id: u64, step: Step, now: Instant) {
        add(&self.counting.requests);
        connection.note_whole(now);
        let reserved = std::mem::take(&mut connection.reserved);
        if let Step::Wait { work, asked, ballot, wait_ms } = step {
            let deadline = now + Duration::from_millis(u64::from(wait_ms)).min(WAIT_MAX);
            let asker = Asker { connection: connection.key, id, asked, ballot, deadline, reserved };
            connection.in_flight += 1;
            self.fresh.push(self.desk.take_on(work, asker));
            return;
        }
        self.budget += reserved;
        self.say_step(connection, id, step, now);
    }

    fn say_step(&self, connection: &mut Connection, id: u64, step: Step, now: Instant) {
        match step {
            // It is said when there is an answer.
            Step::Wait { .. } => {}
            Step::Welcome => {
                connection.note_greeted();
                connection.say(id, &self.welcome_reply(), usize::MAX, now);
            }
            Step::Document(json) => {
                connection.say(id, &Reply::Document { json: &json }, self.options.reply_bytes_max, now);
            }
            Step::Refuse(refusing) => {
                connection.say(id, &Reply::Refused(refusing.as_refusal(&self.addresses)), usize::MAX, now);
            }
            Step::HangUp(refusing) => self.hang_up(connection, id, &refusing, now),
        }
    }

    fn welcome_reply(&self) -> Reply<'_> {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Reply::Welcome {
            version: VERSION,
            replica: self.handle.replica().0,
            leader: self.handle.status().leader.map(|leader| hint(leader, &self.addresses)),
            limits: Limits {
                session_window: narrow(self.options.sessions.window),
                command_bytes_max: narrow(self.options.command_bytes_max),
                body_bytes_max: narrow(self.body_bytes_max()),
                in_flight_max: narrow(self.options.in_flight_per_connection),
            },
        }
    }

    fn consider(&mut self, frame: Frame<'_>, greeted: bool, order: &mut Order) -> Step {
        let request = match Request::decode(frame.body) {
            Ok(request) => request,
            Err(error) => {
                add(&self.counting.malformed);
                let refusing = Refusing::new(Code::Malformed, format!("not a request: {error}"));
                return if greeted { Step::Refuse(refusing) } else { Step::HangUp(refusing) };
            }
        };
        match request {
            Request::Hello { version: 1.. } if !greeted => Step::Welcome,
            Request::Hello { version: 1.. } => self.misplaced("hello was said already"),
            Request::Hello { version } => {
                let text = format!("version {version} of the protocol is not spoken here; {VERSION} is");
                Step::HangUp(Refusing::new(Code::Version, text))
            }
            _ if !greeted => self.misplaced("a connection begins with a hello"),
            Request::Status => self.status(),
            Request::Stages => self.stages(),
            request => self.ask(&request, order).unwrap_or_else(|step| step),
        }
    }

    fn misplaced(&self, text: &'static str) -> Step {
        add(&self.counting.malformed);
        Step::HangUp(Refusing::new(Code::Malformed, text))
    }

    /// Hands a request to the engine.
    fn ask(&mut self, request: &Request<'_>, order: &mut Order) -> Result<Step, Step> {
        if let Request::Propose { session: session @ 1.., sequence, round, wait_ms, payload } = *request {
            return self.propose(Command { session, sequence, payload }, round, wait_ms, order);
        }
        self.check_room()?;
        let ballot = self.handle.status().ballot;
        let (asked, wait_ms, ticket) = match *request {
            Request::OpenSession { wait_ms } => {
                (Asked::Session, wait_ms, self.handle.propose_command(Command::open_session()))
            }
            Request::Propose { wait_ms, payload, .. } => {
                (Asked::Command { session: 0, round: 0 }, wait_ms, self.handle.propose(payload))
            }
            Request::Read { wait_ms, query } => (Asked::Answer, wait_ms, self.handle.read(query)),
            Request::ReadLocal { at_least, wait_ms, query } => {
                return self.inquire(Question::Query(query.to_vec()), Slot(at_least), Asked::Answer, wait_ms);
            }
            Request::Digest { at_least, wait_ms } => {
                return self.inquire(Question::Digest, Slot(at_least), Asked::Digest, wait_ms);
            }
            Request::Hello { .. } | Request::Status | Request::Stages => return Err(self.misplaced("no such request")),
        };
        let ticket = ticket.map_err(|error| self.refused(error))?;
        Ok(Step::Wait { work: Work::Ticket(ticket), asked, ballot, wait_ms })
    }

    /// Puts a question to the replica's own state, now or once it has come so far.
    fn inquire(&self, question: Question, at_least: Slot, asked: Asked, wait_ms: u32) -> Result<Step, Step> {
        let status = self.handle.status();
        let work = if at_least <= status.applied {
            Work::Ticket(self.put(&question, at_least).map_err(|error| self.refused(error))?)
        } else {
            Work::Later(question, at_least)
        };
        Ok(Step::Wait { work, asked, ballot: status.ballot, wait_ms })
    }

    /// Hands a command of a session to the engine, unless one before it has to come first.
    fn propose(&mut self, command: Command<'_>, round: u64, wait_ms: u32, order: &mut Order) -> Result<Step, Step> {
        let session = command.session;
        let ballot = self.handle.status().ballot;
        match order.pass(session, round, ballot) {
            Pass::Go => {}
            Pass::Behind => {
                return Err(Step::Refuse(Refusing::new(Code::Behind, "a command before it has to come again first")));
            }
            Pass::TooMany => {
                let text = "too many sessions of this connection were refused something; connect anew";
                return Err(Step::HangUp(Refusing::new(Code::Busy, text)));
            }
        }
        let taken =
            self.check_room().and_then(|()| self.handle.propose_command(command).map_err(|error| self.refused(error)));
        match taken {
            Ok(ticket) => {
                Ok(Step::Wait { work: Work::Ticket(ticket), asked: Asked::Command { session, round }, ballot, wait_ms })
            }
            Err(step) => {
                // One that is too large never comes again.
                if !matches!(&step, Step::Refuse(refusing) if !refusing.code.is_passing()) {
                    order.refused(session, round);
                }
                order.finished(session);
                Err(step)
            }
        }
    }

    fn check_room(&self) -> Result<(), Step> {
        if !self.desk.is_full() {
            return Ok(());
        }
        add(&self.counting.shed);
        let text =
            format!("{} requests are under way, which is all that this replica takes", self.options.in_flight_max);
        Err(Step::Refuse(Refusing::new(Code::Busy, text).again_after(SHED_RETRY)))
    }

    fn refused(&self, error: ProposeError) -> Step {
        match error {
            ProposeError::Busy { .. } => add(&self.counting.shed),
            ProposeError::TooLarge { .. } => add(&self.counting.too_large),
            _ => {}
        }
        Step::Refuse(error.into())
    }

    fn status(&mut self) -> Step {
        let mut report = StatusReport::of(&self.handle.status(), self.timeline.moments(), self.counting.read());
        report.details = (self.details)();
        document(&report)
    }

    fn stages(&self) -> Step {
        let not_kept = |text: String| Step::Refuse(Refusing::new(Code::NotKept, text));
        let Some(latencies) = self.handle.stages() else { return not_kept("stages are not recorded".into()) };
        let mut spans = Vec::new();
        for (from, to, span) in latencies.spans() {
            let mut histogram = Vec::new();
            if let Err(error) = V2Serializer::new().serialize(span, &mut histogram) {
                return not_kept(format!("a histogram cannot be encoded: {error}"));
            }
            spans.push(SpanReport { from: from.name().into(), to: to.name().into(), histogram: Bytes(histogram) });
        }
        document(&StagesReport { spans })
    }
}

fn document(report: &impl serde::Serialize) -> Step {
    serde_json::to_string(report).map_or_else(
        |error| Step::Refuse(Refusing::new(Code::NotKept, format!("it cannot be encoded: {error}"))),
        Step::Document,
    )
}
