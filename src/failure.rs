//! Why a request was refused, or why it got no reply.

use paxon_fastpath::ReplicaId;
use std::time::Duration;

/// Why a request was not taken. It has not been and will not be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// This replica does not lead; ask the one that does.
    #[error("this replica does not lead; {}", leader_text(*leader))]
    NotLeader {
        /// Who leads, if that is known.
        leader: Option<ReplicaId>,
    },
    /// As many requests are under way as the replica takes, replies that nobody has fetched yet included: take a reply or
    /// wait for this long.
    #[error("too many requests are under way; try again in {retry_after:?}")]
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The payload is over the limit that the replica was built with.
    #[error("the payload has {bytes} bytes; the limit is {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The replica was shut down.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why a request got no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// This replica does not lead any more. The request was not executed and will not be: ask the one that leads.
    #[error("this replica does not lead; {}", leader_text(*leader))]
    NotLeader {
        /// Who leads, if that is known.
        leader: Option<ReplicaId>,
    },
    /// Leadership was lost while the command was under way: it may be or become executed. In a session, send it again with
    /// the same sequence; without one, look before you repeat.
    #[error("leadership was lost while the command was under way; it may have been executed")]
    Unknown,
    /// The command's sequence fell out of its session's window; it was not executed now, whether before is forgotten.
    #[error("the sequence is older than the session's window")]
    TooOld,
    /// The session is not open (any more): it was evicted by newer ones. The command was not executed now.
    #[error("the session has expired")]
    SessionExpired,
    /// The command was executed; its reply was larger than replies may be.
    #[error("the command was executed but its reply is larger than reply_bytes_max")]
    ReplyTooLarge,
    /// The state machine's screen refused the command (a signature that is not valid, say): it was not executed now, and its
    /// number in the session is as free as before.
    #[error("the state machine refused the command, with its code {code}")]
    Refused {
        /// The machine's own code of the reason.
        code: u8,
    },
    /// The replica was shut down while the request was under way: a command may be or become executed.
    #[error("the replica has stopped; a command under way may have been executed")]
    Stopped,
}

fn leader_text(leader: Option<ReplicaId>) -> String {
    leader.map_or_else(|| "no leader is known".into(), |leader| format!("{leader} does"))
}
