//! Namespaces on a wire: a TAP device in each.

use super::command::ip_lines;
use super::{NamespaceError, address, enter, mac, mac_text, switch_ipv6_off};
use crate::{Port, Wire};
use std::io::{self, ErrorKind};

/// The interface in every namespace.
const INTERFACE: &str = "wire";
/// Frames that the kernel holds for the wire's thread; what a burst loses here is not counted by anybody.
const QUEUE_FRAMES: usize = 5000;

/// Hangs the namespaces on a new wire: the port of each has its number.
pub(super) fn join(names: &[String], seed: u64) -> Result<Wire, NamespaceError> {
    let ports = names.iter().map(|name| tap(name)).collect::<Result<Vec<_>, _>>()?;
    for (namespace, name) in names.iter().enumerate() {
        ip_lines(name, &interface(namespace, names.len()))?;
    }
    let wire = Wire::start(ports, seed)?;
    (0..names.len()).for_each(|namespace| wire.introduce(mac(namespace, 0), namespace));
    Ok(wire)
}

fn tap(name: &str) -> Result<Port, NamespaceError> {
    let made = enter(name, || {
        switch_ipv6_off();
        Port::tap(INTERFACE)
    })?;
    made.map_err(|source| if is_unavailable(&source) { no_tap(&source) } else { refused(name, source) })
}

/// Whether TAP devices are missing or forbidden as such.
fn is_unavailable(error: &io::Error) -> bool {
    let missing = [libc::ENODEV, libc::ENXIO].map(Some).contains(&error.raw_os_error());
    missing || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
}

fn no_tap(error: &io::Error) -> NamespaceError {
    NamespaceError::Unavailable(format!("no TAP device through /dev/net/tun: {error}; CAP_NET_ADMIN is needed"))
}

fn refused(name: &str, source: io::Error) -> NamespaceError {
    NamespaceError::Tap { name: name.to_owned(), source }
}

/// The lines of `ip` that bring a namespace's interface up.
fn interface(namespace: usize, count: usize) -> Vec<String> {
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link set {INTERFACE} address {} txqueuelen {QUEUE_FRAMES}", mac_text(mac(namespace, 0))),
        format!("address add {}/24 dev {INTERFACE}", address(namespace)),
        format!("link set {INTERFACE} up"),
    ];
    let peers = (0..count).filter(|&peer| peer != namespace);
    lines.extend(peers.map(|peer| {
        let (address, mac) = (address(peer), mac_text(mac(peer, 0)));
        format!("neighbour replace {address} lladdr {mac} dev {INTERFACE} nud permanent")
    }));
    lines
}
