//! A client session over the cluster: every command is applied exactly once.

use crate::cli::error::CliError;
use crate::cli::remote::Remote;
use paxon::ReplicaId;
use paxon_client::{Applied, Pending, Session};
use std::time::Duration;

/// How often a wait looks whether the user has had enough of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to do once commands are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSend {
    /// Wait for the replies.
    Wait,
    /// The replica is known to be stuck: ask the others, until [`RemoteSession::forgive`].
    Shun,
}

/// A client session.
#[derive(Debug)]
pub struct RemoteSession {
    remote: Remote,
    session: Session,
    /// The replica that answered last.
    asked: ReplicaId,
    /// Known to be stuck: it is not asked.
    shunned: Option<ReplicaId>,
}

impl RemoteSession {
    /// Opens a session.
    pub fn open(remote: Remote) -> Result<Self, CliError> {
        let session = remote.open_session()?;
        let asked = session.opened_by().unwrap_or(ReplicaId(0));
        Ok(Self { remote, session, asked, shunned: None })
    }

    /// Opens a new session in place of the one there was.
    pub fn reopen(&mut self) -> Result<(), CliError> {
        let Self { session, asked, .. } = Self::open(self.remote.clone())?;
        (self.session, self.asked) = (session, asked);
        Ok(())
    }

    pub const fn remote(&self) -> &Remote {
        &self.remote
    }

    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The replica that was shunned may be asked again.
    pub fn forgive(&mut self) {
        if let Some(replica) = self.shunned.take() {
            self.remote.client().allow(replica);
        }
    }

    /// The replica that answered last.
    pub const fn asked(&self) -> ReplicaId {
        self.asked
    }

    /// Sends a command on its way.
    pub fn submit(&self, command: &[u8]) -> Pending<Applied> {
        self.session.propose(command)
    }

    /// Waits until a command is applied.
    pub fn applied(&mut self, pending: Pending<Applied>) -> Result<Applied, CliError> {
        let applied = self.remote.wait(pending)?;
        self.asked = applied.replica;
        Ok(applied)
    }

    /// Has one command applied.
    pub fn propose(&mut self, command: &[u8]) -> Result<Applied, CliError> {
        self.applied(self.submit(command))
    }

    /// Has commands applied in this order. `on_sent` is called once, when they are on their way for the first time and before
    /// anybody waits for a reply.
    pub fn propose_all(
        &mut self,
        commands: &[Vec<u8>],
        on_sent: impl FnOnce() -> Result<AfterSend, CliError>,
    ) -> Result<Vec<Applied>, CliError> {
        let pending: Vec<_> = commands.iter().map(|command| self.submit(command)).collect();
        let asked = self.asked;
        self.wait_until_sent(&pending)?;
        if on_sent()? == AfterSend::Shun {
            self.shunned = Some(asked);
            self.remote.client().avoid(asked);
        }
        pending.into_iter().map(|pending| self.applied(pending)).collect()
    }

    fn wait_until_sent(&self, pending: &[Pending<Applied>]) -> Result<(), CliError> {
        for pending in pending {
            while !pending.is_sent() && !pending.wait_sent(LOOK_EVERY) {
                self.remote.check()?;
                if pending.is_over() {
                    // Waiting for it tells why.
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
