//! A device that works.

use crate::common::{self, Software, cases, run, settle};
use paxon_fastpath::verify::{Request, Scheme, Verdict, Verifier};
use paxon_fpga::{Bus, Identity};
use paxon_fpga::{Condition, Driver, HostMemory, Model, OpenError, Settings, Shape, registers};
use paxon_region::Region;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;

fn driver(shape: Shape, settings: Settings) -> Driver<Model> {
    let mut model = Model::new(shape);
    model.decide_by(common::remembering());
    let clock = model.clock();
    Driver::open_with_clock(model, Box::new(Software::new(64)), settings, clock).expect("the model is a device")
}

#[test]
fn every_request_has_one_verdict_and_it_is_the_rules() {
    let mut rng = SmallRng::seed_from_u64(1);
    let cases = cases(&mut rng, 256);
    for shape in [Shape::compact(), Shape::zynq7020(), Shape::pair()] {
        let mut driver = driver(shape, Settings::default());
        settle(&mut driver);
        run(&mut driver, &cases, 3_000, &mut rng, |_, _| {});
        let counters = driver.counters();
        assert!(counters.by_device + counters.sampled > 2_000, "{counters:?}");
        assert!(counters.to_software > 200, "{counters:?}");
        assert_eq!((counters.faults, counters.reverified, counters.mismatches), (0, 0, 0));
        assert!(counters.doorbells < counters.to_device, "doorbells are for batches: {counters:?}");
    }
}

#[test]
fn indices_wrap_and_the_phase_goes_on() {
    let mut rng = SmallRng::seed_from_u64(2);
    let cases = cases(&mut rng, 64);
    let mut driver = driver(Shape { verify_cycles: 300, fetch_cycles: 10, ..Shape::zynq7020() }, Settings::default());
    settle(&mut driver);
    run(&mut driver, &cases, 80_000, &mut rng, |_, _| {});
    assert!(driver.counters().to_device > 1 << 16, "{:?}", driver.counters());
    assert_eq!(driver.counters().faults, 0);
}

#[test]
fn a_queue_in_host_memory_gives_the_same_verdicts() {
    let mut rng = SmallRng::seed_from_u64(3);
    let cases = cases(&mut rng, 256);
    let mut model = Model::new(Shape { verify_cycles: 2_000, ..Shape::pair() }.with_memory_port());
    model.decide_by(common::remembering());
    let region = Arc::new(Region::anonymous(8_192).expect("64 KiB"));
    model.attach(HostMemory { region, address: 0x1_0000_0000 });
    let clock = model.clock();
    let software = Box::new(Software::new(64));
    let mut driver = Driver::open_with_clock(model, software, Settings::default(), clock).expect("a device");
    settle(&mut driver);
    assert_eq!(driver.bus_mut().read(registers::QUEUE) & registers::QUEUE_HOST, registers::QUEUE_HOST);
    run(&mut driver, &cases, 5_000, &mut rng, |_, _| {});
    assert_eq!(driver.counters().faults, 0, "{:?}", driver.fault());
    // The device's own slots were never filled.
    assert!(driver.counters().to_device > 3_000);
}

#[test]
fn a_device_with_a_memory_port_whose_bus_shares_none_uses_its_own_memory() {
    let mut rng = SmallRng::seed_from_u64(4);
    let cases = cases(&mut rng, 64);
    let mut driver = driver(Shape::zynq7020().with_memory_port(), Settings::default());
    settle(&mut driver);
    run(&mut driver, &cases, 500, &mut rng, |_, _| {});
    assert_eq!((driver.bus_mut().read(registers::QUEUE) & registers::QUEUE_HOST, driver.counters().faults), (0, 0));
}

#[test]
fn a_driver_goes_on_where_the_one_before_it_left_the_device() {
    let mut rng = SmallRng::seed_from_u64(5);
    let cases = cases(&mut rng, 64);
    let mut first = driver(Shape::zynq7020(), Settings::default());
    settle(&mut first);
    let requests: Vec<_> = cases.iter().filter(|case| case.message.len() < 129).map(|case| case.request(9)).collect();
    assert!(first.submit(&requests) > 20);
    // Slots are filled and some are in flight: the next driver resets a device that is at work.
    let device = std::mem::replace(first.bus_mut(), Model::new(Shape::compact()));
    drop(first);
    let clock = device.clock();
    let software = Box::new(Software::new(64));
    let mut second = Driver::open_with_clock(device, software, Settings::default(), clock).expect("a device");
    settle(&mut second);
    assert_eq!(second.condition(), Condition::Serving);
    run(&mut second, &cases, 1_000, &mut rng, |_, _| {});
    assert_eq!(second.counters().faults, 0);
}

