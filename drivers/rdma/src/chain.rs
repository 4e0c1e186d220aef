//! The typed builder of work requests.

use crate::ffi::{self, AtomicTarget, RdmaTarget, Target};
use crate::memory_region::{LocalSpan, RemoteSpan};
use crate::queue_pair::{PostError, QueuePair};

/// Work requests that are executed in order, posted with one doorbell and ended by one completion.
///
/// It is put together in the queue pair's own memory, so that building and posting allocate nothing. A chain that is not
/// posted has no effect. It borrows the memory regions of its local sides until then: inline data is read by the driver, as
/// this process, when it is posted. Afterwards the device looks for the region itself, and refuses if it is gone.
#[derive(Debug)]
#[must_use = "a chain that is not posted has no effect"]
pub struct Chain<'c> {
    queue_pair: &'c mut QueuePair,
    id: u64,
    length: usize,
}

impl<'c> Chain<'c> {
    #[inline]
    pub(crate) fn begin(queue_pair: &'c mut QueuePair, id: u64) -> Self {
        Self { queue_pair, id, length: 0 }
    }

    /// WRITE: copies `from` to `to`. What is read when: at the post if it is short enough to go inline, else at any time until
    /// the completion.
    ///
    /// # Panics
    /// If both have not the same length, or the chain is too long ([`CHAIN_REQUESTS_MAX`](crate::CHAIN_REQUESTS_MAX)).
    #[inline]
    pub fn write(self, from: LocalSpan<'c>, to: RemoteSpan) -> Self {
        let is_inline = from.bytes <= self.queue_pair.inline_bytes();
        let flags = if is_inline { ffi::SEND_INLINE } else { 0 };
        self.copy(ffi::WR_RDMA_WRITE, flags, from, to)
    }

    /// READ: copies `from` to `into`.
    ///
    /// # Panics
    /// If both have not the same length, or the chain is too long ([`CHAIN_REQUESTS_MAX`](crate::CHAIN_REQUESTS_MAX)).
    #[inline]
    pub fn read(self, from: RemoteSpan, into: LocalSpan<'c>) -> Self {
        self.copy(ffi::WR_RDMA_READ, 0, into, from)
    }

    /// Compare-and-exchange of one word: stores `new` at `at` if `expected` is there, and what was there to `found`.
    ///
    /// # Panics
    /// If either is not one word, or the chain is too long ([`CHAIN_REQUESTS_MAX`](crate::CHAIN_REQUESTS_MAX)).
    #[inline]
    pub fn compare_exchange(self, at: RemoteSpan, expected: u64, new: u64, found: LocalSpan<'c>) -> Self {
        assert!(
            at.bytes == 8 && found.bytes == 8,
            "an exchange is of one word, not {} and {} bytes",
            at.bytes,
            found.bytes
        );
        let atomic = AtomicTarget { remote_addr: at.address, compare_add: expected, swap: new, rkey: at.key };
        self.add(ffi::WR_ATOMIC_CMP_AND_SWP, 0, Some(found), Target { atomic })
    }

    /// Nothing, which completes like anything else: the end of a chain that has nothing to do.
    ///
    /// # Panics
    /// If the chain is too long ([`CHAIN_REQUESTS_MAX`](crate::CHAIN_REQUESTS_MAX)).
    #[inline]
    pub fn nothing(self) -> Self {
        let rdma = RdmaTarget { remote_addr: 0, rkey: 0 };
        self.add(ffi::WR_RDMA_WRITE, 0, None, Target { rdma })
    }

    /// Posts the chain, with one doorbell. Its completion carries its name.
    ///
    /// # Errors
    /// [`PostError`].
    ///
    /// # Panics
    /// If the chain is empty.
    #[inline]
    pub fn post(self) -> Result<(), PostError> {
        assert!(self.length > 0, "an empty chain has no end");
        self.queue_pair.post(self.length)
    }

    #[inline]
    fn copy(self, opcode: u32, flags: u32, local: LocalSpan<'c>, remote: RemoteSpan) -> Self {
        assert!(u64::from(local.bytes) == remote.bytes, "{} bytes here, {} bytes there", local.bytes, remote.bytes);
        let rdma = RdmaTarget { remote_addr: remote.address, rkey: remote.key };
        self.add(opcode, flags, Some(local), Target { rdma })
    }

    #[inline]
    fn add(mut self, opcode: u32, flags: u32, local: Option<LocalSpan<'c>>, target: Target) -> Self {
        let (request, piece) = self.queue_pair.staged(self.length);
        request.wr_id = self.id;
        request.opcode = opcode;
        request.send_flags = flags;
        request.wr = target;
        request.num_sge = 0;
        if let Some(local) = local {
            request.num_sge = 1;
            *piece = ffi::ScatterGather { addr: local.address, length: local.bytes, lkey: local.key };
        }
        self.length += 1;
        self
    }
}

#[cfg(all(test, feature = "device-tests"))]
mod tests {
    use super::*;
    use crate::{
        CompletionQueue, Device, MemoryRegion, PeerAccess, ProtectionDomain, QueuePairOptions, RemoteRegion, Source,
        Timing, WorkCompletion,
    };
    use paxon_region::Region;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// No public value names a misaligned word, so this one is made from within. The driver refuses it in the middle of a
    /// chain: what stands before it may have been executed, which is why the queue pair takes no more.
    #[test]
    fn a_chain_that_the_driver_refuses_ends_the_queue_pair() {
        let device = Device::open(&Device::names().expect("libibverbs")[0]).expect("a device");
        let domain = ProtectionDomain::create(&device).expect("a domain");
        let completions = CompletionQueue::create(&device, 32).expect("a completion queue");
        let source = Source::find(&device, None).expect("an address");
        let options = QueuePairOptions { send_depth: 32, ..QueuePairOptions::default() };
        let mut pair = QueuePair::create(&domain, &completions, &source, options).expect("a queue pair");
        let own = pair.endpoint();
        pair.connect(&own, Timing::for_detection(Duration::from_millis(100))).expect("a loopback");
        let region = Arc::new(Region::anonymous(64).expect("memory"));
        let all = PeerAccess { read: true, write: true, atomic: true };
        let memory = MemoryRegion::register(&domain, region, all).expect("registered memory");
        let there = RemoteRegion::of(memory.claim(), 64).expect("a true claim");

        let good = there.span(8, 1);
        let misaligned = RemoteSpan { address: good.address + 4, ..good };
        let chain = pair.chain(1).write(memory.span(0, 1), there.span(16, 1));
        let refused = chain.compare_exchange(misaligned, 0, 1, memory.span(1, 1)).post();
        assert!(matches!(refused, Err(PostError::Refused(_))), "{refused:?}");
        let next = pair.chain(2).nothing().post();
        assert!(matches!(next, Err(PostError::Disconnected)), "{next:?}");
        assert!(!pair.is_connected());

        // Whatever was executed of it, no completion claims that the chain was.
        let end = Instant::now() + Duration::from_millis(100);
        while Instant::now() < end {
            let mut batch = [WorkCompletion::default()];
            assert_eq!(completions.poll(&mut batch).expect("a working device"), 0, "{batch:?}");
        }
    }
}
