//! The secret under which records are authenticated, in a file of its own; the cluster file has its fingerprint.

use paxon::fastpath::{RecordSecret, Sealing};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of the file: 64 digits and a newline, and room for an editor's.
const FILE_BYTES_MAX: u64 = 80;
/// Rights that nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// Where the secret lies in the folder of keys.
pub fn record_secret_file(folder: &Path) -> PathBuf {
    folder.join("records.secret")
}

/// Makes a secret in a new file, and returns its fingerprint.
///
/// # Errors
/// What the system says.
pub fn make_record_secret(file: &Path) -> io::Result<String> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.write_all(format!("{digits}\n").as_bytes()).and_then(|()| made.sync_all())?;
    Ok(show(fingerprint(RecordSecret::new(bytes))))
}

/// Reads a secret and compares it with the fingerprint of the cluster file.
///
/// # Errors
/// What is wrong with it.
pub fn read_record_secret(file: &Path, expected: u64) -> Result<RecordSecret, String> {
    let wrong = |what: String| format!("{}: {what}", file.display());
    let about =
        fs::metadata(file).map_err(|error| wrong(format!("{error} (record_fingerprint asks for this secret)")))?;
    if about.mode() & OTHERS != 0 {
        return Err(wrong(format!("others may read it (mode {:o}): chmod 600", about.mode() & 0o777)));
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(wrong("this is not a secret of records: 64 hexadecimal digits".into()));
    }
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let bytes =
        parse(text.trim()).ok_or_else(|| wrong("this is not a secret of records: 64 hexadecimal digits".into()))?;
    let secret = RecordSecret::new(bytes);
    if fingerprint(secret) == expected {
        return Ok(secret);
    }
    let (held, listed) = (show(fingerprint(secret)), show(expected));
    Err(wrong(format!("its fingerprint is {held}, the cluster file has record_fingerprint = \"{listed}\"")))
}

/// The number of a fingerprint in the cluster file.
///
/// # Errors
/// What is wrong with it.
pub fn parse_fingerprint(text: &str) -> Result<u64, String> {
    let number = if text.len() == 16 { u64::from_str_radix(text, 16).ok() } else { None };
    number.filter(|&number| number > 0).ok_or_else(|| {
        format!("record_fingerprint = {text:?}: `paxon init --members ... --rdma` prints one, of 16 hexadecimal digits")
    })
}

/// Tells secrets apart and tells nothing about one; the same whatever else the cluster file says.
fn fingerprint(secret: RecordSecret) -> u64 {
    Sealing::Mac(secret).fingerprint(0)
}

fn show(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

fn parse(digits: &str) -> Option<[u8; 32]> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect::<Option<Vec<_>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_comes_back_and_another_one_or_one_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = record_secret_file(folder.path());
        let made = make_record_secret(&file).expect("a new file");
        let number = parse_fingerprint(&made).expect("it is one");
        assert!(read_record_secret(&file, number).is_ok());
        assert!(make_record_secret(&file).is_err(), "a secret is never replaced");
        let other = read_record_secret(&file, number ^ 1).expect_err("of another cluster");
        assert!(other.contains(&made), "{other}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("the file is ours");
        let open = read_record_secret(&file, number).expect_err("the group may read it");
        assert!(open.contains("chmod 600"), "{open}");
    }

    #[test]
    fn what_is_no_secret_and_no_fingerprint_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = record_secret_file(folder.path());
        for text in ["", "00", &"g".repeat(64), &"ab".repeat(33), &"é".repeat(32), &"0".repeat(1000)] {
            fs::write(&file, text).expect("the folder can be written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the file is ours");
            assert!(read_record_secret(&file, 1).is_err_and(|what| what.contains("64 hexadecimal")), "{text}");
        }
        for text in ["", "0", "00000000000000zz", "0000000000000000", "00000000000000001"] {
            assert!(parse_fingerprint(text).is_err(), "{text}");
        }
    }
}
