//! The door to the C++ side: the only unsafe code of the crate.
//!
//! Limits: a model lives on one thread at a time; a port number is only ever one that the same model gave out.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

// SAFETY: the signatures repeat those of csrc/entry.h, which the build script compiles into the linked library.
unsafe extern "C" {
    fn paxon_model_new(name: *const c_char) -> *mut Opaque;
    fn paxon_model_free(model: *mut Opaque);
    fn paxon_model_port(model: *mut Opaque, name: *const c_char) -> i32;
    fn paxon_model_bits(model: *mut Opaque, port: i32) -> u32;
    fn paxon_model_is_input(model: *mut Opaque, port: i32) -> i32;
    fn paxon_model_write(model: *mut Opaque, port: i32, words: *const u32);
    fn paxon_model_read(model: *mut Opaque, port: i32, words: *mut u32);
    fn paxon_model_eval(model: *mut Opaque);
    fn paxon_model_clock(model: *mut Opaque, cycles: u64);
}

/// A port as the C++ side numbers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawPort {
    pub(crate) index: i32,
    pub(crate) bits: u32,
    pub(crate) input: bool,
}

/// Owns one C++ model.
pub(crate) struct RawModel {
    // Not null, from `paxon_model_new`, freed once in `drop`.
    model: NonNull<Opaque>,
}

// SAFETY: a model keeps its state in its own context and uses no thread-local storage; `&mut self` on everything that runs
// it keeps a second thread away.
unsafe impl Send for RawModel {}

impl RawModel {
    pub(crate) fn new(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name is a live, zero-terminated string for the length of the call; nothing keeps it.
        let model = unsafe { paxon_model_new(name.as_ptr()) };
        NonNull::new(model).map(|model| Self { model })
    }

    pub(crate) fn port(&self, name: &str) -> Option<RawPort> {
        let name = CString::new(name).ok()?;
        // SAFETY: the model is alive until `drop`; the name is a live, zero-terminated string that nothing keeps.
        let index = unsafe { paxon_model_port(self.model.as_ptr(), name.as_ptr()) };
        if index < 0 {
            return None;
        }
        // SAFETY: the model is alive until `drop`; it has just given out this port number.
        let bits = unsafe { paxon_model_bits(self.model.as_ptr(), index) };
        // SAFETY: the model is alive until `drop`; it has just given out this port number.
        let input = unsafe { paxon_model_is_input(self.model.as_ptr(), index) };
        Some(RawPort { index, bits, input: input != 0 })
    }

    /// `port` comes from this model; `words` has as many words as the port's bits fill.
    pub(crate) fn write(&mut self, port: RawPort, words: &[u32]) {
        assert_eq!(words.len(), port.bits.div_ceil(32) as usize, "a port is written whole");
        // SAFETY: the model is alive; the length, checked above, covers the bytes that the C++ side copies for this width;
        // `&mut self` keeps evaluation away meanwhile.
        unsafe { paxon_model_write(self.model.as_ptr(), port.index, words.as_ptr()) }
    }

    /// `port` comes from this model; `words` has as many words as the port's bits fill.
    pub(crate) fn read(&self, port: RawPort, words: &mut [u32]) {
        assert_eq!(words.len(), port.bits.div_ceil(32) as usize, "a port is read whole");
        // SAFETY: the model is alive; the length, checked above, covers the bytes that the C++ side copies for this width;
        // the slice is borrowed exclusively.
        unsafe { paxon_model_read(self.model.as_ptr(), port.index, words.as_mut_ptr()) }
    }

    pub(crate) fn eval(&mut self) {
        // SAFETY: the model is alive, and `&mut self` makes this the only call into it.
        unsafe { paxon_model_eval(self.model.as_ptr()) }
    }

    pub(crate) fn clock(&mut self, cycles: u64) {
        // SAFETY: the model is alive, and `&mut self` makes this the only call into it.
        unsafe { paxon_model_clock(self.model.as_ptr(), cycles) }
    }
}

impl Drop for RawModel {
    fn drop(&mut self) {
        // SAFETY: the model came from `paxon_model_new`, is freed nowhere else, and nothing uses it after this.
        unsafe { paxon_model_free(self.model.as_ptr()) }
    }
}
