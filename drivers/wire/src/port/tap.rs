//! A TAP device: an Ethernet interface of the kernel whose cable this process holds.

use super::{Plug, Sent};
use rustix::event::{PollFd, PollFlags};
use std::ffi::{c_char, c_short};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// The device that makes devices.
const TUN: &str = "/dev/net/tun";

pub(super) struct Tap {
    /// `None` once the device was removed under us.
    file: Option<File>,
}

impl Tap {
    /// A new device of this name, in the network namespace of the calling thread.
    pub(super) fn create(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(TUN)?;
        let flags = (libc::IFF_TAP | libc::IFF_NO_PI) as c_short;
        let request =
            libc::ifreq { ifr_name: name_field(name)?, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
        attach(&file, &request)?;
        Ok(Self { file: Some(file) })
    }
}

/// Makes the device that `request` names, with `file` as its cable.
fn attach(file: &File, request: &libc::ifreq) -> io::Result<()> {
    let mut request = *request;
    // SAFETY: the descriptor is open, since `file` is borrowed. TUNSETIFF reads and writes one `ifreq`, which `request` is:
    // a live, initialised local of that type that nothing else refers to during the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A name as the kernel wants it: padded, and at least one zero at its end.
fn name_field(name: &str) -> io::Result<[c_char; libc::IFNAMSIZ]> {
    let mut field = [0; libc::IFNAMSIZ];
    if name.is_empty() || name.len() >= field.len() || name.contains('\0') {
        let problem = format!("{name:?} is no name of an interface: 1 to {} bytes", field.len() - 1);
        return Err(io::Error::new(ErrorKind::InvalidInput, problem));
    }
    field.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from as c_char);
    Ok(field)
}

impl Plug for Tap {
    fn watch<'a>(&'a self, into: &mut Vec<PollFd<'a>>) {
        into.extend(self.file.iter().map(|file| PollFd::new(file, PollFlags::IN)));
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.file.as_mut()?.read(buffer) {
            Ok(bytes) => Some(bytes),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Err(_) => {
                // The namespace and its devices are gone; a descriptor without a device would always be ready.
                self.file = None;
                None
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> Sent {
        match self.file.as_mut().map(|file| file.write(frame)) {
            Some(Ok(_)) => Sent::Taken,
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => Sent::Full,
            // An interface that is down refuses frames, and may come up again.
            Some(Err(_)) | None => Sent::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_cut_off_are_refused() {
        for bad in ["", "sixteen-letters-", "a\0b"] {
            assert!(name_field(bad).is_err(), "{bad:?}");
        }
        let field = name_field("fifteen-letters").expect("it fits");
        assert_eq!(field[14..], [b's' as c_char, 0]);
    }
}
