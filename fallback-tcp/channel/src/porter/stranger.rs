//! An accepted connection until it is known, or refused and gone.

use super::counters::Reason;
use super::house::House;
use super::talk::{Guard, Talk, TalkError};
use crate::greeting::{Greeting, LayoutField, Refusal};
use crate::hello::{HELLO_BYTES, Hello};
use crate::identity::Party;
use crate::roster::Security;
use crate::tls;
use crate::wire::{DecodeError, PREFIX_BYTES};
use mio::net::TcpStream;
use rustls::{CertificateError, Error};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Instant;

/// Where strangers come from: an IPv4 address or an IPv6 /64, which is what one host or site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))),
            v4 => Self(v4),
        }
    }
}

/// What is to be done with a stranger after a look at it.
pub enum Step {
    /// Nothing for now.
    Wait,
    /// It is known and asks for what it may have.
    Admit(Hello, Party),
    /// It is not what it should be; it has been told what it may be told.
    Refuse(Refused),
    /// It was refused and has gone.
    Gone,
}

/// What there is to say about a refused stranger.
#[derive(Debug)]
pub struct Refused {
    pub reason: Reason,
    /// Who it is, if it has proven that.
    pub party: Option<Party>,
    /// The reason in words.
    pub detail: String,
}

/// An accepted connection.
pub struct Stranger {
    talk: Talk,
    pub address: SocketAddr,
    pub source: Source,
    pub deadline: Instant,
    /// It was refused; what it still sends is thrown away until it closes, so that it can read why.
    pub is_leaving: bool,
}

impl Stranger {
    /// A connection just accepted.
    pub fn new(stream: TcpStream, address: SocketAddr, house: &House, now: Instant) -> Self {
        let guard = house.tls.clone().map_or(Guard::Plain, Guard::Awaited);
        Self {
            talk: Talk::new(stream, guard, house.limits.accept_bytes_max),
            address,
            source: Source::of(address.ip()),
            deadline: now + house.limits.accept_deadline,
            is_leaving: false,
        }
    }

    /// The socket, to watch it.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.talk.stream()
    }

    /// The connection behind the hello.
    pub fn into_talk(self) -> Talk {
        self.talk
    }

    /// Goes on as far as the socket allows.
    pub fn advance(&mut self, house: &House, now: Instant) -> Step {
        if self.is_leaving {
            return if self.talk.flush().is_err() || self.talk.discard() { Step::Gone } else { Step::Wait };
        }
        match self.converse(house) {
            Ok(None) => Step::Wait,
            Ok(Some((hello, party))) => Step::Admit(hello, party),
            Err(refusal) => {
                self.bid_farewell(house, now, refusal.last_word);
                Step::Refuse(refusal.refused)
            }
        }
    }

    fn converse(&mut self, house: &House) -> Result<Option<(Hello, Party)>, Turned> {
        loop {
            self.talk.flush().map_err(|error| self.turned(house, error))?;
            let heard = self.talk.heard().len();
            if self.talk.is_open() && heard >= PREFIX_BYTES {
                let party = self.party(house)?;
                self.check_prefix(&party)?;
                if heard >= HELLO_BYTES {
                    return self.judge(house, party).map(Some);
                }
            }
            let want = if heard < PREFIX_BYTES { PREFIX_BYTES } else { HELLO_BYTES };
            if !self.talk.listen(want).map_err(|error| self.turned(house, error))? {
                return Ok(None);
            }
        }
    }

    /// Who has proven to be here; `None` in plaintext.
    fn party(&self, house: &House) -> Result<Option<Party>, Turned> {
        let Some(tls) = &house.tls else {
            return Ok(None);
        };
        let session = self.talk.session().filter(|session| tls::speaks_our_protocol(session));
        let session = session.ok_or(Turned::silently(Reason::Garbage, "it speaks TLS, but not this protocol in it"))?;
        let party = tls::peer_key(session).and_then(|key| tls.clients().party(key));
        party.map(Some).ok_or(Turned::silently(Reason::UnknownKey, "its key is not in the roster"))
    }

    fn check_prefix(&self, party: &Option<Party>) -> Result<(), Turned> {
        Hello::check_prefix(self.talk.heard()).map_err(|error| match (error, party) {
            (DecodeError::Version { here, theirs }, party) => {
                Turned::with(Refusal::Version { here, yours: theirs }, party.clone())
            }
            // Whoever is known gets an answer, whoever sends just anything in plaintext gets none.
            (_, Some(party)) => Turned::with(Refusal::Damaged, Some(party.clone())),
            (error, None) => Turned::silently(Reason::Garbage, &error.to_string()),
        })
    }

    fn judge(&self, house: &House, party: Option<Party>) -> Result<(Hello, Party), Turned> {
        let hello = Hello::decode(&self.talk.heard()[..HELLO_BYTES])
            .map_err(|_| Turned::with(Refusal::Damaged, party.clone()))?;
        if let Some(refusal) = objection(house, &hello, party.as_ref()) {
            return Err(Turned::with(refusal, party));
        }
        let claimed = || hello.from.map_or_else(|| Party::Client(String::new()), Party::Replica);
        Ok((hello, party.unwrap_or_else(claimed)))
    }

    fn turned(&self, house: &House, error: TalkError) -> Turned {
        match error {
            TalkError::Closed => Turned::silently(Reason::Left, "it ended the connection before it had said hello"),
            TalkError::Io(error) => Turned::silently(Reason::Left, &error.to_string()),
            TalkError::TooMuch => Turned::silently(
                Reason::TooMuch,
                &format!("over {} bytes before its hello", house.limits.accept_bytes_max),
            ),
            TalkError::SpeaksPlaintext | TalkError::SpeaksTls => {
                let here = house.roster.security();
                let theirs = if here == Security::Tls { Security::Plaintext } else { Security::Tls };
                let detail = format!("it speaks {theirs}, we {here}: set the same security at both");
                let refusal = Greeting::Refused(Refusal::Security { here });
                Turned { last_word: Some(refusal), ..Turned::silently(Reason::Security, &detail) }
            }
            TalkError::Tls(error) => self.turned_by_tls(house, &error),
        }
    }

    fn turned_by_tls(&self, house: &House, error: &Error) -> Turned {
        let key = house.tls.as_ref().and_then(|tls| tls.clients().take_refused());
        let key = key.map(|key| key.to_string()).unwrap_or_default();
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadEncoding) => {
                Turned::silently(Reason::UnknownKey, &format!("its key {key} is not in the roster"))
            }
            Error::InvalidCertificate(CertificateError::Expired) => {
                Turned::silently(Reason::ExpiredKey, &format!("its key {key} has expired"))
            }
            Error::AlertReceived(alert) => {
                Turned::silently(Reason::RefusedUs, &format!("it does not accept us ({alert:?}): compare the rosters"))
            }
            other => Turned::silently(Reason::Garbage, &other.to_string()),
        }
    }

    fn bid_farewell(&mut self, house: &House, now: Instant, last_word: Option<Greeting>) {
        self.is_leaving = true;
        self.deadline = now + house.limits.farewell;
        match last_word {
            Some(word) if self.talk.is_open() && house.is_secure() => drop(self.talk.say(&word.encode())),
            Some(word) => self.talk.say_in_the_clear(&word.encode()),
            None => {}
        }
        // Sent as far as the socket takes it: a greeting or an alert fits the empty buffer of a new connection.
        if self.talk.flush().is_ok() {
            self.talk.end();
        }
    }
}

