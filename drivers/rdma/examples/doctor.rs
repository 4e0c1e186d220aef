//! Says whether RDMA can be used on this host, and tries what the protocol rests on: `cargo run -p paxon-rdma --example doctor`.
//!
//! Exit status 0 if a device can be used and passes its self-test, 1 if not.

use paxon_rdma::doctor::{Report, SelfTest};
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Bytes of memory that a replica registers with its default sizes, roughly.
const NEEDED_BYTES: u64 = 64 << 20;
const ROUNDS: u64 = 5_000;

fn main() -> std::io::Result<ExitCode> {
    let report = Report::of_host(NEEDED_BYTES);
    write!(stdout(), "{report}")?;
    let Some((device, _)) = report.usable() else { return Ok(ExitCode::FAILURE) };
    match SelfTest::run(device, ROUNDS) {
        Ok(test) => {
            write!(stdout(), "{test}")?;
            Ok(if test.is_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            writeln!(stdout(), "self-test could not be made: {error}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}
