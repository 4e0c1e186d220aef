//! Forged commands, one kind after the other.

use super::census;
use super::keys::{EXPIRED, REVOKED, UNKNOWN, client, cluster, key, signer, signer_of};
use paxon_fastpath::Slot;
use paxon_signed::{KeyId, Position, RegistryCommand, Signer};

/// How a command was forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forgery {
    /// Signed with another key than the registry has under the id.
    WrongKey,
    /// Signed under an id that the registry does not have.
    UnknownKey,
    /// Signed with a key that was revoked.
    RevokedKey,
    /// Signed with a key whose last slot has passed.
    ExpiredKey,
    /// Signed for slots that have passed.
    ExpiredCommand,
    /// Signed for another cluster.
    WrongCluster,
    /// A client that wants to change keys.
    WrongRole,
    /// Signed for another session.
    OtherSession,
    /// Signed for another number.
    OtherNumber,
    /// An honest command at another number.
    Replayed,
    /// An honest command at its own number, once more: it may be answered, and must not be applied.
    Repeated,
    /// One bit is not what was signed.
    Altered,
    /// Cut off.
    Truncated,
    /// Noise.
    Noise,
}

impl Forgery {
    pub(super) const ALL: [Self; 14] = [
        Self::WrongKey,
        Self::UnknownKey,
        Self::RevokedKey,
        Self::ExpiredKey,
        Self::ExpiredCommand,
        Self::WrongCluster,
        Self::WrongRole,
        Self::OtherSession,
        Self::OtherNumber,
        Self::Replayed,
        Self::Repeated,
        Self::Altered,
        Self::Truncated,
        Self::Noise,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::WrongKey => "wrong_key",
            Self::UnknownKey => "unknown_key",
            Self::RevokedKey => "revoked_key",
            Self::ExpiredKey => "expired_key",
            Self::ExpiredCommand => "expired_command",
            Self::WrongCluster => "wrong_cluster",
            Self::WrongRole => "wrong_role",
            Self::OtherSession => "other_session",
            Self::OtherNumber => "other_number",
            Self::Replayed => "replayed",
            Self::Repeated => "repeated",
            Self::Altered => "altered",
            Self::Truncated => "truncated",
            Self::Noise => "noise",
        }
    }
}

/// A forged command and the place that it is sent to.
pub(super) struct Forged {
    pub(super) forgery: Forgery,
    pub(super) sequence: u64,
    pub(super) bytes: Vec<u8>,
}

/// Speaks in the name of one client.
pub(super) struct Forger {
    /// The client's own signer: what it signs is altered, cut off or sent elsewhere.
    victim: Signer,
    wrong_key: Signer,
    wrong_cluster: Signer,
    unknown: Signer,
    revoked: Signer,
    expired: Signer,
    too_late: Signer,
    count: u64,
}

impl Forger {
    pub(super) fn of(victim: KeyId) -> Self {
        Self {
            victim: signer_of(victim),
            wrong_key: signer(cluster(), victim, key(KeyId(victim.0 + 100))),
            wrong_cluster: signer(cluster() ^ 1, victim, key(victim)),
            unknown: signer_of(UNKNOWN),
            revoked: signer_of(REVOKED),
            expired: signer_of(EXPIRED),
            too_late: signer_of(victim).expiring(Slot(1)),
            count: 0,
        }
    }

    /// The next forged command for a place, or one made of an honest command with its number.
    pub(super) fn forge(&mut self, at: Position, honest: &(u64, Vec<u8>)) -> Forged {
        let count = self.count;
        self.count += 1;
        let payload = census::forged(count);
        let forgery = Forgery::ALL[(count % Forgery::ALL.len() as u64) as usize];
        let round = (count / Forgery::ALL.len() as u64) as usize;
        let elsewhere = Position { session: at.session ^ 1, ..at };
        let later = Position { sequence: at.sequence + 1, ..at };
        let bytes = match forgery {
            Forgery::WrongKey => self.wrong_key.command(at, &payload),
            Forgery::UnknownKey => self.unknown.command(at, &payload),
            Forgery::RevokedKey => self.revoked.command(at, &payload),
            Forgery::ExpiredKey => self.expired.command(at, &payload),
            Forgery::ExpiredCommand => self.too_late.command(at, &payload),
            Forgery::WrongCluster => self.wrong_cluster.command(at, &payload),
            Forgery::WrongRole => self.victim.registry(at, &RegistryCommand::Revoke { id: client(0) }),
            Forgery::OtherSession => self.victim.command(elsewhere, &payload),
            Forgery::OtherNumber => self.victim.command(later, &payload),
            Forgery::Replayed | Forgery::Repeated => honest.1.clone(),
            Forgery::Altered => altered(self.victim.command(at, &payload), round),
            Forgery::Truncated => truncated(self.victim.command(at, &payload), round),
            Forgery::Noise => noise(count),
        };
        let sequence = if forgery == Forgery::Repeated { honest.0 } else { at.sequence };
        Forged { forgery, sequence, bytes }
    }
}

/// One bit flipped: after as many rounds as there are bits, each of them was.
fn altered(mut bytes: Vec<u8>, round: usize) -> Vec<u8> {
    // A prime: all bits have their turn, neighbours far apart.
    let bit = round.wrapping_mul(7_919) % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn truncated(mut bytes: Vec<u8>, round: usize) -> Vec<u8> {
    bytes.truncate(round.wrapping_mul(31) % bytes.len());
    bytes
}

fn noise(count: u64) -> Vec<u8> {
    let words = (0..count % 32).map(|nth| census::weight(count.wrapping_mul(32) + nth).to_le_bytes());
    words.flatten().collect()
}
