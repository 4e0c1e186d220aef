//! A port of a device: its state and its addresses.

use crate::ffi;
use crate::{Gid, GidEntry, GidKind};

/// The layer below: how ports are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkLayer {
    /// Addressed by LID, or by GID across subnets.
    InfiniBand,
    /// RoCE: addressed by GID.
    Ethernet,
    /// One that this crate does not know, by its number.
    Unknown(u8),
}

/// Payload bytes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mtu {
    /// 256 bytes.
    Bytes256,
    /// 512 bytes.
    Bytes512,
    /// 1024 bytes.
    Bytes1024,
    /// 2048 bytes.
    Bytes2048,
    /// 4096 bytes.
    Bytes4096,
}

impl Mtu {
    const CODES: [(Self, u32); 5] = [
        (Self::Bytes256, ffi::MTU_256),
        (Self::Bytes512, ffi::MTU_512),
        (Self::Bytes1024, ffi::MTU_1024),
        (Self::Bytes2048, ffi::MTU_2048),
        (Self::Bytes4096, ffi::MTU_4096),
    ];

    /// The number that stands for it in the interface and in a peer's claim.
    pub const fn code(self) -> u32 {
        Self::CODES[self as usize].1
    }

    /// What a number stands for.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::CODES.into_iter().find(|entry| entry.1 == code).map(|entry| entry.0)
    }

    /// Its size.
    pub const fn bytes(self) -> usize {
        256 << self as usize
    }
}

/// A port of a device, as it was when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number on the device, from 1.
    pub number: u8,
    /// Whether packets pass.
    pub is_active: bool,
    /// The layer below.
    pub link_layer: LinkLayer,
    /// Largest packets now.
    pub mtu: Mtu,
    /// Its address in an InfiniBand subnet; 0 on Ethernet.
    pub lid: u16,
    /// Its addresses, without the empty entries of the table.
    pub gids: Vec<GidEntry>,
}

/// Where a queue pair sends from, or to. A peer's is a claim: whoever is there answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// RoCE, or InfiniBand across subnets.
    Gid(Gid),
    /// InfiniBand within a subnet.
    Lid(u16),
}

impl Port {
    /// The address to use when none was configured: a routable one before one of this link only, RoCE v2 before v1, IPv4
    /// before IPv6 (as the addresses of a cluster are usually written); on InfiniBand the LID.
    pub fn preferred_address(&self) -> Option<Address> {
        if self.link_layer == LinkLayer::InfiniBand && self.lid != 0 {
            return Some(Address::Lid(self.lid));
        }
        let rank = |entry: &&GidEntry| {
            (entry.gid.is_link_local(), entry.kind != GidKind::RoceV2, entry.gid.ip().is_ipv6(), entry.index)
        };
        self.gids.iter().min_by_key(rank).map(|entry| Address::Gid(entry.gid))
    }

    /// The entry of `gid`; of several, that of RoCE v2.
    pub fn find(&self, gid: Gid) -> Option<&GidEntry> {
        let entries = self.gids.iter().filter(|entry| entry.gid == gid);
        entries.min_by_key(|entry| entry.kind != GidKind::RoceV2)
    }
}

pub(crate) const fn link_layer(number: u8) -> LinkLayer {
    match number {
        ffi::LINK_LAYER_INFINIBAND => LinkLayer::InfiniBand,
        ffi::LINK_LAYER_ETHERNET => LinkLayer::Ethernet,
        number => LinkLayer::Unknown(number),
    }
}

pub(crate) const fn gid_kind(number: u32) -> GidKind {
    match number {
        ffi::GID_TYPE_IB => GidKind::InfiniBand,
        ffi::GID_TYPE_ROCE_V1 => GidKind::RoceV1,
        ffi::GID_TYPE_ROCE_V2 => GidKind::RoceV2,
        number => GidKind::Unknown(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn entry(index: u8, address: &str, kind: GidKind) -> GidEntry {
        GidEntry { index, gid: Gid::from(address.parse::<IpAddr>().expect("an address")), kind }
    }

    fn port(gids: Vec<GidEntry>) -> Port {
        Port { number: 1, is_active: true, link_layer: LinkLayer::Ethernet, mtu: Mtu::Bytes1024, lid: 0, gids }
    }

    #[test]
    fn a_routable_address_of_version_2_is_preferred_wherever_it_stands() {
        let gids = vec![
            entry(0, "fe80::1", GidKind::RoceV1),
            entry(1, "fe80::1", GidKind::RoceV2),
            entry(2, "10.0.0.1", GidKind::RoceV1),
            entry(3, "fd00::1", GidKind::RoceV2),
            entry(4, "10.0.0.1", GidKind::RoceV2),
        ];
        let port = port(gids.clone());
        assert_eq!(port.preferred_address(), Some(Address::Gid(gids[4].gid)));
        assert_eq!(port.find(gids[2].gid), Some(&gids[4]));
        assert_eq!(port.find(gids[0].gid), Some(&gids[1]));
    }

    #[test]
    fn infiniband_is_addressed_by_lid_and_an_empty_table_by_nothing() {
        let infiniband = Port { link_layer: LinkLayer::InfiniBand, lid: 7, ..port(vec![]) };
        assert_eq!(infiniband.preferred_address(), Some(Address::Lid(7)));
        assert_eq!(port(vec![]).preferred_address(), None);
    }

    #[test]
    fn codes_of_packet_sizes_come_back_as_they_were() {
        for (mtu, code) in Mtu::CODES {
            assert_eq!((mtu.code(), Mtu::from_code(code)), (code, Some(mtu)));
        }
        assert_eq!((Mtu::from_code(0), Mtu::from_code(6)), (None, None));
        assert_eq!((Mtu::Bytes256.bytes(), Mtu::Bytes4096.bytes()), (256, 4096));
    }
}
