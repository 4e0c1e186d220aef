//! Tables of keys: as many as the device has entries for, written between requests, and again after a reset.

use crate::common::{self, Software, run, settle};
use paxon_fastpath::verify::{Scheme, Verifier};
use paxon_fpga::{Bus, Condition, Defect, Driver, Model, Settings, Shape, registers};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::time::{Duration, Instant};

/// A table of the right length; the first byte of a key that has none is 9.
fn table(key: &[u8; 32]) -> Option<Vec<[u8; 32]>> {
    (key[0] != 9).then(|| vec![*key; registers::HOT_TABLE_WORDS as usize / 8])
}

fn driver(entries: u16) -> Driver<Model> {
    let mut model = Model::new(Shape::pair().with_hot_keys(entries));
    model.decide_by(common::remembering());
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(model, Box::new(Software::new(64)), Settings::default(), clock)
        .expect("the model is a device")
        .with_tables(table);
    settle(&mut driver);
    driver
}

/// Polls until so many tables were taken; another thread makes them.
fn until(driver: &mut Driver<Model>, tables: u64) {
    let start = Instant::now();
    while driver.counters().tables < tables {
        driver.poll(&mut Vec::new());
        std::thread::yield_now();
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", driver.counters());
    }
}

fn states(driver: &mut Driver<Model>, entries: u32) -> Vec<u32> {
    let state = |entry| {
        driver.bus_mut().write(registers::HOT_ENTRY, entry);
        driver.bus_mut().read(registers::HOT_STATE)
    };
    (0..entries).map(state).collect()
}

#[test]
fn keys_that_are_prepared_get_the_entries_in_their_order() {
    let mut driver = driver(2);
    for key in [[9; 32], [1; 32], [2; 32], [2; 32], [3; 32]] {
        driver.prepare(Scheme::Ed25519, &key);
    }
    driver.prepare(Scheme::MlDsa44, &[4; 32]);
    driver.prepare(Scheme::Ed25519, &[5; 31]);
    // The first has no table, which shows only when it is made: its entry is free again.
    until(&mut driver, 1);
    driver.prepare(Scheme::Ed25519, &[3; 32]);
    until(&mut driver, 2);
    assert_eq!(states(&mut driver, 2), [registers::HOT_STATE_VALID; 2]);
    driver.forget(Scheme::Ed25519, &[3; 32]);
    driver.forget(Scheme::Ed25519, &[77; 32]);
    assert_eq!(states(&mut driver, 2), [0, registers::HOT_STATE_VALID]);
    assert_eq!(driver.bus_mut().read(registers::ERROR), 0);
}

#[test]
fn tables_are_written_again_after_a_reset() {
    let mut rng = SmallRng::seed_from_u64(80);
    let cases = common::cases(&mut rng, 64);
    let mut driver = driver(4);
    driver.prepare(Scheme::Ed25519, &[1; 32]);
    until(&mut driver, 1);
    driver.bus_mut().break_after(50, Defect::Garbage);
    run(&mut driver, &cases, 500, &mut rng, |_, _| {});
    settle(&mut driver);
    assert_eq!((driver.condition(), driver.counters().faults), (Condition::Serving, 1));
    until(&mut driver, 2);
    assert_eq!(states(&mut driver, 4), [registers::HOT_STATE_VALID, 0, 0, 0]);
}

#[test]
fn a_device_without_entries_asks_for_no_table() {
    let model = Model::new(Shape::pair());
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(model, Box::new(Software::new(64)), Settings::default(), clock)
        .expect("the model is a device")
        .with_tables(|key| panic!("asked for the table of {key:?}"));
    settle(&mut driver);
    driver.prepare(Scheme::Ed25519, &[1; 32]);
    driver.poll(&mut Vec::new());
    assert_eq!(driver.counters().tables, 0);
}
