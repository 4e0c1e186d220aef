//! The driver over the RTL.

use crate::common::{self, Software, cases, run, settle};
use paxon_fpga::{Bus, Condition, Driver, Fault, Settings, Verilated, registers};
use rand::SeedableRng;
use rand::rngs::SmallRng;

fn driver(name: &str, settings: Settings) -> Driver<Verilated> {
    let bus = Verilated::new(name).expect("the configuration is in models.txt");
    let clock = bus.clock();
    Driver::open_with_clock(bus, Box::new(Software::new(64)), settings, clock).expect("the RTL is a device")
}

/// Returns the cycles of the run and the requests that the device had.
fn verifies(name: &str, requests: usize) -> (u64, u64) {
    let mut rng = SmallRng::seed_from_u64(70);
    let cases = cases(&mut rng, 200);
    let mut driver = driver(name, Settings { sample_per_mille: 50, ..Settings::default() });
    settle(&mut driver);
    let start = driver.bus_mut().cycles();
    run(&mut driver, &cases, requests, &mut rng, |_, _| {});
    let (cycles, counters) = (driver.bus_mut().cycles() - start, driver.counters());
    assert_eq!((driver.condition(), counters.faults), (Condition::Serving, 0), "{:?}", driver.fault());
    assert!(counters.by_device + counters.sampled > requests as u64 / 2, "{counters:?}");
    (cycles, counters.to_device)
}

#[test]
fn two_engines_answer_the_driver() {
    let (cycles, requests) = verifies("pair", 500);
    println!("pair: {requests} requests to the device, {} cycles each", cycles / requests);
}

#[test]
fn one_engine_answers_the_driver() {
    let (cycles, requests) = verifies("zynq7020", 250);
    println!("zynq7020: {requests} requests to the device, {} cycles each", cycles / requests);
}

#[test]
fn one_row_answers_the_driver() {
    let (cycles, requests) = verifies("compact", 40);
    println!("compact: {requests} requests to the device, {} cycles each", cycles / requests);
}

#[test]
fn somebody_elses_reset_of_the_device_loses_nothing() {
    let mut rng = SmallRng::seed_from_u64(71);
    let cases = cases(&mut rng, 200);
    let mut driver = driver("pair", Settings::default());
    settle(&mut driver);
    let mut reset = false;
    run(&mut driver, &cases, 500, &mut rng, |driver, answered| {
        if answered > 200 && !reset {
            driver.bus_mut().write(registers::CONTROL, registers::CONTROL_ABORT | registers::CONTROL_ENABLE);
            reset = true;
        }
    });
    settle(&mut driver);
    let counters = driver.counters();
    assert!(matches!(driver.fault(), Some(Fault::Aborted { .. })), "{:?}", driver.fault());
    assert_eq!((driver.condition(), counters.faults, counters.resets), (Condition::Serving, 1, 1));
    assert!(counters.reverified > 0, "{counters:?}");
}

#[test]
fn a_watchdog_that_is_too_short_ends_in_software() {
    common::keep_log();
    let mut rng = SmallRng::seed_from_u64(72);
    let cases = cases(&mut rng, 64);
    let mut driver = driver("pair", Settings { watchdog_cycles: 10_000, ..Settings::default() });
    run(&mut driver, &cases, 300, &mut rng, |_, _| {});
    settle(&mut driver);
    assert_eq!((driver.condition(), driver.counters().to_device), (Condition::Retired, 0));
    assert!(common::logged(
        "ERROR",
        "OUT OF SERVICE after 3 fault(s): the device aborted 1 request(s) by itself; ERROR reads 0x2"
    ));
}
