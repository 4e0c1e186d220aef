//! Global identifiers: how a port of an RDMA network is addressed.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of a port. On Ethernet (RoCE) it is an IPv6 address or an IPv4 address mapped into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gid(pub [u8; 16]);

impl Gid {
    /// The IP address that a RoCE port carries.
    pub fn ip(self) -> IpAddr {
        let v6 = Ipv6Addr::from(self.0);
        v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
    }

    /// Whether an entry of the table is empty.
    pub const fn is_zero(self) -> bool {
        u128::from_ne_bytes(self.0) == 0
    }

    /// Whether it is an address of one link only (`fe80::/10`).
    pub const fn is_link_local(self) -> bool {
        self.0[0] == 0xfe && self.0[1] & 0xc0 == 0x80
    }
}

impl From<IpAddr> for Gid {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

impl From<Ipv4Addr> for Gid {
    fn from(address: Ipv4Addr) -> Self {
        Self(address.to_ipv6_mapped().octets())
    }
}

impl Display for Gid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.ip(), f)
    }
}

/// Which packets carry the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GidKind {
    /// InfiniBand.
    InfiniBand,
    /// Ethernet frames of a type of their own: one link only.
    RoceV1,
    /// UDP datagrams to port 4791: routable.
    RoceV2,
    /// One that this crate does not know, by its number.
    Unknown(u32),
}

/// An entry of a port's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    /// Its place in the table. It changes when addresses come and go, so it is looked up by value when it is needed.
    pub index: u8,
    /// The address.
    pub gid: Gid,
    /// Which packets carry it.
    pub kind: GidKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_come_back_as_they_were() {
        for text in ["10.0.0.1", "fd00::7", "fe80::ff:fe00:1"] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(Gid::from(address).ip(), address);
            assert_eq!(Gid::from(address).to_string(), text);
        }
    }

    #[test]
    fn link_local_and_empty_entries_are_told_apart() {
        let gid = |text: &str| Gid::from(text.parse::<IpAddr>().expect("an address"));
        assert!(gid("fe80::1").is_link_local() && gid("febf::1").is_link_local());
        assert!(!gid("fec0::1").is_link_local() && !gid("10.0.0.1").is_link_local());
        assert!(gid("::").is_zero() && !gid("::1").is_zero());
    }
}
