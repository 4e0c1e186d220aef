//! The functions of the library, found by name at run time.

use crate::ffi::{
    AsyncEvent, CompletionChannel, CompletionQueue, Context, Device, DeviceAttributes, GidEntry, MemoryRegion,
    PortAttributes, ProtectionDomain, QueuePair, QueuePairAttributes, QueuePairInit,
};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

/// Declares [`Functions`]: one pointer for each function that this crate calls.
macro_rules! functions {
    ($($field:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// Pointers to functions of the library, which stays loaded as long as the process lives.
        pub(crate) struct Functions {
            $(pub(crate) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            /// Looks all functions up.
            ///
            /// # Errors
            /// The first that is missing.
            pub(crate) fn find(library: &libloading::Library) -> Result<Self, MissingFunction> {
                Ok(Self {
                    $($field: {
                        // SAFETY: the symbol is a function of libibverbs.so.1, whose signature is frozen and declared as in
                        // `infiniband/verbs.h`; the pointer is used only while the library is loaded (`Library::get`).
                        let symbol = unsafe { library.get($symbol.to_bytes_with_nul()) };
                        *symbol.map_err(|_| MissingFunction($symbol))?
                    },)*
                })
            }
        }
    };
}

/// A function that the library does not have: it is older than rdma-core 33 (2021).
pub(crate) struct MissingFunction(pub &'static CStr);

functions! {
    get_device_list = c"ibv_get_device_list": fn(*mut c_int) -> *mut *mut Device;
    free_device_list = c"ibv_free_device_list": fn(*mut *mut Device);
    get_device_name = c"ibv_get_device_name": fn(*mut Device) -> *const c_char;
    open_device = c"ibv_open_device": fn(*mut Device) -> *mut Context;
    close_device = c"ibv_close_device": fn(*mut Context) -> c_int;
    query_device = c"ibv_query_device": fn(*mut Context, *mut DeviceAttributes) -> c_int;
    query_port = c"ibv_query_port": fn(*mut Context, u8, *mut PortAttributes) -> c_int;
    query_gid_table = c"_ibv_query_gid_table": fn(*mut Context, *mut GidEntry, usize, u32, usize) -> isize;
    alloc_pd = c"ibv_alloc_pd": fn(*mut Context) -> *mut ProtectionDomain;
    dealloc_pd = c"ibv_dealloc_pd": fn(*mut ProtectionDomain) -> c_int;
    reg_mr = c"ibv_reg_mr": fn(*mut ProtectionDomain, *mut c_void, usize, c_int) -> *mut MemoryRegion;
    dereg_mr = c"ibv_dereg_mr": fn(*mut MemoryRegion) -> c_int;
    create_cq = c"ibv_create_cq": fn(*mut Context, c_int, *mut c_void, *mut CompletionChannel, c_int) -> *mut CompletionQueue;
    destroy_cq = c"ibv_destroy_cq": fn(*mut CompletionQueue) -> c_int;
    create_qp = c"ibv_create_qp": fn(*mut ProtectionDomain, *mut QueuePairInit) -> *mut QueuePair;
    modify_qp = c"ibv_modify_qp": fn(*mut QueuePair, *mut QueuePairAttributes, c_int) -> c_int;
    destroy_qp = c"ibv_destroy_qp": fn(*mut QueuePair) -> c_int;
    get_async_event = c"ibv_get_async_event": fn(*mut Context, *mut AsyncEvent) -> c_int;
    ack_async_event = c"ibv_ack_async_event": fn(*mut AsyncEvent);
    wc_status_str = c"ibv_wc_status_str": fn(c_uint) -> *const c_char;
}
