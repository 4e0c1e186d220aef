//! A process that ends with the one that started it.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at whether a process has ended; rare enough to disturb nothing that is being measured.
const LOOK: Duration = Duration::from_millis(5);

/// Has the kernel kill the process when the thread that started it is gone, also by SIGKILL; part of util-linux.
const TETHER: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

/// A child process, killed and reaped on drop.
///
/// Where `setpriv` is installed the kernel kills it also when the thread that started it ends without dropping this, so keep
/// that thread alive as long as the child is needed.
#[derive(Debug)]
pub struct Tethered(Child);

impl Tethered {
    /// A command whose child will be tethered where the machine can; its standard input is empty and it inherits no
    /// environment but the search path, so that no setting of the user's changes what is measured.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = if can_tether() {
            let mut command = Command::new(TETHER[0]);
            command.args(&TETHER[1..]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().stdin(Stdio::null());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// Starts a command.
    ///
    /// # Errors
    /// What the system says.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Its process identity.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Waits for its end; `None` if that does not come within `limit`.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() > deadline {
                return Ok(ended);
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nobody to kill, and waiting only returns how it ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn can_tether() -> bool {
    let mut probe = Command::new(TETHER[0]);
    probe.args(&TETHER[1..]).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_ends_tells_how_and_one_that_does_not_is_killed_on_drop() {
        let mut short = Tethered::spawn(&mut Tethered::command("false")).expect("it starts");
        let status = short.wait(Duration::from_secs(10)).expect("it is our child").expect("it ends");
        assert_eq!(status.code(), Some(1));
        let mut long = Tethered::spawn(Tethered::command("sleep").arg("1000")).expect("it starts");
        assert_eq!(long.wait(Duration::ZERO).expect("it is our child"), None);
        let began = Instant::now();
        drop(long);
        assert!(began.elapsed() < Duration::from_secs(100), "it was waited for, not killed");
    }

    /// What the kernel says about a process: its name in brackets, then the letter of its state.
    fn stat(process: u32) -> String {
        std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it was not reaped")
    }

    fn until(deadline: Instant, what: &str, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_child_is_killed_when_its_starter_ends_without_a_word() {
        if !can_tether() {
            eprintln!("SKIPPED, not tested on this machine: tethered children: there is no setpriv");
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        let starter = thread::spawn(move || {
            let child = Tethered::spawn(Tethered::command("sleep").arg("1000")).expect("it starts");
            let process = child.id();
            std::mem::forget(child);
            // Tethered by now: the program has taken the place of what ties it.
            until(deadline, "the program never began", || stat(process).contains("(sleep)"));
            process
        });
        let process = starter.join().expect("it does not panic");
        until(deadline, "the child outlives its starter", || stat(process).contains(") Z "));
    }
}
