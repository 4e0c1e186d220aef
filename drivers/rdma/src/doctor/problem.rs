//! What can be wrong, and what to do about it.

use crate::device::DeviceError;
use crate::library::LibraryError;

/// Something that keeps the fabric from running, or from running well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no libibverbs.
    #[error(transparent)]
    NoLibrary(LibraryError),
    /// The kernel offers no RDMA.
    #[error("the kernel offers no RDMA ({0}): load ib_uverbs and the driver of the card")]
    NoKernelSupport(#[source] DeviceError),
    /// There is no device.
    #[error(
        "no RDMA device: no card, or its driver is not loaded (SoftRoCE: rdma link add rxe0 type rxe netdev <interface>)"
    )]
    NoDevice,
    /// A device could not be opened or asked.
    #[error("{0}")]
    Device(#[source] DeviceError),
    /// The device has no atomics.
    #[error("it has no atomic operations: no PROMISE can be kept by it")]
    NoAtomics,
    /// No port is up.
    #[error("no port is active: check the cable, the switch, and on InfiniBand the subnet's opensm")]
    NoActivePort,
    /// No port has an address.
    #[error("no active port has an address: give its network interface an IP address")]
    NoAddress,
    /// Few READs and atomics can be outstanding.
    #[error("only {found} READs and atomics at a time ({wanted} keep a link busy): chains will wait for each other")]
    FewReads {
        /// How many.
        found: u8,
        /// How many would do.
        wanted: u8,
    },
    /// Less memory can be registered than is needed.
    #[error(
        "{} KiB may be locked and {} KiB are needed: raise it with `ulimit -l {}`, for good in /etc/security/limits.conf (memlock) or LimitMEMLOCK= of the service; root is not bound by it",
        limit >> 10, needed >> 10, needed.div_ceil(1024)
    )]
    Memlock {
        /// Bytes that may be locked.
        limit: u64,
        /// Bytes that are needed.
        needed: u64,
    },
}

impl Problem {
    /// Whether nothing works as long as it lasts.
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::FewReads { .. } | Self::Memlock { .. })
    }
}
