//! The cluster file: what every replica and client of a cluster has to agree on.

mod network;
mod records;

pub use network::{ClientEntry, FabricKind, Io, MemberEntry, Rdma, Tcp, client_key_file, replica_key_file};
pub use records::{make_record_secret, record_secret_file};

use crate::cli::error::{CliError, chain};
use clap::ValueEnum;
use paxon::fastpath::{Config, ENTRY_WORDS};
use paxon::machines::KvLimits;
use paxon::{Nanos, PollPolicy, ReplicaBuilder, ReplicaId, SessionLimits, Timing};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// Longest name of a cluster, so that the paths of its sockets stay short enough.
const NAME_CHARS_MAX: usize = 40;
/// A unix socket's path has to be shorter than this (`sun_path`).
const SOCKET_PATH_BYTES: usize = 108;
/// A cluster file is a page of text; what is larger is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a cluster over RDMA is refused.
const UNSAFE_RDMA: &str = "fabric = \"rdma\": whoever can send to an RDMA device can try to write into its memory. Give the \
    cluster a record secret (`paxon init --members ... --rdma` makes one and prints record_fingerprint), or say that nobody \
    else can reach the devices: [rdma] isolated = true";

/// What a replica does when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Poll {
    /// Never lets go of its core: the fastest, needs a core for each replica
    Spin,
    /// Offers its core to others
    Yield,
    /// Sleeps for a moment
    #[default]
    Park,
}

/// A setting of the builder.
type Setter = fn(ReplicaBuilder, usize) -> ReplicaBuilder;

/// A cluster as its file describes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    pub cluster: String,
    pub replicas: usize,
    #[serde(default)]
    pub fabric: FabricKind,
    pub directory: Option<PathBuf>,
    /// Of the secret under which records are authenticated.
    pub record_fingerprint: Option<String>,
    #[serde(default)]
    pub poll: Poll,
    pub park_us: Option<u64>,
    /// One core for each replica.
    pub cores: Option<Vec<usize>>,
    pub quorums: Option<Quorums>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub timing: Times,
    #[serde(default)]
    pub tcp: Tcp,
    #[serde(default)]
    pub rdma: Rdma,
    /// Where each replica listens, in the order of their ids.
    #[serde(default)]
    pub member: Vec<MemberEntry>,
    /// Who may connect besides the replicas.
    #[serde(default)]
    pub client: Vec<ClientEntry>,
}

/// Votes that count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorums {
    pub accept: usize,
    pub prepare: usize,
}

/// Sizes; what is left out has the builder's default.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub payload_bytes_max: Option<usize>,
    pub window: Option<usize>,
    pub cells: Option<usize>,
    pub arena_bytes: Option<usize>,
    pub snapshot_bytes: Option<usize>,
    pub state_bytes_max: Option<usize>,
    pub requests: Option<usize>,
    pub sessions_max: Option<usize>,
    pub session_window: Option<usize>,
    pub reply_bytes_max: Option<usize>,
}

/// Times in microseconds; what is left out follows the poll policy.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    pub beat_us: Option<u64>,
    pub suspect_us: Option<u64>,
    pub stagger_us: Option<u64>,
    pub flush_us: Option<u64>,
}

