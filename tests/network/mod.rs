//! Clusters over TCP, each replica a process: on loopback, or in network namespaces of their own on a wire that the test
//! impairs. Bounded in time, gone when dropped.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod history;
pub mod load;
pub mod prober;

use crate::processes::{Folder, command, finish, first_line};
use paxon::channel::{ClientKey, Identity, Member, PrivateKey, PublicKey, Roster, Security};
use paxon::fastpath::ReplicaId;
use paxon::serve::StatusReport;
use paxon::{ReplicaBuilder, SessionLimits};
use paxon_client::{Client, ClientBuilder, ClientError, ClientOptions, Target};
use paxon_wire::{Impairment, Links, Namespaces};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes longer on a machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Replicas of every cluster here.
pub const REPLICAS: usize = 3;
/// The namespace of the clients.
pub const CLIENTS: usize = REPLICAS;
/// Where replicas listen in their namespaces.
const PORT: u16 = 7400;
/// Pause between two looks at a replica: they are measured in milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Sizes that let a whole cluster fit into a few megabytes.
const SIZES: [(&str, usize); 5] = [
    ("payload_bytes_max", 65_536),
    ("window", 64),
    ("cells", 1024),
    ("arena_bytes", 262_144),
    ("snapshot_bytes", 1 << 20),
];
/// Sessions of a cluster, few enough for its snapshots.
const SESSIONS: SessionLimits = SessionLimits { sessions_max: 32, window: 16, reply_bytes_max: 64 };
/// Lines of a replica's log that are shown when a test fails.
const LOG_LINES: usize = 40;

/// A cluster over TCP.
pub struct TcpCluster {
    replicas: Vec<Option<Child>>,
    /// `None` on loopback.
    namespaces: Option<Namespaces>,
    /// Asks the replicas at their unix sockets, which no partition reaches.
    watcher: Client,
    pub addresses: Vec<String>,
    pub security: Security,
    pub folder: Folder,
}

impl TcpCluster {
    /// Three replicas in a namespace each, and a fourth one for clients; `None`, said aloud, where that cannot be had.
    #[track_caller]
    pub fn on_wire(test: &str, links: Links) -> Option<Self> {
        let namespaces = Namespaces::or_skip(test, REPLICAS + 1, links)?;
        let addresses = (0..REPLICAS).map(|id| format!("{}:{PORT}", namespaces.address(id))).collect();
        Some(Self::describe(addresses, Security::Tls, Some(namespaces)).started())
    }

    /// Three replicas on loopback.
    pub fn on_loopback(security: Security) -> Self {
        Self::on_loopback_stopped(security).started()
    }

    /// A description of three replicas on loopback, none of which runs.
    pub fn on_loopback_stopped(security: Security) -> Self {
        // All are held at once, so that they differ.
        let held: Vec<_> = (0..REPLICAS).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
        Self::describe(held.iter().map(address).collect(), security, None)
    }

    fn describe(addresses: Vec<String>, security: Security, namespaces: Option<Namespaces>) -> Self {
        let folder = Folder::new();
        let mut init = command(&["init", "--members", &addresses.join(","), "--keys"]);
        let init = finish(init.arg(folder.path("keys")).spawn().expect("the command starts")).succeeded();
        let mut text = init.stdout.replacen("fabric = \"auto\"", "fabric = \"tcp\"", 1).replacen(
            "# directory = \"/dev/shm/paxon-example\"",
            "directory = \"memory\"",
            1,
        );
        if security == Security::Plaintext {
            text = text.replacen("# plaintext = false", "plaintext = true", 1);
        }
        text.push_str("\n[limits]\n");
        let SessionLimits { sessions_max, window, reply_bytes_max } = SESSIONS;
        let sessions =
            [("sessions_max", sessions_max), ("session_window", window), ("reply_bytes_max", reply_bytes_max)];
        SIZES.iter().chain(&sessions).for_each(|(name, value)| text.push_str(&format!("{name} = {value}\n")));
        folder.file("cluster.toml", text);
        let targets = members().map(|id| Target::unix(id, folder.path(&format!("memory/replica-{}.sock", id.0))));
        let options = ClientOptions { patience: PATIENCE, ..ClientOptions::default() };
        let watcher = Client::builder().targets(targets).options(options).start().expect("it starts");
        Self { replicas: vec![None, None, None], namespaces, watcher, addresses, security, folder }
    }

