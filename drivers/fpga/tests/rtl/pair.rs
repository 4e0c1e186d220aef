//! The model and the verilated RTL, given the same transfers.
//!
//! Every read that does not depend on when things happen has to be the same: all registers but the counts of cycles and products. What
//! a run of requests completed is compared as a set, since completions may overtake each other differently: the same places of
//! the ring with the same phases, the same cookies, each with the same verdict and reason. A completion's cycles and
//! `SUBMIT_HEAD` are not compared. Where an abort came in the middle of a run, a verdict may be "aborted" on one side.

use paxon_fpga::{Bus, Completion, DeviceVerdict, Identity, Model, Shape, Verilated, registers};

/// Registers whose value does not depend on time while nothing is in flight.
const TIMELESS: [u32; 16] = [
    registers::MAGIC,
    registers::VERSION,
    registers::CAPABILITIES,
    registers::QUEUE_SIZES,
    registers::CONTROL,
    registers::STATUS,
    registers::ERROR,
    registers::WATCHDOG,
    registers::SUBMIT_TAIL,
    registers::SUBMIT_HEAD,
    registers::COMPLETE_HEAD,
    registers::COMPLETE_TAIL,
    registers::FEATURES,
    registers::MESSAGE_BYTES_MAX,
    registers::UNMAPPED,
    0xf8,
];

const VERDICTS: [u32; 4] =
    [registers::COUNT_INVALID, registers::COUNT_VALID, registers::COUNT_MALFORMED, registers::COUNT_ABORTED];

/// Completions of a queue in the device's memory.
const PLACES: u16 = 128;

pub struct Pair {
    pub model: Model,
    pub rtl: Verilated,
    /// Completions that were compared, free running.
    compared: u16,
    /// Whether no abort has come in the middle of a run, so that counts are the same one by one.
    exact: bool,
}

impl Pair {
    /// The model gets the shape that the RTL says it has.
    pub fn new(name: &str) -> Self {
        let mut rtl = Verilated::new(name).expect("the configuration is in models.txt");
        let identity = Identity::read(&mut rtl).expect("the RTL is a device");
        let shape = Shape {
            version: identity.version,
            engines: identity.engines,
            rows: identity.rows,
            contexts: identity.contexts,
            memory_port: identity.memory_port,
            fetch_units: identity.fetch_units,
            message_bytes_max: identity.message_bytes_max,
            hot_keys: identity.hot_keys,
            ..Shape::zynq7020()
        };
        let mut model = Model::new(shape);
        model.decide_by(crate::common::remembering());
        Self { model, rtl, compared: 0, exact: true }
    }

    pub fn write(&mut self, address: u32, value: u32) {
        self.model.write(address, value);
        self.rtl.write(address, value);
    }

    pub fn read(&mut self, address: u32) -> u32 {
        let (model, rtl) = (self.model.read(address), self.rtl.read(address));
        assert_eq!(model, rtl, "address {address:#x}: the model reads {model:#x}, the RTL {rtl:#x}");
        model
    }

    /// Lets both work until nothing more happens, then compares everything.
    pub fn rest(&mut self) {
        quiet(&mut self.model);
        quiet(&mut self.rtl);
        for register in TIMELESS {
            self.read(register);
        }
        self.write(registers::SNAPSHOT, 1);
        let counts = |bus: &mut dyn Bus| VERDICTS.map(|register| bus.read(register));
        let (model, rtl) = (counts(&mut self.model), counts(&mut self.rtl));
        if self.exact {
            assert_eq!(model, rtl, "invalid, valid, malformed, aborted");
        } else {
            assert_eq!(model.iter().sum::<u32>(), rtl.iter().sum::<u32>());
        }
        self.compare_completions();
    }

    fn compare_completions(&mut self) {
        let tail = self.read(registers::COMPLETE_TAIL) as u16;
        let count = tail.wrapping_sub(self.compared);
        // What is older was overwritten.
        let from = if count > PLACES { tail.wrapping_sub(PLACES) } else { self.compared };
        let exact = self.exact;
        let completions = |bus: &mut dyn Bus| {
            let mut all: Vec<_> = (0..tail.wrapping_sub(from))
                .map(|more| completion(bus, from.wrapping_add(more)))
                .map(|completion| (completion.cookie, completion.verdict, completion.reason))
                .collect();
            all.sort_by_key(|(cookie, verdict, _)| (*cookie, verdict.number()));
            all
        };
        let (model, rtl) = (completions(&mut self.model), completions(&mut self.rtl));
        for (model, rtl) in model.iter().zip(&rtl) {
            let aborted = !exact && [model.1, rtl.1].contains(&DeviceVerdict::Aborted) && model.0 == rtl.0;
            assert!(model == rtl || aborted, "the model says {model:x?}, the RTL {rtl:x?}");
        }
        self.compared = tail;
    }

    /// Lets both work for some cycles and aborts them.
    pub fn abort_after(&mut self, cycles: u64) {
        self.model.tick(cycles);
        self.rtl.tick(cycles);
        self.exact = false;
        self.write(registers::CONTROL, registers::CONTROL_ABORT | registers::CONTROL_ENABLE);
    }
}

/// Lets a device work until it is idle and has taken every slot that it can take.
fn quiet(bus: &mut dyn Bus) {
    for _ in 0..10_000 {
        let enabled = bus.read(registers::CONTROL) & registers::CONTROL_ENABLE != 0;
        let waiting = bus.read(registers::SUBMIT_HEAD) != bus.read(registers::SUBMIT_TAIL);
        let unconsumed =
            (bus.read(registers::COMPLETE_TAIL) as u16).wrapping_sub(bus.read(registers::COMPLETE_HEAD) as u16);
        let can_take = enabled && waiting && unconsumed < PLACES;
        if bus.read(registers::STATUS) == 0 && !can_take {
            return;
        }
        bus.pause();
    }
    panic!("a device does not come to rest");
}

/// A completion that both have to have written: its phase is that of its index.
fn completion(bus: &mut dyn Bus, index: u16) -> Completion {
    let base = registers::COMPLETIONS + registers::COMPLETION_BYTES * u32::from(index % PLACES);
    let words = [0, 4, 8, 12].map(|offset| bus.read(base + offset));
    assert_eq!(Completion::phase(words[3]), Ok(Completion::phase_of(index, PLACES)), "completion {index}");
    Completion::decode_any(words).expect("a sound completion")
}
