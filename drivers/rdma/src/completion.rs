//! Completions: how work requests ended.

use crate::create_error::CreateError;
use crate::device::Device;
use crate::ffi;
use crate::system::{check, check_pointer};
use std::ffi::c_int;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How a work request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It was executed.
    Success,
    /// The local memory is not registered for it.
    LocalProtection,
    /// It was not executed, because one before it failed or the queue pair was stopped.
    Flushed,
    /// The peer does not take such a request: too long, misaligned, or not allowed for this queue pair.
    RemoteInvalidRequest,
    /// The peer's memory is not registered for it: a wrong key, a place outside of the region, a right that was not given, or
    /// a region that was deregistered.
    RemoteAccess,
    /// The peer could not execute it.
    RemoteOperation,
    /// The peer did not answer in time, as often as it was asked.
    NoAnswer,
    /// Another, by the interface's number.
    Other(u32),
}

impl Status {
    const fn of(number: u32) -> Self {
        match number {
            ffi::WC_SUCCESS => Self::Success,
            ffi::WC_LOC_PROT_ERR => Self::LocalProtection,
            ffi::WC_WR_FLUSH_ERR => Self::Flushed,
            ffi::WC_REM_INV_REQ_ERR => Self::RemoteInvalidRequest,
            ffi::WC_REM_ACCESS_ERR => Self::RemoteAccess,
            ffi::WC_REM_OP_ERR => Self::RemoteOperation,
            ffi::WC_RETRY_EXC_ERR => Self::NoAnswer,
            number => Self::Other(number),
        }
    }
}

/// The end of a work request: of the last one of a chain, or of any that failed.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct WorkCompletion(ffi::WorkCompletion);

impl WorkCompletion {
    /// The name that the poster gave to the chain.
    #[inline]
    pub const fn id(&self) -> u64 {
        self.0.wr_id
    }

    /// The number of the queue pair.
    #[inline]
    pub const fn queue_pair(&self) -> u32 {
        self.0.qp_num
    }

    /// How it ended.
    #[inline]
    pub const fn status(&self) -> Status {
        Status::of(self.0.status)
    }
}

impl std::fmt::Debug for WorkCompletion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = f.debug_struct("WorkCompletion");
        fields.field("id", &self.id()).field("queue_pair", &self.queue_pair()).field("status", &self.status());
        fields.field("vendor_error", &self.0.vendor_err).finish()
    }
}

/// The driver could not read its own completions: the device is broken or gone.
#[derive(Debug, thiserror::Error)]
#[error("completions of {device} cannot be read (code {code})")]
pub struct PollError {
    /// The device.
    pub device: String,
    /// What the driver returned.
    pub code: i32,
}

/// Where completions of queue pairs arrive. It can never overflow: each queue pair reserves room for all that it may post.
/// One thread polls it at a time.
#[derive(Debug)]
pub struct CompletionQueue {
    /// Invariant: created and not destroyed until drop.
    queue: NonNull<ffi::CompletionQueue>,
    capacity: u32,
    /// Entries that queue pairs have reserved, those that are gone included. Invariant: at most `capacity`.
    reserved: AtomicU32,
    /// Of the reserved entries, those of queue pairs that are gone: their completions may still be in the queue.
    orphaned: AtomicU32,
    device: Arc<Device>,
}

// SAFETY: verbs on a completion queue may be called from any thread.
unsafe impl Send for CompletionQueue {}
// SAFETY: verbs on a completion queue may be called from several threads at a time; the driver keeps its own lock.
unsafe impl Sync for CompletionQueue {}

impl CompletionQueue {
    /// Makes a queue of at least `entries` entries.
    ///
    /// # Errors
    /// [`CreateError::Limit`], [`CreateError::System`].
    pub fn create(device: &Arc<Device>, entries: u32) -> Result<Arc<Self>, CreateError> {
        let max = device.limits().completions_max;
        let too_many = || CreateError::Limit {
            device: device.name().to_owned(),
            what: "entries of a completion queue",
            asked: entries,
            max,
        };
        let wanted = c_int::try_from(entries).ok().filter(|_| (1..=max).contains(&entries)).ok_or_else(too_many)?;
        let functions = device.functions();
        // SAFETY: the context is open as long as `device` lives; a null channel means that nobody sleeps on the queue, and the
        // null context is ours to choose.
        let queue = unsafe { (functions.create_cq)(device.as_ptr(), wanted, null_mut(), null_mut(), 0) };
        let queue = check_pointer(queue).map_err(CreateError::system("completion queue", device))?;
        let (reserved, orphaned) = (AtomicU32::new(0), AtomicU32::new(0));
        Ok(Arc::new(Self { queue, capacity: entries, reserved, orphaned, device: device.clone() }))
    }

    /// Takes completions, the oldest first, as many as there are and `batch` has room for. Returns how many. Those of queue
    /// pairs that are gone are among them.
    ///
    /// # Errors
    /// [`PollError`]; the device is of no use any more then.
    #[inline]
    pub fn poll(&self, batch: &mut [WorkCompletion]) -> Result<usize, PollError> {
        let orphaned = self.orphaned.load(Relaxed);
        let room = batch.len().min(c_int::MAX as usize) as c_int;
        // SAFETY: the queue exists (invariant) and is of the device whose driver's function this is; the driver writes at most
        // `room` of `ibv_wc`, which a `WorkCompletion` is (transparent), into `batch`.
        let taken = unsafe { (self.device.poll_cq)(self.queue.as_ptr(), room, batch.as_mut_ptr().cast()) };
        if orphaned != 0 && (0..room).contains(&taken) {
            self.forget(orphaned);
        }
        usize::try_from(taken).map_err(|_| self.broken(taken))
    }

    /// The queue was emptied, so it holds nothing of the queue pairs that were gone before.
    #[cold]
    fn forget(&self, orphaned: u32) {
        self.orphaned.fetch_sub(orphaned, Relaxed);
        self.reserved.fetch_sub(orphaned, Relaxed);
    }

    #[cold]
    fn broken(&self, code: c_int) -> PollError {
        PollError { device: self.device.name().to_owned(), code }
    }

    /// What the library calls the status of `completion`, with the vendor's number.
    pub fn explain(&self, completion: &WorkCompletion) -> String {
        let text = self.device.status_text(completion.0.status);
        format!("{text} (vendor error {:#x})", completion.0.vendor_err)
    }

    /// The device.
    pub const fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(crate) const fn as_ptr(&self) -> *mut ffi::CompletionQueue {
        self.queue.as_ptr()
    }

    pub(crate) fn reserve(&self, entries: u32) -> Result<(), CreateError> {
        let fits = |reserved: u32| reserved.checked_add(entries).filter(|&sum| sum <= self.capacity);
        // Relaxed: the number guards nothing but itself.
        self.reserved.fetch_update(Relaxed, Relaxed, fits).map(drop).map_err(|reserved| CreateError::Completions {
            capacity: self.capacity,
            reserved,
            asked: entries,
        })
    }

    /// The queue pair that reserved them is gone.
    pub(crate) fn orphan(&self, entries: u32) {
        self.orphaned.fetch_add(entries, Relaxed);
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        // SAFETY: created (invariant), destroyed here alone; queue pairs hold an `Arc` of it, so there are none.
        let code = check(unsafe { (self.device.functions().destroy_cq)(self.queue.as_ptr()) });
        debug_assert!(code.is_ok(), "a completion queue of {} cannot be destroyed: {code:?}", self.device.name());
    }
}
