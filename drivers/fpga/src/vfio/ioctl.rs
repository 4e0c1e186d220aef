//! The calls of VFIO: `linux/vfio.h`, type 1 IOMMU.
//!
//! Limits: only what a polled device with one BAR needs.

use std::ffi::{CString, c_int, c_ulong};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::AtomicU64;

/// `_IO(';', 100 + n)`: these calls carry neither size nor direction in their numbers.
const fn call(n: c_ulong) -> c_ulong {
    (b';' as c_ulong) << 8 | (100 + n)
}

const GET_API_VERSION: c_ulong = call(0);
const CHECK_EXTENSION: c_ulong = call(1);
const SET_IOMMU: c_ulong = call(2);
const GROUP_GET_STATUS: c_ulong = call(3);
const GROUP_SET_CONTAINER: c_ulong = call(4);
const GROUP_GET_DEVICE_FD: c_ulong = call(6);
const DEVICE_GET_REGION_INFO: c_ulong = call(8);
const IOMMU_MAP_DMA: c_ulong = call(13);

/// The only version there is.
const API_VERSION: c_int = 0;
const TYPE1V2_IOMMU: c_ulong = 3;
/// Every device of the group belongs to VFIO or to nobody.
pub(super) const GROUP_VIABLE: u32 = 1;
const MAP_READ_WRITE: u32 = 1 | 2;
/// The region of a PCI device that is its configuration.
const CONFIGURATION_REGION: u32 = 7;

/// What was refused.
#[derive(Debug)]
pub(super) struct IoctlError {
    pub(super) what: &'static str,
    pub(super) source: io::Error,
}

#[repr(C)]
#[derive(Default)]
struct GroupStatus {
    argsz: u32,
    flags: u32,
}

/// A region of a device: where in the device's file, and how long.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RegionInfo {
    argsz: u32,
    flags: u32,
    index: u32,
    cap_offset: u32,
    pub(super) size: u64,
    pub(super) offset: u64,
}

#[repr(C)]
struct DmaMap {
    argsz: u32,
    flags: u32,
    vaddr: u64,
    iova: u64,
    size: u64,
}

const _: () = assert!(size_of::<GroupStatus>() == 8 && size_of::<RegionInfo>() == 32 && size_of::<DmaMap>() == 32);

/// The kernel's answer to a call that failed is in errno.
fn answer(what: &'static str, result: c_int) -> Result<c_int, IoctlError> {
    if result < 0 { Err(IoctlError { what, source: io::Error::last_os_error() }) } else { Ok(result) }
}

/// A call whose argument is a number or nothing.
fn number(file: &File, what: &'static str, request: c_ulong, argument: c_ulong) -> Result<c_int, IoctlError> {
    // SAFETY: the descriptor is open as long as `file` is borrowed; the calls that come here take their argument by value, and the
    // kernel checks it.
    answer(what, unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument) })
}

/// A call whose argument is a structure that tells its own size in its first field.
fn structure<T>(file: &File, what: &'static str, request: c_ulong, argument: &mut T) -> Result<c_int, IoctlError> {
    let argument: *mut T = argument;
    // SAFETY: the descriptor is open as long as `file` is borrowed; `argument` is a live, exclusively borrowed structure whose
    // `argsz`, set by each caller to `size_of::<T>()`, bounds what the kernel reads and writes; any bits are valid in its fields.
    answer(what, unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument) })
}

/// Whether the container speaks the version and has the IOMMU that this module knows.
pub(super) fn check_container(container: &File) -> Result<(), IoctlError> {
    let unsupported = |what| IoctlError { what, source: io::ErrorKind::Unsupported.into() };
    if number(container, "tell its version", GET_API_VERSION, 0)? != API_VERSION {
        return Err(unsupported("speak version 0 of its interface"));
    }
    match number(container, "tell its kinds of IOMMU", CHECK_EXTENSION, TYPE1V2_IOMMU)? {
        0 => Err(unsupported("offer an IOMMU of type 1, version 2")),
        _ => Ok(()),
    }
}

