//! A device behind a PCIe BAR that sysfs lets a process map (`resourceN`), and how to find one.
//!
//! Limits: queues lie in the device's memory, since sysfs gives no way to let a device reach the host's (see [`vfio`](crate::vfio)
//! for that). The kernel maps a `resourceN` uncached, so that stores keep their order; `resourceN_wc` is never used.

mod find;
mod mapping;

pub use find::{FindError, PciId, SYSFS, doctor, find};

use crate::bus::{Bus, WINDOW_BYTES};
use mapping::Mapping;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a BAR cannot be mapped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BarError {
    /// The file cannot be opened.
    #[error(
        "cannot open {path}: is the device there, and may this user read and write the file (root, or CAP_DAC_OVERRIDE)?"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The BAR is another one.
    #[error("{place} has {found} bytes, a verifier's window has {WINDOW_BYTES}: it is not the verifier's BAR")]
    Short {
        /// The file or region.
        place: String,
        /// Its size.
        found: u64,
    },
    /// The system does not map it.
    #[error("cannot map {place}: the kernel may be locked down, or a driver may have claimed the device")]
    Map {
        /// The file or region.
        place: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A mapped BAR.
#[derive(Debug)]
pub struct Bar {
    mapping: Mapping,
    place: String,
}

impl Bar {
    /// Maps a `resourceN` of sysfs.
    ///
    /// # Errors
    /// [`BarError`] with what to do.
    pub fn open(path: &Path) -> Result<Self, BarError> {
        let open = |source| BarError::Open { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(open)?;
        let bytes = file.metadata().map_err(open)?.len();
        Self::of_file(&file, 0, bytes, path.display().to_string())
    }

    /// Maps `bytes` bytes of a file from `offset` on, which are the BAR.
    pub(crate) fn of_file(file: &File, offset: u64, bytes: u64, place: String) -> Result<Self, BarError> {
        if bytes < WINDOW_BYTES.into() {
            return Err(BarError::Short { place, found: bytes });
        }
        match Mapping::new(file, offset) {
            Ok(mapping) => Ok(Self { mapping, place }),
            Err(errno) => Err(BarError::Map { place, source: errno.into() }),
        }
    }
}

impl Bus for Bar {
    fn read(&mut self, address: u32) -> u32 {
        self.mapping.read(address)
    }

    fn write(&mut self, address: u32, value: u32) {
        self.mapping.write(address, value);
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}
