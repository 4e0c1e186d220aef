//! The preflight: whether this host can run the RDMA fabric, and if not, what to do about it.
//!
//! [`Report::of_host`] asks the library, the devices and the limits of the process; [`SelfTest::run`] tries on a device what
//! the protocol rests on. Nothing here is on the path of a command.

mod problem;
mod self_test;

pub use problem::Problem;
pub use self_test::{SelfTest, SelfTestError};

use crate::device::{AtomicScope, Device, DeviceError, Limits};
use crate::port::{Address, Port};
use rustix::process::{Resource, getrlimit};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

/// READs and atomics in flight that keep a link busy (chains that a leader pipelines, one atomic each).
const READS_WANTED: u8 = 16;

/// What was found on this host.
#[derive(Debug)]
pub struct Report {
    /// What is wrong with the host as a whole.
    pub problems: Vec<Problem>,
    /// Its devices, by name.
    pub devices: Vec<DeviceReport>,
    /// Bytes that the process may lock; `None` if there is no limit.
    pub memlock_bytes: Option<u64>,
    /// Bytes that the fabric will register.
    pub needed_bytes: u64,
}

/// What was found out about a device.
#[derive(Debug)]
pub struct DeviceReport {
    /// Its name.
    pub name: String,
    /// The device, if it could be opened.
    pub device: Option<Arc<Device>>,
    /// What it allows, if it could be opened.
    pub limits: Option<Limits>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// What is wrong with it; with none it can be used.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Looks at this host, on which a fabric would register `needed_bytes`.
    pub fn of_host(needed_bytes: u64) -> Self {
        let memlock_bytes = getrlimit(Resource::Memlock).current;
        let mut report = Self { problems: vec![], devices: vec![], memlock_bytes, needed_bytes };
        match Device::names() {
            Ok(names) => report.devices = names.into_iter().map(DeviceReport::of).collect(),
            Err(DeviceError::Library(error)) => report.problems.push(Problem::NoLibrary(error)),
            Err(error) => report.problems.push(Problem::NoKernelSupport(error)),
        }
        report.devices.sort_by(|a, b| a.name.cmp(&b.name));
        if report.problems.is_empty() && report.devices.is_empty() {
            report.problems.push(Problem::NoDevice);
        }
        // Whoever may lock what they like (root in the initial namespace) is not bound by it, so it is a warning only.
        if let Some(limit) = memlock_bytes.filter(|&limit| limit < needed_bytes) {
            report.problems.push(Problem::Memlock { limit, needed: needed_bytes });
        }
        report
    }

    /// The first device that can be used, and the address that it would use.
    pub fn usable(&self) -> Option<(&Arc<Device>, Address)> {
        if self.problems.iter().any(Problem::is_fatal) {
            return None;
        }
        self.devices.iter().find_map(|device| Some((device.device.as_ref()?, device.address()?)))
    }
}

impl DeviceReport {
    fn of(name: String) -> Self {
        let mut report = Self { name, device: None, limits: None, ports: vec![], problems: vec![] };
        match Device::open(&report.name).and_then(|device| Ok((device.ports()?, device))) {
            Ok((ports, device)) => report.judge(ports, device),
            Err(error) => report.problems.push(Problem::Device(error)),
        }
        report
    }

    fn judge(&mut self, ports: Vec<Port>, device: Arc<Device>) {
        let limits = device.limits();
        if limits.atomics == AtomicScope::None {
            self.problems.push(Problem::NoAtomics);
        }
        if !ports.iter().any(|port| port.is_active) {
            self.problems.push(Problem::NoActivePort);
        } else if address(&ports).is_none() {
            self.problems.push(Problem::NoAddress);
        }
        let reads = limits.reads_out_max.min(limits.reads_in_max);
        if reads < READS_WANTED {
            self.problems.push(Problem::FewReads { found: reads, wanted: READS_WANTED });
        }
        self.limits = Some(limits.clone());
        self.ports = ports;
        self.device = Some(device);
    }

    /// The address that the fabric would use, if the device can be used at all.
    pub fn address(&self) -> Option<Address> {
        if self.problems.iter().any(Problem::is_fatal) { None } else { address(&self.ports) }
    }
}

fn address(ports: &[Port]) -> Option<Address> {
    ports.iter().filter(|port| port.is_active).find_map(Port::preferred_address)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for device in &self.devices {
            device.fmt(f)?;
        }
        match self.memlock_bytes {
            None => writeln!(f, "memlock   unlimited")?,
            Some(limit) => writeln!(f, "memlock   {} KiB, {} KiB are needed", limit >> 10, self.needed_bytes >> 10)?,
        }
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        match self.usable() {
            Some((device, address)) => {
                writeln!(f, "verdict   RDMA can be used: {} at {}", device.name(), Shown(address))
            }
            None => writeln!(f, "verdict   no RDMA on this host"),
        }
    }
}

impl Display for DeviceReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "device    {}", self.name)?;
        if let Some(limits) = &self.limits {
            write!(f, ", atomics: {:?}", limits.atomics)?;
            write!(f, ", READs at a time: {} out, {} in", limits.reads_out_max, limits.reads_in_max)?;
            write!(f, ", firmware {}", limits.firmware)?;
        }
        writeln!(f)?;
        for port in &self.ports {
            let state = if port.is_active { "active" } else { "down" };
            writeln!(f, "  port {}  {state}, {:?}, MTU {}", port.number, port.link_layer, port.mtu.bytes())?;
            if port.lid != 0 {
                writeln!(f, "    LID {}", port.lid)?;
            }
            for entry in &port.gids {
                writeln!(f, "    GID {} ({:?})", entry.gid, entry.kind)?;
            }
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

/// An address in words.
struct Shown(Address);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Gid(gid) => gid.fmt(f),
            Address::Lid(lid) => write!(f, "LID {lid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_any_host_has_a_verdict() {
        let report = Report::of_host(u64::MAX);
        let text = report.to_string();
        assert!(text.contains("verdict"), "{text}");
        if report.devices.is_empty() {
            assert!(report.usable().is_none());
            assert!(report.problems.iter().any(Problem::is_fatal), "{text}");
        }
    }

    #[test]
    fn a_memlock_limit_is_a_warning_with_the_command_that_raises_it() {
        let problem = Problem::Memlock { limit: 8 << 20, needed: 64 << 20 };
        assert!(!problem.is_fatal());
        assert!(problem.to_string().contains("ulimit -l 65536"), "{problem}");
    }
}
