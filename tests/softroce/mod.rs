//! Three virtual machines with a SoftRoCE device each, on one wire: killed, stopped, cut off. Gone when dropped.

use crate::network::{PATIENCE, REPLICAS, members, replica};
use crate::processes::{Folder, command, finish};
use paxon::channel::{ClientKey, Identity, Member, PrivateKey, Roster, Security};
use paxon::serve::StatusReport;
use paxon::{ReplicaBuilder, SessionLimits};
use paxon_client::{Client, ClientOptions, Target};
use paxon_wire::{Port, Wire};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Makes the machines.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/drivers/rdma/softroce-vm");
/// From starting a machine until its replica is ready, while two others are started on the same processors.
const BOOT_WITHIN: Duration = Duration::from_secs(180);
/// A machine that is forgotten ends by itself.
const LIFE: Duration = Duration::from_secs(900);
/// Pause between two looks at a replica.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A replica that says nothing for so long is not waited for by who measures how soon another one answers.
const SILENCE: Duration = Duration::from_millis(200);
/// Where replicas listen in their machines.
const PORT: u16 = 7400;
/// Where the cluster's memory lies in each machine.
const MEMORY: &str = "/dev/shm/paxon-machines";
const CLUSTER: &str = "example";
const SESSIONS: SessionLimits = SessionLimits { sessions_max: 32, window: 16, reply_bytes_max: 64 };
/// The sizes of `config`, and times for emulated processors that share two real ones with everything else.
const SETTINGS: &str = "
[limits]
payload_bytes_max = 65536
window = 64
cells = 1024
arena_bytes = 262144
snapshot_bytes = 1048576
sessions_max = 32
session_window = 16
reply_bytes_max = 64

[timing]
beat_us = 20000
suspect_us = 200000
stagger_us = 80000
flush_us = 1000
";

/// A machine and where it is controlled.
struct Machine {
    script: Child,
    control: PathBuf,
    said: Receiver<String>,
    /// Lines that were read from it already.
    log: Vec<String>,
}

/// Three machines, a replica in each.
pub struct Machines {
    /// Dropped before the wire and the folder.
    machines: Vec<Option<Machine>>,
    pub wire: Wire,
    folder: Folder,
    /// Of this host; each leads to a replica past the wire.
    ports: Vec<u16>,
    watcher: Client,
}

impl Machines {
    /// Starts them all and waits until somebody leads.
    pub fn start() -> Self {
        let folder = Folder::new();
        write_cluster_file(&folder);
        let listen = |id| UnixListener::bind(folder.path(&format!("wire-{id}"))).expect("a socket");
        let ports = (0..REPLICAS).map(|id| Port::listener(listen(id)).expect("a port")).collect();
        let wire = Wire::start(ports, 1).expect("a wire");
        let held: Vec<_> = (0..REPLICAS).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let ports: Vec<_> = held.iter().map(|held| held.local_addr().expect("it is bound").port()).collect();
        drop(held);
        let watcher = client(&folder, &ports, ClientOptions::default().silence);
        let mut machines = Self { machines: vec![None, None, None], wire, folder, ports, watcher };
        for id in 0..REPLICAS {
            machines.machines[id] = Some(machines.boot(id, false));
        }
        (0..REPLICAS).for_each(|id| machines.wait_until_ready(id));
        machines.leader();
        machines
    }

