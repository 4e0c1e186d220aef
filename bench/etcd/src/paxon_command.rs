//! Paxon at its leader as a contender: `paxon bench latency`, run as a child process for each block.
//!
//! What it measures lies between the proposal and its application at the leader, by a thread of the leader's process: the
//! work of a service that embeds Paxon. No client and no request over a socket is part of it.

use crate::contender::{BlockError, Contender, Latencies, PAYLOAD_BYTES};
use crate::tethered::Tethered;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How the command is built.
pub const BUILD: &str = "cargo build --release --bin paxon";
/// Members of its cluster.
const REPLICAS: usize = 3;
/// Longest that a block may take.
const BLOCK_LIMIT: Duration = Duration::from_secs(1200);
/// Bytes of its complaint that an error repeats.
const COMPLAINT_BYTES: usize = 2000;

/// Why the command measured nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such program.
    #[error("there is no {}; build it with `{BUILD}` or name another with --paxon", .0.display())]
    NotBuilt(PathBuf),
    /// A file or a process could not be made.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It failed.
    #[error("`{command}` failed ({status}): {said}")]
    Failed {
        /// What was started.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        said: String,
    },
    /// Too slow.
    #[error("`{command}` did not end within {limit:?}")]
    TimedOut {
        /// What was started.
        command: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It printed something else than a report.
    #[error("`{command}` printed no report")]
    NoReport {
        /// What was started.
        command: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It measured something else.
    #[error("`{command}` measured {found}, not {wanted}")]
    OtherWork {
        /// What was started.
        command: String,
        /// What it says that it measured.
        found: String,
        /// What it should have measured.
        wanted: String,
    },
}

impl CommandError {
    /// For `map_err`: a system call failed while doing `what`.
    const fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// What of its report is used.
#[derive(Debug, Deserialize)]
struct Report {
    fabric: String,
    replicas: usize,
    payload: usize,
    batch: usize,
    #[serde(flatten)]
    latencies: Latencies,
    ops_per_s: f64,
}

impl Report {
    fn work(&self) -> String {
        let Self { fabric, replicas, payload, batch, .. } = self;
        work(fabric, *replicas, *payload, *batch)
    }
}

fn work(fabric: &str, replicas: usize, payload: usize, batch: usize) -> String {
    format!("{replicas} replicas over {fabric}, {payload} bytes, batches of {batch}")
}

/// The command and how it is called.
#[derive(Debug)]
pub struct PaxonCommand {
    program: PathBuf,
    /// As `--fabric` takes it.
    fabric: String,
    /// What is passed on beside that.
    options: Vec<OsString>,
    /// Private, on tmpfs: its memory and what it prints.
    folder: PathBuf,
}

impl PaxonCommand {
    /// The command at `program`, which keeps its memory and what it prints in `folder`.
    ///
    /// # Errors
    /// [`CommandError::NotBuilt`] if no file is there.
    pub fn new(program: PathBuf, fabric: &str, options: &[OsString], folder: &Path) -> Result<Self, CommandError> {
        if !program.is_file() {
            return Err(CommandError::NotBuilt(program));
        }
        Ok(Self { program, fabric: fabric.to_owned(), options: options.to_vec(), folder: folder.to_owned() })
    }

    /// The program that lies beside the one that runs.
    ///
    /// # Errors
    /// [`CommandError::System`] if the system does not say where that is.
    pub fn beside_this() -> Result<PathBuf, CommandError> {
        let this = std::env::current_exe().map_err(CommandError::system("find this program"))?;
        Ok(this.with_file_name("paxon"))
    }

    /// Its version, as it names it.
    ///
    /// # Errors
    /// [`CommandError::System`] if it does not run.
    pub fn version(&self) -> Result<String, CommandError> {
        let output = Command::new(&self.program).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(CommandError::system("ask paxon for its version"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.trim().strip_prefix("paxon ").unwrap_or(said.trim()).to_owned())
    }

    fn measure(&self, samples: u64, outstanding: usize) -> Result<Report, CommandError> {
        let replicas = REPLICAS.to_string();
        let words = ["latency", "--replicas", &replicas, "--outstanding", &outstanding.to_string()];
        let (text, name) = self.bench(&words, samples, &self.options)?;
        self.read(&text, &name)
    }

    /// What `paxon bench` prints for these words, and how it was called.
    pub(crate) fn bench(
        &self,
        words: &[&str],
        samples: u64,
        options: &[OsString],
    ) -> Result<(String, String), CommandError> {
        let mut command = Tethered::command(&self.program);
        command.args(["--json", "bench"]).args(words).args(["--fabric", &self.fabric]);
        command.args(["--payload", &PAYLOAD_BYTES.to_string(), "--samples", &samples.to_string()]);
        command.arg("--dir").arg(&self.folder).args(options);
        let name = shown(&command);
        let [stdout, stderr] = ["paxon.out", "paxon.err"].map(|name| self.folder.join(name));
        self.run(command, &name, [&stdout, &stderr])?;
        let text = fs::read_to_string(stdout).map_err(CommandError::system("read what paxon printed"))?;
        Ok((text.trim().to_owned(), name))
    }

    /// As `--fabric` takes it.
    pub(crate) fn fabric(&self) -> &str {
        &self.fabric
    }

    /// Runs it to its end with its output in files, which unlike pipes never fill up.
    fn run(&self, mut command: Command, name: &str, [stdout, stderr]: [&Path; 2]) -> Result<(), CommandError> {
        let create =
            |path: &Path| File::create(path).map_err(CommandError::system("make a file for the output of paxon"));
        command.stdout(create(stdout)?).stderr(create(stderr)?);
        let mut child = Tethered::spawn(&mut command).map_err(CommandError::system("start paxon"))?;
        let ended = child.wait(BLOCK_LIMIT).map_err(CommandError::system("wait for paxon"))?;
        let command = name.to_owned();
        let status = ended.ok_or_else(|| CommandError::TimedOut { command: command.clone(), limit: BLOCK_LIMIT })?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read(stderr).unwrap_or_default();
        let said = String::from_utf8_lossy(&said[said.len().saturating_sub(COMPLAINT_BYTES)..]).trim().to_owned();
        Err(CommandError::Failed { command, status, said })
    }

    fn read(&self, text: &str, name: &str) -> Result<Report, CommandError> {
        let no_report = |source| CommandError::NoReport { command: name.to_owned(), source };
        let report: Report = serde_json::from_str(text).map_err(no_report)?;
        let (found, wanted) = (report.work(), work(&self.fabric, REPLICAS, PAYLOAD_BYTES, 1));
        if found != wanted {
            return Err(CommandError::OtherWork { command: name.to_owned(), found, wanted });
        }
        Ok(report)
    }
}

impl Contender for PaxonCommand {
    fn name(&self) -> String {
        format!("Paxon ({}), at the leader", self.fabric)
    }

    fn one_at_a_time(&mut self, operations: u64) -> Result<Latencies, BlockError> {
        Ok(self.measure(operations, 1)?.latencies)
    }

    /// Groups of `width` single-command records that are proposed together and behind one check; the next group follows the
    /// last record of the one before.
    fn outstanding(&mut self, width: usize, operations: u64) -> Result<f64, BlockError> {
        Ok(self.measure(operations.div_ceil(width.max(1) as u64), width)?.ops_per_s)
    }
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const REPORT: &str = r#"{"fabric":"tcp","replicas":3,"payload":64,"batch":1,"outstanding":1,"p50_ns":10,"p99_ns":20,
        "p999_ns":30,"max_ns":40,"samples":7,"ops_per_s":5000.5,"floor":{"p50_ns":1}}"#;

    /// A `paxon` that is a script. A shell writes it: a file that this process has open for writing, be it in the child of
    /// another test that has not begun its program yet, could not be run.
    fn script(folder: &TempDir, body: &str) -> PaxonCommand {
        let program = folder.path().join("paxon");
        let text = format!("#!/bin/sh\n{body}\n");
        let write = ["-c", "printf %s \"$1\" > \"$0\" && chmod 700 \"$0\""];
        let written = Command::new("sh").args(write).arg(&program).arg(text).status().expect("there is a shell");
        assert!(written.success());
        PaxonCommand::new(program, "tcp", &["--plaintext".into()], folder.path()).expect("it is there")
    }

    fn folder() -> TempDir {
        tempfile::tempdir().expect("there is a folder for temporary files")
    }

    #[test]
    fn the_report_of_the_command_becomes_latencies_and_a_rate() {
        let folder = folder();
        let mut paxon =
            script(&folder, &format!("echo \"$@\" > {}/args\ncat <<'E'\n{REPORT}\nE", folder.path().display()));
        let latencies = paxon.one_at_a_time(7).expect("it reports");
        let expected = Latencies { p50_ns: 10, p99_ns: 20, p999_ns: 30, max_ns: 40, samples: 7 };
        assert_eq!(latencies, expected);
        assert_eq!(paxon.outstanding(64, 130).expect("it reports"), 5000.5);
        let args = fs::read_to_string(folder.path().join("args")).expect("it was written");
        let words = "bench latency --replicas 3 --outstanding 64 --fabric tcp --payload 64 --samples 3";
        assert!(args.contains(words), "{args}");
        assert!(args.trim().ends_with("--plaintext"), "{args}");
    }

    #[test]
    fn another_work_than_asked_for_is_refused() {
        let folder = folder();
        let paxon = script(&folder, "");
        let other = REPORT.replace("\"tcp\"", "\"shm\"").replace("\"payload\":64", "\"payload\":8");
        let error = paxon.read(&other, "paxon bench").expect_err("it is other work").to_string();
        assert!(error.contains("over shm, 8 bytes") && error.contains("not 3 replicas over tcp, 64 bytes"), "{error}");
        assert!(matches!(paxon.read("{}", "paxon bench"), Err(CommandError::NoReport { .. })));
    }

    #[test]
    fn a_failure_repeats_what_the_command_said() {
        let folder = folder();
        let mut paxon = script(&folder, "echo no such fabric >&2; exit 2");
        let error = paxon.one_at_a_time(1).expect_err("it fails").to_string();
        assert!(error.contains("bench latency") && error.contains("no such fabric") && error.contains('2'), "{error}");
    }

    #[test]
    fn a_command_that_was_not_built_says_how_to_build_it() {
        let error =
            PaxonCommand::new("/nowhere/paxon".into(), "tcp", &[], Path::new("/tmp")).expect_err("it is nowhere");
        assert!(error.to_string().contains(BUILD), "{error}");
    }
}
