//! What the driver asks of a transport.

use crate::registers;
use paxon_region::Region;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// Bytes of a device's window: 18 bits of address.
pub const WINDOW_BYTES: u32 = 1 << 18;

const _: () = assert!(registers::SLOTS < registers::COMPLETIONS && registers::COMPLETIONS < WINDOW_BYTES);

/// Memory of the host that the device can reach.
#[derive(Clone, Debug)]
pub struct HostMemory {
    /// The memory, as atomics: the device writes while the host looks.
    pub region: Arc<Region>,
    /// Where the device sees its first byte; a multiple of 4,096.
    pub address: u64,
}

/// A device's window: 32-bit transfers at multiples of 4 below [`WINDOW_BYTES`].
///
/// # Order
/// Writes reach the device in the order of the calls only where [`Self::store_fence`] stands between them, and a read may be
/// answered before an earlier one unless [`Self::acquire_fence`] stands between them. The driver's two rules are:
///
/// * slot, store fence, doorbell: a device reads a slot only after the doorbell that claims it;
/// * phase, acquire fence, body: a device writes the phase of a completion last.
pub trait Bus {
    /// Reads a word. A device that is gone reads as all ones.
    fn read(&mut self, address: u32) -> u32;

    /// Writes a word.
    fn write(&mut self, address: u32, value: u32);

    /// Writes consecutive words, for slots.
    fn write_words(&mut self, address: u32, words: &[u32]) {
        for (at, word) in (0..).step_by(4).zip(words) {
            self.write(address + at, *word);
        }
    }

    /// Everything written before is seen by the device before anything that is written after.
    fn store_fence(&mut self) {
        // The device's read of a slot after its doorbell is the partner. SeqCst, since Release orders no write-combined store.
        fence(Ordering::SeqCst);
    }

    /// What is read after is not older than what was read before.
    fn acquire_fence(&mut self) {
        // The device's write of the phase after the body is the partner.
        fence(Ordering::Acquire);
    }

    /// There was nothing to do: a spinning processor rests for a moment, a simulated device lets time pass.
    fn pause(&mut self) {
        std::hint::spin_loop();
    }

    /// Memory for the queues, if the bus can share some with a device that has a memory port.
    fn host_memory(&self) -> Option<HostMemory> {
        None
    }

    /// What the device is called in log lines and reports.
    fn place(&self) -> String;
}

impl<B: Bus + ?Sized> Bus for Box<B> {
    fn read(&mut self, address: u32) -> u32 {
        (**self).read(address)
    }

    fn write(&mut self, address: u32, value: u32) {
        (**self).write(address, value);
    }

    fn write_words(&mut self, address: u32, words: &[u32]) {
        (**self).write_words(address, words);
    }

    fn store_fence(&mut self) {
        (**self).store_fence();
    }

    fn acquire_fence(&mut self) {
        (**self).acquire_fence();
    }

    fn pause(&mut self) {
        (**self).pause();
    }

    fn host_memory(&self) -> Option<HostMemory> {
        (**self).host_memory()
    }

    fn place(&self) -> String {
        (**self).place()
    }
}
