//! Compares this crate's view of the interface with the installed headers: with what bindgen reads in them (`rdma-sys`), and,
//! for the types that `rdma-sys` has written by hand and bindgen does not read, with the C compiler's.

use crate::ffi;
use rdma_sys as header;
use std::mem::{align_of, offset_of, size_of};
use std::process::{Command, Stdio};

/// Offsets of fields; `ours = theirs` where the names differ.
macro_rules! same_offsets {
    ($ours:ident = $theirs:ident { $($field:ident = $their_field:ident),* $(,)? }) => {
        $(assert_eq!(
            offset_of!(ffi::$ours, $field),
            offset_of!(header::$theirs, $their_field),
            "{}::{}", stringify!($theirs), stringify!($their_field)
        );)*
    };
}

/// Size, alignment, and offsets of fields that have the same name in both.
macro_rules! same_layout {
    ($ours:ident = $theirs:ident { $($field:ident),* $(,)? }) => {
        assert_eq!(size_of::<ffi::$ours>(), size_of::<header::$theirs>(), "size of {}", stringify!($theirs));
        assert_eq!(align_of::<ffi::$ours>(), align_of::<header::$theirs>(), "alignment of {}", stringify!($theirs));
        same_offsets!($ours = $theirs { $($field = $field),* });
    };
}

macro_rules! same_numbers {
    ($($ours:ident = $theirs:expr),* $(,)?) => {
        $(assert_eq!(i64::from(ffi::$ours), i64::from($theirs), stringify!($ours));)*
    };
}

#[test]
fn objects_are_laid_out_as_in_the_headers() {
    assert_eq!(size_of::<ffi::ContextOperations>(), size_of::<header::ibv_context_ops>());
    same_offsets!(ContextOperations = ibv_context_ops { poll_cq = poll_cq, post_send = post_send });
    same_offsets!(Context = ibv_context { device = device, operations = ops, cmd_fd = cmd_fd, async_fd = async_fd });
    same_layout!(AsyncEvent = ibv_async_event { element, event_type });
    same_offsets!(ProtectionDomain = ibv_pd { context = context, handle = handle });
    same_layout!(MemoryRegion = ibv_mr { context, pd, addr, length, handle, lkey, rkey });
    same_offsets!(CompletionQueue = ibv_cq { context = context });
    same_offsets!(QueuePair = ibv_qp {
        context = context, qp_context = qp_context, pd = pd, send_cq = send_cq, recv_cq = recv_cq, srq = srq,
        handle = handle, qp_num = qp_num, state = state, qp_type = qp_type,
    });
}

#[test]
fn queries_are_laid_out_as_in_the_headers() {
    same_layout!(
        DeviceAttributes = ibv_device_attr {
            fw_ver,
            node_guid,
            sys_image_guid,
            max_mr_size,
            page_size_cap,
            vendor_id,
            vendor_part_id,
            hw_ver,
            max_qp,
            max_qp_wr,
            device_cap_flags,
            max_sge,
            max_sge_rd,
            max_cq,
            max_cqe,
            max_mr,
            max_pd,
            max_qp_rd_atom,
            max_ee_rd_atom,
            max_res_rd_atom,
            max_qp_init_rd_atom,
            max_ee_init_rd_atom,
            atomic_cap,
            max_pkeys,
            local_ca_ack_delay,
            phys_port_cnt,
        }
    );
    same_layout!(
        PortAttributes = ibv_port_attr {
            state,
            max_mtu,
            active_mtu,
            gid_tbl_len,
            port_cap_flags,
            max_msg_sz,
            bad_pkey_cntr,
            qkey_viol_cntr,
            pkey_tbl_len,
            lid,
            sm_lid,
            lmc,
            max_vl_num,
            sm_sl,
            subnet_timeout,
            init_type_reply,
            active_width,
            active_speed,
            phys_state,
            link_layer,
            flags,
            port_cap_flags2,
        }
    );
    same_layout!(GidEntry = ibv_gid_entry { gid, gid_index, port_num, gid_type, ndev_ifindex });
}

