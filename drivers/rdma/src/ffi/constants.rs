//! Numbers of the interface, named as in `infiniband/verbs.h` without the prefix.

use std::ffi::{c_int, c_uint};

pub(crate) const ACCESS_LOCAL_WRITE: c_uint = 1;
pub(crate) const ACCESS_REMOTE_WRITE: c_uint = 1 << 1;
pub(crate) const ACCESS_REMOTE_READ: c_uint = 1 << 2;
pub(crate) const ACCESS_REMOTE_ATOMIC: c_uint = 1 << 3;

pub(crate) const WR_RDMA_WRITE: c_uint = 0;
pub(crate) const WR_RDMA_READ: c_uint = 4;
pub(crate) const WR_ATOMIC_CMP_AND_SWP: c_uint = 5;

pub(crate) const SEND_SIGNALED: c_uint = 1 << 1;
pub(crate) const SEND_INLINE: c_uint = 1 << 3;

pub(crate) const QPT_RC: c_uint = 2;
pub(crate) const QPS_INIT: c_uint = 1;
pub(crate) const QPS_RTR: c_uint = 2;
pub(crate) const QPS_RTS: c_uint = 3;

pub(crate) const QP_STATE: c_int = 1;
pub(crate) const QP_ACCESS_FLAGS: c_int = 1 << 3;
pub(crate) const QP_PKEY_INDEX: c_int = 1 << 4;
pub(crate) const QP_PORT: c_int = 1 << 5;
pub(crate) const QP_AV: c_int = 1 << 7;
pub(crate) const QP_PATH_MTU: c_int = 1 << 8;
pub(crate) const QP_TIMEOUT: c_int = 1 << 9;
pub(crate) const QP_RETRY_CNT: c_int = 1 << 10;
pub(crate) const QP_RNR_RETRY: c_int = 1 << 11;
pub(crate) const QP_RQ_PSN: c_int = 1 << 12;
pub(crate) const QP_MAX_QP_RD_ATOMIC: c_int = 1 << 13;
pub(crate) const QP_MIN_RNR_TIMER: c_int = 1 << 15;
pub(crate) const QP_SQ_PSN: c_int = 1 << 16;
pub(crate) const QP_MAX_DEST_RD_ATOMIC: c_int = 1 << 17;
pub(crate) const QP_DEST_QPN: c_int = 1 << 20;

pub(crate) const ATOMIC_HCA: c_uint = 1;
pub(crate) const ATOMIC_GLOB: c_uint = 2;

pub(crate) const EVENT_QP_FATAL: c_uint = 1;
pub(crate) const EVENT_QP_REQ_ERR: c_uint = 2;
pub(crate) const EVENT_QP_ACCESS_ERR: c_uint = 3;
pub(crate) const EVENT_PATH_MIG_ERR: c_uint = 7;
pub(crate) const EVENT_DEVICE_FATAL: c_uint = 8;
pub(crate) const EVENT_PORT_ACTIVE: c_uint = 9;
pub(crate) const EVENT_PORT_ERR: c_uint = 10;
pub(crate) const EVENT_LID_CHANGE: c_uint = 11;
pub(crate) const EVENT_PKEY_CHANGE: c_uint = 12;
pub(crate) const EVENT_SM_CHANGE: c_uint = 13;
pub(crate) const EVENT_CLIENT_REREGISTER: c_uint = 17;
pub(crate) const EVENT_GID_CHANGE: c_uint = 18;

pub(crate) const PORT_ACTIVE: c_uint = 4;
pub(crate) const LINK_LAYER_INFINIBAND: u8 = 1;
pub(crate) const LINK_LAYER_ETHERNET: u8 = 2;

pub(crate) const GID_TYPE_IB: u32 = 0;
pub(crate) const GID_TYPE_ROCE_V1: u32 = 1;
pub(crate) const GID_TYPE_ROCE_V2: u32 = 2;

pub(crate) const MTU_256: c_uint = 1;
pub(crate) const MTU_512: c_uint = 2;
pub(crate) const MTU_1024: c_uint = 3;
pub(crate) const MTU_2048: c_uint = 4;
pub(crate) const MTU_4096: c_uint = 5;

pub(crate) const WC_SUCCESS: c_uint = 0;
pub(crate) const WC_LOC_PROT_ERR: c_uint = 4;
pub(crate) const WC_WR_FLUSH_ERR: c_uint = 5;
pub(crate) const WC_REM_INV_REQ_ERR: c_uint = 9;
pub(crate) const WC_REM_ACCESS_ERR: c_uint = 10;
pub(crate) const WC_REM_OP_ERR: c_uint = 11;
pub(crate) const WC_RETRY_EXC_ERR: c_uint = 12;
