//! What clients and replicas say to each other: one JSON object a line, over a unix socket of this user.
//!
//! A request gets one reply, in order. A line that cannot be read gets a reply that says so; a line that is too long ends
//! the connection after that reply. Bytes that belong to the user are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a request may be long besides its commands: names, numbers, the coding of its bytes.
const LINE_BYTES_BASE: usize = 64 * 1024;

/// Longest line of a cluster whose commands have up to `command_bytes_max` bytes.
pub const fn line_bytes_max(command_bytes_max: usize) -> usize {
    LINE_BYTES_BASE + 2 * command_bytes_max
}

/// Bytes of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map(Self).map_err(de::Error::custom)
    }
}

/// What a client asks a replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Open a session.
    OpenSession,
    /// Apply commands of a session, in this order.
    Propose { session: u64, commands: Vec<Numbered> },
    /// Answer a query, linearizably.
    Read { query: Bytes },
    /// Answer a query from the replica's own state once it has applied the slot.
    Inspect { query: Bytes, at_least: u64 },
    /// Tell the digest of the state once the replica has applied the slot.
    Digest { at_least: u64 },
    /// Tell how the replica is.
    Status,
    /// Tell how long commands took at this replica, as leader.
    Stages,
}

/// A command with its number in the session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbered {
    pub sequence: u64,
    pub payload: Bytes,
}

/// What a replica answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The session is open.
    Opened { session: u64 },
    /// What came of the commands, in their order, up to the first that was not applied.
    Proposed { outcomes: Vec<Outcome> },
    /// The answer to a query, from the state after this slot.
    Answer { slot: u64, bytes: Bytes },
    /// The digest of the state after this slot.
    Digest { slot: u64, digest: u64 },
    /// How the replica is.
    Status(StatusReport),
    /// How long commands took.
    Stages { spans: Vec<SpanReport> },
    /// The request was not granted.
    Refused(Refusal),
}

/// What came of a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Applied { slot: u64, reply: Bytes },
    Refused(Refusal),
}

/// Why there is no better answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    /// Whom to ask instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u8>,
    /// How long to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_us: Option<u64>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), leader: None, retry_after_us: None }
    }
}

/// What a client can do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Ask the leader.
    NotLeader,
    /// Ask again, later.
    Busy,
    /// Ask again, anywhere: in a session that is safe.
    Unknown,
    /// The replica is ending: ask another.
    Stopped,
    /// Send less.
    TooLarge,
    /// Nothing: the session is gone, or the command's number too old for it.
    Expired,
    /// Nothing: the command was applied, its reply was too large.
    ReplyTooLarge,
    /// Correct the request.
    Malformed,
}

/// A replica at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    pub replica: u8,
    pub pid: u32,
    /// `leader`, `follower`, `candidate`, `recovering` or `stopped`.
    pub role: String,
    pub leader: Option<u8>,
    pub ballot: BallotReport,
    pub committed: u64,
    pub applied: u64,
    pub malformed: u64,
    /// All members, the replica included.
    pub members: Vec<MemberReport>,
    /// The latest changes of leadership that the replica saw, oldest first.
    pub timeline: Vec<Moment>,
}

/// A ballot, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BallotReport {
    pub epoch: u16,
    pub round: u64,
    pub proposer: u8,
}

/// What a replica knows of a member.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MemberReport {
    pub replica: u8,
    pub alive: bool,
    pub applied: Option<u64>,
}

/// Something that happened at a replica, on the monotonic clock of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub at_ns: u64,
    pub what: Event,
}

/// What a timeline tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
    /// It follows, or nobody leads.
    Follower,
    /// It waits to be readmitted.
    Recovering,
    /// It answered the first command of its leadership.
    FirstReply,
}

/// The latencies from one stage to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpanReport {
    pub from: String,
    pub to: String,
    /// An HdrHistogram of nanoseconds, serialised as V2.
    pub histogram: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_readable_line() {
        let commands = vec![Numbered { sequence: 2, payload: Bytes(b"hi".to_vec()) }];
        let line = serde_json::to_string(&Request::Propose { session: 7, commands }).expect("it can be encoded");
        assert_eq!(line, r#"{"op":"propose","session":7,"commands":[{"sequence":2,"payload":"aGk="}]}"#);
    }

    #[test]
    fn unknown_operations_and_fields_and_bad_bytes_are_errors() {
        for bad in [r#"{"op":"fly"}"#, r#"{"op":"digest","at_leest":1}"#, r#"{"op":"read","query":"?"}"#, "7", ""] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_full_line_of_the_largest_command_is_allowed() {
        let payload = Bytes(vec![0xFF; 1 << 20]);
        let commands = vec![Numbered { sequence: u64::MAX, payload }];
        let line = serde_json::to_string(&Request::Propose { session: u64::MAX, commands }).expect("it can be encoded");
        assert!(line.len() < line_bytes_max(1 << 20));
    }
}
