//! Why a command was refused, and how often.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $text:literal;)*) => {
        /// Why a signed command was refused. The same at every replica; its number is the code that the client is answered with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Refusal { $($(#[$doc])* #[error($text)] $variant = $code,)* }

        impl Refusal {
            /// All refusals.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in metrics and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The refusal of a code; `None` if the code is not one of this crate's.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

refusals! {
    /// The bytes are no envelope, or what it holds is not what its kind says.
    Malformed = 1, "malformed", "the command is not a well-formed signed command";
    /// It has no session, so that nothing would keep it from being applied twice.
    NoSession = 2, "no_session", "a signed command needs a session; open one first";
    /// No key has this id.
    UnknownKey = 3, "unknown_key", "no key of the registry has this id";
    /// The key was revoked.
    RevokedKey = 4, "revoked_key", "the key was revoked";
    /// The key's last slot has passed.
    ExpiredKey = 5, "expired_key", "the key has expired; have it rotated";
    /// The command's last slot has passed.
    ExpiredCommand = 6, "expired_command", "the command was decided after the last slot that it is valid for; sign it again";
    /// The key is of another scheme than the signature.
    WrongScheme = 7, "wrong_scheme", "the key is registered for another signature scheme";
    /// The key may not do this.
    WrongRole = 8, "wrong_role", "the key does not have the role that this needs";
    /// The signature is not the key's over this command in this session, position and cluster.
    BadSignature = 9, "bad_signature", "the signature is not valid for this command in this place";
    /// No MAC session has this id, or it belongs to another client session.
    UnknownMacSession = 10, "unknown_mac_session", "there is no such MAC session; shake hands again";
    /// The MAC is not that of the command in this session, position and cluster.
    BadMac = 11, "bad_mac", "the MAC is not valid for this command in this place";
    /// The cluster was founded without a key for MAC sessions.
    MacDisabled = 12, "mac_disabled", "this cluster does not offer MAC sessions";
    /// The public key of the handshake is one that no honest client makes.
    BadHandshake = 13, "bad_handshake", "the ephemeral key of the handshake is of low order";
}

/// A code is an index into the counts.
const CODES: usize = 14;

impl Refusal {
    /// The code that the client is answered with, below 32; codes from 32 on are left to the machine inside.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Counts of what came of commands. Shared; read by anybody.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    refused: [AtomicU64; CODES],
    /// Accepted on the strength of a verification that this process had made before it proposed the command.
    known: AtomicU64,
    /// Verified on the spot, since the verifier had no room or no verdict yet.
    on_the_spot: AtomicU64,
}

impl Counters {
    pub(crate) fn note(&self, outcome: Result<(), Refusal>) {
        match outcome {
            Ok(()) => &self.accepted,
            Err(refusal) => &self.refused[usize::from(refusal.code())],
        }
        .fetch_add(1, Relaxed);
    }

    pub(crate) fn note_known(&self) {
        self.known.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_on_the_spot(&self) {
        self.on_the_spot.fetch_add(1, Relaxed);
    }

    /// Commands that passed.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Commands that were refused for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[usize::from(refusal.code())].load(Relaxed)
    }

    /// Commands that were refused.
    pub fn refused_in_all(&self) -> u64 {
        Refusal::ALL.iter().map(|refusal| self.refused(*refusal)).sum()
    }

    /// Commands whose signature this process had verified before it proposed them, so that it was not verified again.
    pub fn known(&self) -> u64 {
        self.known.load(Relaxed)
    }

    /// Signatures that were verified on the spot, because the verifier had no room or took too long.
    pub fn on_the_spot(&self) -> u64 {
        self.on_the_spot.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_refusals_correspond_and_fit_the_counts() {
        let counters = Counters::default();
        for &refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
            assert!(refusal.code() < 32);
            counters.note(Err(refusal));
            assert_eq!(counters.refused(refusal), 1);
        }
        counters.note(Ok(()));
        assert_eq!((counters.accepted(), counters.refused_in_all()), (1, Refusal::ALL.len() as u64));
        assert_eq!((Refusal::from_code(0), Refusal::from_code(32)), (None, None));
    }
}