    fn started(mut self) -> Self {
        (0..REPLICAS).for_each(|id| self.start_replica(id));
        self.leader();
        self
    }

    /// Starts a replica and waits until it is ready.
    pub fn start_replica(&mut self, id: usize) {
        let log = File::create(self.log_file(id)).expect("the folder can be written");
        let mut command = self.replica_command(id, &self.folder.path("cluster.toml"));
        let mut child = command.stderr(log).spawn().expect("the replica starts");
        let ready = first_line(child.stdout.take().expect("its output is a pipe"));
        self.replicas[id] = Some(child);
        assert!(ready.contains("\"ready\""), "{ready}: {}", self.log(id));
    }

    /// The command that runs a replica where it belongs, with a cluster file of its own.
    pub fn replica_command(&self, id: usize, file: &std::path::Path) -> Command {
        let program = env!("CARGO_BIN_EXE_paxon");
        let namespaces = self.namespaces.as_ref();
        let mut command = namespaces.map_or_else(|| Command::new(program), |net| net.command(id, program));
        command.args(["--json", "replica", "--tether", "--id", &id.to_string(), "--config"]).arg(file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    fn log_file(&self, id: usize) -> PathBuf {
        self.folder.path(&format!("replica-{id}.log"))
    }

    /// What a replica has logged.
    pub fn log(&self, id: usize) -> String {
        fs::read_to_string(self.log_file(id)).unwrap_or_default()
    }

    /// The process of a replica.
    pub fn pid(&self, id: usize) -> u32 {
        self.replicas[id].as_ref().expect("the replica runs").id()
    }

    /// Whether all replicas still run.
    pub fn all_run(&mut self) -> bool {
        self.replicas.iter_mut().flatten().all(|child| child.try_wait().expect("it is our child").is_none())
    }

    /// The namespaces, of a cluster on a wire.
    pub fn net(&self) -> &Namespaces {
        self.namespaces.as_ref().expect("a cluster on a wire")
    }

    /// Impairs all links.
    pub fn impair_all(&self, impairment: &Impairment) {
        self.net().impair_all(impairment).expect("the links can do it");
    }

    /// Makes all links perfect.
    pub fn heal(&self) {
        self.net().heal().expect("the links can do it");
    }

    /// Asks the replicas at their unix sockets, which no partition reaches.
    pub const fn watcher(&self) -> &Client {
        &self.watcher
    }

    /// A client over TCP, with the key that `paxon init` made, in the namespace of clients.
    pub fn client(&self) -> Client {
        self.client_as(self.identity("client-main"), ClientOptions { patience: PATIENCE, ..ClientOptions::default() })
    }

    /// The same with another identity.
    pub fn client_as(&self, identity: Identity, options: ClientOptions) -> Client {
        let builder = Client::builder().targets(members().map(Target::tcp)).options(options).identity(identity);
        let start = |builder: ClientBuilder| builder.start().expect("it starts");
        match &self.namespaces {
            None => start(builder),
            Some(net) => net.enter(CLIENTS, || start(builder)).expect("the namespace is there"),
        }
    }

    /// Who the holder of a private key of the cluster is as a client.
    pub fn identity(&self, key: &str) -> Identity {
        let key = PrivateKey::read(self.folder.path(&format!("keys/{key}.key"))).expect("the key is there");
        Identity::client(Arc::new(self.roster("example", key.public())), Some(key)).expect("it is in the roster")
    }

    /// The roster of a cluster of this shape, with one client.
    pub fn roster(&self, cluster: &str, client: PublicKey) -> Roster {
        let config = SIZES.iter().fold(
            ReplicaBuilder::default().cluster(cluster).replicas(REPLICAS).sessions(SESSIONS),
            |builder, size| match *size {
                ("payload_bytes_max", value) => builder.payload_bytes_max(value),
                ("window", value) => builder.window(value),
                ("cells", value) => builder.cells(value),
                ("arena_bytes", value) => builder.arena_bytes(value),
                (_, value) => builder.snapshot_bytes(value),
            },
        );
        let config = config.config().expect("the sizes fit");
        let members = members().map(|id| self.member(id)).collect();
        let clients = vec![ClientKey { name: "main".into(), key: client, expires: None }];
        Roster::new(config.cluster, config.layout, members, clients, self.security).expect("it is a roster")
    }

    fn member(&self, id: ReplicaId) -> Member {
        let key = PrivateKey::read(self.folder.path(&format!("keys/replica-{}.key", id.0))).expect("the key is there");
        Member { id, address: self.addresses[id.index()].clone(), key: Some(key.public()), expires: None }
    }

    /// What a replica says of itself, at its unix socket.
    pub fn try_status(&self, id: usize) -> Result<StatusReport, ClientError> {
        let text = self.watcher.at(replica(id)).status().wait()?;
        Ok(serde_json::from_str(&text).expect("a status"))
    }

    /// The same of a replica that is sure to answer.
    #[track_caller]
    pub fn status(&self, id: usize) -> StatusReport {
        self.try_status(id).unwrap_or_else(|error| panic!("replica {id}: {error}"))
    }

    /// What the replicas say of themselves.
    pub fn statuses(&self) -> Vec<StatusReport> {
        (0..REPLICAS).map(|id| self.status(id)).collect()
    }

    /// Looks again and again until it is so; how long that took.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) -> Duration {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "never: {what}: {}", self.at_a_glance());
            thread::park_timeout(LOOK_EVERY);
        }
        began.elapsed()
    }

