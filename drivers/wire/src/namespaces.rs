//! Network namespaces for tests: made, joined by a wire, impaired at run time, removed on drop.

mod command;
mod error;
mod mesh;
mod owned;
mod tapped;

use crate::frame::Mac;
use crate::{Impairment, Wire};
use mesh::Mesh;
use owned::Owned;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::Command;
use std::{io, panic, thread};

pub use error::NamespaceError;

/// First three bytes of all addresses. They are seen inside the namespaces only, where there is no other network that they
/// could collide with.
const NETWORK: [u8; 3] = [10, 86, 0];

/// What joins the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Each namespace has a TAP device on one [`Wire`]. Every impairment works on every kernel with TAP.
    Wire {
        /// Chance follows from it.
        seed: u64,
    },
    /// A veth pair between any two namespaces, so that the kernel carries the packets. Impairments are `netem`'s where the
    /// kernel has it; else nftables loses packets at the receiver's side, and only loss and cuts are supported.
    ///
    /// With `netem` jitter reorders, and the reordered packets are those that skip the delay, of which there is at least a
    /// millisecond then.
    Veth,
}

/// Network namespaces of this process. They and all processes in them end when this is dropped; what a killed test process
/// leaves behind is removed by the next one.
#[derive(Debug)]
pub struct Namespaces {
    // Dropped before the namespaces are.
    joint: Joint,
    owned: Owned,
}

#[derive(Debug)]
enum Joint {
    Wire(Wire),
    Mesh(Mesh),
}

impl Namespaces {
    /// Makes `count` namespaces that all reach each other, at [`Self::address`]. Neighbours are entered by hand, so that a
    /// slow or lossy wire does not stop address resolution; IPv6 is off, so that nothing is on the wire but the test's own
    /// packets.
    ///
    /// # Errors
    /// [`NamespaceError::Unavailable`] where the machine or the privileges do not allow it; anything else is a defect.
    pub fn new(count: usize, links: Links) -> Result<Self, NamespaceError> {
        let owned = Owned::create(count)?;
        let joint = match links {
            Links::Wire { seed } => Joint::Wire(tapped::join(owned.names(), seed)?),
            Links::Veth => Joint::Mesh(Mesh::join(owned.names())?),
        };
        Ok(Self { joint, owned })
    }

    /// As [`Self::new`], for a test that cannot run without: `None`, said on the standard error even where output of tests is
    /// captured, if namespaces are unavailable.
    ///
    /// # Panics
    /// If they are available and cannot be made all the same.
    #[track_caller]
    pub fn or_skip(test: &str, count: usize, links: Links) -> Option<Self> {
        match Self::new(count, links) {
            Ok(namespaces) => Some(namespaces),
            Err(error @ NamespaceError::Unavailable(_)) => {
                say_skipped(test, &error);
                None
            }
            Err(error) => panic!("{test}: {error}"),
        }
    }

    /// The number of namespaces.
    pub fn count(&self) -> usize {
        self.owned.names().len()
    }

    /// The name of a namespace, as `ip netns` takes it.
    pub fn name(&self, namespace: usize) -> &str {
        &self.owned.names()[namespace]
    }

    /// The address of a namespace, from 0.
    pub fn address(&self, namespace: usize) -> Ipv4Addr {
        assert!(namespace < self.count(), "no namespace {namespace}: there are {}", self.count());
        address(namespace)
    }

    /// A command that runs in a namespace; the process that is started is the program itself.
    pub fn command(&self, namespace: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name(namespace), program]);
        command
    }

    /// Runs `work` on a thread in the namespace. Sockets made there stay there, also when they are used elsewhere.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    ///
    /// # Panics
    /// If `work` does.
    pub fn enter<T: Send>(&self, namespace: usize, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        enter(self.name(namespace), work)
    }

    /// Impairs what `from` sends to `to`.
    ///
    /// # Errors
    /// [`NamespaceError::Unsupported`] if links of this kind cannot do it here.
    ///
    /// # Panics
    /// If there is no such pair, or if the impairment asks for a share beyond 0 to 1.
    #[track_caller]
    pub fn impair(&self, from: usize, to: usize, impairment: &Impairment) -> Result<(), NamespaceError> {
        match &self.joint {
            Joint::Wire(wire) => {
                wire.impair(from, to, impairment);
                Ok(())
            }
            Joint::Mesh(mesh) => mesh.impair(self.owned.names(), (from, to), impairment),
        }
    }

    /// Impairs both directions between two namespaces.
    ///
    /// # Errors
    /// As [`Self::impair`].
    #[track_caller]
    pub fn impair_both(&self, a: usize, b: usize, impairment: &Impairment) -> Result<(), NamespaceError> {
        self.impair(a, b, impairment)?;
        self.impair(b, a, impairment)
    }

    /// Impairs all directions.
    ///
    /// # Errors
    /// As [`Self::impair`].
    #[track_caller]
    pub fn impair_all(&self, impairment: &Impairment) -> Result<(), NamespaceError> {
        pairs(self.count()).try_for_each(|(from, to)| self.impair(from, to, impairment))
    }

    /// Makes all directions perfect again.
    ///
    /// # Errors
    /// If a command fails; links by wire never do.
    pub fn heal(&self) -> Result<(), NamespaceError> {
        match &self.joint {
            Joint::Wire(wire) => {
                wire.heal();
                Ok(())
            }
            Joint::Mesh(mesh) => mesh.heal(self.owned.names()),
        }
    }

    /// The wire with its counters, if these are links by wire.
    pub const fn wire(&self) -> Option<&Wire> {
        match &self.joint {
            Joint::Wire(wire) => Some(wire),
            Joint::Mesh(_) => None,
        }
    }
}

/// The directed pairs among `count`.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to)
}

fn address(namespace: usize) -> Ipv4Addr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, namespace as u8 + 1)
}

/// The station at `namespace`'s interface that faces `peer`; locally administered.
const fn mac(namespace: usize, peer: usize) -> Mac {
    [2, 0, 0, 0, peer as u8, namespace as u8 + 1]
}

/// A station as `ip` wants it.
fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Runs `work` on a thread of its own in the named namespace.
fn enter<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    let inside = || {
        join_namespace(name).map_err(|source| NamespaceError::Enter { name: name.to_owned(), source })?;
        Ok(work())
    };
    let ended = thread::scope(|scope| scope.spawn(inside).join());
    ended.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

/// Moves the calling thread.
fn join_namespace(name: &str) -> io::Result<()> {
    let file = File::open(owned::path(name))?;
    Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Keeps the kernel's own packets off interfaces that come up later in the calling thread's namespace.
fn switch_ipv6_off() {
    for scope in ["all", "default"] {
        // A kernel without IPv6 has no such file, and nothing to switch off.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
    }
}

/// Not by the printing macros: the test harness captures those.
fn say_skipped(test: &str, reason: &dyn Display) {
    // Without a standard error nobody could be told.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {reason}");
}
