//! Verifies some signatures together: their points are encoded with one inversion. Each verdict is the one that its signature
//! has alone; nothing random, and no equation that two signatures share.

use crate::ed25519::Claim;
use crate::prepared::Prepared;
use crate::{PreparedKey, ed25519, ml_dsa};
use paxon_fastpath::verify::{Scheme, Verdict};
use smallvec::SmallVec;

/// Signatures that are verified together at most. An inversion is a fifth of a verification with a prepared key: with eight
/// to share it, what could still be saved is within the noise, and the first of them waits for the last.
pub(crate) const BATCH_MAX: usize = 8;

/// A signature to be verified.
#[derive(Clone, Copy)]
pub(crate) struct Check<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) key: Key<'a>,
    pub(crate) signature: &'a [u8],
    pub(crate) message: &'a [u8],
}

/// A public key as it is at hand.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    /// Any bytes.
    Plain(&'a [u8]),
    /// A key of the check's scheme.
    Prepared(&'a PreparedKey),
}

/// Checks of one batch.
pub(crate) type Checks<'a> = SmallVec<[Check<'a>; BATCH_MAX]>;

/// Whether the signature is the key's over the message. Any length of message is taken; a key or a signature of a length that
/// the scheme does not have is [`Verdict::Malformed`].
pub fn verify(scheme: Scheme, key: &[u8], signature: &[u8], message: &[u8]) -> Verdict {
    verify_batch(&[Check { scheme, key: Key::Plain(key), signature, message }])[0]
}

/// The verdicts of at most [`BATCH_MAX`] checks, in their order; those beyond have no meaning.
pub(crate) fn verify_batch(checks: &[Check<'_>]) -> [Verdict; BATCH_MAX] {
    assert!(checks.len() <= BATCH_MAX, "{} checks exceed a batch of {BATCH_MAX}", checks.len());
    let mut verdicts = [Verdict::Malformed; BATCH_MAX];
    let mut claims = SmallVec::<[Claim; BATCH_MAX]>::new();
    let mut claimants = SmallVec::<[usize; BATCH_MAX]>::new();
    for (i, check) in checks.iter().enumerate() {
        match check.begin() {
            Begun::Decided(verdict) => verdicts[i] = verdict,
            Begun::If(claim) => {
                claims.push(claim);
                claimants.push(i);
            }
        }
    }
    for (&claimant, holds) in claimants.iter().zip(settle(&claims)) {
        verdicts[claimant] = verdict_of(holds);
    }
    verdicts
}

fn settle(claims: &[Claim]) -> SmallVec<[bool; BATCH_MAX]> {
    match claims {
        [] => SmallVec::new(),
        [one] => SmallVec::from_slice(&[one.holds()]),
        [_, _, ..] if claims.len() <= 4 => SmallVec::from_slice(&Claim::all_hold::<4>(claims)),
        _ => SmallVec::from_slice(&Claim::all_hold::<BATCH_MAX>(claims)),
    }
}

const fn verdict_of(holds: bool) -> Verdict {
    if holds { Verdict::Valid } else { Verdict::Invalid }
}

/// How far a check has come.
enum Begun {
    Decided(Verdict),
    /// Valid exactly if the claim holds.
    If(Claim),
}

impl Begun {
    fn when(claim: Option<Claim>) -> Self {
        claim.map_or(Self::Decided(Verdict::Invalid), Self::If)
    }
}

impl Check<'_> {
    /// Everything but the encoding of the point.
    fn begin(&self) -> Begun {
        let begun = match self.scheme {
            Scheme::Ed25519 => self.begin_ed25519(),
            Scheme::MlDsa44 => self.decide_ml_dsa(),
            Scheme::Hybrid => self.begin_hybrid(),
            _ => None,
        };
        begun.unwrap_or(Begun::Decided(Verdict::Malformed))
    }

    /// Nothing if a length is wrong, as in the functions below.
    fn begin_ed25519(&self) -> Option<Begun> {
        let signature: &[u8; ed25519::SIGNATURE_BYTES] = self.signature.try_into().ok()?;
        Some(Begun::when(match self.key {
            Key::Plain(key) => Claim::new(key.try_into().ok()?, signature, self.message),
            Key::Prepared(PreparedKey(Prepared::Ed25519(table))) => Claim::prepared(table, signature, self.message),
            Key::Prepared(_) => return None,
        }))
    }

    fn decide_ml_dsa(&self) -> Option<Begun> {
        let signature: &[u8; ml_dsa::SIGNATURE_BYTES] = self.signature.try_into().ok()?;
        let accepted = match self.key {
            Key::Plain(key) => ml_dsa::accepts(key.try_into().ok()?, signature, self.message),
            Key::Prepared(PreparedKey(Prepared::MlDsa44(key))) => key.accepts(signature, self.message),
            Key::Prepared(_) => return None,
        };
        Some(Begun::Decided(verdict_of(accepted)))
    }

    fn begin_hybrid(&self) -> Option<Begun> {
        let (first, second) = self.signature.split_first_chunk::<{ ed25519::SIGNATURE_BYTES }>()?;
        let second: &[u8; ml_dsa::SIGNATURE_BYTES] = second.try_into().ok()?;
        let (accepted, claim) = match self.key {
            Key::Plain(key) => {
                let (classical, lattice) = key.split_first_chunk::<{ ed25519::KEY_BYTES }>()?;
                let accepted = ml_dsa::accepts(lattice.try_into().ok()?, second, self.message);
                (accepted, Claim::new(classical, first, self.message))
            }
            Key::Prepared(PreparedKey(Prepared::Hybrid(table, key))) => {
                (key.accepts(second, self.message), Claim::prepared(table, first, self.message))
            }
            Key::Prepared(_) => return None,
        };
        Some(if accepted { Begun::when(claim) } else { Begun::Decided(Verdict::Invalid) })
    }
}

const _: () = assert!(ed25519::KEY_BYTES == Scheme::Ed25519.key_bytes());
const _: () = assert!(ed25519::SIGNATURE_BYTES == Scheme::Ed25519.signature_bytes());
const _: () = assert!(ml_dsa::KEY_BYTES == Scheme::MlDsa44.key_bytes());
const _: () = assert!(ml_dsa::SIGNATURE_BYTES == Scheme::MlDsa44.signature_bytes());
