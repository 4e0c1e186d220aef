//! Devices in files that stand for BARs, and what is said where there is none.

use crate::common::{self, Software, cases, run, settle};
use paxon_fpga::pcie::{self, Bar, BarError, FindError, PciId};
use paxon_fpga::vfio::{Device, Options, VfioError};
use paxon_fpga::{Bus, Condition, Driver, Fault, Model, Settings, Shape, WINDOW_BYTES, registers};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const ID: PciId = PciId { vendor: 0x10ee, device: 0x9038 };

/// Registers that only the device changes.
const READ_ONLY: [u32; 8] = [
    registers::MAGIC,
    registers::VERSION,
    registers::CAPABILITIES,
    registers::QUEUE_SIZES,
    registers::STATUS,
    registers::SUBMIT_HEAD,
    registers::COMPLETE_TAIL,
    registers::UNMAPPED,
];

const RUN: u8 = 0;
const REMOVE: u8 = 1;
const STOP: u8 = 2;

/// A thread that plays a device behind a file: it sees what the host wrote and writes what the host has to see.
struct Played {
    order: Arc<AtomicU8>,
    rounds: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// The mapped file, and a write to a register that takes effect before the next transfer, as on PCIe.
struct Ordered {
    bar: Bar,
    rounds: Arc<AtomicU64>,
}

impl Bus for Ordered {
    fn read(&mut self, address: u32) -> u32 {
        self.bar.read(address)
    }

    fn write(&mut self, address: u32, value: u32) {
        self.bar.write(address, value);
        if address <= registers::WATCHDOG {
            // The round that goes on may have passed the register; after the last round there are no more.
            let wanted = self.rounds.load(Ordering::Acquire).saturating_add(2);
            while self.rounds.load(Ordering::Acquire) < wanted {
                std::thread::yield_now();
            }
        }
    }

    fn pause(&mut self) {
        std::thread::yield_now();
    }

    fn place(&self) -> String {
        self.bar.place()
    }
}

impl Played {
    fn start(path: &Path) -> Self {
        let mut window = Bar::open(path).expect("the file has the window's size");
        let mut model = Model::new(Shape { verify_cycles: 3_000, ..Shape::pair() });
        model.decide_by(common::remembering());
        publish(&mut model, &mut window);
        let order = Arc::new(AtomicU8::new(RUN));
        let orders = Arc::clone(&order);
        let rounds = Arc::new(AtomicU64::new(0));
        let played = Arc::clone(&rounds);
        let thread = std::thread::spawn(move || {
            // The store of the order is the partner.
            while orders.load(Ordering::Acquire) == RUN {
                play(&mut model, &mut window);
                // The loads in `Ordered` are the partner.
                played.fetch_add(1, Ordering::AcqRel);
            }
            played.store(u64::MAX, Ordering::Release);
            if orders.load(Ordering::Acquire) == REMOVE {
                (0..WINDOW_BYTES).step_by(4).for_each(|address| window.write(address, u32::MAX));
            }
        });
        Self { order, rounds, thread: Some(thread) }
    }

    fn order(&mut self, order: u8) {
        // The thread's load of the order is the partner.
        self.order.store(order, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the played device does not panic");
        }
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.order(STOP);
    }
}

/// One round: doorbells and control, slots, time, what the host reads. A file does not tell of writes, so that a register counts
/// as written when it does not read as it was left.
fn play(model: &mut Model, window: &mut Bar) {
    let tail = window.read(registers::SUBMIT_TAIL);
    if tail != model.read(registers::SUBMIT_TAIL) {
        for offset in (registers::SLOTS..registers::SLOTS + 64 * registers::SLOT_BYTES).step_by(4) {
            let word = window.read(offset);
            model.write(offset, word);
        }
        model.write(registers::SUBMIT_TAIL, tail);
    }
    for register in [registers::COMPLETE_HEAD, registers::CONTROL] {
        let value = window.read(register);
        if value != model.read(register) {
            model.write(register, value);
            window.write(register, model.read(register));
        }
    }
    window.write(registers::ERROR, 0);
    model.tick(2_000);
    publish(model, window);
}

fn publish(model: &mut Model, window: &mut Bar) {
    // Bodies before phases: the last word of a completion goes last, and the tail of all after them.
    for place in 0..128 {
        let base = registers::COMPLETIONS + registers::COMPLETION_BYTES * place;
        for offset in [0, 4, 8, 12] {
            window.write(base + offset, model.read(base + offset));
            window.store_fence();
        }
    }
    for register in READ_ONLY {
        window.write(register, model.read(register));
    }
}

/// A folder as sysfs has it, with one device whose BAR 0 is a file.
fn sysfs(bytes: u64) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let device = root.path().join("0000:01:00.0");
    let other = root.path().join("0000:02:00.0");
    for (folder, id) in [(&device, "0x9038\n"), (&other, "0x1234\n")] {
        fs::create_dir(folder).expect("a folder");
        fs::write(folder.join("vendor"), "0x10ee\n").expect("a file");
        fs::write(folder.join("device"), id).expect("a file");
    }
    let bar = device.join("resource0");
    fs::File::create(&bar).and_then(|file| file.set_len(bytes)).expect("a file of that size");
    (root, bar)
}

