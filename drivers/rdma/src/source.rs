//! The local side of connections: a port and one of its addresses, found by value.

use crate::device::{Device, DeviceError};
use crate::port::{Address, LinkLayer, Mtu, Port};
use crate::{Gid, GidKind};

/// Where queue pairs of this host send from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The port's number.
    pub(crate) port: u8,
    /// The address that peers send to.
    pub(crate) address: Address,
    /// The place of the address in the port's table; 0 for a LID.
    pub(crate) gid_index: u8,
    /// Largest packets.
    pub(crate) mtu: Mtu,
}

/// Why there is nothing to send from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The device could not be asked.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No port has the address.
    #[error("no active port of {device} has the address {address}; there are: {}", if found.is_empty() { "none".into() } else { list(found) })]
    NoAddress {
        /// The device.
        device: String,
        /// The address, or "(any)".
        address: String,
        /// The addresses of its active ports.
        found: Vec<Gid>,
    },
}

impl Source {
    /// The active port of `device` that has the address `gid`; without one, the first active port and its preferred address.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn find(device: &Device, gid: Option<Gid>) -> Result<Self, SourceError> {
        let mut ports = device.ports()?;
        ports.retain(|port| port.is_active);
        let source = ports.iter().find_map(|port| match gid {
            Some(gid) => Self::of(port, Address::Gid(gid)),
            None => Self::of(port, port.preferred_address()?),
        });
        source.ok_or_else(|| SourceError::NoAddress {
            device: device.name().to_owned(),
            address: gid.map_or_else(|| "(any)".to_owned(), |gid| gid.to_string()),
            found: ports.iter().flat_map(|port| &port.gids).map(|entry| entry.gid).collect(),
        })
    }

    /// `address` of `port`, if it has it.
    fn of(port: &Port, address: Address) -> Option<Self> {
        let gid_index = match address {
            Address::Gid(gid) => port.find(gid)?.index,
            Address::Lid(lid) => (port.lid == lid).then_some(0)?,
        };
        Some(Self { port: port.number, address, gid_index, mtu: port.mtu })
    }

    /// The address that peers send to.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The port's number.
    pub const fn port(&self) -> u8 {
        self.port
    }
}

impl Port {
    /// Which packets carry `address`.
    pub fn kind_of(&self, address: Address) -> Option<GidKind> {
        match address {
            Address::Gid(gid) => self.find(gid).map(|entry| entry.kind),
            Address::Lid(_) => (self.link_layer == LinkLayer::InfiniBand).then_some(GidKind::InfiniBand),
        }
    }
}

fn list(gids: &[Gid]) -> String {
    gids.iter().map(Gid::to_string).collect::<Vec<_>>().join(", ")
}
