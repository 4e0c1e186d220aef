//! What the engine's surroundings need of whatever verifies signatures: processors, an FPGA, a model of one.
//!
//! A verifier takes requests in batches, works on many at a time and never blocks its caller. One rule holds for all of them
//! ([`Ruleset::STRICT`]): a replica that accepts a signature which another refuses has diverged, so two verifiers that
//! disagree on any bytes are a fault, not a choice. Randomised batch verification accepts other signatures than single
//! verification does and may not decide.

use std::fmt;

/// How a command is signed. Keys and signatures of a scheme have one length each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Scheme {
    /// Ed25519 (RFC 8032) under the rules of [`Ruleset::STRICT`].
    Ed25519 = 1,
    /// ML-DSA-44 (FIPS 204, section 4), pure, with an empty context.
    MlDsa44 = 2,
    /// Both, each over the same message: valid only if both are. Key and signature are those of Ed25519 followed by those of
    /// ML-DSA-44.
    Hybrid = 3,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::MlDsa44, Self::Hybrid];

    /// The scheme of a number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Ed25519),
            2 => Some(Self::MlDsa44),
            3 => Some(Self::Hybrid),
            _ => None,
        }
    }

    /// Bytes of a public key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::MlDsa44 => 1312,
            Self::Hybrid => 32 + 1312,
        }
    }

    /// Bytes of a signature.
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 64,
            Self::MlDsa44 => 2420,
            Self::Hybrid => 64 + 2420,
        }
    }

    /// The name used in flags, reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "mldsa",
            Self::Hybrid => "hybrid",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which signatures are valid. A number, so that hosts and devices can compare theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruleset(pub u8);

impl Ruleset {
    /// Ed25519 as `verify_strict` of ed25519-dalek: s below the group order, neither key nor R of small order, the encoding of
    /// sB - hA equal to the bytes of R, without cofactor. ML-DSA-44 as FIPS 204, algorithm 3.
    pub const STRICT: Self = Self(1);
}

/// A signature to be verified. Bytes of a wrong length are a verdict ([`Verdict::Malformed`]), not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Names the request in its verdict. The verifier does not look at it; two under way may bear the same.
    pub ticket: u64,
    /// How it is signed.
    pub scheme: Scheme,
    /// The public key.
    pub key: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// What is signed.
    pub message: &'a [u8],
}

/// What came of a request. The same at every verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The signature is the key's over the message.
    Valid,
    /// It is not.
    Invalid,
    /// A key or signature of a wrong length, or a message over [`Verifier::message_bytes_max`].
    Malformed,
}

/// The verdict on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The request's [`Request::ticket`].
    pub ticket: u64,
    /// What came of it.
    pub verdict: Verdict,
}

/// Verifies signatures.
///
/// Every request that was taken has exactly one verdict, in any order, however the verifier fares: one that breaks hands its
/// work to another or does it itself. `paxon-verify`'s conformance suite says the same as tests.
pub trait Verifier {
    /// The rules it follows.
    fn ruleset(&self) -> Ruleset {
        Ruleset::STRICT
    }

    /// Whether it verifies signatures of the scheme.
    fn supports(&self, scheme: Scheme) -> bool;

    /// Requests that may be under way.
    fn capacity(&self) -> usize;

    /// The longest message in bytes that it verifies.
    fn message_bytes_max(&self) -> usize;

    /// Takes as many requests as it has room for, from the front, and copies what it needs of them. Returns how many; 0 is not
    /// an error: poll, and come again. A request of a scheme that it does not support is [`Verdict::Malformed`].
    fn submit(&mut self, requests: &[Request<'_>]) -> usize;

    /// Appends the verdicts that are there. Never blocks. Returns how many it appended.
    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize;

    /// Announces a key that will sign often: a verifier may prepare tables for it. A hint that changes no verdict.
    fn prepare(&mut self, scheme: Scheme, key: &[u8]) {
        let _ = (scheme, key);
    }

    /// The key will not sign any more. A hint that changes no verdict.
    fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        let _ = (scheme, key);
    }
}

impl<V: Verifier + ?Sized> Verifier for Box<V> {
    fn ruleset(&self) -> Ruleset {
        (**self).ruleset()
    }

    fn supports(&self, scheme: Scheme) -> bool {
        (**self).supports(scheme)
    }

    fn capacity(&self) -> usize {
        (**self).capacity()
    }

    fn message_bytes_max(&self) -> usize {
        (**self).message_bytes_max()
    }

    fn submit(&mut self, requests: &[Request<'_>]) -> usize {
        (**self).submit(requests)
    }

    fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
        (**self).poll(verdicts)
    }

    fn prepare(&mut self, scheme: Scheme, key: &[u8]) {
        (**self).prepare(scheme, key);
    }

    fn forget(&mut self, scheme: Scheme, key: &[u8]) {
        (**self).forget(scheme, key);
    }
}