    /// Starts a machine. One that had run before has lost its memory, and with it the mark that says so; whoever replaces a
    /// machine says it in its place.
    fn boot(&self, id: usize, was_there: bool) -> Machine {
        let control = self.folder.path(&format!("machine-{id}"));
        fs::create_dir_all(&control).expect("the folder can be written");
        let mark =
            if was_there { format!("mkdir -m 700 {MEMORY} && : >{MEMORY}/born-{id} && ") } else { String::new() };
        let inside = format!("{mark}exec /share/paxon --json replica --config /share/cluster.toml --id {id}");
        let mut script = Command::new(SCRIPT);
        script.args(["run", "--cpus", "1", "--memory", "256", "--set", "RUST_LOG=error"]);
        script.args(["--timeout", &LIFE.as_secs().to_string(), "--node", &(id + 1).to_string()]);
        script.args(["--forward", &format!("{}:{PORT}", self.ports[id])]);
        script.arg("--wire").arg(self.folder.path(&format!("wire-{id}"))).arg("--control").arg(&control);
        script.arg("--take").arg(env!("CARGO_BIN_EXE_paxon"));
        for name in ["cluster.toml", "keys"] {
            script.arg("--take").arg(self.folder.path(name));
        }
        let mut script = script.args(["--", "sh", "-c", &inside]).stdout(Stdio::piped()).spawn().expect("it starts");
        let (say, said) = channel();
        let lines = BufReader::new(script.stdout.take().expect("its output is a pipe")).lines();
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(say.send(line))));
        Machine { script, control, said, log: vec![] }
    }

    #[track_caller]
    fn wait_until_ready(&mut self, id: usize) {
        let deadline = Instant::now() + BOOT_WITHIN;
        let machine = self.machines[id].as_mut().expect("it was started");
        while !machine.log.last().is_some_and(|line| line.contains("\"ready\"")) {
            match machine.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => machine.log.push(line),
                Err(_) => panic!("machine {id} is not ready: {:?}", machine.log),
            }
        }
    }

    /// Kills a machine's QEMU.
    pub fn kill(&mut self, id: usize) {
        self.signal(id, Signal::KILL);
        self.machines[id] = None;
    }

    /// Starts a machine in the place of one that was killed.
    #[track_caller]
    pub fn replace(&mut self, id: usize) {
        self.machines[id] = Some(self.boot(id, true));
        self.wait_until_ready(id);
    }

    /// Stops a machine's QEMU, or lets it run on.
    pub fn signal(&self, id: usize, signal: Signal) {
        self.machines[id].as_ref().expect("it runs").signal(signal);
    }

    /// A client over TCP, past the wire.
    pub fn client(&self) -> Client {
        client(&self.folder, &self.ports, ClientOptions::default().silence)
    }

    /// A client that does not wait long for anybody.
    pub fn impatient_client(&self) -> Client {
        client(&self.folder, &self.ports, SILENCE)
    }

    /// Asks each replica how it is, whatever happens to the wire.
    pub const fn watcher(&self) -> &Client {
        &self.watcher
    }

    /// What a replica says of itself, if it does.
    pub fn status(&self, id: usize) -> Option<StatusReport> {
        let text = self.watcher.at(replica(id)).status().wait().ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Looks again and again until it is so; how long that took.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) -> Duration {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "never: {what}");
            thread::park_timeout(LOOK_EVERY);
        }
        began.elapsed()
    }

    /// The replica that leads under the highest ballot, once there is one.
    #[track_caller]
    pub fn leader(&self) -> usize {
        let began = Instant::now();
        loop {
            let reports = (0..REPLICAS).filter_map(|id| self.status(id));
            let leader = reports.filter(|report| report.role == "leader").max_by_key(|report| report.ballot);
            if let Some(leader) = leader {
                return usize::from(leader.replica);
            }
            assert!(began.elapsed() < PATIENCE, "nobody leads");
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// The cluster in some lines, for messages.
    fn at_a_glance(&self) -> String {
        let one = |id| match self.status(id) {
            None => format!("replica {id} is silent"),
            Some(report) => {
                let StatusReport { role, ballot, committed, applied, timeline, .. } = &report;
                let last = &timeline[timeline.len().saturating_sub(8)..];
                let (links, round) = (&report.details["links"], ballot.round);
                let ballot = format!("{round}.{}", ballot.proposer);
                format!("replica {id}: {role} {ballot}, {committed} committed, {applied} applied, {links}, {last:?}")
            }
        };
        (0..REPLICAS).map(one).collect::<Vec<_>>().join("\n")
    }

    /// The highest round that any replica has heard of: it grows with every election.
    pub fn round(&self) -> u64 {
        (0..REPLICAS).filter_map(|id| self.status(id)).map(|report| report.ballot.round).max().unwrap_or(0)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if thread::panicking() {
            crate::network::say(&self.at_a_glance());
        }
    }
}

impl Machine {
    fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.control.join("qemu.pid")).expect("QEMU has written its process id");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("not zero");
        kill_process(pid, signal).expect("QEMU runs");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The script ends the machine and removes its files. One that has ended already cannot be told.
        let _ = kill_process(Pid::from_child(&self.script), Signal::TERM);
        self.script.wait().expect("it is our child");
        if thread::panicking() {
            self.log.extend(self.said.try_iter());
            crate::network::say(&format!("{}: {:?}", self.control.display(), self.log));
        }
    }
}

