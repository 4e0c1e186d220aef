//! What is handed over and taken back on the hot path.

use std::ffi::{c_int, c_uint};
use std::mem::{offset_of, size_of};
use std::ptr::null_mut;

/// `ibv_sge`: a piece of local memory.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct ScatterGather {
    pub addr: u64,
    pub length: u32,
    pub lkey: u32,
}

/// The union `wr` of `ibv_send_wr`. Its members for RDMA and for atomics start alike but keep the key in different places.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) union Target {
    pub rdma: RdmaTarget,
    pub atomic: AtomicTarget,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RdmaTarget {
    pub remote_addr: u64,
    pub rkey: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AtomicTarget {
    pub remote_addr: u64,
    pub compare_add: u64,
    pub swap: u64,
    pub rkey: u32,
}

/// `ibv_send_wr`. What stands behind `wr` serves kinds of queue pairs and requests that this crate does not use.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SendRequest {
    pub wr_id: u64,
    pub next: *mut SendRequest,
    pub sg_list: *mut ScatterGather,
    pub num_sge: c_int,
    pub opcode: c_uint,
    pub send_flags: c_uint,
    pub imm_data: u32,
    pub wr: Target,
    pub rest: [u64; 7],
}

impl SendRequest {
    pub(crate) const ZERO: Self = Self {
        wr_id: 0,
        next: null_mut(),
        sg_list: null_mut(),
        num_sge: 0,
        opcode: 0,
        send_flags: 0,
        imm_data: 0,
        wr: Target { atomic: AtomicTarget { remote_addr: 0, compare_add: 0, swap: 0, rkey: 0 } },
        rest: [0; 7],
    };
}

/// `ibv_wc`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct WorkCompletion {
    pub wr_id: u64,
    pub status: c_uint,
    pub opcode: c_uint,
    pub vendor_err: u32,
    pub byte_len: u32,
    pub imm_data: u32,
    pub qp_num: u32,
    pub src_qp: u32,
    pub wc_flags: c_uint,
    pub pkey_index: u16,
    pub slid: u16,
    pub sl: u8,
    pub dlid_path_bits: u8,
}

const _: () = {
    assert!(size_of::<ScatterGather>() == 16);
    assert!(size_of::<SendRequest>() == 128);
    assert!(offset_of!(SendRequest, send_flags) == 32);
    assert!(offset_of!(SendRequest, wr) == 40);
    assert!(offset_of!(AtomicTarget, rkey) == 24);
    assert!(size_of::<WorkCompletion>() == 48);
    assert!(offset_of!(WorkCompletion, qp_num) == 28);
};
