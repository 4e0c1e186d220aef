//! Texts that say who and where somebody is: public keys, addresses, and key files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use paxon_channel::{Address, PrivateKey, PublicKey};
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::str::FromStr;

thread_local! {
    /// A file in memory that only its owner may read. Reading it through `/proc` opens it anew.
    static KEY_FILE: File = {
        let file: OwnedFd = memfd_create("paxon-fuzz-key", MemfdFlags::CLOEXEC).expect("Linux has files in memory");
        fchmod(&file, Mode::RUSR | Mode::WUSR).expect("the file is this process's own");
        file.into()
    };
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(key) = PublicKey::from_str(&text) {
        assert_eq!(key.to_string(), text, "one key has two texts");
    }
    address(&text);
    // Error messages quote the text, but not all of a long one.
    let refused = [
        PublicKey::from_str(&text).err().map(|error| error.to_string()),
        Address::from_str(&text).err().map(|error| error.to_string()),
    ];
    assert!(refused.iter().flatten().all(|message| message.len() < 8 << 10), "an error repeats all of its input");
    key_file(data);
    key_file(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(data)).as_bytes());
}

fn address(text: &str) {
    match Address::from_str(text) {
        Ok(Address::Literal(address)) => assert_ne!(address.port(), 0),
        Ok(Address::Name { host, port }) => assert!(port != 0 && !host.is_empty() && text.starts_with(&host)),
        Err(_) => {}
    }
}

fn key_file(content: &[u8]) {
    let read = KEY_FILE.with(|file| {
        file.set_len(0).and_then(|()| file.write_all_at(content, 0)).expect("there is memory");
        PrivateKey::read(format!("/proc/self/fd/{}", file.as_raw_fd()))
    });
    match read {
        Ok(key) => {
            let public = key.public();
            assert_eq!(public.to_string().parse(), Ok(public));
            assert!(format!("{key:?}").len() < 200, "a private key shows itself");
        }
        Err(error) => assert!(error.to_string().len() < 400),
    }
}
