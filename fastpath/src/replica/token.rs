//! Names of posted chains: `[kind:4 | generation:20 | value:40]`.

use crate::fabric::Token;

/// What a chain was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Pulls a peer's status page.
    Pull = 1,
    /// A candidate's compare-and-exchange, with the heads.
    Promise,
    /// A candidate's read of cells.
    Cells,
    /// A candidate's read of a payload.
    Payload,
    /// A candidate's second look at the heads.
    Recheck,
    /// A leader's compare-and-exchange at an acceptor outside its prepare quorum.
    Ask,
    /// Records and the check.
    Accept,
    /// The head alone, so that the last command becomes visible.
    Flush,
    /// The check of a linearizable read.
    Read,
    /// A readmitted acceptor leaves the recovering state.
    Admit,
    /// A chunk of a peer's snapshot.
    Snapshot,
}

const KINDS: [Kind; 11] = [
    Kind::Pull,
    Kind::Promise,
    Kind::Cells,
    Kind::Payload,
    Kind::Recheck,
    Kind::Ask,
    Kind::Accept,
    Kind::Flush,
    Kind::Read,
    Kind::Admit,
    Kind::Snapshot,
];
const VALUE_BITS: u32 = 40;
const GENERATION_BITS: u32 = 20;
const VALUE_MASK: u64 = (1 << VALUE_BITS) - 1;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

/// A token taken apart. `generation` changes with every change of role, so that late completions are recognised; it wraps
/// after a million changes, while at most one send queue of chains is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) kind: Kind,
    pub(crate) generation: u64,
    pub(crate) value: u64,
}

impl Tag {
    pub(crate) const fn token(self) -> Token {
        let high = (self.kind as u64) << GENERATION_BITS | self.generation & GENERATION_MASK;
        Token(high << VALUE_BITS | self.value & VALUE_MASK)
    }

    /// Takes a token of ours apart; `None` if it is not one.
    pub(crate) fn of(token: Token) -> Option<Self> {
        let kind = (token.0 >> (VALUE_BITS + GENERATION_BITS)) as usize;
        Some(Self {
            kind: *KINDS.get(kind.wrapping_sub(1))?,
            generation: token.0 >> VALUE_BITS & GENERATION_MASK,
            value: token.0 & VALUE_MASK,
        })
    }

    /// The value of a token that is of this kind and generation.
    #[inline]
    pub(crate) const fn value_of(token: Token, kind: Kind, generation: u64) -> Option<u64> {
        let expected = Self { kind, generation, value: 0 }.token();
        if token.0 & !VALUE_MASK == expected.0 { Some(token.0 & VALUE_MASK) } else { None }
    }

    /// Whether it belongs to the present role.
    pub(crate) const fn is_of(self, generation: u64) -> bool {
        self.generation == generation & GENERATION_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_round_trip() {
        for kind in KINDS {
            let tag = Tag { kind, generation: 77, value: VALUE_MASK };
            assert_eq!(Tag::of(tag.token()), Some(tag));
        }
        assert_eq!(Tag::of(Token(0)), None);
        assert_eq!(Tag::of(Token(u64::MAX)), None);
    }
}
