//! What a device can do wrong.

use crate::completion::BadCompletion;
use paxon_fastpath::verify::Verdict;
use std::time::Duration;
use thiserror::Error;

/// Why a device was reset or taken out of service. The message goes into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// All ones: nothing answers any more.
    #[error("the device is gone: every register reads all ones")]
    Gone,
    /// A request was not answered in time.
    #[error("no answer to the oldest request for {waited:?} with {outstanding} outstanding")]
    TimedOut {
        /// How old the oldest is.
        waited: Duration,
        /// Requests at the device.
        outstanding: usize,
    },
    /// The reset did not end in time.
    #[error("a reset did not end within {waited:?}; STATUS reads {status:#x}")]
    ResetTimedOut {
        /// How long it was waited for.
        waited: Duration,
        /// The register.
        status: u32,
    },
    /// The device does not take what a reset device has to take.
    #[error("after a reset, register {register:#04x} reads {found:#x}, not {expected:#x}")]
    NotReset {
        /// Its address.
        register: u32,
        /// What was read.
        found: u32,
        /// What belongs there.
        expected: u32,
    },
    /// A completion that no sound device writes.
    #[error("completion {index} is garbage: {bad}")]
    Garbage {
        /// Its index.
        index: u16,
        /// What is wrong.
        bad: BadCompletion,
    },
    /// A completion of nothing that is in flight: never asked for, or answered before.
    #[error("completion {index} has cookie {cookie:#x}, which no request in flight has")]
    Unasked {
        /// Its index.
        index: u16,
        /// Its cookie.
        cookie: u64,
    },
    /// The device says that it has read slots which were not filled, or takes back what it said.
    #[error("SUBMIT_HEAD is {found}, outside of {from} to {to}")]
    Head {
        /// What the device says.
        found: u16,
        /// The last that it said.
        from: u16,
        /// The slots that were filled.
        to: u16,
    },
    /// Requests came back unverified though nobody asked for an abort.
    #[error("the device aborted {count} request(s) by itself; ERROR reads {error:#x}")]
    Aborted {
        /// How many.
        count: usize,
        /// The register.
        error: u32,
    },
    /// The device calls a well-formed request malformed.
    #[error("the device calls a well-formed request malformed")]
    Malformed,
    /// The device and software disagree.
    #[error("the device says {device:?}, software {software:?} (ticket {ticket}): its verdicts cannot be used")]
    Mismatch {
        /// The request.
        ticket: u64,
        /// The device's verdict.
        device: Verdict,
        /// What was handed out.
        software: Verdict,
    },
    /// The device failed on a signature whose verdict is known.
    #[error("the device says {found:?} of a signature that is {expected:?}: its verdicts cannot be used")]
    Probe {
        /// What it said.
        found: Verdict,
        /// What is so.
        expected: Verdict,
    },
}

impl Fault {
    /// Whether no reset helps.
    pub(super) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Gone
                | Self::ResetTimedOut { .. }
                | Self::NotReset { .. }
                | Self::Mismatch { .. }
                | Self::Probe { .. }
        )
    }
}