#[test]
fn every_verdict_can_be_compared_and_the_share_is_kept() {
    let mut rng = SmallRng::seed_from_u64(6);
    let cases = cases(&mut rng, 128);
    for (share, least, most) in [(0, 0, 0), (100, 150, 300), (1_000, 2_000, 3_000)] {
        let mut driver = driver(Shape::pair(), Settings { sample_per_mille: share, ..Settings::default() });
        settle(&mut driver);
        run(&mut driver, &cases, 3_000, &mut rng, |_, _| {});
        let sampled = driver.counters().sampled;
        assert!((least..=most).contains(&sampled), "{share} per mille: {sampled}");
    }
}

#[test]
fn what_the_device_cannot_have_goes_to_software() {
    let mut driver = driver(Shape::zynq7020(), Settings::default());
    settle(&mut driver);
    let long = common::valid(&mut SmallRng::seed_from_u64(7), 129);
    let too_long = vec![0; common::MESSAGE_BYTES_MAX + 1];
    let of = |ticket, scheme, key, message| Request { ticket, scheme, key, signature: &long.signature, message };
    let requests = [
        of(0, Scheme::Ed25519, &long.key, &long.message),
        of(1, Scheme::Ed25519, &long.key, &too_long),
        of(2, Scheme::Ed25519, &long.key[1..], &[]),
        of(3, Scheme::MlDsa44, &long.key, &[]),
    ];
    assert_eq!(driver.submit(&requests), 4);
    let mut verdicts = Vec::new();
    driver.poll(&mut verdicts);
    verdicts.sort_by_key(|verified| verified.ticket);
    let verdicts: Vec<_> = verdicts.iter().map(|verified| verified.verdict).collect();
    assert_eq!(verdicts, [Verdict::Valid, Verdict::Malformed, Verdict::Malformed, Verdict::Malformed]);
    assert_eq!((driver.counters().to_device, driver.counters().to_software), (0, 4));
}

#[test]
fn before_the_device_is_ready_software_answers() {
    let mut rng = SmallRng::seed_from_u64(8);
    let mut driver = driver(Shape::zynq7020(), Settings::default());
    assert_eq!(driver.condition(), Condition::Resetting);
    let case = common::valid(&mut rng, 10);
    assert_eq!(driver.submit(&[case.request(1)]), 1);
    let mut verdicts = Vec::new();
    assert_eq!(driver.poll(&mut verdicts), 1);
    assert_eq!((driver.counters().to_device, driver.counters().to_software), (0, 1));
}

#[test]
fn capacity_is_the_most_that_is_under_way() {
    let mut driver = driver(Shape::zynq7020(), Settings::default());
    settle(&mut driver);
    let case = common::valid(&mut SmallRng::seed_from_u64(9), 10);
    let requests: Vec<_> = (0..1_000).map(|ticket| case.request(ticket)).collect();
    let taken = driver.submit(&requests);
    assert!(taken > 0 && taken <= driver.capacity() && driver.under_way() == taken, "{taken}");
}

#[test]
fn software_that_cannot_stand_in_is_refused() {
    struct None;
    impl Verifier for None {
        fn supports(&self, _: Scheme) -> bool {
            false
        }
        fn capacity(&self) -> usize {
            1
        }
        fn message_bytes_max(&self) -> usize {
            0
        }
        fn submit(&mut self, _: &[Request<'_>]) -> usize {
            0
        }
        fn poll(&mut self, _: &mut Vec<paxon_fastpath::verify::Verified>) -> usize {
            0
        }
    }
    let opened = Driver::open(Model::new(Shape::zynq7020()), Box::new(None), Settings::default());
    assert_eq!(opened.err(), Some(OpenError::Software));
}

#[test]
fn a_model_says_what_it_is() {
    let identity = Identity::read(&mut Model::new(Shape::pair().with_memory_port())).expect("a device");
    let text = identity.to_string();
    assert!(text.contains("2 engine(s) of 11 row(s)") && text.contains("a memory port, no hot keys"), "{text}");
}
