//! What a driver counts.

/// Counts since a driver was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that were put into slots.
    pub to_device: u64,
    /// Requests that went to the software verifier at once.
    pub to_software: u64,
    /// Verdicts of the device that were handed out without comparison.
    pub by_device: u64,
    /// Verdicts of the device that were compared with software and equal.
    pub sampled: u64,
    /// Verdicts of the device that were compared with software and different.
    pub mismatches: u64,
    /// Requests that the device had and software verified, because of a fault.
    pub reverified: u64,
    /// Doorbells for slots.
    pub doorbells: u64,
    /// Faults of the device.
    pub faults: u64,
    /// Those of them that were time-outs.
    pub timeouts: u64,
    /// Tables of keys that the device has taken.
    pub tables: u64,
    /// Resets that ended with a device that went on.
    pub resets: u64,
}
