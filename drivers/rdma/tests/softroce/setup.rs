//! Devices, addresses and connections.

use crate::lab::{ALL, End, Pair, TIMING, devices};
use paxon_rdma::{
    Address, AtomicScope, ConnectError, Device, DeviceError, Endpoint, Gid, GidKind, LinkLayer, Mtu, QueuePairOptions,
    Source, SourceError,
};
use std::net::IpAddr;

#[test]
fn devices_say_what_they_can() {
    for device in devices() {
        let limits = device.limits();
        println!("{}: {limits:?}", device.name());
        assert_ne!(limits.atomics, AtomicScope::None);
        assert!(limits.work_requests_max >= 256 && limits.reads_out_max >= 16 && limits.reads_in_max >= 16);
        let port = device.port(1).expect("port 1");
        println!("{port:?}");
        assert!(port.is_active && port.link_layer == LinkLayer::Ethernet && port.mtu >= Mtu::Bytes1024);
        assert!(port.gids.iter().any(|entry| entry.kind == GidKind::RoceV2));
    }
}

#[test]
fn a_name_that_no_device_has_is_answered_with_those_that_there_are() {
    let error = Device::open("mlx5_42").expect_err("no such device");
    let DeviceError::Unknown { name, found } = &error else { panic!("{error:?}") };
    assert_eq!((name.as_str(), found.len()), ("mlx5_42", devices().len()));
}

#[test]
fn an_address_is_found_by_its_value() {
    let device = &devices()[0];
    let port = device.port(1).expect("port 1");
    for entry in &port.gids {
        let source = Source::find(device, Some(entry.gid)).expect("an address of the port");
        assert_eq!(source.address(), Address::Gid(entry.gid));
    }
    let foreign = Gid::from("203.0.113.9".parse::<IpAddr>().expect("an address"));
    let error = Source::find(device, Some(foreign)).expect_err("not an address of this host");
    assert!(matches!(error, SourceError::NoAddress { .. }), "{error:?}");
    assert!(error.to_string().contains("203.0.113.9"), "{error}");
}

#[test]
fn connections_work_over_each_kind_of_address() {
    let devices = devices();
    for is_v4 in [true, false] {
        let mut pair = Pair::connected();
        let of_kind = |device: &Device| {
            let port = device.port(1).expect("port 1");
            port.gids.iter().map(|entry| entry.gid).find(|gid| gid.ip().is_ipv4() == is_v4)
        };
        let (Some(here), Some(there)) = (of_kind(&devices[0]), of_kind(&devices[1])) else {
            panic!("the devices lack addresses of a kind (IPv4: {is_v4})");
        };
        let make = |end: &End, gid: Gid| {
            let source = Source::find(end.domain.device(), Some(gid)).expect("an address");
            paxon_rdma::QueuePair::create(&end.domain, &end.completions, &source, QueuePairOptions::default())
        };
        pair.a.queue_pair = make(&pair.a, here).expect("a queue pair");
        pair.b.queue_pair = make(&pair.b, there).expect("a queue pair");
        crate::lab::connect(&mut pair.a.queue_pair, &mut pair.b.queue_pair, TIMING);
        assert_eq!(pair.exchange(0, 0, 5), Ok(0), "from {here} to {there}");
    }
}

#[test]
fn claims_of_a_peer_are_checked_before_they_are_used() {
    let mut end = End::on(&devices()[0], ALL, QueuePairOptions::default());
    let good = end.queue_pair.endpoint();
    let refused = |end: &mut End, claim: Endpoint| end.queue_pair.connect(&claim, TIMING).expect_err("a bad claim");
    let number = refused(&mut end, Endpoint { queue_pair: 1 << 24, ..good });
    assert!(matches!(number, ConnectError::Claim { found: 0x100_0000, .. }), "{number:?}");
    let lid = refused(&mut end, Endpoint { address: Address::Lid(3), ..good });
    assert!(matches!(lid, ConnectError::Address { .. }), "{lid:?}");
    end.queue_pair.connect(&good, TIMING).expect("refused claims leave the queue pair as it was");
    assert!(matches!(refused(&mut end, good), ConnectError::Used(_)));
}
