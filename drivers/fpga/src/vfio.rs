//! A device that a process owns through VFIO: its BAR, and memory of the host that it reaches behind the IOMMU.
//!
//! Limits: one container for each device; the group's other devices have to be bound to VFIO or to nothing; no interrupts, the
//! driver polls.

mod ioctl;

use crate::bus::{Bus, HostMemory};
use crate::pcie::{Bar, BarError};
use crate::report::Report;
use ioctl::{DeviceFd, GROUP_VIABLE, IoctlError};
use paxon_region::{Region, RegionError};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Where Linux has the container and the groups.
pub const VFIO: &str = "/dev/vfio";

/// Where the device sees the shared memory: page-aligned, and far below what the host bridge keeps for interrupts.
const SHARED_AT: u64 = 1 << 20;

/// Words of 64 bits that are shared: room for 128 slots and 256 completions, in whole pages.
const SHARED_WORDS: usize = 8 * 1_024;

/// The PCI command register, and its bit that lets a device reach memory.
const COMMAND: u64 = 4;
const BUS_MASTER: u16 = 1 << 2;

/// Which device, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder of the container and the groups; on a host [`VFIO`].
    pub vfio: PathBuf,
    /// The folder of the PCI devices; on a host [`pcie::SYSFS`](crate::pcie::SYSFS).
    pub sysfs: PathBuf,
    /// The device's address, such as `0000:01:00.0`.
    pub address: String,
    /// The BAR of the verifier.
    pub bar: u8,
    /// Whether the device is given memory of the host for its queues.
    pub share_memory: bool,
}

/// Why a device cannot be had through VFIO.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VfioError {
    /// The device is in no IOMMU group.
    #[error(
        "{address} is in no IOMMU group: is the device there, and is the IOMMU on (intel_iommu=on or amd_iommu=on)?"
    )]
    NoGroup {
        /// The device.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file below `/dev/vfio` cannot be opened.
    #[error("cannot open {path}: {hint}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A device of the group has a driver of the kernel.
    #[error("IOMMU group {group} is not viable: bind every device of it to vfio-pci, or to no driver")]
    NotViable {
        /// The group.
        group: String,
    },
    /// A call of VFIO failed.
    #[error("VFIO refuses to {what}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The device cannot be let at the memory.
    #[error("cannot let {address} reach memory of the host: its command register cannot be written")]
    BusMaster {
        /// The device.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The BAR cannot be mapped.
    #[error(transparent)]
    Bar(#[from] BarError),
    /// There is no memory to share.
    #[error("no memory for the queues")]
    Memory(#[from] RegionError),
}

impl From<IoctlError> for VfioError {
    fn from(error: IoctlError) -> Self {
        Self::Call { what: error.what, source: error.source }
    }
}

/// A device, owned. The fields are dropped in their order: first the way to the device, then the device, which ends its transfers,
/// at last the memory that it reached.
#[derive(Debug)]
pub struct Device {
    bar: Bar,
    _device: DeviceFd,
    _group: File,
    _container: File,
    memory: Option<HostMemory>,
}

impl Device {
    /// Takes the device.
    ///
    /// # Errors
    /// [`VfioError`] with what to do.
    pub fn open(options: &Options) -> Result<Self, VfioError> {
        let group_name = group_of(options)?;
        let container = open(&options.vfio.join("vfio"), "load the module vfio-pci, and give this user the file")?;
        let hint = "bind the device to vfio-pci, give this user the file, and end whoever else has it open";
        let group = open(&options.vfio.join(&group_name), hint)?;
        ioctl::check_container(&container)?;
        if ioctl::group_status(&group)? & GROUP_VIABLE == 0 {
            return Err(VfioError::NotViable { group: group_name });
        }
        ioctl::join(&group, &container)?;
        ioctl::use_iommu(&container)?;
        let device = ioctl::device(&group, &options.address)?;
        let region = device.region(options.bar.into())?;
        let place = format!("{} through VFIO, BAR {}", options.address, options.bar);
        let bar = Bar::of_file(device.file(), region.offset, region.size, place)?;
        let memory = options.share_memory.then(|| share(&container, &device, &options.address)).transpose()?;
        Ok(Self { bar, _device: device, _group: group, _container: container, memory })
    }

    /// Looks at a device and says what it is.
    pub fn doctor(options: &Options) -> Report {
        match Self::open(options) {
            Ok(mut device) => Report::of(&mut device),
            Err(error) => Report::unreachable(&options.address, &error),
        }
    }
}

/// The name of the device's group, from the link in sysfs.
fn group_of(options: &Options) -> Result<String, VfioError> {
    let address = &options.address;
    let none = |source| VfioError::NoGroup { address: address.clone(), source };
    let odd = || none(io::ErrorKind::InvalidData.into());
    // An address is digits and separators; anything else would be a path.
    if !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.') || address.contains("..") {
        return Err(none(io::ErrorKind::InvalidInput.into()));
    }
    let link = std::fs::read_link(options.sysfs.join(address).join("iommu_group")).map_err(none)?;
    let name = link.file_name().and_then(|name| name.to_str()).ok_or_else(odd)?;
    if name.bytes().all(|byte| byte.is_ascii_digit()) { Ok(name.to_owned()) } else { Err(odd()) }
}

fn open(path: &Path, hint: &'static str) -> Result<File, VfioError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|source| VfioError::Open { path: path.to_owned(), hint, source })
}

/// Memory that the device reaches, and the right to reach it.
fn share(container: &File, device: &DeviceFd, address: &str) -> Result<HostMemory, VfioError> {
    let region = Arc::new(Region::anonymous(SHARED_WORDS)?);
    ioctl::map_memory(container, region.words(), SHARED_AT)?;
    let config = device.configuration()?;
    let failed = |source| VfioError::BusMaster { address: address.to_owned(), source };
    let mut command = [0; 2];
    device.file().read_exact_at(&mut command, config.offset + COMMAND).map_err(failed)?;
    let command = (u16::from_le_bytes(command) | BUS_MASTER).to_le_bytes();
    device.file().write_all_at(&command, config.offset + COMMAND).map_err(failed)?;
    Ok(HostMemory { region, address: SHARED_AT })
}

impl Bus for Device {
    fn read(&mut self, address: u32) -> u32 {
        self.bar.read(address)
    }

    fn write(&mut self, address: u32, value: u32) {
        self.bar.write(address, value);
    }

    fn host_memory(&self) -> Option<HostMemory> {
        self.memory.clone()
    }

    fn place(&self) -> String {
        self.bar.place()
    }
}
