//! The device that serves a replica, found by the preflight.

use paxon_rdma::doctor::{DeviceReport, Report, SelfTest};
use paxon_rdma::{Address, Device, Source};
use std::net::IpAddr;
use std::sync::Arc;

/// Chains of the self-test at a start: enough to see what a device does at all. `paxon doctor rdma` makes thousands.
const SELF_TEST_ROUNDS: u64 = 64;

/// Which device of this host to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdmaOptions {
    /// Its name; the first one that can be used if not given.
    pub device: Option<String>,
    /// One of its addresses (RoCE); the preferred one of its first active port if not given.
    pub address: Option<IpAddr>,
    /// Whether nobody but the members can send to their devices. Keys of memory and numbers of queue pairs can be guessed: where
    /// others can send, records must carry authentication codes.
    pub isolated: bool,
}

/// A device that can be used, and where it sends from.
#[derive(Debug)]
pub(in crate::network) struct Adapter {
    pub(in crate::network) device: Arc<Device>,
    pub(in crate::network) source: Source,
}

impl Adapter {
    /// The device that the options name, after a look at the host and a short self-test; or why there is none, in words.
    pub(in crate::network) fn find(options: &RdmaOptions, needed_bytes: u64) -> Result<Self, String> {
        let report = Report::of_host(needed_bytes);
        let is_root = rustix::process::geteuid().is_root();
        for warning in report.problems.iter().filter(|problem| !problem.is_fatal()) {
            // Root is not bound by it, unless in a container.
            let level = if is_root { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "RDMA: {warning}");
        }
        if let Some(problem) = report.problems.iter().find(|problem| problem.is_fatal()) {
            return Err(problem.to_string());
        }
        let mut troubles = Vec::new();
        let is_wanted = |device: &&DeviceReport| options.device.as_ref().is_none_or(|name| *name == device.name);
        for device in report.devices.iter().filter(is_wanted) {
            match open(device, options).and_then(tried) {
                Ok(adapter) => return Ok(adapter),
                Err(trouble) => troubles.push(format!("{}: {trouble}", device.name)),
            }
        }
        if !troubles.is_empty() {
            return Err(troubles.join("; "));
        }
        let names: Vec<_> = report.devices.iter().map(|device| device.name.as_str()).collect();
        let wanted = options.device.as_deref().unwrap_or_default();
        Err(format!("no RDMA device is named {wanted}; there are: {}", names.join(", ")))
    }

    pub(in crate::network) fn describe(&self) -> String {
        match self.source.address() {
            Address::Gid(gid) => format!("{} at {gid}", self.device.name()),
            Address::Lid(lid) => format!("{} at LID {lid}", self.device.name()),
        }
    }
}

fn open(report: &DeviceReport, options: &RdmaOptions) -> Result<Adapter, String> {
    if let Some(problem) = report.problems.iter().find(|problem| problem.is_fatal()) {
        return Err(problem.to_string());
    }
    let device = report.device.clone().ok_or("it could not be opened")?;
    for warning in &report.problems {
        log::warn!("RDMA device {}: {warning}", report.name);
    }
    let source = Source::find(&device, options.address.map(Into::into)).map_err(|error| error.to_string())?;
    Ok(Adapter { device, source })
}

/// A device that does not do what the protocol rests on must not keep a PROMISE.
fn tried(adapter: Adapter) -> Result<Adapter, String> {
    match SelfTest::run(&adapter.device, SELF_TEST_ROUNDS) {
        Ok(test) if test.is_passed() => Ok(adapter),
        Ok(test) => Err(format!("its self-test failed: {test}")),
        Err(error) => Err(format!("its self-test could not be made: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxon_rdma::doctor::Problem;

    #[test]
    fn a_device_that_is_not_there_is_named_with_those_that_are() {
        let options = RdmaOptions { device: Some("no-such-device".into()), ..RdmaOptions::default() };
        let why = Adapter::find(&options, 0).expect_err("no device has that name");
        let report = Report::of_host(0);
        if report.problems.iter().any(Problem::is_fatal) {
            assert!(report.problems.iter().any(|problem| why == problem.to_string()), "{why}");
        } else {
            assert!(why.contains("no-such-device") && why.contains(&report.devices[0].name), "{why}");
        }
    }
}
