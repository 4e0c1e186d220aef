//! Who this process is, and what it can prove.

use crate::hello::{Hello, Purpose};
use crate::key::{PrivateKey, PublicKey};
use crate::roster::{Roster, Security};
use paxon_fastpath::ReplicaId;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// One end of a connection. Proven with TLS, claimed in plaintext.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A member.
    Replica(ReplicaId),
    /// A client by the name that the roster gives its key; empty in plaintext.
    Client(String),
}

impl Party {
    /// The replica's id, `None` for a client.
    pub const fn replica(&self) -> Option<ReplicaId> {
        match self {
            Self::Replica(id) => Some(*id),
            Self::Client(_) => None,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica(id) => id.fmt(f),
            Self::Client(name) if name.is_empty() => f.write_str("a client"),
            Self::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// The roster, who this process is in it, and its key.
#[derive(Debug)]
pub struct Identity {
    roster: Arc<Roster>,
    me: Party,
    /// Present with [`Security::Tls`], and then the key that the roster has for `me`.
    key: Option<PrivateKey>,
    /// Whether the kernel may do the encryption.
    may_use_kernel: bool,
}

/// Why a process cannot be who it wants to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The cluster has no such member.
    #[error("the cluster has {members} members, {id} is none of them")]
    NoMember {
        /// The id wanted.
        id: ReplicaId,
        /// Members of the cluster.
        members: usize,
    },
    /// TLS needs a private key.
    #[error("{me} needs its private key to speak TLS")]
    NoKey {
        /// Who has no key.
        me: Party,
    },
    /// The private key is not the one in the roster.
    #[error("the roster gives {id} the key {listed}, the private key at hand is that of {held}")]
    OtherKey {
        /// The member.
        id: ReplicaId,
        /// Its key in the roster.
        listed: PublicKey,
        /// The public half of the private key.
        held: PublicKey,
    },
    /// No client of the roster has this key.
    #[error("no client of the roster has the key {held}: add it at every replica")]
    UnlistedClient {
        /// The public half of the private key.
        held: PublicKey,
    },
}

impl Identity {
    /// The replica `id`. In plaintext the key may be missing and is not looked at.
    ///
    /// # Errors
    /// [`IdentityError`] if the roster does not have this member with this key.
    pub fn replica(roster: Arc<Roster>, id: ReplicaId, key: Option<PrivateKey>) -> Result<Self, IdentityError> {
        let members = roster.members().len();
        let member = roster.member(id).ok_or(IdentityError::NoMember { id, members })?;
        let me = Party::Replica(id);
        if roster.security() == Security::Plaintext {
            return Ok(Self { roster, me, key: None, may_use_kernel: true });
        }
        let listed = member.key.expect("a roster with TLS has a key for every member");
        let expires = member.expires;
        match key {
            None => Err(IdentityError::NoKey { me }),
            Some(key) if key.public() != listed => Err(IdentityError::OtherKey { id, listed, held: key.public() }),
            Some(key) => Ok(Self { roster, me, key: Some(key), may_use_kernel: true }.warn_if_expired(expires)),
        }
    }

    /// A client, whose name is the one that the roster gives the key. In plaintext the key may be missing.
    ///
    /// # Errors
    /// [`IdentityError`] if TLS is asked for and the key is missing or not listed.
    pub fn client(roster: Arc<Roster>, key: Option<PrivateKey>) -> Result<Self, IdentityError> {
        if roster.security() == Security::Plaintext {
            return Ok(Self { roster, me: Party::Client(String::new()), key: None, may_use_kernel: true });
        }
        let key = key.ok_or(IdentityError::NoKey { me: Party::Client(String::new()) })?;
        let held = key.public();
        let listed = roster.clients().iter().find(|client| client.key == held);
        let client = listed.ok_or(IdentityError::UnlistedClient { held })?;
        let (me, expires) = (Party::Client(client.name.clone()), client.expires);
        Ok(Self { roster, me, key: Some(key), may_use_kernel: true }.warn_if_expired(expires))
    }

    /// Keeps the encryption in this process even where the kernel could do it: the user-space cipher is the faster one for
    /// short messages.
    #[must_use]
    pub fn without_kernel(self) -> Self {
        Self { may_use_kernel: false, ..self }
    }

    /// The roster.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Who this process is.
    pub const fn me(&self) -> &Party {
        &self.me
    }

    /// A hello of this process for `to`. `incarnation` is the life of a replica's memory, 0 for a client.
    pub fn hello(&self, to: ReplicaId, purpose: Purpose, incarnation: u64) -> Hello {
        let (cluster, layout) = (self.roster.cluster(), self.roster.layout());
        Hello { purpose, cluster, from: self.me.replica(), to, layout, incarnation, attempt: 0 }
    }

    pub(crate) const fn may_use_kernel(&self) -> bool {
        self.may_use_kernel
    }

    pub(crate) const fn key(&self) -> Option<&PrivateKey> {
        self.key.as_ref()
    }

    /// The peers judge whether a key has expired, by their clocks; this is for whoever reads the log of this process.
    fn warn_if_expired(self, expires: Option<SystemTime>) -> Self {
        if expires.is_some_and(|expires| expires <= SystemTime::now()) {
            log::warn!("the key of {} has expired: the others will refuse it", self.me);
        }
        self
    }
}
