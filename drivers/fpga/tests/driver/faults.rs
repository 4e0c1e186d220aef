//! Devices that break: each way ends in software, with a log line, and one right verdict for each request.

use crate::common::{self, Software, cases, run, settle};
use paxon_fpga::{Bus, Condition, Counters, Defect, Driver, Fault, Model, Settings, Shape};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// What a broken device came to.
struct End {
    condition: Condition,
    counters: Counters,
    fault: Fault,
}

/// Breaks a device after 500 completions of a run of 3,000 requests.
fn broken(defect: Defect, settings: Settings) -> End {
    common::keep_log();
    let mut rng = SmallRng::seed_from_u64(30);
    let cases = cases(&mut rng, 128);
    let mut model = Model::new(Shape::pair());
    model.decide_by(common::remembering());
    let clock = model.clock();
    let software = Box::new(Software::new(64));
    let mut driver = Driver::open_with_clock(model, software, settings, clock).expect("the model is a device");
    settle(&mut driver);
    driver.bus_mut().break_after(500, defect);
    run(&mut driver, &cases, 3_000, &mut rng, |_, _| {});
    settle(&mut driver);
    let fault = *driver.fault().expect("the device broke");
    End { condition: driver.condition(), counters: driver.counters(), fault }
}

/// One fault, after which the device is reset and goes on.
fn recovers(defect: Defect, line: &str) -> End {
    let end = broken(defect, Settings { sample_per_mille: 0, ..Settings::default() });
    assert!(common::logged("WARN", line), "{line}");
    assert_eq!(
        (end.condition, end.counters.faults, end.counters.resets),
        (Condition::Serving, 1, 1),
        "{:?}",
        end.fault
    );
    assert!(end.counters.reverified > 0 && end.counters.by_device > 1_500, "{:?}", end.counters);
    end
}

/// The device is out of service.
fn retires(defect: Defect, settings: Settings, line: &str) -> End {
    let end = broken(defect, settings);
    assert!(common::logged("ERROR", line), "{line}");
    assert_eq!(end.condition, Condition::Retired, "{:?}", end.fault);
    end
}

#[test]
fn a_dropped_completion_is_a_time_out() {
    let end = recovers(Defect::Drop, "no answer to the oldest request");
    assert_eq!(end.counters.timeouts, 1);
    assert!(matches!(end.fault, Fault::TimedOut { .. }));
}

#[test]
fn a_completion_with_the_wrong_phase_is_a_time_out() {
    recovers(Defect::WrongPhase, "no answer to the oldest request");
}

#[test]
fn a_device_that_hangs_until_its_reset_goes_on_after_it() {
    recovers(Defect::Hung, "no answer to the oldest request");
}

#[test]
fn a_completion_twice_is_noticed_and_not_handed_out_twice() {
    let end = recovers(Defect::Duplicate, "which no request in flight has");
    assert!(matches!(end.fault, Fault::Unasked { .. }));
}

#[test]
fn a_completion_for_a_request_never_made_is_noticed() {
    let end = recovers(Defect::Unasked, "cookie 0x123456789abc, which no request in flight has");
    assert!(matches!(end.fault, Fault::Unasked { cookie: 0x1234_5678_9abc, .. }));
}

#[test]
fn an_unknown_cookie_is_noticed_and_its_request_is_not_lost() {
    let end = recovers(Defect::UnknownCookie, "which no request in flight has");
    assert!(matches!(end.fault, Fault::Unasked { .. }));
}

#[test]
fn garbage_is_noticed() {
    let end = recovers(Defect::Garbage, "is garbage: a phase of 0x9e");
    assert!(matches!(end.fault, Fault::Garbage { .. }));
}

#[test]
fn a_well_formed_request_that_is_called_malformed_is_a_fault() {
    recovers(Defect::Malformed, "calls a well-formed request malformed");
}

#[test]
fn a_device_that_aborts_by_itself_is_told_of_with_its_error_register() {
    let end = recovers(Defect::Aborts, "by itself; ERROR reads 0x2");
    assert!(matches!(end.fault, Fault::Aborted { error: 2, .. }));
}

#[test]
fn a_device_that_is_pulled_out_is_gone_for_good() {
    let end = retires(Defect::Removed, Settings::default(), "OUT OF SERVICE after 1 fault(s): the device is gone");
    assert_eq!((end.fault, end.counters.resets), (Fault::Gone, 0));
}

