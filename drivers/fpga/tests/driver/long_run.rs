//! A device that dies in the middle of 100,000 requests.

use crate::common::{self, Software, cases, run, settle};
use paxon_fpga::{Condition, Defect, Driver, Model, Settings, Shape};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::time::Duration;

const REQUESTS: usize = 100_000;

/// The longest time without a verdict, as the device's clock has it.
fn longest_gap(defect: Defect) -> Duration {
    let mut rng = SmallRng::seed_from_u64(40);
    let cases = cases(&mut rng, 512);
    let mut model = Model::new(Shape::pair());
    model.decide_by(common::remembering());
    let mut time = model.clock();
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(model, Box::new(Software::new(256)), Settings::default(), clock)
        .expect("the model is a device");
    settle(&mut driver);
    let (mut broken, mut last, mut answered, mut gap) = (false, time(), 0, Duration::ZERO);
    run(&mut driver, &cases, REQUESTS, &mut rng, |driver, count| {
        if count > REQUESTS / 2 && !broken {
            driver.bus_mut().break_after(1, defect);
            broken = true;
        }
        if count > answered {
            let now = time();
            gap = gap.max(now - last);
            (last, answered) = (now, count);
        }
    });
    let counters = driver.counters();
    assert!(counters.by_device > 20_000 && counters.to_software > 20_000, "{counters:?}");
    assert!(counters.reverified > 0, "{counters:?}");
    assert_eq!(driver.condition(), Condition::Retired);
    gap
}

#[test]
fn a_device_that_stops_answering_costs_no_verdict_and_less_than_ten_milliseconds() {
    let gap = longest_gap(Defect::Stuck);
    println!("stuck: at most {gap:?} without a verdict (model time)");
    assert!(gap < Duration::from_millis(10), "{gap:?}");
}

#[test]
fn a_device_that_is_pulled_out_costs_no_verdict_and_less_than_ten_milliseconds() {
    let gap = longest_gap(Defect::Removed);
    println!("pulled out: at most {gap:?} without a verdict (model time)");
    assert!(gap < Duration::from_millis(10), "{gap:?}");
}