#[test]
fn queue_pairs_are_asked_for_as_in_the_headers() {
    same_layout!(
        QueuePairCapacity = ibv_qp_cap { max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data }
    );
    same_layout!(QueuePairInit = ibv_qp_init_attr { qp_context, send_cq, recv_cq, srq, cap, qp_type, sq_sig_all });
    same_layout!(
        QueuePairAttributes = ibv_qp_attr {
            qp_state,
            cur_qp_state,
            path_mtu,
            path_mig_state,
            qkey,
            rq_psn,
            sq_psn,
            dest_qp_num,
            qp_access_flags,
            cap,
            ah_attr,
            alt_ah_attr,
            pkey_index,
            alt_pkey_index,
            en_sqd_async_notify,
            sq_draining,
            max_rd_atomic,
            max_dest_rd_atomic,
            min_rnr_timer,
            port_num,
            timeout,
            retry_cnt,
            rnr_retry,
            alt_port_num,
            alt_timeout,
            rate_limit,
        }
    );
}

#[test]
fn requests_are_laid_out_as_in_the_headers() {
    same_layout!(ScatterGather = ibv_sge { addr, length, lkey });
    same_layout!(SendRequest = ibv_send_wr { wr_id, next, sg_list, num_sge, opcode, send_flags, wr });
    same_layout!(RdmaTarget = rdma_t { remote_addr, rkey });
    same_layout!(AtomicTarget = atomic_t { remote_addr, compare_add, swap, rkey });
    same_layout!(
        WorkCompletion = ibv_wc {
            wr_id,
            status,
            opcode,
            vendor_err,
            byte_len,
            qp_num,
            src_qp,
            wc_flags,
            pkey_index,
            slid,
            sl,
            dlid_path_bits,
        }
    );
}

