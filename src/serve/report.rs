//! The documents that a replica gives out: how it is, and how long commands took.
//!
//! They are JSON objects, for people and for tools, and grow: readers leave alone what they do not know.

use super::counters::ServeCounters;
use crate::status::{Leadership, PeerStatus, ReplicaStatus};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use paxon_fastpath::Ballot;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes, in base64 where they are written as text.
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

/// A replica at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Which replica.
    pub replica: u8,
    /// Its process.
    pub pid: u32,
    /// `leader`, `follower`, `candidate`, `recovering` or `stopped`.
    pub role: String,
    /// Who leads, if that is known.
    pub leader: Option<u8>,
    /// The ballot that it leads or stands under or follows.
    pub ballot: BallotReport,
    /// The highest slot that it knows to be committed.
    pub committed: u64,
    /// The highest slot that it has applied.
    pub applied: u64,
    /// Decided records that could not be read.
    pub malformed: u64,
    /// All members, the replica included.
    pub members: Vec<MemberReport>,
    /// The latest changes of leadership that the replica saw, oldest first.
    pub timeline: Vec<Moment>,
    /// What its clients do.
    #[serde(default)]
    pub clients: ServeCounters,
    /// What the process adds; see [`super::ServerBuilder::details`].
    #[serde(flatten)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// A ballot, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BallotReport {
    /// The generation of the membership.
    pub epoch: u16,
    /// Its round.
    pub round: u64,
    /// Who made it.
    pub proposer: u8,
}

impl From<Ballot> for BallotReport {
    fn from(ballot: Ballot) -> Self {
        Self { epoch: ballot.epoch().0, round: ballot.round(), proposer: ballot.proposer().0 }
    }
}

/// What a replica knows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Which member.
    pub replica: u8,
    /// Whether it is taken for alive.
    pub alive: bool,
    /// The last slot that it is known to have applied.
    pub applied: Option<u64>,
}

impl From<&PeerStatus> for MemberReport {
    fn from(peer: &PeerStatus) -> Self {
        Self { replica: peer.peer.0, alive: peer.alive, applied: peer.applied.map(|slot| slot.0) }
    }
}

/// Something that happened at a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, in nanoseconds of the host's monotonic clock.
    pub at_ns: u64,
    /// What.
    pub what: Event,
}

/// What a timeline tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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

/// How long commands took at a replica, as leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagesReport {
    /// From stage to stage, in their order.
    pub spans: Vec<SpanReport>,
}

/// The latencies from one stage to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanReport {
    /// The stage that begins it.
    pub from: String,
    /// The stage that ends it.
    pub to: String,
    /// An HdrHistogram of nanoseconds, serialised as V2.
    pub histogram: Bytes,
}

impl StatusReport {
    pub(super) fn of(status: &ReplicaStatus, timeline: Vec<Moment>, clients: ServeCounters) -> Self {
        let role = match status.leadership {
            Leadership::Leader { .. } => "leader",
            Leadership::Candidate => "candidate",
            Leadership::Recovering => "recovering",
            Leadership::Stopped => "stopped",
            Leadership::Follower { .. } => "follower",
        };
        Self {
            replica: status.replica.0,
            pid: std::process::id(),
            role: role.into(),
            leader: status.leader.map(|leader| leader.0),
            ballot: status.ballot.into(),
            committed: status.committed.0,
            applied: status.applied.0,
            malformed: status.malformed,
            members: status.peers.iter().map(MemberReport::from).collect(),
            timeline,
            clients,
            details: serde_json::Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_its_text_with_what_the_process_added() {
        let mut report = StatusReport {
            replica: 1,
            pid: 7,
            role: "leader".into(),
            leader: Some(1),
            ballot: BallotReport { epoch: 1, round: 2, proposer: 1 },
            committed: 5,
            applied: 4,
            malformed: 0,
            members: vec![MemberReport { replica: 0, alive: true, applied: None }],
            timeline: vec![Moment { at_ns: 9, what: Event::FirstReply }],
            clients: ServeCounters::default(),
            details: serde_json::Map::new(),
        };
        report.details.insert("fabric".into(), "tcp".into());
        let text = serde_json::to_string(&report).expect("it can be encoded");
        assert!(text.contains(r#""what":"first_reply""#) && text.contains(r#""fabric":"tcp""#), "{text}");
        assert_eq!(serde_json::from_str::<StatusReport>(&text).expect("it can be read"), report);
    }

    #[test]
    fn counters_that_are_not_known_yet_are_zero() {
        let counters: ServeCounters = serde_json::from_str(r#"{"shed":3,"of_the_future":1}"#).expect("it can be read");
        assert_eq!((counters.shed, counters.refused), (3, 0));
    }
}