/// The group's flags.
pub(super) fn group_status(group: &File) -> Result<u32, IoctlError> {
    let mut status = GroupStatus { argsz: size_of::<GroupStatus>() as u32, ..GroupStatus::default() };
    structure(group, "tell the group's state", GROUP_GET_STATUS, &mut status)?;
    Ok(status.flags)
}

/// Puts the group into the container.
pub(super) fn join(group: &File, container: &File) -> Result<(), IoctlError> {
    let mut descriptor: c_int = container.as_raw_fd();
    let pointer: *mut c_int = &mut descriptor;
    // SAFETY: both descriptors are open as long as the files are borrowed; the kernel reads one `int` at the pointer, which lives
    // until the call returns.
    let result = unsafe { libc::ioctl(group.as_raw_fd(), GROUP_SET_CONTAINER as _, pointer) };
    answer("put the group into a container", result).map(drop)
}

/// Lets the container translate.
pub(super) fn use_iommu(container: &File) -> Result<(), IoctlError> {
    number(container, "use the IOMMU", SET_IOMMU, TYPE1V2_IOMMU).map(drop)
}

/// Opens a device of the group.
pub(super) fn device(group: &File, address: &str) -> Result<DeviceFd, IoctlError> {
    let what = "open the device (is it bound to vfio-pci?)";
    let name = CString::new(address).map_err(|error| IoctlError { what, source: error.into() })?;
    // SAFETY: the descriptor is open as long as `group` is borrowed; the kernel reads a zero-terminated string at the pointer, which
    // lives until the call returns.
    let result = unsafe { libc::ioctl(group.as_raw_fd(), GROUP_GET_DEVICE_FD as _, name.as_ptr()) };
    let descriptor = answer(what, result)?;
    // SAFETY: the kernel has just opened the descriptor for this call alone, and nothing else knows its number.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(DeviceFd { file: owned.into() })
}

/// Lets the device reach memory: `words` stand at `iova` for it.
///
/// The kernel pins the pages until the container is closed. What the device writes meanwhile, this process sees as what other
/// writers do to atomics.
pub(super) fn map_memory(container: &File, words: &[AtomicU64], iova: u64) -> Result<(), IoctlError> {
    let mut map = DmaMap {
        argsz: size_of::<DmaMap>() as u32,
        flags: MAP_READ_WRITE,
        vaddr: words.as_ptr() as u64,
        iova,
        size: size_of_val(words) as u64,
    };
    structure(container, "map memory for the device (is RLIMIT_MEMLOCK high enough?)", IOMMU_MAP_DMA, &mut map)
        .map(drop)
}

/// An open device.
#[derive(Debug)]
pub(super) struct DeviceFd {
    file: File,
}

impl DeviceFd {
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Where a BAR is in the device's file.
    pub(super) fn region(&self, index: u32) -> Result<RegionInfo, IoctlError> {
        let mut info = RegionInfo { argsz: size_of::<RegionInfo>() as u32, index, ..RegionInfo::default() };
        structure(&self.file, "tell about a region of the device", DEVICE_GET_REGION_INFO, &mut info)?;
        Ok(info)
    }

    /// Where the configuration is in the device's file.
    pub(super) fn configuration(&self) -> Result<RegionInfo, IoctlError> {
        self.region(CONFIGURATION_REGION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_header() {
        assert_eq!((GET_API_VERSION, SET_IOMMU, IOMMU_MAP_DMA), (0x3b64, 0x3b66, 0x3b71));
    }

    #[test]
    fn a_file_that_is_no_container_is_refused() {
        let file = tempfile::tempfile().expect("a temporary file");
        let error = check_container(&file).expect_err("it is no container");
        assert_eq!(error.source.raw_os_error(), Some(libc::ENOTTY));
    }
}
