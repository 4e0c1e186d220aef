//! Queue pairs: reliable connections that execute chains of one-sided operations in order.

use crate::completion::{CompletionQueue, Status, WorkCompletion};
use crate::create_error::CreateError;
use crate::ffi;
use crate::protection_domain::ProtectionDomain;
use crate::source::Source;
use crate::system::{check, check_pointer};
use std::collections::VecDeque;
use std::ffi::c_int;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// Most work requests of a chain.
pub const CHAIN_REQUESTS_MAX: usize = 16;

/// How a queue pair is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePairOptions {
    /// Work requests that may be outstanding.
    pub send_depth: u32,
    /// Bytes of a WRITE that are copied when it is posted, so that the device need not fetch them. The device may grant less.
    pub inline_bytes: u32,
    /// Service level (InfiniBand) or priority (RoCE v1).
    pub service_level: u8,
    /// Traffic class: of RoCE v2, the DSCP and ECN bits of its packets.
    pub traffic_class: u8,
}

impl Default for QueuePairOptions {
    /// Deep enough for 64 chains of four, with records of one cell inline.
    fn default() -> Self {
        Self { send_depth: 256, inline_bytes: 256, service_level: 0, traffic_class: 0 }
    }
}

/// Why a chain was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// Too much is outstanding; there is room again after a completion. Nothing of the chain was or will be executed.
    #[error("the send queue is full: {outstanding} of {depth} work requests are outstanding")]
    Full {
        /// Work requests without a completion.
        outstanding: u32,
        /// Room for work requests.
        depth: u32,
    },
    /// It is not connected, or a work request of it has failed: make a new one. Nothing of the chain was or will be executed.
    #[error("the queue pair is not connected any more, or not yet")]
    Disconnected,
    /// The driver refused a work request. A prefix of the chain may be executed, and the queue pair takes no more.
    #[error("the driver refused a work request")]
    Refused(#[source] io::Error),
}

/// A queue pair. Work requests of it are executed by the peer's device in the order of posting. After any of them has failed,
/// it is of no use: the connection is made anew with a new queue pair, whose number and packet sequence number are new too.
pub struct QueuePair {
    /// Invariant: created and not destroyed until drop.
    pub(crate) pair: NonNull<ffi::QueuePair>,
    pub(crate) number: u32,
    /// Where its packets start to count; random, so that a stray or forged packet does not fit by chance.
    pub(crate) packet_sequence: u32,
    pub(crate) source: Source,
    pub(crate) options: QueuePairOptions,
    pub(crate) state: State,
    staging: Staging,
    /// Work requests ever posted. Invariant: `retired <= posted <= retired + send_depth`.
    posted: u64,
    /// Work requests that are known to have ended.
    retired: u64,
    /// For each outstanding chain, `posted` after it. Invariant: no more entries than `send_depth`, for which it has room.
    chain_ends: VecDeque<u64>,
    pub(crate) domain: Arc<ProtectionDomain>,
    completions: Arc<CompletionQueue>,
}

/// Where a queue pair is in its one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Connected,
    Failed,
}

/// Where chains are put together: work requests that are linked with each other and with their pieces of memory.
struct Staging {
    /// Invariant: between posts, `next` of each leads to the one behind it, and `sg_list` to the entry of `pieces` with its
    /// index. Neither vector is ever resized.
    requests: Vec<ffi::SendRequest>,
    pieces: Vec<ffi::ScatterGather>,
}

// SAFETY: the pointers in it lead into the two vectors, which move with it.
unsafe impl Send for Staging {}

impl Staging {
    fn new() -> Self {
        let mut requests = vec![ffi::SendRequest::ZERO; CHAIN_REQUESTS_MAX];
        let mut pieces = vec![ffi::ScatterGather::default(); CHAIN_REQUESTS_MAX];
        let (first_request, first_piece) = (requests.as_mut_ptr(), pieces.as_mut_ptr());
        for (index, request) in requests.iter_mut().enumerate() {
            request.next = first_request.wrapping_add(index + 1);
            request.sg_list = first_piece.wrapping_add(index);
        }
        Self { requests, pieces }
    }
}

// SAFETY: verbs on a queue pair may be called from any thread.
unsafe impl Send for QueuePair {}