#[test]
fn numbers_are_those_of_the_headers() {
    use header::ibv_qp_attr_mask as mask;
    same_numbers! {
        ACCESS_LOCAL_WRITE = header::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0,
        ACCESS_REMOTE_WRITE = header::ibv_access_flags::IBV_ACCESS_REMOTE_WRITE.0,
        ACCESS_REMOTE_READ = header::ibv_access_flags::IBV_ACCESS_REMOTE_READ.0,
        ACCESS_REMOTE_ATOMIC = header::ibv_access_flags::IBV_ACCESS_REMOTE_ATOMIC.0,
        SEND_SIGNALED = header::ibv_send_flags::IBV_SEND_SIGNALED.0,
        SEND_INLINE = header::ibv_send_flags::IBV_SEND_INLINE.0,
        WR_RDMA_WRITE = header::ibv_wr_opcode::IBV_WR_RDMA_WRITE,
        WR_RDMA_READ = header::ibv_wr_opcode::IBV_WR_RDMA_READ,
        WR_ATOMIC_CMP_AND_SWP = header::ibv_wr_opcode::IBV_WR_ATOMIC_CMP_AND_SWP,
        QPT_RC = header::ibv_qp_type::IBV_QPT_RC,
        QPS_INIT = header::ibv_qp_state::IBV_QPS_INIT,
        QPS_RTR = header::ibv_qp_state::IBV_QPS_RTR,
        QPS_RTS = header::ibv_qp_state::IBV_QPS_RTS,
        QP_STATE = mask::IBV_QP_STATE.0,
        QP_ACCESS_FLAGS = mask::IBV_QP_ACCESS_FLAGS.0,
        QP_PKEY_INDEX = mask::IBV_QP_PKEY_INDEX.0,
        QP_PORT = mask::IBV_QP_PORT.0,
        QP_AV = mask::IBV_QP_AV.0,
        QP_PATH_MTU = mask::IBV_QP_PATH_MTU.0,
        QP_TIMEOUT = mask::IBV_QP_TIMEOUT.0,
        QP_RETRY_CNT = mask::IBV_QP_RETRY_CNT.0,
        QP_RNR_RETRY = mask::IBV_QP_RNR_RETRY.0,
        QP_RQ_PSN = mask::IBV_QP_RQ_PSN.0,
        QP_MAX_QP_RD_ATOMIC = mask::IBV_QP_MAX_QP_RD_ATOMIC.0,
        QP_MIN_RNR_TIMER = mask::IBV_QP_MIN_RNR_TIMER.0,
        QP_SQ_PSN = mask::IBV_QP_SQ_PSN.0,
        QP_MAX_DEST_RD_ATOMIC = mask::IBV_QP_MAX_DEST_RD_ATOMIC.0,
        QP_DEST_QPN = mask::IBV_QP_DEST_QPN.0,
        ATOMIC_HCA = header::ibv_atomic_cap::IBV_ATOMIC_HCA,
        ATOMIC_GLOB = header::ibv_atomic_cap::IBV_ATOMIC_GLOB,
        EVENT_QP_FATAL = header::ibv_event_type::IBV_EVENT_QP_FATAL as u32,
        EVENT_QP_REQ_ERR = header::ibv_event_type::IBV_EVENT_QP_REQ_ERR as u32,
        EVENT_QP_ACCESS_ERR = header::ibv_event_type::IBV_EVENT_QP_ACCESS_ERR as u32,
        EVENT_PATH_MIG_ERR = header::ibv_event_type::IBV_EVENT_PATH_MIG_ERR as u32,
        EVENT_DEVICE_FATAL = header::ibv_event_type::IBV_EVENT_DEVICE_FATAL as u32,
        EVENT_PORT_ACTIVE = header::ibv_event_type::IBV_EVENT_PORT_ACTIVE as u32,
        EVENT_PORT_ERR = header::ibv_event_type::IBV_EVENT_PORT_ERR as u32,
        EVENT_LID_CHANGE = header::ibv_event_type::IBV_EVENT_LID_CHANGE as u32,
        EVENT_PKEY_CHANGE = header::ibv_event_type::IBV_EVENT_PKEY_CHANGE as u32,
        EVENT_SM_CHANGE = header::ibv_event_type::IBV_EVENT_SM_CHANGE as u32,
        EVENT_CLIENT_REREGISTER = header::ibv_event_type::IBV_EVENT_CLIENT_REREGISTER as u32,
        EVENT_GID_CHANGE = header::ibv_event_type::IBV_EVENT_GID_CHANGE as u32,
        PORT_ACTIVE = header::ibv_port_state::IBV_PORT_ACTIVE,
        GID_TYPE_IB = header::IBV_GID_TYPE_IB,
        GID_TYPE_ROCE_V1 = header::IBV_GID_TYPE_ROCE_V1,
        GID_TYPE_ROCE_V2 = header::IBV_GID_TYPE_ROCE_V2,
        MTU_256 = header::ibv_mtu::IBV_MTU_256,
        MTU_512 = header::ibv_mtu::IBV_MTU_512,
        MTU_1024 = header::ibv_mtu::IBV_MTU_1024,
        MTU_2048 = header::ibv_mtu::IBV_MTU_2048,
        MTU_4096 = header::ibv_mtu::IBV_MTU_4096,
        WC_SUCCESS = header::ibv_wc_status::IBV_WC_SUCCESS,
        WC_LOC_PROT_ERR = header::ibv_wc_status::IBV_WC_LOC_PROT_ERR,
        WC_WR_FLUSH_ERR = header::ibv_wc_status::IBV_WC_WR_FLUSH_ERR,
        WC_REM_INV_REQ_ERR = header::ibv_wc_status::IBV_WC_REM_INV_REQ_ERR,
        WC_REM_ACCESS_ERR = header::ibv_wc_status::IBV_WC_REM_ACCESS_ERR,
        WC_REM_OP_ERR = header::ibv_wc_status::IBV_WC_REM_OP_ERR,
        WC_RETRY_EXC_ERR = header::ibv_wc_status::IBV_WC_RETRY_EXC_ERR,
    }
}