#[test]
fn a_stuck_device_gets_no_more_requests_and_is_given_up_after_three_time_outs() {
    let end =
        retires(Defect::Stuck, Settings::default(), "OUT OF SERVICE after 3 fault(s): no answer to the oldest request");
    // The second and the third were probes: requests of the caller waited once.
    assert_eq!((end.counters.timeouts, end.counters.resets), (3, 2));
}

#[test]
fn a_wrong_verdict_that_is_compared_ends_the_service() {
    let settings = Settings { sample_per_mille: 1_000, ..Settings::default() };
    let end = retires(Defect::WrongVerdict, settings, "its verdicts cannot be used");
    assert!(matches!(end.fault, Fault::Mismatch { .. }));
    assert_eq!((end.counters.mismatches, end.counters.resets), (1, 0));
    assert!(end.counters.sampled > 400, "{:?}", end.counters);
}

#[test]
fn a_device_that_begins_to_lie_is_found_out_by_a_sample() {
    let mut rng = SmallRng::seed_from_u64(31);
    let case = common::valid(&mut rng, 40);
    let mut model = Model::new(Shape::pair());
    model.decide_by(common::remembering());
    let clock = model.clock();
    let settings = Settings { sample_per_mille: 100, ..Settings::default() };
    let mut driver =
        Driver::open_with_clock(model, Box::new(Software::new(64)), settings, clock).expect("the model is a device");
    settle(&mut driver);
    driver.bus_mut().break_after(0, Defect::AlwaysWrong);
    let (mut wrong, mut verdicts) = (0, Vec::new());
    use paxon_fastpath::verify::{Verdict, Verifier};
    for ticket in 0..2_000 {
        driver.submit(&[case.request(ticket)]);
        for _ in 0..100 {
            driver.poll(&mut verdicts);
        }
        wrong += verdicts.drain(..).filter(|verified| verified.verdict != Verdict::Valid).count();
    }
    // Of one in ten the chance that 200 pass is below one in a thousand million.
    assert!((1..200).contains(&wrong), "{wrong} wrong verdicts went out before a sample");
    assert_eq!((driver.condition(), driver.counters().mismatches), (Condition::Retired, 1));
}

#[test]
fn a_device_that_fails_the_drivers_own_signatures_is_never_given_a_request() {
    common::keep_log();
    let mut rng = SmallRng::seed_from_u64(32);
    let cases = cases(&mut rng, 64);
    let mut model = Model::new(Shape::pair());
    model.break_after(0, Defect::AlwaysWrong);
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(model, Box::new(Software::new(64)), Settings::default(), clock)
        .expect("the model is a device");
    settle(&mut driver);
    assert!(matches!(driver.fault(), Some(Fault::Probe { .. })));
    assert!(common::logged("ERROR", "of a signature that is"));
    run(&mut driver, &cases, 500, &mut rng, |_, _| {});
    assert_eq!((driver.counters().to_device, driver.counters().to_software), (0, 500));
}

#[test]
fn a_reset_that_does_not_end_is_given_up() {
    /// A device whose STATUS never falls.
    struct Busy(Model);
    impl Bus for Busy {
        fn read(&mut self, address: u32) -> u32 {
            if address == paxon_fpga::registers::STATUS { 3 } else { self.0.read(address) }
        }
        fn write(&mut self, address: u32, value: u32) {
            self.0.write(address, value);
        }
        fn pause(&mut self) {
            self.0.pause();
        }
        fn place(&self) -> String {
            "busy".to_owned()
        }
    }
    let mut rng = SmallRng::seed_from_u64(33);
    let cases = cases(&mut rng, 64);
    let model = Model::new(Shape::pair());
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(Busy(model), Box::new(Software::new(64)), Settings::default(), clock)
        .expect("the model is a device");
    run(&mut driver, &cases, 500, &mut rng, |_, _| {});
    settle(&mut driver);
    assert!(matches!(driver.fault(), Some(Fault::ResetTimedOut { status: 3, .. })), "{:?}", driver.fault());
    assert_eq!(driver.condition(), Condition::Retired);
}

#[test]
fn faults_long_ago_are_forgiven() {
    let mut rng = SmallRng::seed_from_u64(34);
    let cases = cases(&mut rng, 64);
    let mut model = Model::new(Shape::pair());
    model.decide_by(common::remembering());
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(model, Box::new(Software::new(64)), Settings::default(), clock)
        .expect("the model is a device");
    for _ in 0..5 {
        settle(&mut driver);
        driver.bus_mut().break_after(1_500, Defect::Garbage);
        run(&mut driver, &cases, 3_000, &mut rng, |_, _| {});
    }
    settle(&mut driver);
    assert_eq!((driver.condition(), driver.counters().faults), (Condition::Serving, 5));
}
