//! Three members of etcd on loopback, gone when dropped.
//!
//! Settings: what etcd does by default, but that it logs errors only, since writing lines costs time. What matters for
//! speed is therefore as its makers chose it: heartbeats each 100 ms, elections after 1 s, a snapshot each 100,000 entries,
//! a database transaction each 100 ms or 10,000 puts, an `fsync` of the log before a vote. On two cores rarer heartbeats,
//! larger transactions of the database, one thread per member (`GOMAXPROCS=1`) and rarer collections of garbage
//! (`GOGC=800`) were tried twice each, and none lowered the latency both times. The log lies in the folder that is passed;
//! on tmpfs an `fsync` is a system call that has nothing to write. No TLS, neither between members nor to clients; no
//! authentication.

mod folder;
mod member;

use crate::client::{CallError, EtcdClient};
use member::{Member, Place};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime;
use tokio::time::{sleep, timeout};

pub use folder::is_tmpfs;

/// Members of the cluster.
pub const MEMBERS: usize = 3;
/// From the start of the members until all three know the same leader: an election takes a second or two.
const LEADER_LIMIT: Duration = Duration::from_secs(60);
/// A member that does not answer in this time is asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Between two questions who leads.
const LEADER_LOOK: Duration = Duration::from_millis(20);
/// Ports are chosen before etcd binds them; somebody else may be faster, so it is tried again.
const ATTEMPTS: usize = 3;

/// Why no cluster came up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no such program.
    #[error("{program} is not installed; on Debian: apt-get install etcd-server")]
    NotInstalled {
        /// What was looked for.
        program: PathBuf,
    },
    /// It does not say which version it is.
    #[error("`{program} --version` does not name a version of etcd: {said:?}")]
    NotEtcd {
        /// What was started.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// The logs of three members do not fit.
    #[error("{folder} has {free} bytes free; three members of etcd need {needed}, choose another with --dir")]
    Space {
        /// Where the data should lie.
        folder: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// A folder, a file, a port or a process could not be made.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A member ended.
    #[error("member {member} of etcd ended by itself ({status}); the end of its log: {log}")]
    Ended {
        /// Which.
        member: usize,
        /// How.
        status: ExitStatus,
        /// What it said last.
        log: String,
    },
    /// Nobody leads.
    #[error("no leader of etcd within {within:?}; the last answer: {last}")]
    NoLeader {
        /// How long was waited.
        within: Duration,
        /// What the members said last.
        last: String,
    },
}

impl StartError {
    /// For `map_err`: a system call failed while doing `what`.
    const fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// Three running members that agree who leads.
#[derive(Debug)]
pub struct EtcdCluster {
    /// Before `folder`, so that nobody writes there any more when it is removed.
    members: Vec<Member>,
    /// Index of the member that led when the cluster came up.
    leader: usize,
    _folder: TempDir,
}

impl EtcdCluster {
    /// The version of a program, as it names it.
    ///
    /// # Errors
    /// [`StartError::NotInstalled`] and [`StartError::NotEtcd`].
    pub fn version(program: &Path) -> Result<String, StartError> {
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StartError::NotInstalled { program: program.into() },
            _ => StartError::System { what: "ask etcd for its version", source: error },
        })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.lines().find_map(|line| line.strip_prefix("etcd Version: "));
        let unknown = || StartError::NotEtcd { program: program.into(), said: said.chars().take(200).collect() };
        version.map(|version| version.trim().to_owned()).ok_or_else(unknown)
    }

    /// Starts three members with their data in a private folder below `parent`, which should be a tmpfs, and waits until they
    /// agree who leads. `puts` is how many will follow, for which there must be room.
    ///
    /// # Errors
    /// [`StartError`], naming what is missing.
    pub fn start(program: &Path, parent: &Path, puts: u64) -> Result<Self, StartError> {
        Self::version(program)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(program, parent, puts) {
                Err(StartError::Ended { .. }) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn attempt(program: &Path, parent: &Path, puts: u64) -> Result<Self, StartError> {
        let folder = folder::make(parent, puts)?;
        let places = Place::choose().map_err(StartError::system("bind ports on loopback"))?;
        let members: Result<Vec<_>, _> =
            (0..MEMBERS).map(|index| Member::start(program, &places, index, folder.path())).collect();
        let members = members.map_err(StartError::system("start etcd"))?;
        let mut cluster = Self { members, leader: 0, _folder: folder };
        cluster.leader = cluster.wait_for_leader()?;
        Ok(cluster)
    }

    /// The port at which the leader takes requests of clients.
    pub fn leader_port(&self) -> u16 {
        self.members[self.leader].client_port()
    }

    /// The ports of all members, the leader's among them.
    pub fn ports(&self) -> Vec<u16> {
        self.members.iter().map(Member::client_port).collect()
    }

    /// Process identities of the members.
    pub fn processes(&self) -> Vec<u32> {
        self.members.iter().map(Member::process).collect()
    }

    fn wait_for_leader(&mut self) -> Result<usize, StartError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::system("make an asynchronous runtime"))?;
        let deadline = Instant::now() + LEADER_LIMIT;
        loop {
            let ports = self.ports();
            let answer = runtime.block_on(async { timeout(ANSWER_LIMIT, agreed_leader(&ports)).await });
            let last = match answer.unwrap_or(Err(CallError::TimedOut(ANSWER_LIMIT))) {
                Ok(Some(leader)) => return Ok(leader),
                Ok(None) => "they do not agree".to_owned(),
                Err(error) => error.to_string(),
            };
            for member in &mut self.members {
                member.still_runs()?;
            }
            if Instant::now() > deadline {
                return Err(StartError::NoLeader { within: LEADER_LIMIT, last });
            }
            runtime.block_on(async { sleep(LEADER_LOOK).await });
        }
    }
}

/// Index of the member that all of them take for the leader.
async fn agreed_leader(ports: &[u16]) -> Result<Option<usize>, CallError> {
    let (mut identities, mut leaders) = (Vec::new(), Vec::new());
    for port in ports {
        let status = EtcdClient::connect(*port).await?.status().await?;
        identities.push(status.header.ok_or(CallError::Unreadable("it has no header"))?.member_id);
        leaders.push(status.leader);
    }
    let same = leaders.windows(2).all(|pair| pair[0] == pair[1]);
    Ok(identities.iter().position(|identity| same && *identity == leaders[0]))
}