    /// The replica that leads under the highest ballot, once there is one.
    #[track_caller]
    pub fn leader(&self) -> usize {
        let leader = || {
            let reports = (0..REPLICAS).filter_map(|id| self.try_status(id).ok());
            let highest = reports.filter(|report| report.role == "leader").max_by_key(|report| report.ballot);
            highest.map(|report| usize::from(report.replica))
        };
        self.wait_until("somebody leads", || leader().is_some());
        leader().unwrap_or_else(|| self.leader())
    }

    /// The highest round that any replica has heard of: it grows with every election.
    pub fn round(&self) -> u64 {
        self.statuses().iter().map(|report| report.ballot.round).max().unwrap_or(0)
    }

    /// The cluster in one line, for messages.
    pub fn at_a_glance(&self) -> String {
        let one = |id| match self.try_status(id) {
            Ok(report) => {
                let StatusReport { role, ballot, committed, applied, .. } = &report;
                let links: Vec<_> = links(&report.details).collect();
                format!(
                    "[{id}: {role} {}.{}, {committed} committed, {applied} applied, {links:?}]",
                    ballot.round, ballot.proposer
                )
            }
            Err(error) => format!("[{id}: {error}]"),
        };
        (0..REPLICAS).map(one).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for TcpCluster {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            // A replica that has ended by itself is not there to be killed.
            let _ = child.kill();
            child.wait().expect("it is our child");
        }
        if thread::panicking() {
            for id in 0..REPLICAS {
                let log = self.log(id);
                let lines: Vec<_> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
                say(&format!("the last {} lines of the log of replica {id}:\n{}", last.len(), last.join("\n")));
            }
        }
    }
}

/// The links of a status, in short.
fn links(details: &serde_json::Map<String, Value>) -> impl Iterator<Item = String> + '_ {
    let links = details.get("links").and_then(Value::as_array).into_iter().flatten();
    links.map(|link| format!("to {} up {} {}", link["replica"], link["up"], link["problem"].as_str().unwrap_or("")))
}

/// The members.
pub fn members() -> impl Iterator<Item = ReplicaId> {
    (0..REPLICAS as u8).map(ReplicaId)
}

/// The id of a replica.
pub fn replica(id: usize) -> ReplicaId {
    ReplicaId(u8::try_from(id).expect("there are few replicas"))
}

/// Says something to whoever runs the test, also when the harness captures what tests print.
pub fn say(line: &str) {
    // Without a standard error nobody could be told.
    let _ = writeln!(std::io::stderr(), "{line}");
}
