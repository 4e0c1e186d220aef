//! The driver over devices that need no tools and no hardware.

#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod faults;
mod hot_keys;
mod long_run;
mod places;
mod sound;
