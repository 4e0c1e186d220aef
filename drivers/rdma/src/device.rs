//! Devices: which there are, and what one can do.

use crate::ffi::{self, PollCq, PostSend};
use crate::library::{Library, LibraryError};
use crate::port::{Mtu, Port, gid_kind, link_layer};
use crate::system::{check, check_pointer};
use crate::{Gid, GidEntry};
use std::ffi::{CStr, c_int};
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;

/// Entries of an address table that are looked at; the index of an entry that a queue pair uses has eight bits.
const GIDS_MAX: usize = 256;

/// Why a device could not be had or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no libibverbs.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// No device has that name.
    #[error("no RDMA device is named {name}; there are: {}", if found.is_empty() { "none".into() } else { found.join(", ") })]
    Unknown {
        /// The name.
        name: String,
        /// The names of the devices that there are.
        found: Vec<String>,
    },
    /// The driver has no fast path, which no driver of rdma-core lacks.
    #[error("the driver of {name} lacks ibv_post_send or ibv_poll_cq")]
    Driver {
        /// The device.
        name: String,
    },
    /// A call failed.
    #[error(
        "cannot {action} {name} (are its kernel modules loaded, ib_uverbs among them, and /dev/infiniband/uverbs* open to this user?)"
    )]
    System {
        /// What was tried.
        action: &'static str,
        /// The device.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Who sees the read-modify-writes of the device as one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicScope {
    /// It has none: no PROMISE can be kept by it.
    None,
    /// Those of the same device only, which is what one atomicity domain for each PROMISE asks for.
    Device,
    /// Processors too.
    Global,
}

/// What a device allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Version of its firmware.
    pub firmware: String,
    /// Its name in the whole world.
    pub guid: u64,
    /// Who sees its atomics as one step.
    pub atomics: AtomicScope,
    /// Work requests that a send queue holds.
    pub work_requests_max: u32,
    /// Entries of a completion queue.
    pub completions_max: u32,
    /// READs and atomics that a queue pair may have outstanding as initiator.
    pub reads_out_max: u8,
    /// READs and atomics that a queue pair serves at a time.
    pub reads_in_max: u8,
    /// Memory regions.
    pub regions_max: u32,
    /// Protection domains.
    pub domains_max: u32,
    /// Queue pairs.
    pub queue_pairs_max: u32,
    /// Bytes of the largest memory region.
    pub region_bytes_max: u64,
    /// Ports.
    pub ports: u8,
}

/// An opened device.
pub struct Device {
    context: Context,
    /// Of the driver, for this context's queue pairs and completion queues.
    pub(crate) post_send: PostSend,
    pub(crate) poll_cq: PollCq,
    name: String,
    limits: Limits,
}

// SAFETY: verbs may be called from any thread (man 7 ibv_*: "thread safe"), on a context that another one opened.
unsafe impl Send for Device {}
// SAFETY: verbs may be called from several threads at a time; the library keeps its own locks.
unsafe impl Sync for Device {}

impl Device {
    /// The names of all devices of this host.
    ///
    /// # Errors
    /// [`DeviceError::Library`] without libibverbs; [`DeviceError::System`] where the kernel has no RDMA.
    pub fn names() -> Result<Vec<String>, DeviceError> {
        let list = DeviceList::get(Library::get()?)?;
        Ok(list.devices().map(|device| list.name(device)).collect())
    }

