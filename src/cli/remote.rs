//! The replicas of a cluster, asked from another process: a client that the user can interrupt.

use crate::cli::cluster_file::ClusterFile;
use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use paxon::ReplicaId;
use paxon::serve::{StagesReport, StatusReport};
use paxon_client::{Client, ClientError, ClientOptions, FromOutcome, Opening, Pending, Session, Target};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How often a wait looks whether the user has had enough of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// See the module. Clones are the same client.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
    interrupt: Interrupt,
}

impl Remote {
    /// A client of the cluster that tries everything for so long.
    pub fn new(cluster: &ClusterFile, patience: Duration, interrupt: &Interrupt) -> Result<Self, CliError> {
        Self::with_options(cluster, ClientOptions { patience, ..ClientOptions::default() }, interrupt, false)
    }

    /// A client that comes over the network, if the cluster has one, even to replicas of this host.
    pub fn over_network(cluster: &ClusterFile, patience: Duration, interrupt: &Interrupt) -> Result<Self, CliError> {
        let options = ClientOptions { patience, ..ClientOptions::default() };
        Self::with_options(cluster, options, interrupt, cluster.has_network())
    }

    /// A client that waits for a silent replica as long as for anything else.
    pub fn enduring(cluster: &ClusterFile, patience: Duration, interrupt: &Interrupt) -> Result<Self, CliError> {
        let options = ClientOptions { patience, silence: patience, ..ClientOptions::default() };
        Self::with_options(cluster, options, interrupt, false)
    }

    fn with_options(
        cluster: &ClusterFile,
        options: ClientOptions,
        interrupt: &Interrupt,
        from_afar: bool,
    ) -> Result<Self, CliError> {
        let mut builder = Client::builder().options(options);
        // A replica of this host is asked at its socket, which needs no key.
        let is_here = |member: &ReplicaId| !from_afar && (!cluster.has_network() || cluster.socket(*member).exists());
        if !cluster.members().all(|member| is_here(&member)) {
            builder = builder.identity(cluster.client_identity().map_err(CliError::Configuration)?);
        }
        for member in cluster.members() {
            let here = is_here(&member);
            builder =
                builder.target(if here { Target::unix(member, cluster.socket(member)) } else { Target::tcp(member) });
        }
        let client = builder.start().map_err(|error| CliError::failed("no client", &error))?;
        Ok(Self { client, interrupt: interrupt.clone() })
    }

    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// # Errors
    /// [`CliError::Interrupted`] if the user has had enough of it.
    pub fn check(&self) -> Result<(), CliError> {
        self.interrupt.check()
    }

    /// Opens a session.
    pub fn open_session(&self) -> Result<Session, CliError> {
        let mut opening: Opening = self.client.open_session();
        self.until(|| opening.wait_timeout(LOOK_EVERY))?.map_err(|error| failed(&error))
    }

    /// Waits for an answer.
    pub fn wait<T: FromOutcome>(&self, pending: Pending<T>) -> Result<T, CliError> {
        self.outcome(pending)?.map_err(|error| failed(&error))
    }

    /// Waits for an answer, or for why there is none.
    pub fn outcome<T: FromOutcome>(&self, mut pending: Pending<T>) -> Result<Result<T, ClientError>, CliError> {
        self.until(|| pending.wait_timeout(LOOK_EVERY))
    }

    fn until<T>(&self, mut step: impl FnMut() -> Option<T>) -> Result<T, CliError> {
        loop {
            self.interrupt.check()?;
            if let Some(answer) = step() {
                return Ok(answer);
            }
        }
    }

    /// How a replica is, or why it does not say.
    pub fn status(&self, member: ReplicaId) -> Result<StatusReport, String> {
        self.status_of(self.client.at(member).status())
    }

    /// The same of a question that was asked already.
    pub fn status_of(&self, pending: Pending<String>) -> Result<StatusReport, String> {
        match self.outcome(pending) {
            Ok(Ok(text)) => read(&text),
            Ok(Err(ClientError::Unreachable { problem, .. })) => Err(problem),
            Ok(Err(ClientError::TimedOut { patience, .. })) => Err(format!("no answer within {patience:?}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// How long commands took at a replica.
    pub fn stages(&self, member: ReplicaId) -> Result<StagesReport, CliError> {
        let text = self.wait(self.client.at(member).stages())?;
        read(&text).map_err(CliError::Failed)
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("it gave a strange answer: {error}"))
}

/// What the lack of an answer is to the user.
pub fn failed(error: &ClientError) -> CliError {
    match error {
        ClientError::TimedOut { patience, last_problem } => {
            CliError::Unavailable(format!("no leader answered within {patience:?}; the last problem: {last_problem}"))
        }
        ClientError::Unreachable { .. } => CliError::Unavailable(error.to_string()),
        ClientError::Refused { message, .. } => CliError::Failed(message.clone()),
        _ => CliError::Failed(error.to_string()),
    }
}
