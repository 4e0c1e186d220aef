//! The one socket option that needs a bare system call.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Has empty receives of a socket look into the NIC's queue for this long (`SO_BUSY_POLL`), at most 2^31 µs.
///
/// # Errors
///
/// `EPERM` without `CAP_NET_ADMIN` for more than `net.core.busy_read`, `ENOPROTOOPT` where the kernel does not have it.
pub fn set_busy_poll(socket: impl AsFd, how_long: Duration) -> io::Result<()> {
    let microseconds = libc::c_int::try_from(how_long.as_micros()).unwrap_or(libc::c_int::MAX);
    let bytes = size_of::<libc::c_int>() as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the kernel reads `bytes` bytes of `microseconds`, which
    // are there and initialised, and keeps no pointer.
    let outcome =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, (&raw const microseconds).cast(), bytes) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_option_is_set_or_refused_for_want_of_privilege() {
        let (socket, _peer) = UnixStream::pair().expect("a pair of sockets");
        match set_busy_poll(&socket, Duration::from_micros(50)) {
            Ok(()) => assert_eq!(busy_poll(&socket), 50),
            Err(error) => {
                let refused = [Some(libc::EPERM), Some(libc::ENOPROTOOPT)].contains(&error.raw_os_error());
                assert!(refused, "{error}");
            }
        }
    }

    fn busy_poll(socket: &UnixStream) -> libc::c_int {
        let (mut value, mut bytes): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        let (fd, into) = (socket.as_raw_fd(), (&raw mut value).cast());
        // SAFETY: the kernel writes at most `bytes` bytes to `value` and their number to `bytes`, both alive.
        let outcome = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, into, &raw mut bytes) };
        assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
        value
    }
}
