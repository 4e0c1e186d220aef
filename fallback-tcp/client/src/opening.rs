//! A session that is being opened.

use crate::answers::Opened;
use crate::client::Client;
use crate::error::ClientError;
use crate::pending::Pending;
use crate::session::Session;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A session that is being opened: a future, and something to wait for.
#[derive(Debug)]
#[must_use = "dropping it gives the session up"]
pub struct Opening {
    client: Client,
    opened: Pending<Opened>,
}

impl Opening {
    pub(crate) const fn new(client: Client, opened: Pending<Opened>) -> Self {
        Self { client, opened }
    }

    /// Waits for the session.
    ///
    /// # Errors
    /// [`ClientError`]: why there is none.
    pub fn wait(self) -> Result<Session, ClientError> {
        let Self { client, opened } = self;
        opened.wait().map(|opened| Session::opened(client, opened))
    }

    /// Waits for the session, at most so long; `None` if there was none by then. It can be waited for again.
    ///
    /// # Panics
    /// If the session was taken before.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<Session, ClientError>> {
        let opened = self.opened.wait_timeout(timeout)?;
        Some(opened.map(|opened| Session::opened(self.client.clone(), opened)))
    }
}

impl Future for Opening {
    type Output = Result<Session, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let opened = std::task::ready!(Pin::new(&mut self.opened).poll(context));
        Poll::Ready(opened.map(|opened| Session::opened(self.client.clone(), opened)))
    }
}
