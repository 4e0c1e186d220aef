//! One live process per replica id.
//!
//! The lock belongs to an open file description (`F_OFD_SETLK`): the kernel lets go of it when the process ends in
//! whatever way, two fabrics of one process exclude each other too, and others can ask whether it is held without taking
//! it for a moment (`flock` cannot, and a replica that starts in that moment would be refused for nothing).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How often a lock file may be deleted under our hands (by a removal of the cluster) before that is an error.
const ATTEMPTS: usize = 16;
/// More digits than a pid has.
const PID_TEXT_MAX: u64 = 16;

/// The lock of a replica id, held until drop.
#[derive(Debug)]
pub(crate) struct ReplicaLock {
    /// Invariant: this description holds the write lock, and its text is our pid.
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another process, or another fabric of this one, holds it; its pid, if it has been written yet.
    Held(Option<i32>),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl ReplicaLock {
    pub(crate) fn take(path: &Path) -> Result<Self, Refused> {
        for _ in 0..ATTEMPTS {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
            if !try_lock(&file)? {
                return Err(Refused::Held(pid_in(&file)));
            }
            if is_at(&file, path)? {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                return Ok(Self { file });
            }
        }
        Err(Refused::Io(io::Error::other("the lock file keeps being replaced")))
    }
}

impl Drop for ReplicaLock {
    fn drop(&mut self) {
        // Tells the peers, who are told of changes to the file but not of locks. Should it fail, they see the lock free later.
        let _ = self.file.set_len(0);
    }
}

/// The process that holds the lock at `path`; `None` if nobody does or it cannot be told.
pub fn holder(path: &Path) -> Option<i32> {
    let file = File::open(path).ok()?;
    is_locked(&file).ok()?.then(|| pid_in(&file)).flatten()
}

fn pid_in(file: &File) -> Option<i32> {
    let mut text = String::new();
    file.take(PID_TEXT_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|&pid| pid > 0)
}

/// Whether `path` still names `file`: if not, somebody may hold a lock on the file that took its place.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    let mut request = whole_file();
    match fcntl(file, libc::F_OFD_SETLK, &mut request) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        other => other.map(|()| true),
    }
}

fn is_locked(file: &File) -> io::Result<bool> {
    let mut answer = whole_file();
    fcntl(file, libc::F_OFD_GETLK, &mut answer)?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

/// A write lock on every byte; `l_pid` must be zero for locks of this kind.
const fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn fcntl(file: &File, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed; both commands used here read, and F_OFD_GETLK writes,
    // one `struct flock`, which `lock` is, exclusively borrowed.
    let status = unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) };
    if status == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
