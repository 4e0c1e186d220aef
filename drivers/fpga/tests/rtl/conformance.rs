//! The suite of every verifier, on the driver over the RTL: fewer cases, since it is simulated.

use paxon_fpga::{Driver, Settings, Verilated};
use paxon_verify::InlineVerifier;
use paxon_verify_conformance::Subject;

/// One engine, of which the fewest cycles have to be simulated for a signature that is alone.
struct Rtl;

impl Subject for Rtl {
    type Verifier = Driver<Verilated>;

    const CASES: usize = 300;

    const REQUESTS: usize = 40;

    fn start() -> Driver<Verilated> {
        let bus = Verilated::new("zynq7020").expect("the configuration is in models.txt").with_pause(5_000);
        let clock = bus.clock();
        let mut driver = Driver::open_with_clock(bus, Box::new(InlineVerifier::default()), Settings::default(), clock)
            .expect("the RTL is a device");
        crate::common::settle(&mut driver);
        driver
    }
}

paxon_verify_conformance::conformance!(Rtl);
