//! What the library allocates and we hold pointers to. Only the fields up to the last one that we read are declared: no
//! value of these types is ever made here.

use crate::ffi::{SendRequest, WorkCompletion};
use std::ffi::{c_int, c_uint, c_void};
use std::mem::{offset_of, size_of};

/// `ibv_device`: opaque.
#[repr(C)]
pub(crate) struct Device([u8; 0]);

/// `ibv_comp_channel`: opaque, and never used but as a null pointer.
#[repr(C)]
pub(crate) struct CompletionChannel([u8; 0]);

/// Takes completions off a queue.
///
/// # Safety
/// The queue is live, the array has room for as many completions as are asked for, and one thread polls the queue at a time.
pub(crate) type PollCq = unsafe extern "C" fn(*mut CompletionQueue, c_int, *mut WorkCompletion) -> c_int;
/// Posts a list of requests.
///
/// # Safety
/// The queue pair is live, one thread posts to it at a time, the list ends with a null pointer, and every request and piece of
/// memory that it names is live: requests until the call returns, registered memory until the completion.
pub(crate) type PostSend = unsafe extern "C" fn(*mut QueuePair, *mut SendRequest, *mut *mut SendRequest) -> c_int;

/// `ibv_context_ops`: where the fast operations of a provider stand.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ContextOperations {
    pub before_poll_cq: [*mut c_void; 11],
    pub poll_cq: Option<PollCq>,
    pub between: [*mut c_void; 13],
    pub post_send: Option<PostSend>,
    pub after_post_send: [*mut c_void; 6],
}

/// `ibv_context`.
#[repr(C)]
pub(crate) struct Context {
    pub device: *mut Device,
    pub operations: ContextOperations,
    pub cmd_fd: c_int,
    pub async_fd: c_int,
}

/// `ibv_pd`.
#[repr(C)]
pub(crate) struct ProtectionDomain {
    pub context: *mut Context,
    pub handle: u32,
}

/// `ibv_mr`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct MemoryRegion {
    pub context: *mut Context,
    pub pd: *mut ProtectionDomain,
    pub addr: *mut c_void,
    pub length: usize,
    pub handle: u32,
    pub lkey: u32,
    pub rkey: u32,
}

/// `ibv_cq`.
#[repr(C)]
pub(crate) struct CompletionQueue {
    pub context: *mut Context,
}

/// `ibv_qp`.
#[repr(C)]
pub(crate) struct QueuePair {
    pub context: *mut Context,
    pub qp_context: *mut c_void,
    pub pd: *mut ProtectionDomain,
    pub send_cq: *mut CompletionQueue,
    pub recv_cq: *mut CompletionQueue,
    pub srq: *mut c_void,
    pub handle: u32,
    pub qp_num: u32,
    pub state: c_uint,
    pub qp_type: c_uint,
}

/// `ibv_async_event`: what it is about, as a pointer or (in the lower half) as the number of a port, and what happened.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AsyncEvent {
    pub element: *mut c_void,
    pub event_type: c_uint,
}

impl AsyncEvent {
    pub(crate) const ZERO: Self = Self { element: std::ptr::null_mut(), event_type: 0 };
}

const _: () = {
    assert!(size_of::<AsyncEvent>() == 16);
    assert!(offset_of!(AsyncEvent, event_type) == 8);
    assert!(offset_of!(Context, async_fd) == 268);
    assert!(size_of::<ContextOperations>() == 256);
    assert!(offset_of!(ContextOperations, poll_cq) == 88);
    assert!(offset_of!(ContextOperations, post_send) == 200);
    assert!(offset_of!(Context, operations) == 8);
    assert!(offset_of!(Context, cmd_fd) == 264);
    assert!(offset_of!(ProtectionDomain, handle) == 8);
    assert!(size_of::<MemoryRegion>() == 48);
    assert!(offset_of!(MemoryRegion, lkey) == 36);
    assert!(offset_of!(MemoryRegion, rkey) == 40);
    assert!(offset_of!(QueuePair, qp_num) == 52);
};