/// Makes the keys, and a cluster file for the insides of the machines.
fn write_cluster_file(folder: &Folder) {
    let addresses: Vec<_> = (1..=REPLICAS).map(|node| format!("10.0.0.{node}:{PORT}")).collect();
    let mut init = command(&["init", "--rdma", "--members", &addresses.join(","), "--keys", "keys"]);
    let text = finish(init.current_dir(folder.path("")).spawn().expect("the command starts")).succeeded().stdout;
    let mut text = text
        .replacen("fabric = \"auto\"", "fabric = \"rdma\"", 1)
        .replacen("# park_us = 100", "park_us = 500", 1)
        .replacen("# directory = \"/dev/shm/paxon-example\"", &format!("directory = \"{MEMORY}\""), 1);
    for address in &addresses {
        let line = format!("address = \"{address}\"");
        text = text.replacen(&line, &format!("{line}\nlisten = \"0.0.0.0:{PORT}\""), 1);
    }
    folder.file("cluster.toml", text + SETTINGS);
}

/// What a client has to know of the secret of records.
fn fingerprint(folder: &Folder) -> u64 {
    let text = fs::read_to_string(folder.path("cluster.toml")).expect("it was written");
    let line = text.lines().find_map(|line| line.strip_prefix("record_fingerprint = ")).expect("--rdma writes it");
    u64::from_str_radix(line.trim_matches('"'), 16).expect("hexadecimal digits")
}

/// A client that reaches each replica at a port of this host.
fn client(folder: &Folder, ports: &[u16], silence: Duration) -> Client {
    let read = |name: String| PrivateKey::read(folder.path(&format!("keys/{name}.key"))).expect("the key is there");
    let config = ReplicaBuilder::default()
        .cluster(CLUSTER)
        .replicas(REPLICAS)
        .sessions(SESSIONS)
        .payload_bytes_max(65_536)
        .window(64)
        .cells(1024)
        .arena_bytes(262_144)
        .snapshot_bytes(1 << 20)
        .record_fingerprint(fingerprint(folder))
        .config()
        .expect("the sizes fit");
    let member = |id: paxon::ReplicaId| {
        let key = read(format!("replica-{}", id.0)).public();
        Member { id, address: format!("127.0.0.1:{}", ports[id.index()]), key: Some(key), expires: None }
    };
    let key = read("client-main".into());
    let clients = vec![ClientKey { name: "main".into(), key: key.public(), expires: None }];
    let roster = Roster::new(config.cluster, config.layout, members().map(member).collect(), clients, Security::Tls);
    let identity = Identity::client(Arc::new(roster.expect("a roster")), Some(key)).expect("it is in the roster");
    let options = ClientOptions { patience: PATIENCE, silence, ..ClientOptions::default() };
    Client::builder()
        .targets(members().map(Target::tcp))
        .options(options)
        .identity(identity)
        .start()
        .expect("it starts")
}