impl ClusterFile {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`CliError::Configuration`], naming the file and the key, and the line where it is a matter of one.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let wrong = |what: String| CliError::Configuration(format!("{}: {what}", path.display()));
        let text = read_text(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => wrong("there is no such file (`paxon init` writes one)".into()),
            _ => wrong(chain(&error)),
        })?;
        let mut file = Self::parse(&text).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        file.directory = Some(folder.join(file.directory()));
        file.tcp.keys = Some(folder.join(file.keys_folder()));
        file.check().map_err(wrong)?;
        Ok(file)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// Checks what does not depend on which replica asks.
    pub fn check(&self) -> Result<(), String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = &self.cluster;
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
            return Err(format!(
                "cluster = {name:?}: a name has 1 to {NAME_CHARS_MAX} letters, digits, `-` or `_`, nothing else"
            ));
        }
        self.check_cores()?;
        let fingerprint = self.record_fingerprint.as_deref().map(records::parse_fingerprint).transpose()?;
        if self.fabric == FabricKind::Rdma && fingerprint.is_none() && !self.rdma.isolated {
            return Err(UNSAFE_RDMA.into());
        }
        self.config(ReplicaId(0))?;
        self.roster()?;
        let socket = self.socket(ReplicaId(0));
        if socket.as_os_str().len() >= SOCKET_PATH_BYTES {
            let most = SOCKET_PATH_BYTES - 1;
            return Err(format!("directory: the path of the socket {} is over {most} bytes", socket.display()));
        }
        Ok(())
    }

    fn check_cores(&self) -> Result<(), String> {
        let Some(cores) = &self.cores else { return Ok(()) };
        if cores.len() != self.replicas {
            return Err(format!("cores lists {} cores for {} replicas; give each its own", cores.len(), self.replicas));
        }
        for (replica, core) in cores.iter().enumerate() {
            if let Some(other) = cores[..replica].iter().position(|earlier| earlier == core) {
                return Err(format!("cores gives core {core} to replica {other} and to replica {replica}"));
            }
        }
        Ok(())
    }

    /// Where memory and sockets of the cluster lie.
    pub fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| PathBuf::from(format!("/dev/shm/paxon-{}", self.cluster)))
    }

    /// The socket at which a replica serves its clients.
    pub fn socket(&self, replica: ReplicaId) -> PathBuf {
        self.directory().join(format!("replica-{}.sock", replica.0))
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = ReplicaId> + Clone {
        ReplicaId::all(self.replicas)
    }

    /// The engine's configuration of a replica.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn config(&self, replica: ReplicaId) -> Result<Config, String> {
        self.builder(replica).config().map_err(|error| chain(&error))
    }

    /// Longest command in bytes: the payload limit without the header of a packed command.
    pub fn command_bytes_max(&self) -> usize {
        let payload = self.config(ReplicaId(0)).map_or(0, |config| config.payload_bytes_max);
        (payload / 8).saturating_sub(ENTRY_WORDS) * 8
    }

    /// Commands that a client may have under way.
    pub fn session_window(&self) -> usize {
        self.sessions().window
    }

    pub fn kv_limits(&self) -> KvLimits {
        self.limits.state_bytes_max.map_or_else(KvLimits::default, |bytes_max| KvLimits { bytes_max })
    }

    /// The builder of a replica.
    pub fn builder(&self, replica: ReplicaId) -> ReplicaBuilder {
        let mut builder = ReplicaBuilder::default()
            .cluster(&self.cluster)
            .replica(replica.0)
            .shm(self.directory())
            .poll(self.policy())
            .timing(self.timing())
            .sessions(self.sessions())
            .record_stages(true);
        builder = match self.quorums {
            Some(Quorums { accept, prepare }) => builder.quorums(self.replicas, accept, prepare),
            None => builder.replicas(self.replicas),
        };
        if let Some(Ok(fingerprint)) = self.record_fingerprint.as_deref().map(records::parse_fingerprint) {
            builder = builder.record_fingerprint(fingerprint);
        }
        if let Some(&core) = self.cores.as_ref().and_then(|cores| cores.get(replica.index())) {
            builder = builder.core(core);
        }
        self.limits.apply(builder)
    }

    fn policy(&self) -> PollPolicy {
        match (self.poll, self.park_us) {
            (Poll::Spin, _) => PollPolicy::Spin,
            (Poll::Yield, _) => PollPolicy::Yield,
            (Poll::Park, None) => PollPolicy::default(),
            (Poll::Park, Some(micros)) => PollPolicy::Park(Duration::from_micros(micros)),
        }
    }

    fn timing(&self) -> Timing {
        let usual = self.policy().timing();
        let micros = |given: Option<u64>, usual: Nanos| given.map_or(usual, |us| Nanos(us.saturating_mul(1000)));
        Timing {
            beat: micros(self.timing.beat_us, usual.beat),
            suspect: micros(self.timing.suspect_us, usual.suspect),
            stagger: micros(self.timing.stagger_us, usual.stagger),
            flush: micros(self.timing.flush_us, usual.flush),
        }
    }

    /// The limits of client sessions.
    pub fn sessions(&self) -> SessionLimits {
        let usual = SessionLimits::default();
        SessionLimits {
            sessions_max: self.limits.sessions_max.unwrap_or(usual.sessions_max),
            window: self.limits.session_window.unwrap_or(usual.window),
            reply_bytes_max: self.limits.reply_bytes_max.unwrap_or(usual.reply_bytes_max),
        }
    }
}