/// Lines of C that compile only if our size and offsets are those of `theirs`.
macro_rules! c_layout {
    ($source:ident: $ours:ident = $theirs:literal { $($field:ident = $their_field:literal),* $(,)? }) => {
        $source += &format!("_Static_assert(sizeof({}) == {}, \"size\");\n", $theirs, size_of::<ffi::$ours>());
        $($source += &format!(
            "_Static_assert(__builtin_offsetof({}, {}) == {}, \"{}\");\n",
            $theirs, $their_field, offset_of!(ffi::$ours, $field), $their_field
        );)*
    };
}

#[test]
fn the_compiler_agrees_on_what_bindgen_did_not_read() {
    let mut source = String::from("#include <infiniband/verbs.h>\n");
    c_layout!(source: SendRequest = "struct ibv_send_wr" {
        wr_id = "wr_id", next = "next", sg_list = "sg_list", num_sge = "num_sge", opcode = "opcode",
        send_flags = "send_flags", imm_data = "imm_data", wr = "wr", rest = "qp_type",
    });
    c_layout!(source: WorkCompletion = "struct ibv_wc" {
        wr_id = "wr_id", status = "status", opcode = "opcode", vendor_err = "vendor_err", byte_len = "byte_len",
        imm_data = "imm_data", qp_num = "qp_num", src_qp = "src_qp", wc_flags = "wc_flags", pkey_index = "pkey_index",
        slid = "slid", sl = "sl", dlid_path_bits = "dlid_path_bits",
    });
    c_layout!(source: GlobalRoute = "struct ibv_global_route" {
        dgid = "dgid", flow_label = "flow_label", sgid_index = "sgid_index", hop_limit = "hop_limit",
        traffic_class = "traffic_class",
    });
    c_layout!(source: AddressVector = "struct ibv_ah_attr" {
        grh = "grh", dlid = "dlid", sl = "sl", src_path_bits = "src_path_bits", static_rate = "static_rate",
        is_global = "is_global", port_num = "port_num",
    });
    c_layout!(source: GidEntry = "struct ibv_gid_entry" {
        gid = "gid", gid_index = "gid_index", port_num = "port_num", gid_type = "gid_type", ndev_ifindex = "ndev_ifindex",
    });
    let targets = [
        ("wr.rdma.remote_addr", offset_of!(ffi::RdmaTarget, remote_addr)),
        ("wr.rdma.rkey", offset_of!(ffi::RdmaTarget, rkey)),
        ("wr.atomic.remote_addr", offset_of!(ffi::AtomicTarget, remote_addr)),
        ("wr.atomic.compare_add", offset_of!(ffi::AtomicTarget, compare_add)),
        ("wr.atomic.swap", offset_of!(ffi::AtomicTarget, swap)),
        ("wr.atomic.rkey", offset_of!(ffi::AtomicTarget, rkey)),
    ];
    for (field, offset) in targets {
        let offset = offset + offset_of!(ffi::SendRequest, wr);
        let place = format!("__builtin_offsetof(struct ibv_send_wr, {field})");
        source += &format!("_Static_assert({place} == {offset}, \"{field}\");\n");
    }
    for (name, number) in [("INFINIBAND", ffi::LINK_LAYER_INFINIBAND), ("ETHERNET", ffi::LINK_LAYER_ETHERNET)] {
        source += &format!("_Static_assert(IBV_LINK_LAYER_{name} == {number}, \"link layer\");\n");
    }
    assert!(compiles(&source), "{source}");
    assert!(!compiles("_Static_assert(0, \"must fail\");\n"), "the compiler takes anything");
}

fn compiles(source: &str) -> bool {
    use std::io::Write;
    let mut compiler = Command::new("cc");
    compiler.args(["-fsyntax-only", "-x", "c", "-"]).stdin(Stdio::piped());
    let mut child = compiler.spawn().expect("a C compiler, which Rust needs to link");
    child.stdin.take().expect("piped above").write_all(source.as_bytes()).expect("the compiler reads");
    child.wait().expect("the compiler ends").success()
}
