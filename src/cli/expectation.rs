//! What every replica must hold in the end, computed beside them from the same commands.

use crate::cli::error::CliError;
use crate::cli::machine::{Receipt, receipt_query};
use crate::cli::remote::Remote;
use paxon::machines::Ledger;
use paxon::{ReplicaId, ReplyBuffer, Slot, StateMachine};
use paxon_client::StateDigest;
use serde::Serialize;

/// A ledger that nobody replicates: it gets each command once and in order, as the replicas' must.
#[derive(Debug)]
pub struct Expectation {
    ledger: Ledger,
    reply: ReplyBuffer,
}

/// What a replica that is still alive holds.
#[derive(Clone, Debug, Serialize)]
pub struct Survivor {
    pub replica: u8,
    /// The last slot that it had applied.
    pub slot: u64,
    /// Digest of its whole state: ledger, store and client sessions.
    pub digest: u64,
    #[serde(skip)]
    pub ledger: Receipt,
}

impl Survivor {
    /// What a replica holds once it has applied the slot.
    pub fn ask(remote: &Remote, member: ReplicaId, at_least: u64) -> Result<Self, CliError> {
        let lost = |error: CliError| match error {
            CliError::Interrupted => CliError::Interrupted,
            error => CliError::Unavailable(format!("replica {} is lost: {error}", member.0)),
        };
        let replica = remote.client().at(member);
        let answer = remote.wait(replica.read(&receipt_query(), Slot(at_least))).map_err(lost)?;
        let no_ledger = || lost(CliError::Failed("it has no ledger".into()));
        let ledger = Receipt::decode(&answer).ok_or_else(no_ledger)?;
        let StateDigest { slot, digest } = remote.wait(replica.digest(Slot(at_least))).map_err(lost)?;
        Ok(Self { replica: member.0, slot: slot.0, digest, ledger })
    }
}

impl Expectation {
    pub fn new() -> Self {
        Self { ledger: Ledger::default(), reply: ReplyBuffer::new(size_of::<Receipt>()) }
    }

    /// Takes the next command and checks the reply that a replica gave to it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn take(&mut self, command: &[u8], reply: &[u8]) -> Result<(), String> {
        self.reply.clear();
        self.ledger.apply(Slot::NONE, command, &mut self.reply);
        let expected = self.reply.bytes().and_then(Receipt::decode).unwrap_or_default();
        match Receipt::decode(reply) {
            Some(found) if found == expected => Ok(()),
            Some(found) if found.lines == expected.lines => {
                Err(format!("command {} was applied after others than those before it", expected.lines))
            }
            Some(found) => Err(format!("command {} was applied as number {}", expected.lines, found.lines)),
            None => Err(format!("command {} got a reply that cannot be read", expected.lines)),
        }
    }

    /// Commands taken so far.
    pub const fn commands(&self) -> u64 {
        self.ledger.lines()
    }

    /// Checks that every survivor holds exactly what was taken, and that all hold the same.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, survivors: &[Survivor]) -> Result<(), String> {
        let expected = Receipt { lines: self.ledger.lines(), hash: self.ledger.digest() };
        for survivor in survivors {
            let Survivor { replica, ledger, .. } = survivor;
            if ledger.lines != expected.lines {
                let (found, expected) = (ledger.lines, expected.lines);
                return Err(format!("replica {replica} applied {found} commands instead of {expected}"));
            }
            if ledger.hash != expected.hash {
                return Err(format!("replica {replica} applied other commands, or in another order"));
            }
        }
        let first = survivors.first().ok_or("no replica is left")?;
        match survivors.iter().find(|survivor| survivor.digest != first.digest) {
            None => Ok(()),
            Some(other) => Err(format!(
                "replica {} and replica {} hold different states: digests {:016x} and {:016x}",
                first.replica, other.replica, first.digest, other.digest
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The replies of a replica that applies these commands, and what it holds then.
    fn replica(commands: &[&[u8]]) -> (Vec<Vec<u8>>, Survivor) {
        let mut ledger = Ledger::default();
        let replies = commands.iter().map(|command| {
            let mut reply = ReplyBuffer::new(16);
            ledger.apply(Slot(1), command, &mut reply);
            reply.bytes().expect("two numbers").to_vec()
        });
        let replies = replies.collect();
        let receipt = Receipt { lines: ledger.lines(), hash: ledger.digest() };
        (replies, Survivor { replica: 1, slot: 1, digest: ledger.digest(), ledger: receipt })
    }

    fn expecting(commands: &[&[u8]]) -> Expectation {
        let mut expectation = Expectation::new();
        for (command, reply) in commands.iter().zip(replica(commands).0) {
            expectation.take(command, &reply).expect("these are the right replies");
        }
        expectation
    }

    const THREE: [&[u8]; 3] = [b"a", b"b", b""];

    #[test]
    fn replicas_that_applied_everything_once_pass() {
        let survivor = replica(&THREE).1;
        assert_eq!(expecting(&THREE).check(&[survivor.clone(), survivor]), Ok(()));
        assert_eq!(expecting(&[]).check(&[replica(&[]).1]), Ok(()));
    }

    #[test]
    fn a_lost_doubled_swapped_or_changed_command_is_found() {
        let wrong: [&[&[u8]]; 4] = [&[b"a", b"b"], &[b"a", b"b", b"b", b""], &[b"b", b"a", b""], &[b"a", b"b", b"x"]];
        for commands in wrong {
            assert!(expecting(&THREE).check(&[replica(&THREE).1, replica(commands).1]).is_err(), "{commands:?}");
        }
        assert!(expecting(&THREE).check(&[]).is_err());
    }

    #[test]
    fn replicas_with_different_digests_are_found() {
        let survivor = replica(&THREE).1;
        let other = Survivor { replica: 2, digest: !survivor.digest, ..survivor.clone() };
        assert!(expecting(&THREE).check(&[survivor, other]).expect_err("they differ").contains("different states"));
    }

    #[test]
    fn a_wrong_reply_is_found_when_it_comes() {
        let mut expectation = Expectation::new();
        let replies = replica(&[b"a", b"a"]).0;
        assert!(expectation.take(b"a", &replies[1]).expect_err("too late").contains("as number 2"));
        assert!(expectation.take(b"b", &replies[1]).expect_err("another").contains("after others"));
        assert!(expectation.take(b"c", b"").is_err());
    }
}
