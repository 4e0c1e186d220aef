//! A command that runs itself in the SoftRoCE machine: RDMA for hosts that have no device for it.
//!
//! The machine's scripts are part of this program. They are unpacked beside the machine's own files, once for each version.

use crate::cli::error::CliError;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};
use xxhash_rust::xxh3::xxh3_64;

/// The scripts, where they lie relative to each other.
const SCRIPTS: [(&str, &str); 3] = [
    ("softroce-vm", include_str!("../../drivers/rdma/softroce-vm")),
    ("softroce/image.sh", include_str!("../../drivers/rdma/softroce/image.sh")),
    ("softroce/guest-init.sh", include_str!("../../drivers/rdma/softroce/guest-init.sh")),
];
/// What emulates the machine, and the package that has it.
const QEMU: &str = "qemu-system-x86_64";
const QEMU_PACKAGE: &str = "qemu-system-x86";
/// The argument that is for the host.
const SOFTROCE: &str = "--softroce";
/// Tells the command in the machine that its devices are emulated.
const EMULATED: &str = "--emulated";
/// Where the host keeps the machine's kernel and files, unless a variable says otherwise.
const CACHE: &str = "paxon/softroce";

/// Whether a command runs in the machine, or is in it already.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct SoftroceArgs {
    /// Run all of it in a virtual machine with SoftRoCE devices: needs QEMU, but no RDMA device, root or KVM
    #[arg(long, conflicts_with = "dir")]
    pub softroce: bool,
    /// Runs in the machine: times are those of an emulator
    #[arg(long, hide = true)]
    pub emulated: bool,
}

/// What the machine is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// RDMA devices.
    pub devices: usize,
    /// After so many seconds it is ended.
    pub seconds: u64,
}

impl Machine {
    /// Runs this very command in a fresh machine; what it prints there is printed here.
    ///
    /// # Errors
    /// [`CliError::Failed`] if there is no machine to be had, and how; else the exit status of the command, as
    /// [`CliError::Reported`].
    pub fn run_this_command(self) -> Result<(), CliError> {
        need_qemu()?;
        let script = unpack().map_err(|error| CliError::failed("cannot unpack the scripts of the machine", &error))?;
        let program = env::current_exe().map_err(|error| CliError::failed("this program cannot be found", &error))?;
        let mut command = Command::new(script);
        command.args(["run", "--devices", &self.devices.to_string(), "--timeout", &self.seconds.to_string(), "--"]);
        command.arg(program).args(inner_arguments(env::args_os().skip(1))).stdin(Stdio::null());
        let status = command.status().map_err(|error| CliError::failed("the machine cannot be started", &error))?;
        match status.code() {
            Some(0) => Ok(()),
            code => Err(CliError::Reported(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        }
    }
}

/// The arguments of the same command for the inside of the machine.
fn inner_arguments(outer: impl Iterator<Item = OsString>) -> Vec<OsString> {
    outer.map(|argument| if argument == SOFTROCE { EMULATED.into() } else { argument }).collect()
}

fn need_qemu() -> Result<(), CliError> {
    let is_there = |folder: PathBuf| folder.join(QEMU).is_file();
    if env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(is_there)) {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "{SOFTROCE}: no {QEMU} on this host: apt-get install --no-install-recommends {QEMU_PACKAGE}"
    )))
}

/// Puts the scripts where they are kept, and returns the one to run.
fn unpack() -> io::Result<PathBuf> {
    let all: String = SCRIPTS.iter().map(|(_, text)| *text).collect();
    let folder = cache()?.join(format!("scripts-{:016x}", xxh3_64(all.as_bytes())));
    DirBuilder::new().recursive(true).mode(0o700).create(folder.join("softroce"))?;
    for (name, text) in SCRIPTS {
        write_script(&folder.join(name), text)?;
    }
    Ok(folder.join(SCRIPTS[0].0))
}

/// Writes a script unless it is there; another process may do the same at the same time.
fn write_script(file: &Path, text: &str) -> io::Result<()> {
    if fs::read(file).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let fresh = file.with_extension(format!("{}.new", std::process::id()));
    let mut script = OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&fresh)?;
    script.write_all(text.as_bytes())?;
    drop(script);
    fs::rename(fresh, file)
}

/// The folder of the machine's files, as its script finds it.
fn cache() -> io::Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let under = |base: OsString, rest: &str| Path::new(&base).join(OsStr::new(rest));
    set("SOFTROCE_CACHE")
        .map(PathBuf::from)
        .or_else(|| set("XDG_CACHE_HOME").map(|base| under(base, CACHE)))
        .or_else(|| set("HOME").map(|base| under(base, &format!(".cache/{CACHE}"))))
        .ok_or_else(|| io::Error::other("neither SOFTROCE_CACHE, XDG_CACHE_HOME nor HOME is set"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_inside_knows_that_it_is() {
        let outer = ["--json", "demo", "--softroce", "-n", "100"].map(OsString::from);
        assert_eq!(inner_arguments(outer.into_iter()), ["--json", "demo", "--emulated", "-n", "100"]);
    }

    #[test]
    fn each_script_that_another_one_calls_is_there() {
        let [(_, machine), (_, image), _] = SCRIPTS;
        assert!(machine.contains("softroce/image.sh") && image.contains("guest-init.sh"));
    }
}
