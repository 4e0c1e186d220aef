//! Writes the C++ that opens the ports of a verilated model by name.

use std::fmt::Write;

/// The class for model `name`, from the port declarations of its verilated header.
pub fn shim(name: &str, header: &str) -> String {
    let ports = header.lines().filter_map(|line| port(line.trim()));
    let mut table = String::new();
    for (port, input, bits) in ports {
        writeln!(table, "            {{\"{port}\", {input}, {bits}, &top.{port}}},").expect("a string takes text");
    }
    format!(
        "#include \"V{name}.h\"\n#include \"model.h\"\nnamespace {{\nstruct M final : paxon::ModelOf<V{name}> {{\n    // The ports are references, which hold only once the top module is built.\n    M() {{\n        list = {{\n{table}        }};\n    }}\n}};\n}}\npaxon::Model* paxon_new_{name}() {{ return new M; }}\n"
    )
}

/// The function that finds a model by its name, and the functions that Rust calls.
pub fn registry(names: &[&str]) -> String {
    let mut text = String::from("#include \"model.h\"\n#include <cstring>\n");
    for name in names {
        writeln!(text, "paxon::Model* paxon_new_{name}();").expect("a string takes text");
    }
    text.push_str("paxon::Model* paxon::new_model(const char* name) {\n");
    for name in names {
        writeln!(text, "    if (!std::strcmp(name, \"{name}\")) return paxon_new_{name}();")
            .expect("a string takes text");
    }
    text.push_str("    return nullptr;\n}\n#include \"entry.h\"\n");
    text
}

/// Name, whether it is an input, and the bits of a port: `VL_IN8(&clk_i,0,0);` or `VL_OUTW(&r_o,254,0,8);`.
fn port(line: &str) -> Option<(&str, bool, u32)> {
    let (input, rest) = match line.strip_prefix("VL_IN") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("VL_OUT")?),
    };
    let (_, rest) = rest.split_once("(&")?;
    let mut fields = rest.trim_end_matches(");").split(',');
    let name = fields.next()?;
    let high: u32 = fields.next()?.parse().ok()?;
    let low: u32 = fields.next()?.parse().ok()?;
    Some((name, input, high - low + 1))
}