    /// Opens the device `name`.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn open(name: &str) -> Result<Arc<Self>, DeviceError> {
        let context = open_context(Library::get()?, name)?;
        let operations = context.operations();
        let (Some(post_send), Some(poll_cq)) = (operations.post_send, operations.poll_cq) else {
            return Err(DeviceError::Driver { name: name.to_owned() });
        };
        let attributes = context.query();
        let failed = |source| DeviceError::System { action: "query", name: name.to_owned(), source };
        let limits = limits(&attributes.map_err(failed)?);
        Ok(Arc::new(Self { context, post_send, poll_cq, name: name.to_owned(), limits }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it allows.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The port `number` (from 1) as it is now.
    ///
    /// # Errors
    /// [`DeviceError::System`].
    pub fn port(&self, number: u8) -> Result<Port, DeviceError> {
        let mut attributes = ffi::PortAttributes::default();
        // SAFETY: the context is open (invariant); the function writes one `ibv_port_attr` (its older, shorter form), which
        // `attributes` has room for.
        let code = unsafe { (self.functions().query_port)(self.context.pointer.as_ptr(), number, &raw mut attributes) };
        check(code).map_err(|source| self.failed("query a port of", source))?;
        let mut gids = self.gids()?;
        gids.retain(|&(port, _)| port == u32::from(number));
        Ok(Port {
            number,
            is_active: attributes.state == ffi::PORT_ACTIVE,
            link_layer: link_layer(attributes.link_layer),
            mtu: Mtu::from_code(attributes.active_mtu).unwrap_or(Mtu::Bytes256),
            lid: attributes.lid,
            gids: gids.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    /// All ports as they are now.
    ///
    /// # Errors
    /// [`DeviceError::System`].
    pub fn ports(&self) -> Result<Vec<Port>, DeviceError> {
        (1..=self.limits.ports).map(|number| self.port(number)).collect()
    }

    /// Addresses of all ports, with the number of the port of each.
    fn gids(&self) -> Result<Vec<(u32, GidEntry)>, DeviceError> {
        let mut table = [ffi::GidEntry::default(); GIDS_MAX];
        let entry_bytes = size_of::<ffi::GidEntry>();
        // SAFETY: the context is open (invariant); the function writes at most GIDS_MAX entries of `entry_bytes` each, which
        // is what `table` is.
        let found = unsafe {
            (self.functions().query_gid_table)(
                self.context.pointer.as_ptr(),
                table.as_mut_ptr(),
                GIDS_MAX,
                0,
                entry_bytes,
            )
        };
        let found = usize::try_from(found).map_err(|_| {
            let source = io::Error::from_raw_os_error(c_int::try_from(-found).unwrap_or(c_int::MAX));
            self.failed("list the addresses of", source)
        })?;
        let entries = table.iter().take(found).filter_map(|entry| {
            let index = u8::try_from(entry.gid_index).ok()?;
            Some((entry.port_num, GidEntry { index, gid: Gid(entry.gid), kind: gid_kind(entry.gid_type) }))
        });
        Ok(entries.filter(|(_, entry)| !entry.gid.is_zero()).collect())
    }

    pub(crate) const fn functions(&self) -> &'static ffi::Functions {
        &self.context.library.functions
    }

    pub(crate) const fn as_ptr(&self) -> *mut ffi::Context {
        self.context.pointer.as_ptr()
    }

    /// The library's words for the status of a completion.
    pub(crate) fn status_text(&self, status: u32) -> String {
        self.context.library.status_text(status)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> DeviceError {
        DeviceError::System { action, name: self.name.clone(), source }
    }
}

impl Debug for Device {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An open context, closed on drop.
struct Context {
    /// Invariant: opened and not closed until drop.
    pointer: NonNull<ffi::Context>,
    library: &'static Library,
}

impl Context {
    /// What its driver offers for posting and polling.
    fn operations(&self) -> ffi::ContextOperations {
        // SAFETY: the context is open (invariant); its operations were filled in before that, and nobody changes them.
        unsafe { (*self.pointer.as_ptr()).operations }
    }

    /// Where its events come from.
    fn events(&self) -> BorrowedFd<'_> {
        // SAFETY: the context is open (invariant); the number was filled in before that, and nobody changes it.
        let descriptor = unsafe { (*self.pointer.as_ptr()).async_fd };
        // SAFETY: the library keeps the descriptor open for as long as the context, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(descriptor) }
    }

    fn query(&self) -> io::Result<ffi::DeviceAttributes> {
        let mut attributes = ffi::DeviceAttributes::ZERO;
        // SAFETY: the context is open (invariant); the function writes one `ibv_device_attr`, which `attributes` is.
        check(unsafe { (self.library.functions.query_device)(self.pointer.as_ptr(), &raw mut attributes) })?;
        Ok(attributes)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: open (invariant), and closed here alone; whatever was made from it holds an `Arc` of its device, so it is gone.
        let code = check(unsafe { (self.library.functions.close_device)(self.pointer.as_ptr()) });
        debug_assert!(code.is_ok(), "an RDMA device cannot be closed: {code:?}");
    }
}

fn open_context(library: &'static Library, name: &str) -> Result<Context, DeviceError> {
    let list = DeviceList::get(library)?;
    let Some(device) = list.devices().find(|&device| list.name(device) == name) else {
        let found = list.devices().map(|device| list.name(device)).collect();
        return Err(DeviceError::Unknown { name: name.to_owned(), found });
    };
    // SAFETY: an entry of a list that was not freed yet.
    let context = unsafe { (library.functions.open_device)(device) };
    let pointer = check_pointer(context);
    let pointer = pointer.map_err(|source| DeviceError::System { action: "open", name: name.to_owned(), source })?;
    let context = Context { pointer, library };
    // Nobody waits for the device's events.
    rustix::io::ioctl_fionbio(context.events(), true).map_err(|error| DeviceError::System {
        action: "listen to",
        name: name.to_owned(),
        source: error.into(),
    })?;
    Ok(context)
}

fn limits(attributes: &ffi::DeviceAttributes) -> Limits {
    // The interface has signed numbers; a negative one would be a driver's bug and is taken for nothing.
    let count = |number: c_int| u32::try_from(number).unwrap_or(0);
    let byte = |number: c_int| u8::try_from(number.clamp(0, 255)).unwrap_or(0);
    let firmware = attributes.fw_ver.split(|&byte| byte == 0).next().unwrap_or_default();
    Limits {
        firmware: String::from_utf8_lossy(firmware).into_owned(),
        guid: u64::from_be_bytes(attributes.node_guid),
        atomics: match attributes.atomic_cap {
            ffi::ATOMIC_HCA => AtomicScope::Device,
            ffi::ATOMIC_GLOB => AtomicScope::Global,
            _ => AtomicScope::None,
        },
        work_requests_max: count(attributes.max_qp_wr),
        completions_max: count(attributes.max_cqe),
        reads_out_max: byte(attributes.max_qp_init_rd_atom),
        reads_in_max: byte(attributes.max_qp_rd_atom),
        regions_max: count(attributes.max_mr),
        domains_max: count(attributes.max_pd),
        queue_pairs_max: count(attributes.max_qp),
        region_bytes_max: attributes.max_mr_size,
        ports: attributes.phys_port_cnt,
    }
}

/// The library's list of devices, freed on drop.
struct DeviceList {
    /// Invariant: an array of `length` valid devices that is freed by drop alone.
    first: NonNull<*mut ffi::Device>,
    length: usize,
    library: &'static Library,
}

impl DeviceList {
    fn get(library: &'static Library) -> Result<Self, DeviceError> {
        let mut length = 0;
        // SAFETY: the function writes one number and returns an array or null.
        let first = unsafe { (library.functions.get_device_list)(&raw mut length) };
        let failed = |source| DeviceError::System { action: "list", name: "the RDMA devices".into(), source };
        let first = check_pointer(first).map_err(failed)?;
        Ok(Self { first, length: usize::try_from(length).unwrap_or(0), library })
    }

    fn devices(&self) -> impl Iterator<Item = *mut ffi::Device> {
        // SAFETY: the array has `length` entries and is not freed as long as `self` is borrowed (invariant).
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.length) }.iter().copied()
    }

    fn name(&self, device: *mut ffi::Device) -> String {
        // SAFETY: an entry of the list, which is not freed yet.
        let name = unsafe { (self.library.functions.get_device_name)(device) };
        if name.is_null() {
            return String::new();
        }
        // SAFETY: not null, and by the function's contract a NUL-terminated string that lives as long as the list.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }
}

impl Drop for DeviceList {
    fn drop(&mut self) {
        // SAFETY: the array came from `ibv_get_device_list` and is freed here alone; devices opened from it stay open.
        unsafe { (self.library.functions.free_device_list)(self.first.as_ptr()) };
    }
}
