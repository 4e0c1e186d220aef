//! The preflight, where there are devices.

use crate::lab::devices;
use paxon_rdma::doctor::{Problem, Report, SelfTest};

#[test]
fn a_host_with_devices_can_be_used() {
    let report = Report::of_host(1 << 20);
    println!("{report}");
    assert_eq!(report.devices.len(), devices().len());
    let (device, _) = report.usable().expect("a device that can be used");
    assert_eq!(device.name(), report.devices[0].name);
    assert!(report.devices.iter().all(|device| device.problems.is_empty()), "{report}");
}

#[test]
fn more_memory_than_may_be_locked_is_said() {
    let report = Report::of_host(1 << 40);
    let is_limited = report.memlock_bytes.is_some();
    let is_said =
        report.problems.iter().any(|problem| matches!(problem, Problem::Memlock { needed: 0x100_0000_0000, .. }));
    assert_eq!(is_said, is_limited);
    assert!(report.usable().is_some(), "it is a warning");
}

#[test]
fn the_self_test_passes() {
    let test = SelfTest::run(&devices()[0], 2_000).expect("a self-test");
    println!("{test}");
    assert!(test.is_passed() && test.looks > 0 && test.rounds == 2_000);
}
