//! What a peer does that no peer that keeps to the protocol does.

/// Why a connection was ended: the peer's bytes were damaged, or it asked for what it may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[repr(u8)]
pub enum Violation {
    /// The check of a header does not match: damaged, or of another session.
    #[error("a header is damaged or of another session")]
    Header,
    /// A length below the shortest or above the longest frame.
    #[error("a frame is shorter or longer than any may be")]
    Length,
    /// A chain where a reply belongs, or the other way round.
    #[error("a frame is of the wrong kind")]
    Kind,
    /// The checksum of a frame does not match.
    #[error("the checksum of a frame does not match: the network or a program damaged it")]
    Checksum,
    /// A chain or a reply out of turn.
    #[error("a chain or a reply is not the next one")]
    Order,
    /// The body is shorter or longer than its operations.
    #[error("the body of a frame does not fit its operations")]
    Body,
    /// More operations than a chain may have.
    #[error("a chain has too many operations")]
    Operations,
    /// No such operation, or bits set that mean nothing.
    #[error("an operation is unknown")]
    Operation,
    /// More than one compare-and-exchange.
    #[error("a chain has two exchanges")]
    Exchanges,
    /// No such area.
    #[error("an operation names an area that the memory does not have")]
    Area,
    /// A write to memory that is not the proposer's own lane.
    #[error("a write is not to the proposer's own lane")]
    Foreign,
    /// A span that leaves its area.
    #[error("a span leaves its area")]
    Span,
    /// A chain that reads more than a reply may carry.
    #[error("a chain reads more than the largest area has")]
    Reads,
    /// More replies wait for the peer than it may have outstanding.
    #[error("the peer does not read its replies")]
    Unread,
    /// A reply to a chain has another length than the chain asked for.
    #[error("a reply is not as long as its chain asked for")]
    Reply,
    /// A TLS record that its sender did not seal, or the end of the TLS session.
    #[error("the TLS session is broken or was closed")]
    Cipher,
}

impl Violation {
    /// All of them, by their numbers.
    pub const ALL: [Self; 16] = [
        Self::Header,
        Self::Length,
        Self::Kind,
        Self::Checksum,
        Self::Order,
        Self::Body,
        Self::Operations,
        Self::Operation,
        Self::Exchanges,
        Self::Area,
        Self::Foreign,
        Self::Span,
        Self::Reads,
        Self::Unread,
        Self::Reply,
        Self::Cipher,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_stands_at_its_number() {
        for (number, violation) in Violation::ALL.into_iter().enumerate() {
            assert_eq!(violation as usize, number, "{violation:?}");
        }
    }
}