impl Limits {
    fn apply(&self, mut builder: ReplicaBuilder) -> ReplicaBuilder {
        let settings: [(Option<usize>, Setter); 6] = [
            (self.payload_bytes_max, ReplicaBuilder::payload_bytes_max),
            (self.window, ReplicaBuilder::window),
            (self.cells, ReplicaBuilder::cells),
            (self.arena_bytes, ReplicaBuilder::arena_bytes),
            (self.snapshot_bytes, ReplicaBuilder::snapshot_bytes),
            (self.requests, ReplicaBuilder::requests),
        ];
        for (value, set) in settings {
            if let Some(value) = value {
                builder = set(builder, value);
            }
        }
        builder
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("over {FILE_BYTES_MAX} bytes: this is not a cluster file")));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::SAMPLE;

    fn refusal(text: &str) -> String {
        match ClusterFile::parse(text).and_then(|file| file.check()) {
            Ok(()) => panic!("accepted: {text}"),
            Err(what) => what,
        }
    }

    #[test]
    fn the_sample_is_valid_and_its_comments_show_the_defaults() {
        let plain = ClusterFile::parse(SAMPLE).expect("the sample parses");
        plain.check().expect("the sample is valid");
        let key_line =
            |line: &str| line.strip_prefix("# ").is_some_and(|rest| rest.contains(" = ") || rest.starts_with('['));
        let uncommented: Vec<_> = SAMPLE.lines().map(|line| if key_line(line) { &line[2..] } else { line }).collect();
        let full = ClusterFile::parse(&uncommented.join("\n")).expect("every commented key exists");
        assert_eq!(full.cores.as_ref().map(Vec::len), Some(3));
        let configs =
            [plain, full].map(|file| (file.config(ReplicaId(1)).expect("valid"), file.directory(), file.kv_limits()));
        assert_eq!(configs[0], configs[1]);
    }

    #[test]
    fn a_typo_names_the_key_and_its_line() {
        let what = refusal("cluster = \"x\"\nreplicas = 3\n[limits]\nwindoww = 8\n");
        assert!(what.contains("line 4") && what.contains("windoww") && what.contains("window"), "{what}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_reason() {
        let with = |more: &str| refusal(&format!("cluster = \"x\"\n{more}"));
        assert!(with("replicas = 4").contains("1, 3, 5 or 7 replicas, not 4"));
        assert!(with("replicas = 3\ncores = [1, 2, 1]").contains("core 1 to replica 0 and to replica 2"));
        assert!(with("replicas = 3\ncores = [1]").contains("1 cores for 3 replicas"));
        assert!(with("replicas = 3\n[limits]\narena_bytes = 4096").contains("arena"));
        assert!(with("replicas = 3\n[limits]\nsnapshot_bytes = 4096").contains("snapshot_bytes"));
        assert!(with("replicas = 3\n[quorums]\naccept = 1\nprepare = 1").contains("need not intersect"));
        assert!(with("replicas = 3\ndirectory = 7").contains("line 3"));
        assert!(with("replicas = 3\nfabric = \"rdma\"").contains("isolated = true"));
        assert!(with("replicas = 3\nrecord_fingerprint = \"12\"").contains("16 hexadecimal"));
        assert!(with("replicas = 3\nfabric = \"rdma\"\nrdma.isolated = true").contains("[[member]]"));
        assert!(refusal("cluster = \"../x\"\nreplicas = 3").contains("cluster"));
        assert!(refusal("replicas = 3").contains("cluster"));
    }
}
