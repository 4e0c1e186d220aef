//! Which devices of a host may be verifiers.

use super::Bar;
use crate::report::Report;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where Linux lists the devices of the PCI bus.
pub const SYSFS: &str = "/sys/bus/pci/devices";

/// Vendor and device as the bitstream sets them.
///
/// There is no default: to read a BAR of somebody else's device may have effects, so that only devices are read which the
/// operator named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciId {
    /// The vendor.
    pub vendor: u16,
    /// The device.
    pub device: u16,
}

/// Why the devices cannot be listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FindError {
    /// The folder cannot be read.
    #[error("cannot list the PCI devices of {path}: is sysfs mounted?")]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The files of BAR `bar` of every device with that id below `root` (on a host: [`SYSFS`]), in the order of their addresses.
///
/// # Errors
/// [`FindError`] when the folder cannot be read; a device that cannot be asked is none.
pub fn find(root: &Path, id: PciId, bar: u8) -> Result<Vec<PathBuf>, FindError> {
    let list = |source| FindError::List { path: root.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(list)? {
        let folder = entry.map_err(list)?.path();
        if number(&folder.join("vendor")) == Some(id.vendor) && number(&folder.join("device")) == Some(id.device) {
            found.push(folder.join(format!("resource{bar}")));
        }
    }
    found.sort();
    Ok(found)
}

/// The number in a file of sysfs: `0x10ee` and a line end.
fn number(path: &Path) -> Option<u16> {
    let text = fs::read_to_string(path).ok()?;
    u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// Looks at every device with that id and says what it is.
///
/// # Errors
/// As [`find`].
pub fn doctor(root: &Path, id: PciId, bar: u8) -> Result<Vec<Report>, FindError> {
    let report = |path: &PathBuf| match Bar::open(path) {
        Ok(mut bar) => Report::of(&mut bar),
        Err(error) => Report::unreachable(path.display().to_string(), &error),
    };
    Ok(find(root, id, bar)?.iter().map(report).collect())
}
