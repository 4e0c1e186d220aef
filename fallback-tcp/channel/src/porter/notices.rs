//! What has been logged already: each kind of trouble once for each peer, until that peer is well again.

use super::counters::Reason;
use super::dial_error::DialError;
use crate::identity::Party;
use std::collections::HashSet;
use std::mem::Discriminant;
use std::net::IpAddr;

/// Addresses remembered. They are chosen by strangers; those of parties are bounded by the roster.
const ADDRESSES_MAX: usize = 256;

/// Whom a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whom {
    /// Somebody who has proven to be it.
    Party(Party),
    /// Nobody known.
    Address(IpAddr),
}

/// What a notice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// An accepted connection came to nothing.
    Refused(Reason),
    /// An attempt to connect failed.
    Dial(Discriminant<DialError>),
}

/// The notices given.
#[derive(Debug, Default)]
pub struct Notices {
    parties: HashSet<(Party, Trouble)>,
    addresses: HashSet<(IpAddr, Trouble)>,
}

impl Notices {
    /// Whether this is to be logged: it was not before. When there are too many addresses the rest is only counted.
    pub fn is_news(&mut self, whom: &Whom, trouble: Trouble) -> bool {
        match whom {
            Whom::Party(party) => self.parties.insert((party.clone(), trouble)),
            Whom::Address(_) if self.addresses.len() >= ADDRESSES_MAX => false,
            Whom::Address(address) => self.addresses.insert((*address, trouble)),
        }
    }

    /// Forgets what was said about `party`, since it has connected.
    pub fn forget(&mut self, party: &Party) {
        self.parties.retain(|(noted, _)| noted != party);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_fastpath::ReplicaId;
    use std::net::Ipv4Addr;

    #[test]
    fn trouble_is_news_once_until_the_party_is_well() {
        let mut notices = Notices::default();
        let party = Party::Replica(ReplicaId(1));
        let whom = Whom::Party(party.clone());
        assert!(notices.is_news(&whom, Trouble::Refused(Reason::Cluster)));
        assert!(!notices.is_news(&whom, Trouble::Refused(Reason::Cluster)));
        assert!(notices.is_news(&whom, Trouble::Refused(Reason::Layout)));
        notices.forget(&party);
        assert!(notices.is_news(&whom, Trouble::Refused(Reason::Cluster)));
    }

    #[test]
    fn strangers_cannot_fill_the_memory_or_the_log() {
        let mut notices = Notices::default();
        let news = |notices: &mut Notices, number: u32| {
            notices.is_news(&Whom::Address(Ipv4Addr::from(number).into()), Trouble::Refused(Reason::Garbage))
        };
        let said = (0..100_000).filter(|number| news(&mut notices, *number)).count();
        assert_eq!((said, notices.addresses.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
        assert!(notices.is_news(&Whom::Party(Party::Replica(ReplicaId(0))), Trouble::Refused(Reason::Garbage)));
    }
}
