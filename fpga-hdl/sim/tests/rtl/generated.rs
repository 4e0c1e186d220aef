//! What lies in `rtl/gen` is what the generator writes.

use std::fs;
use std::path::Path;

#[test]
fn the_generated_files_are_those_of_the_generator() {
    let hdl = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in fpga-hdl");
    let source = fs::read_to_string(hdl.join("ucode/verify.ucode")).expect("the microcode is there");
    for file in paxon_fpga_gen::all(&source).expect("the microcode assembles") {
        let found = fs::read_to_string(hdl.join(&file.path)).expect("a generated file is in the tree");
        assert!(found == file.text, "{}: run `cargo run -p paxon-fpga-gen`", file.path.display());
    }
}
