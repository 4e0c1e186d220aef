//! Ed25519 signatures verified by the device of `fpga-hdl`, by whatever bus it is reached.
//!
//! [`Driver`] is a [`Verifier`](paxon_fastpath::verify::Verifier): it keeps the device's queue full, checks every completion,
//! compares a share of the verdicts with software, and goes on in software when the device does not. [`Bus`] is what it asks
//! of a transport: registers of 32 bits. Behind it stand [`Model`], a device in plain Rust; `Verilated`, the RTL (feature
//! `verilator`); [`pcie::Bar`], a mapped BAR; [`vfio::Device`], a device that a process owns through VFIO.
//!
//! ```
//! use paxon_fastpath::verify::{Request, Scheme, Verdict, Verified, Verifier};
//! # struct Software(Vec<Verified>);
//! # impl Verifier for Software {
//! #     fn supports(&self, scheme: Scheme) -> bool { scheme == Scheme::Ed25519 }
//! #     fn capacity(&self) -> usize { 16 }
//! #     fn message_bytes_max(&self) -> usize { 4096 }
//! #     fn submit(&mut self, requests: &[Request<'_>]) -> usize {
//! #         self.0.extend(requests.iter().map(|request| Verified { ticket: request.ticket, verdict: Verdict::Invalid }));
//! #         requests.len()
//! #     }
//! #     fn poll(&mut self, verdicts: &mut Vec<Verified>) -> usize {
//! #         verdicts.append(&mut self.0);
//! #         verdicts.len()
//! #     }
//! # }
//! # let software = Software(Vec::new());
//! use paxon_fpga::{Driver, Model, Settings, Shape};
//!
//! let mut driver = Driver::open(Model::new(Shape::zynq7020()), Box::new(software), Settings::default())?;
//! let request =
//!     Request { ticket: 7, scheme: Scheme::Ed25519, key: &[0; 32], signature: &[0; 64], message: b"not signed" };
//! assert_eq!(driver.submit(&[request]), 1);
//! let mut verdicts = Vec::new();
//! while driver.poll(&mut verdicts) == 0 {}
//! assert_eq!(verdicts, [Verified { ticket: 7, verdict: Verdict::Invalid }]);
//! # Ok::<(), paxon_fpga::OpenError>(())
//! ```

mod bus;
mod completion;
mod driver;
mod identity;
mod model;
pub mod pcie;
mod report;
mod slot;
#[cfg_attr(not(have_verilator), path = "verilated/absent.rs")]
mod verilated;
pub mod vfio;

pub use bus::{Bus, HostMemory, WINDOW_BYTES};
pub use completion::{BadCompletion, Completion, DeviceVerdict};
pub use driver::{Condition, Counters, Driver, Fault, Settings};
pub use identity::{Identity, OpenError};
pub use model::{Defect, Model, Outcome, Shape};
pub use paxon_fpga_map::registers;
pub use report::Report;
pub use slot::Slot;
pub use verilated::Verilated;

const _: () =
    assert!(cfg!(target_endian = "little"), "slots and completions are little-endian, as every supported host is");