/// A refusal, and what the stranger is told: an alert of TLS goes out by itself.
struct Turned {
    refused: Refused,
    last_word: Option<Greeting>,
}

impl Turned {
    fn silently(reason: Reason, detail: &str) -> Self {
        Self { refused: Refused { reason, party: None, detail: detail.into() }, last_word: None }
    }

    fn with(refusal: Refusal, party: Option<Party>) -> Self {
        let detail = format!("we told it: {refusal}");
        Self {
            refused: Refused { reason: reason(&refusal), party, detail },
            last_word: Some(Greeting::Refused(refusal)),
        }
    }
}

/// What is wrong with a hello that is whole: the first of these that is.
fn objection(house: &House, hello: &Hello, party: Option<&Party>) -> Option<Refusal> {
    let here = house.roster.cluster();
    if hello.cluster != here {
        return Some(Refusal::Cluster { here, yours: hello.cluster });
    }
    if let Some(here) = house.id().filter(|id| *id != hello.to) {
        return Some(Refusal::Recipient { here, yours: hello.to });
    }
    let proven = party.map_or(hello.from, Party::replica);
    if proven != hello.from {
        return Some(Refusal::Impostor { here: proven, yours: hello.from });
    }
    let is_peer = |id| house.roster.member(id).is_some() && house.id() != Some(id);
    if let Some(yours) = hello.from.filter(|id| !is_peer(*id)) {
        return Some(Refusal::NoPeer { yours });
    }
    if !hello.purpose.is_for_replicas() {
        return None;
    }
    if hello.from.is_none() {
        return Some(Refusal::Purpose { yours: hello.purpose });
    }
    LayoutField::difference(&house.roster.layout(), &hello.layout)
}

const fn reason(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Version { .. } => Reason::Version,
        Refusal::Cluster { .. } => Reason::Cluster,
        Refusal::Recipient { .. } => Reason::Recipient,
        Refusal::Impostor { .. } | Refusal::NoPeer { .. } => Reason::Impostor,
        Refusal::Purpose { .. } => Reason::Purpose,
        Refusal::Layout { .. } => Reason::Layout,
        Refusal::Security { .. } => Reason::Security,
        _ => Reason::Damaged,
    }
}
