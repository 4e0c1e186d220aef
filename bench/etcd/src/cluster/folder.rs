//! Where the members keep their data.

use super::StartError;
use rustix::fs;
use std::io;
use std::path::Path;
use tempfile::TempDir;

/// What three members take at once: each reserves two files of 64 MB for its log; the rest is for the databases.
const BYTES_AT_START: u64 = 640 << 20;
/// What a put of 64 bytes adds to the logs and databases of three members, with room to spare: about 1 KB was measured.
const BYTES_PER_PUT: u64 = 2048;
/// `TMPFS_MAGIC` of `statfs(2)`.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A private folder that is removed when dropped, if there is room for so many puts.
pub(super) fn make(parent: &Path, puts: u64) -> Result<TempDir, StartError> {
    let needed = BYTES_AT_START + puts.saturating_mul(BYTES_PER_PUT);
    let system = StartError::system("make a private folder for the data");
    let room = fs::statvfs(parent).map_err(|errno| system(errno.into()))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free < needed {
        return Err(StartError::Space { folder: parent.into(), free, needed });
    }
    tempfile::Builder::new().prefix("paxon-bench-etcd-").tempdir_in(parent).map_err(system)
}

/// Whether the folder lies on a tmpfs, where `fsync` has nothing to do.
///
/// # Errors
/// What the system says, if the folder does not exist for instance.
pub fn is_tmpfs(folder: &Path) -> io::Result<bool> {
    Ok(fs::statfs(folder)?.f_type as u64 == TMPFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_room_for_the_puts_is_refused_with_the_numbers() {
        let parent = std::env::temp_dir();
        let error = make(&parent, u64::MAX / BYTES_PER_PUT / 2).expect_err("nobody has so much");
        assert!(matches!(error, StartError::Space { free, needed, .. } if free < needed), "{error}");
    }

    #[test]
    fn a_kernel_interface_is_no_tmpfs_and_a_missing_folder_is_an_error() {
        assert!(!is_tmpfs(Path::new("/proc")).expect("it is mounted"));
        assert!(is_tmpfs(Path::new("/proc/nowhere")).is_err());
    }
}
