//! The driver over devices that need no tools and no hardware.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod long_run;
mod places;
mod sound;
