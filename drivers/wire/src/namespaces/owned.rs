//! The namespaces of this process: named after it, so that those of a dead process are known as left over.

use super::NamespaceError;
use super::command::run;
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Where `ip` keeps the names.
const FOLDER: &str = "/run/netns";
/// Names are `paxon-<pid>-<set>-<number>`.
const PREFIX: &str = "paxon";
/// More would not fit into the last byte of their addresses.
const COUNT_MAX: usize = 250;

/// Namespaces that are removed on drop, with all processes in them.
#[derive(Debug)]
pub(super) struct Owned {
    names: Vec<String>,
}

impl Owned {
    /// Makes `count` namespaces, after removing those of dead processes.
    pub(super) fn create(count: usize) -> Result<Self, NamespaceError> {
        static SETS: AtomicU32 = AtomicU32::new(0);
        assert!(count <= COUNT_MAX, "{count} namespaces; at most {COUNT_MAX} have addresses");
        remove_left_over()?;
        let set = format!("{PREFIX}-{}-{}", std::process::id(), SETS.fetch_add(1, Relaxed));
        let mut owned = Self { names: Vec::new() };
        for number in 0..count {
            let name = format!("{set}-{number}");
            run("ip", &["netns", "add", &name], "").map_err(not_permitted)?;
            owned.names.push(name);
        }
        Ok(owned)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| remove(name));
    }
}

/// The file that stands for a namespace.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// A namespace that cannot be added is one that this user or machine may not have.
fn not_permitted(error: NamespaceError) -> NamespaceError {
    match error {
        NamespaceError::Command { .. } => NamespaceError::Unavailable(format!("{error}; CAP_SYS_ADMIN is needed")),
        other => other,
    }
}

fn remove_left_over() -> Result<(), NamespaceError> {
    let list = run("ip", &["netns", "list"], "").map_err(not_permitted)?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let is_left_over = |name: &&str| owner(name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
    names.filter(is_left_over).for_each(remove);
    Ok(())
}

/// The process that a name is of, if it is one of ours.
fn owner(name: &str) -> Option<u32> {
    let mut parts = name.split('-');
    let [prefix, pid, set, number] = std::array::from_fn(|_| parts.next());
    let is_ours = prefix == Some(PREFIX) && parts.next().is_none();
    let _: (u32, u32) = (set?.parse().ok()?, number?.parse().ok()?);
    pid?.parse().ok().filter(|_| is_ours)
}

/// Ends every process of a namespace and removes it. A failure leaves it to the next start: another process may be removing
/// it just now.
fn remove(name: &str) {
    let pids = run("ip", &["netns", "pids", name], "").unwrap_or_default();
    let pids = pids.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?));
    for pid in pids.filter(|pid| *pid != getpid()) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = run("ip", &["netns", "delete", name], "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_making_have_an_owner() {
        assert_eq!(owner("paxon-123-0-2"), Some(123));
        for other in ["paxon-123-0", "paxon-123-0-2-x", "paxon-x-0-2", "vpn-123-0-2", "paxon", "", "paxon--1-0-2"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
