//! Key files: PEM around PKCS#8, readable by their owner only.

use super::PrivateKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Characters of a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;
/// A key file has about 120 bytes; text before and after the key is allowed within reason.
const FILE_BYTES_MAX: u64 = 16 << 10;
/// Permission bits of group and others.
const NOT_THE_OWNER: u32 = 0o077;

/// Why a key could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The kernel gives no random numbers.
    #[error("the kernel gives no random numbers")]
    Random,
    /// The file cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others than the owner may use the file.
    #[error("{}: mode {mode:03o} lets others than its owner use the key: chmod 600 {}", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no Ed25519 key.
    #[error("{}: no Ed25519 private key in PEM ({BEGIN}) is in it", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the first key of the file at `path`.
pub fn read(path: &Path) -> Result<PrivateKey, KeyError> {
    let failed = |source| KeyError::File { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that nobody can exchange it after the question.
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & NOT_THE_OWNER != 0 {
        return Err(KeyError::Permissions { path: path.into(), mode });
    }
    // Allocated once: growing would leave copies behind that nobody overwrites.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    let not_a_key = || KeyError::NotAKey { path: path.into() };
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => decode(&text).and_then(PrivateKey::from_pkcs8).ok_or_else(not_a_key),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(not_a_key()),
        Err(error) => Err(failed(error)),
    }
}

/// Writes `pkcs8` to a new file at `path`.
pub fn write_new(path: &Path, pkcs8: &[u8]) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.into(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(encode(pkcs8).as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| {
        // Half a key is of no use. If even this fails, the first error still says what happened.
        drop(std::fs::remove_file(path));
        failed(source)
    })
}

fn encode(pkcs8: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(pkcs8));
    let mut text = Zeroizing::new(String::with_capacity(2 * body.len() + BEGIN.len() + END.len()));
    text.push_str(BEGIN);
    for (at, character) in body.chars().enumerate() {
        if at % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let mut encoded = Zeroizing::new(String::with_capacity(body.len()));
    encoded.extend(body.chars().filter(|character| !character.is_ascii_whitespace()));
    STANDARD.decode(encoded.as_bytes()).ok().map(Zeroizing::new)
}
