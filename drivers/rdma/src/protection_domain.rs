//! Protection domains: which queue pairs may reach which memory.

use crate::create_error::CreateError;
use crate::device::Device;
use crate::ffi;
use crate::system::{check, check_pointer};
use std::ptr::NonNull;
use std::sync::Arc;

/// A protection domain. Keys of memory regions work for all queue pairs of their domain, and for no others: a peer that
/// gets a domain of its own can reach what was registered for it and nothing else, whatever keys it guesses.
#[derive(Debug)]
pub struct ProtectionDomain {
    /// Invariant: allocated and not deallocated until drop.
    domain: NonNull<ffi::ProtectionDomain>,
    device: Arc<Device>,
}

// SAFETY: verbs on a domain may be called from any thread.
unsafe impl Send for ProtectionDomain {}
// SAFETY: verbs on a domain may be called from several threads at a time; the library keeps its own locks.
unsafe impl Sync for ProtectionDomain {}

impl ProtectionDomain {
    /// Makes a domain.
    ///
    /// # Errors
    /// [`CreateError::System`].
    pub fn create(device: &Arc<Device>) -> Result<Arc<Self>, CreateError> {
        // SAFETY: the context is open as long as `device` lives.
        let domain = unsafe { (device.functions().alloc_pd)(device.as_ptr()) };
        let domain = check_pointer(domain).map_err(CreateError::system("protection domain", device))?;
        Ok(Arc::new(Self { domain, device: device.clone() }))
    }

    /// The device.
    pub const fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(crate) const fn as_ptr(&self) -> *mut ffi::ProtectionDomain {
        self.domain.as_ptr()
    }
}

impl Drop for ProtectionDomain {
    fn drop(&mut self) {
        // SAFETY: allocated (invariant), deallocated here alone; whatever was made in it holds an `Arc` of it, so it is gone.
        let code = check(unsafe { (self.device.functions().dealloc_pd)(self.domain.as_ptr()) });
        debug_assert!(code.is_ok(), "a protection domain of {} cannot be freed: {code:?}", self.device.name());
    }
}
