//! The processes of a private cluster and their directory. Both are gone when this is dropped.

use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::setting::Setting;
use paxon::ReplicaId;
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a replica may take to map its memory and say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often a wait looks whether the user has had enough of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A replica's process.
#[derive(Debug)]
struct Running {
    /// Its standard input is the tether: it ends with this process, whatever happens to that.
    child: Child,
    said: Receiver<String>,
    log: PathBuf,
    /// It was killed on purpose.
    killed: bool,
}

/// The processes, and the private directory with everything that they share.
#[derive(Debug)]
pub struct Replicas {
    directory: PathBuf,
    /// The cluster file.
    file: PathBuf,
    running: Vec<Running>,
}

impl Replicas {
    /// Starts all replicas of the cluster and waits until they are ready.
    pub fn start(setting: &Setting, interrupt: &Interrupt) -> Result<Self, CliError> {
        let cluster = &setting.cluster;
        let directory = cluster.directory();
        let failed =
            |error: &dyn std::error::Error| CliError::failed(format!("cannot prepare {}", directory.display()), error);
        DirBuilder::new().mode(0o700).create(&directory).map_err(|error| failed(&error))?;
        let file = directory.join("cluster.toml");
        let mut replicas = Self { directory: directory.clone(), file: file.clone(), running: Vec::new() };
        let text = toml::to_string(cluster).map_err(|error| failed(&error))?;
        fs::write(&file, text).map_err(|error| failed(&error))?;
        setting.network.iter().try_for_each(|network| network.write_keys())?;
        for replica in cluster.members() {
            replicas.running.push(Running::spawn(&directory, &file, replica)?);
        }
        for replica in &mut replicas.running {
            replica.wait_until_ready(interrupt)?;
        }
        Ok(replicas)
    }

    /// Kills a replica with SIGKILL and does not wait for its end: letting go of its memory takes it a while.
    pub fn kill(&mut self, replica: ReplicaId) -> Result<(), CliError> {
        let running = &mut self.running[replica.index()];
        running.killed = true;
        running.child.kill().map_err(|error| CliError::failed(format!("cannot kill replica {}", replica.0), &error))
    }

    /// Starts a replica again that was killed, and waits until it is ready.
    pub fn restart(&mut self, replica: ReplicaId, interrupt: &Interrupt) -> Result<(), CliError> {
        let running = &mut self.running[replica.index()];
        // It has its memory until it has ended.
        running.end();
        *running = Running::spawn(&self.directory, &self.file, replica)?;
        running.wait_until_ready(interrupt)
    }

    /// Stops a replica with SIGSTOP, or lets it run on with SIGCONT.
    pub fn signal(&self, replica: ReplicaId, signal: Signal) -> Result<(), CliError> {
        let process = Pid::from_child(&self.running[replica.index()].child);
        kill_process(process, signal)
            .map_err(|error| CliError::failed(format!("cannot signal replica {}", replica.0), &error))
    }

    /// Adds to an error what a replica said that died without being asked to.
    pub fn explain(&mut self, error: CliError) -> CliError {
        let fallen = self.running.iter_mut().enumerate().find_map(|(id, replica)| Some((id, replica.last_words()?)));
        match (error, fallen) {
            (error @ (CliError::Interrupted | CliError::ReaderGone), _) | (error, None) => error,
            (error, Some((id, words))) => CliError::Failed(format!("{error}; replica {id} has died: {words}")),
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for replica in &mut self.running {
            // One that has ended already cannot be killed; both are reaped.
            let _ = replica.child.kill();
            replica.end();
        }
        // Nobody has the directory any more; what cannot be removed now could not be removed later.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Running {
    fn spawn(directory: &Path, file: &Path, replica: ReplicaId) -> Result<Self, CliError> {
        let failed = |error| CliError::failed(format!("cannot start replica {}", replica.0), &error);
        let log = directory.join(format!("replica-{}.log", replica.0));
        let mut child = Command::new(env::current_exe().map_err(failed)?)
            .args(["replica", "--json", "--tether", "--id", &replica.0.to_string(), "--config"])
            .arg(file)
            // Ctrl-C is for this process alone: it ends the replicas.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let (say, said) = channel();
        let stdout = child.stdout.take();
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok);
            // Nobody listens after the first line.
            lines.for_each(|line| drop(say.send(line)));
        });
        Ok(Self { child, said, log, killed: false })
    }

    fn wait_until_ready(&mut self, interrupt: &Interrupt) -> Result<(), CliError> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            interrupt.check()?;
            match self.said.recv_timeout(LOOK_EVERY) {
                Ok(line) => return ready(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let words = fs::read_to_string(&self.log).unwrap_or_default();
                    return Err(CliError::Failed(format!("a replica ended before it was ready: {}", words.trim())));
                }
            }
        }
        Err(CliError::Failed(format!("a replica was not ready after {READY_WITHIN:?}")))
    }

    /// How it ended and what it said last, if it ended on its own.
    fn last_words(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten().filter(|_| !self.killed)?;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let words: Vec<_> = self.said.try_iter().chain(log.lines().map(str::to_owned)).collect();
        Some(format!("{status} {}", words.join(" ")))
    }

    /// Reaps it.
    fn end(&mut self) {
        // Waiting fails only for a process that was waited for.
        let _ = self.child.wait();
    }
}

/// The first line of a replica is that it is ready, or why it is not.
fn ready(line: &str) -> Result<(), CliError> {
    let said: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    match said["error"].as_str() {
        None if said["event"] == "ready" => Ok(()),
        None => Err(CliError::Failed(format!("a replica did not say that it is ready: {line}"))),
        Some(why) => Err(CliError::Failed(why.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_refuses_is_quoted() {
        assert!(ready(r#"{"event":"ready","replica":0}"#).is_ok());
        assert_eq!(ready(r#"{"error":"no space"}"#).expect_err("refused").to_string(), "no space");
        assert!(ready("what?").is_err());
    }
}
