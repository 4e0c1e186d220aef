//! Opening an io_uring: what we need of the kernel, what we take where it is there.

use std::io;
use std::time::Duration;

use io_uring::{IoUring, Probe, opcode};

use super::BUFFER_GROUP;
use crate::lent::LentBuffers;
use crate::operation::{OPERATIONS_OF_A_PLACE, OPERATIONS_OF_THE_RING};
use crate::{Completion, Config, OpenError};

/// Least number of provided buffers: one stream that receives a lot is not to run out within a turn.
const LENT_LEAST: usize = 64;
/// Completions that may wait, for each submission: a multishot receive completes once for each buffer.
const COMPLETIONS_PER_SUBMISSION: usize = 2;
/// Most entries of a completion queue that the kernel gives.
const COMPLETIONS_MAX: usize = 65_536;

/// A ring with the places of `config` as registered files, and how it completes operations.
pub(super) fn uring(config: &Config) -> Result<(IoUring, Completion), OpenError> {
    let (uring, completion) = set_up(config)?;
    check(&uring)?;
    let files = vec![-1; config.streams_max];
    uring
        .submitter()
        .register_files(&files)
        .map_err(refused("io_uring_register(FILES)", "as many files may be registered as RLIMIT_NOFILE allows"))?;
    Ok((uring, completion))
}

fn set_up(config: &Config) -> Result<(IoUring, Completion), OpenError> {
    let mut completion = config.completion;
    loop {
        let found = build(config, completion);
        let unknown_flag = matches!(&found, Err(error) if error.raw_os_error() == Some(libc::EINVAL));
        match completion {
            Completion::Deferred if unknown_flag => completion = Completion::Cooperative,
            Completion::Cooperative if unknown_flag => return Ok((interrupting(config)?, completion)),
            _ => return Ok((found.map_err(refused("io_uring_setup", SETUP_HINT))?, completion)),
        }
    }
}

const SETUP_HINT: &str =
    "the kernel has none, kernel.io_uring_disabled is set, or a filter such as a container's forbids it";

fn build(config: &Config, completion: Completion) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    match completion {
        Completion::Deferred => {
            builder.setup_r_disabled().setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
        }
        Completion::Cooperative => {
            builder.setup_coop_taskrun().setup_taskrun_flag();
        }
        Completion::KernelThread(idle) => {
            builder.setup_sqpoll(milliseconds(idle));
        }
    }
    let (submissions, completions) = entries(config);
    builder.setup_clamp().setup_cqsize(completions).build(submissions)
}

/// A ring of a kernel that knows neither of the newer ways to finish operations.
fn interrupting(config: &Config) -> Result<IoUring, OpenError> {
    let (submissions, completions) = entries(config);
    IoUring::builder()
        .setup_clamp()
        .setup_cqsize(completions)
        .build(submissions)
        .map_err(refused("io_uring_setup", SETUP_HINT))
}

/// Sizes of both queues. There is a submission for every operation that may be under way.
fn entries(config: &Config) -> (u32, u32) {
    let submissions = (config.streams_max * OPERATIONS_OF_A_PLACE + OPERATIONS_OF_THE_RING).next_power_of_two();
    let completions = (submissions * COMPLETIONS_PER_SUBMISSION).clamp(4 * LENT_LEAST, COMPLETIONS_MAX);
    let bounded = |entries: usize| u32::try_from(entries).expect("4096 streams make 32768 submissions");
    (bounded(submissions), bounded(completions))
}

fn milliseconds(idle: Duration) -> u32 {
    u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn check(uring: &IoUring) -> Result<(), OpenError> {
    let parameters = uring.params();
    let features = [
        (parameters.is_feature_nodrop(), "completions that are never dropped (IORING_FEAT_NODROP, Linux 5.5)"),
        (parameters.is_feature_fast_poll(), "sockets without worker threads (IORING_FEAT_FAST_POLL, Linux 5.7)"),
        (parameters.is_feature_ext_arg(), "waits with a time-out (IORING_FEAT_EXT_ARG, Linux 5.11)"),
    ];
    let mut probe = Probe::new();
    uring.submitter().register_probe(&mut probe).map_err(refused("io_uring_register(PROBE)", "Linux 5.6 has it"))?;
    let operations = [
        (probe.is_supported(opcode::Send::CODE), "IORING_OP_SEND (Linux 5.6)"),
        (probe.is_supported(opcode::Recv::CODE), "IORING_OP_RECV (Linux 5.6)"),
        (probe.is_supported(opcode::AsyncCancel::CODE), "IORING_OP_ASYNC_CANCEL (Linux 5.5)"),
        (probe.is_supported(opcode::PollAdd::CODE), "IORING_OP_POLL_ADD (Linux 5.1)"),
    ];
    let missing = features.into_iter().chain(operations).find(|(there, _)| !there);
    missing.map_or(Ok(()), |(_, what)| Err(OpenError::Lacking(what)))
}

/// Registers buffers for multishot receives; `None` where the kernel has no provided-buffer rings (Linux 5.19).
pub(super) fn lend_buffers(uring: &IoUring, config: &Config) -> Option<LentBuffers> {
    let lent = LentBuffers::new(config.streams_max.max(LENT_LEAST), config.receive_bytes);
    let (entries, count) = (lent.entries_address(), lent.count());
    // SAFETY: the address heads `count` entries, page-aligned, which stay valid until the ring is gone or no longer used by
    // any operation: see `Ring::drop`.
    let registered = unsafe { uring.submitter().register_buf_ring_with_flags(entries, count, BUFFER_GROUP, 0) };
    registered.is_ok().then_some(lent)
}

fn refused(call: &'static str, hint: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Refused { call, hint, source }
}
