//! libibverbs, opened at run time: a machine without it runs everything but this fabric.

use crate::ffi::Functions;
use std::ffi::CStr;
use std::sync::OnceLock;

/// The name under which every distribution ships it; the number is that of the frozen ABI.
const LIBRARY: &str = "libibverbs.so.1";

/// Why there is no libibverbs.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// It cannot be opened.
    #[error(
        "no RDMA here: {LIBRARY} cannot be opened ({reason}); Debian has it in libibverbs1, the drivers in ibverbs-providers"
    )]
    Missing {
        /// What the dynamic linker said.
        reason: String,
    },
    /// It lacks a function.
    #[error("{LIBRARY} has no function {function}: it is older than rdma-core 33")]
    Old {
        /// The function.
        function: String,
    },
}

/// The functions of libibverbs.
pub(crate) struct Library {
    pub(crate) functions: Functions,
}

impl Library {
    /// Opens the library, at the first call; it is never closed, because the drivers that it opens cannot be.
    ///
    /// # Errors
    /// [`LibraryError`], the same at every call.
    pub(crate) fn get() -> Result<&'static Self, LibraryError> {
        static LIBRARY: OnceLock<Result<Library, LibraryError>> = OnceLock::new();
        LIBRARY.get_or_init(Self::open).as_ref().map_err(Clone::clone)
    }

    fn open() -> Result<Self, LibraryError> {
        // SAFETY: the initialisers of libibverbs and of its own libraries register handlers and read the environment; they
        // ask for nothing of the program that opens them.
        let library = unsafe { libloading::Library::new(LIBRARY) };
        let library = library.map_err(|error| LibraryError::Missing { reason: error.to_string() })?;
        let functions = Functions::find(&library)
            .map_err(|missing| LibraryError::Old { function: missing.0.to_string_lossy().into_owned() });
        // Leaked so that the pointers stay good.
        std::mem::forget(library);
        functions.map(|functions| Self { functions })
    }

    /// The library's words for the status of a completion.
    pub(crate) fn status_text(&self, status: u32) -> String {
        // SAFETY: the function takes any number and returns a string that lives as long as the library, which is for ever.
        let text = unsafe { (self.functions.wc_status_str)(status) };
        if text.is_null() {
            return format!("status {status}");
        }
        // SAFETY: not null, and by the function's contract a NUL-terminated string that nobody changes.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}
