//! The part of the C interface of libibverbs that this crate uses: layouts, numbers, functions.
//!
//! It follows the user ABI of IBVERBS_1.1, which is frozen, on 64-bit Linux. The layouts are pinned by asserts at compile
//! time; the feature `abi-check` compares them with what bindgen reads in the installed headers.

#[cfg(all(test, feature = "abi-check"))]
mod abi_check;
mod constants;
mod functions;
mod objects;
mod queries;
mod requests;

pub(crate) use constants::*;
pub(crate) use functions::Functions;
pub(crate) use objects::*;
pub(crate) use queries::*;
pub(crate) use requests::*;
