//! The suite of every verifier, on the driver over the model: sound, breaking again and again, dead, and lying.

use crate::common;
use paxon_fpga::{Defect, Driver, Model, Settings, Shape};
use paxon_verify::InlineVerifier;
use paxon_verify_conformance::Subject;

fn start(settings: Settings, defects: &[(u64, Defect)]) -> Driver<Model> {
    let mut model = Model::new(Shape::pair());
    model.decide_by(common::remembering());
    for (completions, defect) in defects {
        model.break_after(*completions, *defect);
    }
    let clock = model.clock();
    let mut driver = Driver::open_with_clock(model, Box::new(InlineVerifier::default()), settings, clock)
        .expect("the model is a device");
    if defects.is_empty() {
        common::settle(&mut driver);
    }
    driver
}

mod sound {
    use super::*;

    struct Sound;

    impl Subject for Sound {
        type Verifier = Driver<Model>;

        const CASES: usize = 2_000;

        fn start() -> Driver<Model> {
            start(Settings::default(), &[])
        }
    }

    paxon_verify_conformance::conformance!(Sound);
}

mod breaking {
    use super::*;

    /// Every kind of fault that a reset helps against, one after the other.
    struct Breaking;

    impl Subject for Breaking {
        type Verifier = Driver<Model>;

        const CASES: usize = 1_000;

        fn start() -> Driver<Model> {
            let defects = [
                (3, Defect::Garbage),
                (30, Defect::Drop),
                (60, Defect::Duplicate),
                (90, Defect::Hung),
                (120, Defect::WrongPhase),
                (150, Defect::Unasked),
                (180, Defect::UnknownCookie),
                (210, Defect::Malformed),
                (240, Defect::Aborts),
            ];
            start(Settings { faults_max: 1_000, sample_per_mille: 300, ..Settings::default() }, &defects)
        }
    }

    paxon_verify_conformance::conformance!(Breaking);
}

mod dying {
    use super::*;

    /// A device that stops in the middle.
    struct Dying;

    impl Subject for Dying {
        type Verifier = Driver<Model>;

        const CASES: usize = 500;

        fn start() -> Driver<Model> {
            start(Settings::default(), &[(20, Defect::Stuck)])
        }
    }

    paxon_verify_conformance::conformance!(Dying);
}

mod lying {
    use super::*;

    /// A device that is right for a while and then never; every verdict is compared.
    struct Lying;

    impl Subject for Lying {
        type Verifier = Driver<Model>;

        const CASES: usize = 500;

        fn start() -> Driver<Model> {
            start(Settings { sample_per_mille: 1_000, ..Settings::default() }, &[(20, Defect::AlwaysWrong)])
        }
    }

    paxon_verify_conformance::conformance!(Lying);
}