impl QueuePair {
    /// Makes a queue pair of `domain` whose completions go to `completions`, and which sends from `source`.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(
        domain: &Arc<ProtectionDomain>,
        completions: &Arc<CompletionQueue>,
        source: &Source,
        options: QueuePairOptions,
    ) -> Result<Self, CreateError> {
        let device = domain.device();
        if !Arc::ptr_eq(device, completions.device()) {
            return Err(CreateError::Mixed(device.name().to_owned(), completions.device().name().to_owned()));
        }
        let (asked, max) = (options.send_depth, device.limits().work_requests_max);
        if !(CHAIN_REQUESTS_MAX as u32..=max).contains(&asked) {
            let (device, what) = (device.name().to_owned(), "work requests in a send queue (and not under 16)");
            return Err(CreateError::Limit { device, what, asked, max });
        }
        completions.reserve(asked)?;
        let created = create(domain, completions, options);
        let (pair, inline_bytes) = created.map_err(|source| {
            completions.orphan(asked);
            CreateError::system("queue pair", device)(source)
        })?;
        // SAFETY: the library has just made it, and its number never changes.
        let number = unsafe { (*pair.as_ptr()).qp_num };
        let mut queue_pair = Self {
            pair,
            number,
            packet_sequence: 0,
            source: *source,
            options: QueuePairOptions { inline_bytes, ..options },
            state: State::Created,
            staging: Staging::new(),
            posted: 0,
            retired: 0,
            chain_ends: VecDeque::with_capacity(asked as usize),
            domain: domain.clone(),
            completions: completions.clone(),
        };
        queue_pair.packet_sequence = random_packet_sequence().map_err(CreateError::system("queue pair", device))?;
        queue_pair.initialise().map_err(CreateError::system("queue pair", device))?;
        Ok(queue_pair)
    }

    /// Its number on its device, which completions carry.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Bytes of a WRITE that go inline, as the device granted.
    pub const fn inline_bytes(&self) -> u32 {
        self.options.inline_bytes
    }

    /// Work requests that can be posted now.
    #[inline]
    pub const fn room(&self) -> u32 {
        self.options.send_depth - (self.posted - self.retired) as u32
    }

    /// Whether chains can be posted: connected, and no work request has failed so far as completions tell.
    #[inline]
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Takes note of a completion of this queue pair, which makes room for new work requests.
    ///
    /// # Errors
    /// How a work request failed. The queue pair is of no use any more, and the chains outstanding have no other end.
    ///
    /// # Panics
    /// If it is of another queue pair.
    #[inline]
    pub fn retire(&mut self, completion: &WorkCompletion) -> Result<(), Status> {
        assert_eq!(completion.queue_pair(), self.number, "a completion of another queue pair");
        match completion.status() {
            Status::Success => {
                self.retired = self.chain_ends.pop_front().expect("the last work request of each chain completes once");
                Ok(())
            }
            failure => {
                self.state = State::Failed;
                Err(failure)
            }
        }
    }

    /// Begins a chain under a name that its completion will carry.
    #[inline]
    pub fn chain(&mut self, id: u64) -> crate::Chain<'_> {
        crate::Chain::begin(self, id)
    }

    /// The place of the work request `index` of the chain that is being put together.
    #[inline]
    pub(crate) fn staged(&mut self, index: usize) -> (&mut ffi::SendRequest, &mut ffi::ScatterGather) {
        assert!(index < CHAIN_REQUESTS_MAX, "a chain of more than {CHAIN_REQUESTS_MAX} work requests");
        (&mut self.staging.requests[index], &mut self.staging.pieces[index])
    }

    /// Posts the first `length` staged work requests with one doorbell; the last one is signaled.
    #[inline]
    pub(crate) fn post(&mut self, length: usize) -> Result<(), PostError> {
        if self.state != State::Connected {
            return Err(PostError::Disconnected);
        }
        if length > self.room() as usize {
            let depth = self.options.send_depth;
            return Err(PostError::Full { outstanding: depth - self.room(), depth });
        }
        let first = self.staging.requests.as_mut_ptr();
        let last = &mut self.staging.requests[length - 1];
        let behind = std::mem::replace(&mut last.next, null_mut());
        last.send_flags |= ffi::SEND_SIGNALED;
        let mut refused = null_mut();
        // SAFETY: the queue pair exists (invariant) and is of the device whose driver's function this is. `first` heads a list
        // of `length` initialised work requests that ends in null, each with its pieces (invariant of `staging`), which the
        // driver has read when it returns. All memory they name is registered or is refused by the device; it is only ever
        // seen as atomic words. Inline pieces are live memory, borrowed by the `Chain` that calls this.
        let code = unsafe { (self.domain.device().post_send)(self.pair.as_ptr(), first, &raw mut refused) };
        self.staging.requests[length - 1].next = behind;
        self.note_posted(length, code)
    }

    #[inline]
    fn note_posted(&mut self, length: usize, code: c_int) -> Result<(), PostError> {
        if code != 0 {
            // What was posted of the chain has no signaled end, so the room that it takes would never be known to be free.
            self.state = State::Failed;
            return check(code).map_err(PostError::Refused);
        }
        self.posted += length as u64;
        self.chain_ends.push_back(self.posted);
        Ok(())
    }

    /// Brings it from the state RESET to INIT, in which it takes what the peer sends but has no peer yet.
    fn initialise(&mut self) -> io::Result<()> {
        let mut attributes = ffi::QueuePairAttributes {
            qp_state: ffi::QPS_INIT,
            port_num: self.source.port,
            qp_access_flags: ffi::ACCESS_REMOTE_WRITE | ffi::ACCESS_REMOTE_READ | ffi::ACCESS_REMOTE_ATOMIC,
            ..Default::default()
        };
        self.modify(&mut attributes, ffi::QP_STATE | ffi::QP_PKEY_INDEX | ffi::QP_PORT | ffi::QP_ACCESS_FLAGS)
    }

    pub(crate) fn modify(&mut self, attributes: &mut ffi::QueuePairAttributes, mask: c_int) -> io::Result<()> {
        let functions = self.domain.device().functions();
        // SAFETY: the queue pair exists (invariant); the function reads one `ibv_qp_attr`.
        check(unsafe { (functions.modify_qp)(self.pair.as_ptr(), attributes, mask) })
    }
}

