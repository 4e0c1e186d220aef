//! The two ways in which libibverbs says that something failed.

use std::ffi::c_int;
use std::io;
use std::ptr::NonNull;

/// Of functions that return zero or an error number (some releases: its negative).
pub(crate) fn check(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_abs())) }
}

/// Of functions that return zero, or another number and leave the error number in `errno`.
pub(crate) fn check_number(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Of functions that return a pointer, or null and leave the error number in `errno`.
pub(crate) fn check_pointer<T>(pointer: *mut T) -> io::Result<NonNull<T>> {
    NonNull::new(pointer).ok_or_else(io::Error::last_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_signs_of_an_error_number_mean_the_same() {
        assert!(check(0).is_ok());
        for code in [22, -22] {
            assert_eq!(check(code).expect_err("an error number").raw_os_error(), Some(22));
        }
        assert!(check(c_int::MIN).is_err());
    }
}
