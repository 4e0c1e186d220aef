//! Writes the generated RTL into the tree: `cargo run -p paxon-fpga-gen`, from the root of the repository.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let hdl = Path::new("fpga-hdl");
    let source = fs::read_to_string(hdl.join("ucode/verify.ucode"))?;
    for file in paxon_fpga_gen::all(&source)? {
        fs::write(hdl.join(&file.path), &file.text)?;
    }
    Ok(())
}