fn played_driver(bar: &Path, played: &Played) -> Driver<Ordered> {
    // A thread of its own plays the device, on a machine that may be busy: the time-out is the test's.
    let settings = Settings { timeout: Duration::from_secs(20), clock_hz: 100_000, ..Settings::default() };
    let bar = Bar::open(bar).expect("the file has the window's size");
    let bus = Ordered { bar, rounds: Arc::clone(&played.rounds) };
    Driver::open(bus, Box::new(Software::new(64)), settings).expect("the played device is one")
}

#[test]
fn a_device_behind_a_mapped_file_verifies() {
    let (root, bar) = sysfs(WINDOW_BYTES.into());
    let played = Played::start(&bar);
    let reports = pcie::doctor(root.path(), ID, 0).expect("the folder is there");
    assert_eq!(reports.len(), 1);
    assert!(reports[0].is_usable(), "{}", reports[0]);
    assert!(reports[0].to_string().contains("resource0: version 1, 2 engine(s)"), "{}", reports[0]);
    let mut rng = SmallRng::seed_from_u64(50);
    let cases = cases(&mut rng, 64);
    let mut driver = played_driver(&bar, &played);
    serve(&mut driver);
    run(&mut driver, &cases, 500, &mut rng, |_, _| {});
    assert!(driver.counters().to_device > 300, "{:?}", driver.counters());
    assert_eq!(driver.counters().faults, 0, "{:?}", driver.fault());
}

/// Polls until the device is in service; the other thread needs the processor meanwhile.
fn serve(driver: &mut Driver<Ordered>) {
    use paxon_fastpath::verify::Verifier;
    let start = std::time::Instant::now();
    while driver.condition() != Condition::Serving {
        driver.poll(&mut Vec::new());
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}: {:?}", driver.condition(), driver.fault());
    }
}

#[test]
fn a_window_that_turns_into_all_ones_is_a_device_that_is_gone() {
    let (_root, bar) = sysfs(WINDOW_BYTES.into());
    let mut played = Played::start(&bar);
    let mut rng = SmallRng::seed_from_u64(51);
    let cases = cases(&mut rng, 64);
    let mut driver = played_driver(&bar, &played);
    serve(&mut driver);
    let mut removed = false;
    run(&mut driver, &cases, 2_000, &mut rng, |_, answered| {
        if answered > 100 && !removed {
            played.order(REMOVE);
            removed = true;
        }
    });
    settle(&mut driver);
    assert_eq!((driver.condition(), driver.fault()), (Condition::Retired, Some(&Fault::Gone)));
}

#[test]
fn what_is_no_verifier_is_said_to_be_none() {
    let (root, bar) = sysfs(WINDOW_BYTES.into());
    let report = pcie::doctor(root.path(), ID, 0).expect("the folder is there").remove(0);
    assert!(report.to_string().contains("not usable: MAGIC reads 0x00000000"), "{report}");
    fs::write(&bar, [0; 4_096]).expect("a shorter file");
    let short = Bar::open(&bar).expect_err("it is too short");
    assert!(matches!(short, BarError::Short { found: 4_096, .. }), "{short}");
    fs::remove_file(&bar).expect("the file is there");
    let report = pcie::doctor(root.path(), ID, 0).expect("the folder is there").remove(0);
    assert!(report.to_string().contains("cannot open") && report.to_string().contains("No such file"), "{report}");
    assert!(pcie::find(root.path(), PciId { vendor: 1, device: 1 }, 0).expect("the folder is there").is_empty());
    let none = pcie::find(&root.path().join("none"), ID, 0).expect_err("there is no such folder");
    assert!(matches!(none, FindError::List { .. }), "{none}");
}

fn options(root: &Path) -> Options {
    Options {
        vfio: root.join("vfio"),
        sysfs: root.to_owned(),
        address: "0000:01:00.0".to_owned(),
        bar: 0,
        share_memory: true,
    }
}

#[test]
fn each_thing_that_vfio_lacks_is_named() {
    let (root, _) = sysfs(WINDOW_BYTES.into());
    let options = options(root.path());
    let open = || Device::open(&options).expect_err("there is no VFIO below a temporary folder");
    assert!(matches!(open(), VfioError::NoGroup { .. }), "{}", open());
    symlink("../../../kernel/iommu_groups/17", root.path().join("0000:01:00.0/iommu_group")).expect("a link");
    let container = open();
    assert!(container.to_string().contains("load the module vfio-pci"), "{container}");
    fs::create_dir(&options.vfio).expect("a folder");
    fs::write(options.vfio.join("vfio"), "").expect("a file");
    let group = open();
    assert!(matches!(&group, VfioError::Open { path, .. } if path.ends_with("vfio/17")), "{group}");
    fs::write(options.vfio.join("17"), "").expect("a file");
    let call = open();
    assert!(matches!(call, VfioError::Call { what: "tell its version", .. }), "{call}");
    let report = Device::doctor(&options);
    assert!(report.to_string().contains("VFIO refuses to tell its version: "), "{report}");
}

#[test]
fn an_address_that_is_a_path_is_refused() {
    let (root, _) = sysfs(WINDOW_BYTES.into());
    for address in ["../../etc", "0000:01:00.0/..", "..", "x"] {
        let options = Options { address: address.to_owned(), ..options(root.path()) };
        let refused = Device::open(&options).expect_err("it is no address");
        assert!(matches!(refused, VfioError::NoGroup { .. }), "{refused}");
    }
}
