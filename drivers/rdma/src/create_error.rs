//! Why a resource of a device could not be made.

use crate::device::Device;
use std::io;

/// Why a resource of a device could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// More than the device allows.
    #[error("{device} allows {max} {what}, {asked} were asked for")]
    Limit {
        /// The device.
        device: String,
        /// What there would be too many of.
        what: &'static str,
        /// How many were asked for.
        asked: u32,
        /// How many it allows.
        max: u32,
    },
    /// The completion queue has no room for those of another queue pair.
    #[error("the completion queue has {capacity} entries, {reserved} are reserved, {asked} more were asked for")]
    Completions {
        /// Its entries.
        capacity: u32,
        /// Entries that belong to other queue pairs.
        reserved: u32,
        /// Entries that were asked for.
        asked: u32,
    },
    /// Parts of two devices cannot be put together.
    #[error("the parts belong to two devices, {0} and {1}")]
    Mixed(String, String),
    /// A call failed.
    #[error("cannot create a {what} on {device}")]
    System {
        /// What was to be made.
        what: &'static str,
        /// The device.
        device: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl CreateError {
    /// Wraps what a call of the library returned.
    pub(crate) fn system(what: &'static str, device: &Device) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, device: device.name().to_owned(), source }
    }
}
