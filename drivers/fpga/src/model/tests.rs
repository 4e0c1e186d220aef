//! What the model does that a test of the RTL cannot ask for, and what is quick to see here.

use super::*;
use crate::completion::{Completion, DeviceVerdict};

fn fill(model: &mut Model, index: u32, cookie: u64) {
    let slot = Slot::verify(cookie, &[1; 32], &[2; 64], b"not signed").expect("it fits");
    let words: Vec<_> = slot.words().collect();
    model.write_words(map::SLOTS + 256 * index, &words);
}

fn completion(model: &mut Model, index: u32) -> Completion {
    let words = [0, 4, 8, 12].map(|offset| model.read(map::COMPLETIONS + 16 * index + offset));
    Completion::decode(words).expect("a sound completion")
}

#[test]
fn a_slot_is_answered_after_the_cycles_of_its_shape() {
    let shape = Shape::zynq7020();
    let mut model = Model::new(shape);
    fill(&mut model, 0, 77);
    model.write(map::CONTROL, map::CONTROL_ENABLE);
    model.write(map::SUBMIT_TAIL, 1);
    model.tick(shape.fetch_cycles + shape.verify_cycles - 1);
    assert_eq!((model.read(map::COMPLETE_TAIL), model.read(map::STATUS)), (0, map::STATUS_BUSY));
    model.tick(1);
    assert_eq!((model.read(map::COMPLETE_TAIL), model.read(map::STATUS)), (1, 0));
    let found = completion(&mut model, 0);
    assert_eq!((found.cookie, found.verdict, found.submit_head), (77, DeviceVerdict::Invalid, 1));
    assert_eq!(u64::from(found.cycles), shape.fetch_cycles + shape.verify_cycles);
}

#[test]
fn the_watchdog_aborts_and_the_slots_behind_stay() {
    let mut model = Model::new(Shape::zynq7020());
    for index in 0..40 {
        fill(&mut model, index, index.into());
    }
    model.write(map::WATCHDOG, 2_050);
    model.write(map::CONTROL, map::CONTROL_ENABLE);
    model.write(map::SUBMIT_TAIL, 40);
    // 16 contexts and the slot that waits for one of them.
    model.tick(2_100);
    assert_eq!(model.read(map::ERROR), map::ERROR_WATCHDOG);
    model.write(map::CONTROL, 0);
    model.tick(200);
    assert_eq!((model.read(map::SUBMIT_HEAD), model.read(map::COMPLETE_TAIL)), (17, 17));
    assert!((0..17).all(|index| completion(&mut model, index).verdict == DeviceVerdict::Aborted));
}

#[test]
fn a_device_that_is_gone_reads_all_ones() {
    let mut model = Model::new(Shape::zynq7020());
    model.break_after(0, Defect::Removed);
    assert_eq!((model.read(map::MAGIC), model.read(map::COMPLETIONS)), (u32::MAX, u32::MAX));
}