impl Debug for QueuePair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let outstanding = self.posted - self.retired;
        let mut fields = f.debug_struct("QueuePair");
        fields.field("device", self.domain.device()).field("number", &self.number).field("state", &self.state);
        fields.field("outstanding", &outstanding).finish_non_exhaustive()
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        // SAFETY: created (invariant), destroyed here alone.
        let code = check(unsafe { (self.domain.device().functions().destroy_qp)(self.pair.as_ptr()) });
        debug_assert!(code.is_ok(), "queue pair {} cannot be destroyed: {code:?}", self.number);
        self.completions.orphan(self.options.send_depth);
    }
}

/// Makes the bare queue pair with as much inline data as the device grants, and tells how much that is.
fn create(
    domain: &ProtectionDomain,
    completions: &CompletionQueue,
    options: QueuePairOptions,
) -> io::Result<(NonNull<ffi::QueuePair>, u32)> {
    let mut refused = None;
    // Nothing says in advance what the device would grant, so less and less is asked for, and none at last.
    let tries = std::iter::successors(Some(options.inline_bytes), |bytes| (*bytes > 0).then_some(bytes / 2));
    for inline_bytes in tries {
        let mut init = ffi::QueuePairInit {
            qp_context: null_mut(),
            send_cq: completions.as_ptr(),
            recv_cq: completions.as_ptr(),
            srq: null_mut(),
            cap: ffi::QueuePairCapacity {
                max_send_wr: options.send_depth,
                max_recv_wr: 1,
                max_send_sge: 1,
                max_recv_sge: 1,
                max_inline_data: inline_bytes,
            },
            qp_type: ffi::QPT_RC,
            sq_sig_all: 0,
        };
        // SAFETY: the domain and the completion queue exist and are of one device (checked by the caller); the function reads
        // one `ibv_qp_init_attr` and writes what it granted to it.
        let pair = unsafe { (domain.device().functions().create_qp)(domain.as_ptr(), &raw mut init) };
        match check_pointer(pair) {
            Ok(pair) => return Ok((pair, init.cap.max_inline_data.min(options.inline_bytes))),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::Other.into()))
}

/// 24 random bits.
fn random_packet_sequence() -> io::Result<u32> {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u32::from_ne_bytes(bytes) >> 8)
}
