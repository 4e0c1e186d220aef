//! Clusters of real processes for the tests of the command: private, bounded in time, gone when dropped.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes longer on a machine that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Sizes that let a whole cluster fit into a few megabytes.
const LIMITS: &str = "\
[limits]
payload_bytes_max = 65536
window = 64
cells = 512
arena_bytes = 262144
snapshot_bytes = 1048576
state_bytes_max = 262144
sessions_max = 32
reply_bytes_max = 64
";

/// A folder of this test alone, on tmpfs, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("paxon-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new("/dev/shm").join(name);
        fs::create_dir(&path).expect("there is a tmpfs");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the folder is there");
    }
}

/// How a command ended and what it said.
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The JSON object that it printed last.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status, Some(0), "{:?} {:?}", self.stdout, self.stderr);
        self
    }

    /// It failed with the status and said each of the words.
    #[track_caller]
    pub fn refused(&self, status: i32, words: &[&str]) {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.status, Some(status), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said:?}");
        }
    }
}

/// The command `paxon` with arguments, not started yet.
pub fn command<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paxon"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `paxon` to its end.
pub fn paxon<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Ended {
    finish(command(args).spawn().expect("the command starts"))
}

/// Waits for a process to end; kills it if it does not in time.
pub fn finish(child: Child) -> Ended {
    finish_within(child, PATIENCE)
}

/// The same with a limit of the caller's.
pub fn finish_within(mut child: Child, patience: Duration) -> Ended {
    let stdout = read_all(child.stdout.take());
    let stderr = read_all(child.stderr.take());
    let status = wait_within(&mut child, patience);
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("the reader does not panic");
    Ended { status, stdout: text(stdout), stderr: text(stderr) }
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).expect("a pipe can be read");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Option<i32> {
    wait_within(child, PATIENCE)
}

fn wait_within(child: &mut Child, patience: Duration) -> Option<i32> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            panic!("a process did not end within {patience:?}");
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

/// A cluster of three, each replica a process.
pub struct Cluster {
    replicas: Vec<Option<Child>>,
    pub folder: Folder,
}

impl Cluster {
    /// Describes a cluster and starts nothing.
    pub fn describe() -> Self {
        let folder = Folder::new();
        folder.file("cluster.toml", format!("cluster = \"test\"\nreplicas = 3\ndirectory = \"memory\"\n{LIMITS}"));
        Self { replicas: vec![None, None, None], folder }
    }

    /// A cluster whose replicas run.
    pub fn start() -> Self {
        let mut cluster = Self::describe();
        (0..3).for_each(|id| drop(cluster.start_replica(id)));
        cluster
    }

    pub fn memory(&self, name: &str) -> PathBuf {
        self.folder.path("memory").join(name)
    }

    fn replica_command(&self, id: usize) -> Command {
        let mut command = command(&["--json", "replica", "--tether", "--id", &id.to_string(), "--config"]);
        command.arg(self.folder.path("cluster.toml")).stdin(Stdio::piped());
        command
    }

    /// Starts a replica and returns what it said when it was ready.
    pub fn start_replica(&mut self, id: usize) -> Value {
        let mut child = self.replica_command(id).stderr(Stdio::inherit()).spawn().expect("the replica starts");
        let ready = first_line(child.stdout.take().expect("its output is a pipe"));
        self.replicas[id] = Some(child);
        let ready: Value = serde_json::from_str(&ready).expect("a replica says JSON");
        assert_eq!(ready["event"], "ready", "{ready}");
        ready
    }

    /// Starts a replica that is expected to end by itself.
    pub fn try_replica(&self, id: usize) -> Ended {
        finish(self.replica_command(id).spawn().expect("the replica starts"))
    }

    /// Kills a replica with SIGKILL.
    pub fn kill(&mut self, id: usize) {
        let mut child = self.replicas[id].take().expect("the replica runs");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }

    /// Ends a replica with SIGTERM; it must end with success.
    pub fn terminate(&mut self, id: usize) {
        let mut child = self.replicas[id].take().expect("the replica runs");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it is our child");
        assert_eq!(wait(&mut child), Some(0));
    }

    /// Ends the standard input of a replica, which then must end with success.
    pub fn untether(&mut self, id: usize) {
        let mut child = self.replicas[id].take().expect("the replica runs");
        drop(child.stdin.take());
        assert_eq!(wait(&mut child), Some(0));
    }

    /// Stops a replica with SIGSTOP, or lets it run again with SIGCONT.
    pub fn signal(&self, id: usize, signal: Signal) {
        let child = self.replicas[id].as_ref().expect("the replica runs");
        kill_process(Pid::from_child(child), signal).expect("it is our child");
    }

    /// Runs a subcommand that takes `--config`, with `--json`.
    pub fn paxon(&self, args: &[&str]) -> Ended {
        finish(self.command(args).spawn().expect("the command starts"))
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&["--json"]);
        command.arg(args[0]).arg("--config").arg(self.folder.path("cluster.toml")).args(&args[1..]);
        command
    }

    /// Asks for the status until it is as wanted.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.paxon(&["status"]).json();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status}");
        }
    }

    /// The leader, once there is one.
    #[track_caller]
    pub fn leader(&self) -> usize {
        let status = self.wait_for("a leader", |status| status["leader"].is_u64());
        status["leader"].as_u64().expect("a number") as usize
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
        }
    }
}

/// The first line of a process; the rest is read and forgotten.
pub fn first_line(stdout: ChildStdout) -> String {
    let (say, said) = std::sync::mpsc::channel();
    thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(say.send(line))));
    said.recv_timeout(PATIENCE).expect("the process says something")
}
