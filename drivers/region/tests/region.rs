//! Regions on real files of a tmpfs.

use paxon_region::{Access, Pinning, Region, RegionError};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create, statfs};
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Files made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The name of a file on tmpfs, removed on drop.
struct Name(PathBuf);

impl Name {
    fn new() -> Self {
        let (pid, n) = (std::process::id(), MADE.fetch_add(1, Relaxed));
        Self(PathBuf::from(format!("/dev/shm/paxon-region-test-{pid}-{n}")))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn read_only(path: &Path, words: usize) -> Result<Region, RegionError> {
    // SAFETY: the tests of this file only load from it, relaxed.
    unsafe { Region::open_read_only(path, words) }
}

/// The line of this process's memory map that shows `path`, and the flags of the mapping.
fn mapping_of(path: &Path) -> Option<(String, String)> {
    let maps = fs::read_to_string("/proc/self/smaps").expect("Linux");
    let mut lines = maps.lines().skip_while(|line| !line.ends_with(path.to_str().expect("ASCII")));
    let head = lines.next()?.to_owned();
    let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap_or_default().to_owned();
    Some((head, flags))
}

#[test]
fn two_mappings_of_a_file_are_the_same_memory() {
    let name = Name::new();
    let writer = Region::create(&name.0, 1000).expect("created");
    let reader = read_only(&name.0, 1000).expect("mapped");
    let second = Region::open(&name.0, 1000).expect("mapped");
    assert_eq!((writer.access(), reader.access()), (Access::ReadWrite, Access::ReadOnly));
    assert!(reader.words().iter().all(|word| word.load(Relaxed) == 0), "a fresh region is zero");
    for (i, word) in writer.words().iter().enumerate() {
        word.store(i as u64 + 1, Relaxed);
    }
    second.words()[999].fetch_add(1, Relaxed);
    assert_eq!(reader.words().len(), 1000);
    assert_eq!(reader.words()[998].load(Relaxed), 999);
    assert_eq!(reader.words()[999].load(Relaxed), 1001);
}

#[test]
fn a_region_has_the_rights_it_was_asked_for_stays_out_of_children_and_goes_away() {
    let name = Name::new();
    let writer = Region::create(&name.0, 512).expect("created");
    let (head, flags) = mapping_of(&name.0).expect("it is mapped");
    assert!(head.contains(" rw-s "), "{head}");
    assert!(flags.split(' ').any(|flag| flag == "dc"), "a forked child would inherit it: {flags}");
    drop(writer);
    assert_eq!(mapping_of(&name.0), None, "it is still mapped");
    let reader = read_only(&name.0, 512).expect("mapped");
    let (head, _) = mapping_of(&name.0).expect("it is mapped");
    assert!(head.contains(" r--s "), "{head}");
    drop(reader);
    assert_eq!(mapping_of(&name.0), None, "it is still mapped");
}

#[test]
fn all_pages_of_a_fresh_file_are_taken_at_creation() {
    let name = Name::new();
    let _region = Region::create(&name.0, 512 * 100 + 1).expect("created");
    let file = fs::metadata(&name.0).expect("it exists");
    assert_eq!(file.len(), (512 * 100 + 1) * 8);
    let allocated = std::os::unix::fs::MetadataExt::blocks(&file) * 512;
    assert!(allocated >= file.len(), "only {allocated} bytes of {} are there", file.len());
}

#[test]
fn a_region_that_no_file_system_can_hold_is_an_error_and_leaves_nothing() {
    let shm = statfs("/dev/shm").expect("Linux");
    if shm.f_blocks == 0 {
        println!("skipped: this /dev/shm has no limit that could be exceeded");
        return;
    }
    let name = Name::new();
    let words = (shm.f_blocks as usize * shm.f_bsize as usize) / 8 + 512;
    let refused = Region::create(&name.0, words).expect_err("it cannot fit");
    assert!(matches!(refused, RegionError::NoSpace { bytes, .. } if bytes == words * 8), "{refused:?}");
    assert!(!name.0.exists(), "the file was left behind");
}

#[test]
fn an_existing_file_is_not_created_again() {
    let name = Name::new();
    fs::write(&name.0, b"somebody's").expect("written");
    Region::create(&name.0, 1).expect_err("it exists");
    assert_eq!(fs::read(&name.0).expect("still there"), b"somebody's");
}

#[test]
fn a_missing_file_is_told_from_other_errors() {
    let name = Name::new();
    assert!(Region::open(&name.0, 1).expect_err("missing").is_missing());
    assert!(!Region::open(Path::new("/dev/shm"), 1).expect_err("a directory").is_missing());
}

#[test]
fn sizes_that_no_address_space_holds_are_refused() {
    for words in [0, usize::MAX, usize::MAX / 8, 1 << 60] {
        assert!(matches!(Region::anonymous(words), Err(RegionError::Size(found)) if found == words), "{words}");
    }
    let more_than_there_is = Region::anonymous(1 << 56).expect_err("no machine has it");
    assert!(matches!(more_than_there_is, RegionError::System { .. }), "{more_than_there_is:?}");
}

#[test]
fn anonymous_memory_is_zero_and_large_regions_are_whole() {
    for words in [1, 512, (4 << 20) / 8, (4 << 20) / 8 + 1] {
        let region = Region::anonymous(words).expect("there is memory");
        assert_eq!(region.words().len(), words);
        assert!(region.words().iter().all(|word| word.load(Relaxed) == 0));
        region.words()[words - 1].store(7, Relaxed);
    }
}

#[test]
fn a_memfd_is_a_file_like_any_other() {
    let fd = memfd_create("paxon-region-test", MemfdFlags::CLOEXEC).expect("Linux");
    ftruncate(&fd, 4096).expect("empty memory");
    let (a, b) = (Region::of_fd(fd.as_fd(), 512).expect("mapped"), Region::of_fd(fd.as_fd(), 512).expect("mapped"));
    a.words()[511].store(9, Relaxed);
    assert_eq!(b.words()[511].load(Relaxed), 9);
    let short = Region::of_fd(fd.as_fd(), 513).expect_err("one word too many");
    assert!(matches!(short, RegionError::Short { found: 4096, expected: 4104 }), "{short:?}");
}

/// More than RLIMIT_MEMLOCK allows is not locked, says so, and works; with the right to lock everything, it is locked.
#[test]
fn a_refused_lock_is_reported_and_not_fatal() {
    let region = Region::anonymous((16 << 20) / 8).expect("there is memory");
    match region.pinning() {
        Pinning::Locked => {}
        Pinning::Refused { bytes, errno } => assert!(bytes == 16 << 20 && errno != 0, "{bytes} bytes, errno {errno}"),
    }
    region.words()[0].store(1, Relaxed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A file of any length is mapped if it is long enough and refused otherwise; every word that is given can be read.
    #[test]
    fn a_file_is_mapped_if_and_only_if_it_is_long_enough(bytes in 0_u64..20_000, words in 1_usize..2_500) {
        let name = Name::new();
        fs::write(&name.0, vec![0xA5; bytes as usize]).expect("written");
        match read_only(&name.0, words) {
            Ok(region) => {
                prop_assert_eq!(region.words().iter().filter(|word| word.load(Relaxed) == 0xA5A5_A5A5_A5A5_A5A5).count(), words);
                assert!(words as u64 * 8 <= bytes);
            }
            Err(RegionError::Short { found, expected }) => {
                prop_assert_eq!((found, expected), (bytes, words as u64 * 8));
                assert!(found < expected);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
